"""LIVE Image Quality Assessment Database, Release 2: 29 references, 5 distortions; DMOS, higher is WORSE.

Sheikh, Sabir, Bovik 2006, 'A Statistical Evaluation of Recent Full Reference Image Quality Assessment Algorithms'.
"""

import math
import posixpath
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from iqatune.datasets.adapter import DatasetInfo, Entry, Opinion, Published, lines_of
from iqatune.datasets.label_files import (
    FROM_IQA_DATASET,
    FROM_PYIQA,
    IQA_DATASET,
    Row,
    Source,
    meta_info,
    refuse_columns,
    words,
)
from iqatune.datasets.published import LabelFile, PublishedSet, Turned
from iqatune.errors import InputError

FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
"""Images in each folder, img1.bmp and up; the label files list the folders in this order."""

SCORED = {"jp2k": 169, "jpeg": 175, "wn": 145, "gblur": 145, "fastfading": 145}
"""Images in each folder that are not copies of references."""

COPIES = "copies of references, orgs = 1"

REFERENCES_FILE = "refnames_all.mat"

INFO_FILE = "info.txt"
"""In every folder: lines of reference, image and bit rate."""

BEST, WORST = "jpeg/img57.bmp", "wn/img20.bmp"
"""Images whose realigned DMOS are the lowest, -2.64, and the highest, 111.77."""

LARGEST = 16 * 2**20
"""Bytes of a label file, on the disk and once decompressed; the set's own take less than one MiB."""

MOST = 1_000_000
"""Numbers or names in a variable; the set's own have 982. A few bytes can announce more than there is memory."""

_MAT5_HEADER, _COMPRESSED = 128, 15
"""Bytes before the first variable of a MATLAB 5 file, and the kind of one that is compressed (miCOMPRESSED)."""

_UNREADABLE = (OSError, ValueError, TypeError, NotImplementedError, EOFError, AttributeError, IndexError, zlib.error)
"""What scipy raises for truncated files, other formats and variables of another kind, besides its own MatReadError."""


def _images() -> list[str]:
    """Every image, in the order of the label files."""
    return [f"{folder}/img{number}.bmp" for folder, count in FOLDERS.items() for number in range(1, count + 1)]


def _references(source: Source) -> dict[str, str]:
    """The reference of every image, from refnames_all.mat, else from the folders' info.txt."""
    names_path = source.beside(REFERENCES_FILE)
    if names_path is not None:
        (names,) = _variables(names_path, "refnames_all")
        return dict(zip(_images(), map(str, names), strict=True))
    found: dict[str, str] = {}
    for folder in FOLDERS:
        path = source.beside(f"{folder}/{INFO_FILE}")
        for line in () if path is None else lines_of(path):
            parts = line.split()
            if len(parts) >= 2:
                found[f"{folder}/{parts[1].lower()}"] = parts[0]
    if not found:
        raise InputError(
            f"{source.path.parent / REFERENCES_FILE}: no such file, nor {INFO_FILE} in the folders of images; it names "
            "the reference of every image and comes with LIVE"
        )
    return found


def _matlab(source: Source, scores: str) -> Iterator[Row]:
    """Rows of a MATLAB file.

    `orgs` marks the copies of references among the images: their score is 0 by definition, so they are left out.
    """
    refuse_columns(source)
    values, copies, *others = _variables(source.path, scores, "orgs", optional="dmos_std")
    references = _references(source)
    deviations = others[0] if others else [None] * len(values)
    columns = zip(_images(), values, copies, deviations, strict=True)
    for place, (image, score, copy, std) in enumerate(columns, 1):
        yield Row(
            where=f"entry {place}",
            image=image,
            score=score,
            std=std,
            reference=references.get(image, ""),
            left_out=COPIES if copy else "",
        )


def _text(source: Source) -> Iterator[Row]:
    """Rows of a file that does not name the references."""
    references = _references(source)
    for row in words("image", "score", example="jp2k/img2.bmp 15.51", std_may_follow=True)(source):
        yield replace(row, reference=references.get("/".join(_folder_and_name(row)).lower(), ""))


def _folder_and_name(row: Row) -> tuple[str, str]:
    parent, name = posixpath.split(row.image)
    folder = posixpath.basename(parent).lower()
    return ("gblur" if folder == "blur" else folder), name


def _entry(row: Row, labels: Source) -> Entry:
    folder, name = _folder_and_name(row)
    if folder not in FOLDERS:
        raise labels.foreign(row, "jp2k/img2.bmp")
    if not row.reference:
        raise InputError(f"{labels.path}: nothing says what the reference of {row.image} is; restore {REFERENCES_FILE}")
    return labels.entry(
        row,
        reference=f"refimgs/{posixpath.basename(row.reference)}",
        distorted=f"{folder}/{name}",
        distortion=folder,
    )


def _variables(path: Path, *names: str, optional: str = "") -> list[list[Any]]:
    """Variables of a MATLAB file, the optional one last where it is there."""
    # imported here: scipy.io is slow to load, and no other data set needs it
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    expected = sum(FOLDERS.values())
    try:
        size = _decompressed_size(path.read_bytes()) if path.stat().st_size <= LARGEST else LARGEST + 1
        inside = whosmat(path) if size <= LARGEST else []
        if size > LARGEST or any(math.prod(shape) > MOST for _, shape, _ in inside):
            raise InputError(f"{path}: contains far more than {expected} scores or names; restore the set's own file")
        names = (*names, *(name for name, _, _ in inside if name == optional))
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


SOURCE = "https://live.ece.utexas.edu/research/quality/subjective.htm"

REALIGNED, OLDER = "realigned DMOS", "DMOS before realignment"

BETWEEN = "between realigned DMOS and those before SRCC differs by about .03"

ADAPTER = PublishedSet(
    info=DatasetInfo(
        name="live",
        description="LIVE release 2: JPEG2000, JPEG, white noise, blur, fast fading, realigned DMOS (lower is better)",
        pairs=779,
        references=29,
        source=SOURCE,
        labels=(),
        layouts=("refimgs/ jp2k/ jpeg/ wn/ gblur/ fastfading/", "blur/ for gblur/"),
        published=Published(
            counts={(folder, None): count for folder, count in SCORED.items()},
            scores=(-2.64, 111.775),
            names_tell_reference=False,
        ),
        opinion=Opinion("DMOS of LIVE release 2", None),
    ),
    labels=(
        LabelFile(
            "dmos_realigned.mat",
            partial(_matlab, scores="dmos_new"),
            REALIGNED,
            better="lower",
            origin=f"as a download of its own from {SOURCE}",
        ),
        LabelFile("dmos.mat", partial(_matlab, scores="dmos"), OLDER, better="lower", note=BETWEEN),
        LabelFile("LIVE.txt", IQA_DATASET, REALIGNED, better="lower", origin=FROM_IQA_DATASET),
        LabelFile(
            "live_all.txt",
            _text,
            REALIGNED,
            better="lower",
            turned=Turned(best=BEST, worst=WORST, values="realigned DMOS turned round"),
        ),
        # pyiqa calls the column mos, but writes dmos.mat into it
        LabelFile(
            "meta_info_LIVEIQADataset.csv",
            meta_info("mos", "dmos"),
            OLDER,
            better="lower",
            note=BETWEEN,
            origin=FROM_PYIQA,
        ),
    ),
    places={
        "refimgs": ("refimgs",),
        **{folder: (folder, "blur") if folder == "gblur" else (folder,) for folder in FOLDERS},
    },
    entry=_entry,
    companions=(REFERENCES_FILE, INFO_FILE),
).adapter
