"""LIVE Image Quality Assessment Database, Release 2: 29 references, 5 distortions; DMOS, higher is WORSE.

Sheikh, Sabir, Bovik 2006, 'A Statistical Evaluation of Recent Full Reference Image Quality Assessment Algorithms'.
"""

import math
import zlib
from pathlib import Path
from typing import Any, Literal

from iqatune.datasets.adapter import DatasetInfo, Entry, Opinion, Published, parse_score, published_set
from iqatune.datasets.files import FileFinder
from iqatune.errors import InputError

FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
"""Images in each folder, img1.bmp and up; the label files list the folders in this order."""

SCORED = {"jp2k": 169, "jpeg": 175, "wn": 145, "gblur": 145, "fastfading": 145}
"""Images in each folder that are not copies of references."""

SCORES = {"dmos_realigned.mat": "dmos_new", "dmos.mat": "dmos"}
"""The variable that holds the scores in each label file: the realigned DMOS and the older ones."""

REFERENCES_FILE = "refnames_all.mat"

LARGEST = 16 * 2**20
"""Bytes of a label file, on the disk and once decompressed; the set's own take less than one MiB."""

MOST = 1_000_000
"""Numbers or names in a variable; the set's own have 982. A few bytes can announce more than there is memory."""

_MAT5_HEADER, _COMPRESSED = 128, 15
"""Bytes before the first variable of a MATLAB 5 file, and the kind of one that is compressed (miCOMPRESSED)."""

_UNREADABLE = (OSError, ValueError, TypeError, NotImplementedError, EOFError, AttributeError, IndexError, zlib.error)
"""What scipy raises for truncated files, other formats and variables of another kind, besides its own MatReadError."""


def read(path: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """Entries of dmos_realigned.mat or dmos.mat, with the references named in refnames_all.mat beside it.

    `orgs` marks the copies of references among the images: their score is 0 by definition, so they are left out.
    """
    names_path = FileFinder(path.parent).find(REFERENCES_FILE)
    if names_path is None:
        raise InputError(f"{path.parent / REFERENCES_FILE}: no such file; it names the reference of every image")
    scores, copies = _variables(path, SCORES[path.name.lower()], "orgs")
    (references,) = _variables(names_path, "refnames_all")
    images = [(folder, number) for folder, count in FOLDERS.items() for number in range(1, count + 1)]
    entries = [
        Entry(
            where=f"entry {place}",
            reference=f"refimgs/{reference}",
            distorted=f"{folder}/img{number}.bmp",
            reference_id=Path(str(reference)).stem,
            distortion=folder,
            level=None,
            score=parse_score(score, path, f"entry {place}"),
        )
        for place, ((folder, number), reference, score, copy) in enumerate(
            zip(images, references, scores, copies, strict=True), 1
        )
        if not copy
    ]
    return entries, (f"copies of references, orgs = 1 ({len(images) - len(entries)} images)",)


def _variables(path: Path, *names: str) -> list[list[Any]]:
    # imported here: scipy.io is slow to load, and no other data set needs it
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    expected = sum(FOLDERS.values())
    try:
        size = _decompressed_size(path.read_bytes()) if path.stat().st_size <= LARGEST else LARGEST + 1
        if size > LARGEST or any(math.prod(shape) > MOST for _, shape, _ in whosmat(path)):
            raise InputError(f"{path}: holds far more than {expected} scores or names; restore the set's own file")
        contents = loadmat(path, squeeze_me=True, chars_as_strings=True, variable_names=names)
        variables = [contents[name].tolist() for name in names]
    except KeyError as error:
        raise InputError(f"{path}: no variable {error} in it; restore the set's own file") from error
    except (*_UNREADABLE, MatReadError) as error:
        raise InputError(f"{path}: not a readable MATLAB file ({error}); restore the set's own file") from error
    for name, values in zip(names, variables, strict=True):
        length = len(values) if isinstance(values, list) else 1
        if length != expected:
            raise InputError(f"{path}: {name} has {length} entries, not {expected}; restore the set's own file")
    return variables


def _decompressed_size(content: bytes) -> int:
    """How many bytes a MATLAB file makes, counted no further than past the limit; nothing of it is kept."""
    byte_order: Literal["little", "big"] = "big" if content[126:128] == b"MI" else "little"
    total, place = 0, _MAT5_HEADER
    while place + 8 <= len(content) and total <= LARGEST:
        kind, size = (int.from_bytes(content[place + at : place + at + 4], byte_order) for at in (0, 4))
        place += 8
        if kind != _COMPRESSED:
            total += size
        else:
            unpacker, packed = zlib.decompressobj(), content[place : place + size]
            while packed and not unpacker.eof and total <= LARGEST:
                total += len(unpacker.decompress(packed, 2**20))
                packed = unpacker.unconsumed_tail
        place += size
    return total


ADAPTER = published_set(
    DatasetInfo(
        name="live",
        description="LIVE release 2: JPEG2000, JPEG, white noise, blur, fast fading, realigned DMOS (lower is better)",
        pairs=779,
        references=29,
        source="https://live.ece.utexas.edu/research/quality/subjective.htm",
        labels=tuple(SCORES),
        published=Published(
            counts={(folder, None): count for folder, count in SCORED.items()},
            scores=(-2.64, 111.775),
            names_tell_reference=False,
        ),
        opinion=Opinion("DMOS of LIVE release 2", None),
    ),
    better="lower",
    read=read,
)
