"""Checks of a pair table's images: readable, of one size, of their reference, and damaged in the scores' direction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iqatune.datasets.table import Pair, PairTable
from iqatune.doctor.findings import Outcome, some
from iqatune.errors import InputError
from iqatune.evaluation.correlation import srcc
from iqatune.images import open_rgb, size_of
from iqatune.progress import Progress
from iqatune.statistics.pictures import copies_line, one_reference_a_picture, picture_digest, reference_files

SAMPLE = 80
"""Pairs that are decoded when not all are."""
SEED = 0

SURE = 0.2
"""|SRCC| of PSNR above which its sign counts. On the four sets it is .6 to .9; chance stays below with 80 pairs."""

THUMBNAIL = 32
BETTER_FIT = 0.1
"""By how much more a distorted image must correlate with another reference than with its own to be taken for its."""

HEADER_THREADS = 4
TAIL = 64
"""Last bytes of a file in which the end mark of its format is looked for."""


Thumbnail = NDArray[np.float64]

Sizes = Mapping[Path, tuple[int, int]]
"""Width and height of every image."""

TrySizes = Callable[[Sizes], Iterator[Outcome]]


@dataclass(frozen=True)
class _Seen:
    """A decoded pair: its place in the table, -MSE (PSNR's order) and a standardised grey thumbnail."""

    row: int
    fidelity: float
    thumbnail: Thumbnail


def without_copies(table: PairTable, progress: Progress) -> tuple[PairTable, Outcome]:
    """The table as a search takes it, with one reference for all files of one picture, and what there is to say.

    Files that cannot be decoded stay references of their own; that they cannot is another check's finding.
    """
    files = reference_files(table)
    with progress.track("comparing references", len(files), "files") as advance, ThreadPoolExecutor() as pool:
        pictures = {}
        for path, picture in zip(files, pool.map(_picture, files), strict=True):
            if picture is not None:
                pictures[path] = picture
            advance(1)
    merged = one_reference_a_picture(table, pictures)
    left = len(reference_files(merged))
    if left < len(files):
        return merged, ("pictures", "warning", copies_line(len(files), left))
    return merged, ("pictures", "ok", "every reference shows a different picture")


def _picture(path: Path) -> str | None:
    try:
        return picture_digest(path)
    except InputError:
        return None


def picture_outcomes(
    table: PairTable, progress: Progress, *, full: bool, tried: TrySizes | None = None
) -> Iterator[Outcome]:
    """Every check of the images.

    Args:
        full: decode every image; otherwise look at every file's header and end, and decode a sample.
        tried: whether the backbone takes the images' sizes, where one is examined as well.
    """
    paths = list(dict.fromkeys(path for pair in table.pairs for path in (pair.reference, pair.distorted)))
    sizes, damaged = _headers(paths, progress)
    yield _sizes(table.pairs, sizes)
    if tried is not None:
        yield from tried(sizes)
    rows = [
        row
        for row in (range(len(table)) if full else _sample(table))
        if not {table.pairs[row].reference, table.pairs[row].distorted} & damaged.keys()
        and sizes[table.pairs[row].reference] == sizes[table.pairs[row].distorted]
    ]
    seen, references = _looked_at(table.pairs, rows, damaged, progress)
    checked = f"{len(paths)} files" + ("" if full else f", {len(seen)} pairs of them decoded (--full decodes all)")
    if damaged:
        yield "images", "problem", f"{len(damaged)} not readable: {some(list(dict.fromkeys(damaged.values())), 2)}"
    else:
        yield "images", "ok", f"readable: {checked}"
    if seen:
        yield _fit(table.pairs, seen, references)
        yield _direction(table, seen)


def _headers(paths: Sequence[Path], progress: Progress) -> tuple[dict[Path, tuple[int, int]], dict[Path, str]]:
    """Width and height of every image, and what is wrong with those that are damaged."""
    sizes, damaged = {}, {}
    with ThreadPoolExecutor(HEADER_THREADS) as pool, progress.track("reading headers", len(paths), "files") as advance:
        for path, found in zip(paths, pool.map(_header, paths), strict=True):
            if isinstance(found, str):
                damaged[path] = found
            else:
                sizes[path] = found
            advance(1)
    return sizes, damaged


def _header(path: Path) -> tuple[int, int] | str:
    try:
        size = size_of(path)
        if not _ends_well(path):
            # the end mark is a hint; decoding decides
            open_rgb(path)
    except InputError as error:
        return error.command_line
    return size


def _ends_well(path: Path) -> bool:
    """Whether a PNG, JPEG or BMP file has the end that its format gives it; False for other formats."""
    length = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(max(0, length - TAIL))
        end = file.read()
    if start.startswith(b"\x89PNG"):
        return b"IEND" in end
    if start.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in end
    return start.startswith(b"BM") and int.from_bytes(start[2:6], "little") == length


def _sizes(pairs: Sequence[Pair], sizes: dict[Path, tuple[int, int]]) -> Outcome:
    different = [
        f"{pair.distorted.name} {_size(sizes[pair.distorted])}, {pair.reference.name} {_size(sizes[pair.reference])}"
        for pair in pairs
        if pair.reference in sizes and pair.distorted in sizes and sizes[pair.reference] != sizes[pair.distorted]
    ]
    if different:
        return "sizes", "problem", f"{len(different)} pairs have two images of different sizes: {some(different)}"
    if not sizes:
        return "sizes", "problem", "no image has a readable header"
    least, most = min(sizes.values(), key=min), max(sizes.values(), key=min)
    return "sizes", "ok", f"both images of every pair have the same size; {_size(least)} to {_size(most)}"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _sample(table: PairTable) -> list[int]:
    """Seeded rows: one of every reference, then any, SAMPLE in all (or one a reference where those are more)."""
    order = np.random.default_rng(SEED).permutation(len(table)).tolist()
    first = {table.pairs[row].reference_id: row for row in reversed(order)}
    chosen = dict.fromkeys([*first.values(), *order])
    return sorted(list(chosen)[: max(SAMPLE, len(first))])


def _looked_at(
    pairs: Sequence[Pair], rows: Sequence[int], damaged: dict[Path, str], progress: Progress
) -> tuple[list[_Seen], dict[Path, Thumbnail]]:
    """What is seen of the pairs in those rows, and their references' thumbnails; adds to `damaged` what cannot be."""
    rows_of: dict[Path, list[int]] = {}
    for row in rows:
        rows_of.setdefault(pairs[row].reference, []).append(row)
    seen: list[_Seen] = []
    references: dict[Path, Thumbnail] = {}
    with progress.track("looking at images", len(rows), "pairs") as advance:
        for path, its_rows in rows_of.items():
            try:
                reference, references[path] = _decoded(path)
            except InputError as error:
                damaged[path] = error.command_line
                advance(len(its_rows))
                continue
            for row in its_rows:
                try:
                    distorted, thumbnail = _decoded(pairs[row].distorted)
                    seen.append(_Seen(row, -float(np.mean((reference - distorted) ** 2)), thumbnail))
                except InputError as error:
                    damaged[pairs[row].distorted] = error.command_line
                advance(1)
    return seen, references


def _decoded(path: Path) -> tuple[NDArray[np.float32], Thumbnail]:
    """An image's values, and its grey thumbnail with mean 0 and length 1 (0 where it is flat)."""
    image = open_rgb(path)
    grey = image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    small = np.asarray(grey, dtype=np.float64).ravel()
    centred = small - small.mean()
    length = float(np.linalg.norm(centred))
    return np.asarray(image, dtype=np.float32), centred / length if length > 0 else centred


def _fit(pairs: Sequence[Pair], seen: Sequence[_Seen], references: dict[Path, Thumbnail]) -> Outcome:
    """Whether the sampled images look like their reference more than like any other.

    Thumbnails' correlation, for PSNR would take a much darkened image for any dark reference's.
    """
    paths = list(references)
    fits = np.stack([pair.thumbnail for pair in seen]) @ np.stack(list(references.values())).T
    wrong = []
    for looked_at, fit in zip(seen, fits, strict=True):
        pair, best = pairs[looked_at.row], int(fit.argmax())
        if fit[best] > fit[paths.index(pair.reference)] + BETTER_FIT:
            wrong.append(f"{pair.distorted.name} fits {paths[best].name} better than {pair.reference.name}")
    if wrong:
        return "content", "problem", f"wrong reference: {some(wrong)}"
    return "content", "ok", f"{len(seen)} of {len(pairs)} pairs looked at; each fits its own reference best"


def _direction(table: PairTable, seen: Sequence[_Seen]) -> Outcome:
    quality = table.quality[[pair.row for pair in seen]]
    fidelity = np.array([pair.fidelity for pair in seen])
    agreement = srcc(quality, fidelity)
    says = f"SRCC of PSNR is {agreement:+.2f} on {len(seen)} pairs"
    if np.isnan(agreement):
        return "direction", "warning", "unknown: PSNR or the scores are constant on the sample"
    if agreement < -SURE:
        wrong = f"read as {table.better} is better, which is the wrong way round"
        return "direction", "problem", f"{says}: {table.label} is {wrong}"
    if agreement < SURE:
        return "direction", "warning", f"{says}, too little to tell which score is better"
    return "direction", "ok", f"{says}: {table.better} is better"
