"""Reference files that hold the same picture: one reference for folds, intervals and counts, whatever the files' names.

A picture is its decoded pixels: a copy of a reference in every pair's folder is that reference, and so are the same
pixels as PNG, BMP and TIFF. With two of them on both sides of a fold, held-out figures would be tuned ones.
"""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from iqatune.datasets.table import Pair, PairTable
from iqatune.images import read_rgb
from iqatune.progress import Progress
from iqatune.runtime.kept import keep_memo, read_json
from iqatune.statistics.store import VERSION

# the version of what is cached is raised when images are decoded otherwise
_OF = f"pictures of reference files by their SHA-256, version {VERSION}"
_MEMO = TypeAdapter(dict[str, str])


def picture_digest(path: Path) -> str:
    """SHA-256 of an image's size and of its pixels, as 8-bit RGB before any resize.

    Raises:
        InputError: naming the file, when it cannot be decoded.
    """
    pixels = read_rgb(path)
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def picture_digests(digests: Mapping[Path, str], memo: Path, progress: Progress) -> dict[Path, str]:
    """`picture_digest` of every file; files of the same bytes are decoded once, and never again in later runs.

    Args:
        digests: SHA-256 of each file's bytes.
        memo: a JSON file that remembers them between runs. Missing, it is made anew; damaged, that is said as well.

    Raises:
        InputError: naming a file that cannot be decoded.
    """
    file_of: dict[str, Path] = {}
    for path, digest in digests.items():
        file_of.setdefault(digest, path)
    if len(file_of) < 2:
        return dict(digests)  # nothing to tell apart
    pictures = _known(memo, progress)
    new = [digest for digest in file_of if digest not in pictures]
    if new:
        with (
            progress.track("comparing references", len(file_of), "files", done=len(file_of) - len(new)) as advance,
            ThreadPoolExecutor(thread_name_prefix="decode") as pool,
        ):
            paths = [file_of[digest] for digest in new]
            for digest, picture in zip(new, pool.map(picture_digest, paths), strict=True):
                pictures[digest] = picture
                advance(1)
        # another process may have written since: its entries are kept, and a lost one is only decoded again
        fresh = {digest: pictures[digest] for digest in new}
        keep_memo(memo, _OF, {**_known(memo, Progress()), **fresh}, progress)
    return {path: pictures[digest] for path, digest in digests.items()}


def one_reference_a_picture(table: PairTable, pictures: Mapping[Path, str]) -> PairTable:
    """The table with the first of all reference files that hold one picture in the place of the others.

    Args:
        pictures: what tells the picture of each reference file; one that is not in it stays as it is.
    """
    first: dict[str, Pair] = {}
    pairs = []
    for pair in table.pairs:
        picture = pictures.get(pair.reference)
        same = pair if picture is None else first.setdefault(picture, pair)
        pairs.append(
            pair
            if same.reference == pair.reference
            else replace(pair, reference=same.reference, reference_id=same.reference_id)
        )
    return replace(table, pairs=tuple(pairs))


def copies_line(files: int, pictures: int) -> str:
    """What a user is told of references that are there more than once."""
    return (
        f"{files} reference files show {pictures} {'picture' if pictures == 1 else 'pictures'}: "
        f"files with the same picture count as one reference, in folds, intervals and counts"
    )


def reference_files(table: PairTable) -> tuple[Path, ...]:
    """The different reference files, in the order in which they first appear."""
    return tuple(dict.fromkeys(pair.reference for pair in table.pairs))


def _known(memo: Path, progress: Progress) -> dict[str, str]:
    return read_json(memo, _OF, _MEMO, progress) or {}
