"""Image pairs scored by a metric: which pairs there are, and their distances."""

import csv
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from iqatune.datasets.columns import read_columns
from iqatune.errors import InputError
from iqatune.images import Rgb, read_rgb, resized_size, size_of
from iqatune.metric.module import Metric
from iqatune.progress import Progress
from iqatune.records.distances import Distances, PairDistance

BATCH = {"cpu": 4, "cuda": 16}
"""Pairs that pass the backbone together; on a CPU as many as in a search's extraction, for the same rounding."""

SHOWN = 5
"""Files named in one line, where many have no counterpart."""


@dataclass(frozen=True)
class ImagePair:
    """Two image files, and how the user names them."""

    reference: Path
    distorted: Path
    names: tuple[str, str]


@dataclass(frozen=True)
class ImagePairs:
    """Pairs to score, and a line for every file that has no counterpart."""

    pairs: tuple[ImagePair, ...]
    unpaired: tuple[str, ...] = ()


def pairs_of_paths(reference: Path, distorted: Path) -> ImagePairs:
    """Two files, or the files of two folders that have the same name.

    Files in folders, and in folders inside them, are paired by their path below the folder, and where that has no
    counterpart by the path without its suffix: a.png and a.jpg are a pair. Never by their order.

    Raises:
        InputError: when one is a folder and the other a file, or a name has more than one counterpart.
    """
    for path in (reference, distorted):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    if reference.is_dir() != distorted.is_dir():
        raise InputError(f"{reference} and {distorted}: give two files or two folders (or --pairs FILE.csv)")
    if not reference.is_dir():
        return ImagePairs((ImagePair(reference, distorted, (str(reference), str(distorted))),))
    return _pairs_of_folders(reference, distorted)


def pairs_of_csv(path: Path) -> ImagePairs:
    """The pairs of a CSV file with columns reference and distorted; paths are relative to the file's folder.

    Raises:
        InputError: naming the file and the row.
    """
    if not path.is_file():
        raise InputError(f"--pairs {path}: no such file")
    pairs = []
    for where, cells in read_columns(path, ("reference", "distorted")):
        names = (cells["reference"], cells["distorted"])
        if not all(names):
            raise InputError(f"{path}: {where} lacks a reference or a distorted image; fill it in or remove the row")
        first, second = (path.parent / name.replace("\\", "/") for name in names)
        pairs.append(ImagePair(first, second, names))
    if not pairs:
        raise InputError(f"{path}: holds no pair")
    return ImagePairs(tuple(pairs))


def score(
    metric: Metric,
    found: ImagePairs,
    name: str,
    device: torch.device,
    resize: int | None,
    progress: Progress,
    keep_going: bool = False,
) -> Distances:
    """PairDistance pairs; those of one size pass the backbone together.

    Args:
        name: of the metric's file.
        resize: short side that larger images are brought down to; None for none.
        keep_going: tell what cannot be scored, and score the rest.

    Raises:
        InputError: without `keep_going`, for files without a counterpart and for a pair that cannot be scored.
    """
    if found.unpaired and not keep_going:
        more = f" and {len(found.unpaired) - SHOWN} more" if len(found.unpaired) > SHOWN else ""
        raise InputError(f"{'; '.join(found.unpaired[:SHOWN])}{more}; --keep-going scores the others")
    for line in found.unpaired:
        progress.warn(line)
    results: dict[int, float | InputError] = {}
    metric = metric.to(device).to(memory_format=torch.channels_last)
    with progress.track("scoring", len(found.pairs), "pairs") as advance:
        for batch in _scored(metric, found.pairs, device, resize):
            for error in batch.values():
                if isinstance(error, InputError) and not keep_going:
                    raise error
            results.update(batch)
            advance(len(batch))
    for line in dict.fromkeys(str(results[row]) for row in sorted(results) if isinstance(results[row], InputError)):
        progress.warn(line)
    return Distances(
        metric=name,
        origin=metric.origin,
        backbone=metric.backbone.name,
        resize=resize,
        unpaired=found.unpaired,
        pairs=tuple(_record(pair, results[row]) for row, pair in enumerate(found.pairs)),
    )


def as_csv(scores: Distances) -> str:
    """One line a pair: reference, distorted, distance; the distance is empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["reference", "distorted", "distance"])
    for pair in scores.pairs:
        writer.writerow([pair.reference, pair.distorted, "" if pair.distance is None else repr(pair.distance)])
    return text.getvalue()


def _pairs_of_folders(reference: Path, distorted: Path) -> ImagePairs:
    first, second = (_images(folder) for folder in (reference, distorted))
    matches = {name: name for name in first if name in second}
    by_stem = _by_stem(distorted, [name for name in second if name not in matches])
    _by_stem(reference, [name for name in first if name not in matches])
    for name in first:
        stem = str(Path(name).with_suffix(""))
        if name not in matches and stem in by_stem:
            matches[name] = by_stem[stem]
    taken = set(matches.values())
    unpaired = [f"{first[name]}: {distorted} has none of this name" for name in first if name not in matches]
    unpaired += [f"{second[name]}: {reference} has none of this name" for name in second if name not in taken]
    if not matches:
        raise InputError(f"{reference} and {distorted}: hold no two images of the same name")
    pairs = [
        ImagePair(first[name], second[matches[name]], (str(first[name]), str(second[matches[name]])))
        for name in first
        if name in matches
    ]
    return ImagePairs(tuple(pairs), tuple(unpaired))


def _images(folder: Path) -> dict[str, Path]:
    """The image files below a folder by their path in it; hidden files and other kinds are passed over."""
    suffixes = set(Image.registered_extensions())
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path for name, path in names.items() if not any(part.startswith(".") for part in Path(name).parts)}


def _by_stem(folder: Path, names: Sequence[str]) -> dict[str, str]:
    stems: dict[str, str] = {}
    for name in names:
        stem = str(Path(name).with_suffix(""))
        if stem in stems:
            raise InputError(f"{folder}: {stems[stem]} and {name} differ in their suffix alone; move one away")
        stems[stem] = name
    return stems


def _scored(
    metric: Metric, pairs: Sequence[ImagePair], device: torch.device, resize: int | None
) -> Iterator[dict[int, float | InputError]]:
    """Distances, or why there is none, batch by batch; each batch holds rows of `pairs`."""
    by_size, unreadable = _by_size(pairs, resize, metric.minimum_size)
    yield unreadable
    # every batch of one size is filled up to the same number of pairs: convolution kernels round differently by batch
    # size, and two identical files would otherwise not have identical distances
    batches = [
        (rows[start : start + size], size)
        for rows in by_size.values()
        for size in [min(BATCH[device.type], len(rows))]
        for start in range(0, len(rows), size)
    ]
    with ThreadPoolExecutor(thread_name_prefix="decode") as pool:
        ahead: list[list[tuple[Future[Rgb], Future[Rgb]]]] = []
        for number, (rows, size) in enumerate(batches):
            for coming, _ in batches[number + len(ahead) : number + 2]:
                paths = [(pairs[row].reference, pairs[row].distorted) for row in coming]
                ahead.append([(pool.submit(read_rgb, x, resize), pool.submit(read_rgb, y, resize)) for x, y in paths])
            yield _batch_scores(metric, rows, ahead.pop(0), size, device)


def _by_size(
    pairs: Sequence[ImagePair], resize: int | None, minimum: int
) -> tuple[dict[tuple[int, int], list[int]], dict[int, float | InputError]]:
    by_size: dict[tuple[int, int], list[int]] = {}
    unreadable: dict[int, float | InputError] = {}
    for row, pair in enumerate(pairs):
        try:
            first, second = size_of(pair.reference), size_of(pair.distorted)
            if first != second:
                raise InputError(
                    f"{pair.distorted}: {second[0]}x{second[1]} differs from its reference {pair.reference} "
                    f"({first[0]}x{first[1]}); a pair needs one size"
                )
            if min(resized_size(*first, resize)) < minimum:
                raise InputError(
                    f"{pair.reference}: {first[0]}x{first[1]} is too small, the CNN needs {minimum} a side"
                )
        except InputError as error:
            unreadable[row] = error
        else:
            by_size.setdefault(resized_size(*first, resize), []).append(row)
    return by_size, unreadable


def _batch_scores(
    metric: Metric,
    rows: Sequence[int],
    decoding: Sequence[tuple[Future[Rgb], Future[Rgb]]],
    size: int,
    device: torch.device,
) -> dict[int, float | InputError]:
    results: dict[int, float | InputError] = {}
    images: dict[int, tuple[Rgb, Rgb]] = {}
    for row, (first, second) in zip(rows, decoding, strict=True):
        try:
            images[row] = first.result(), second.result()
        except InputError as error:
            results[row] = error
    if images:
        pairs = list(images.values())
        pairs += pairs[-1:] * (size - len(pairs))
        try:
            with torch.inference_mode():
                reference, distorted = (_tensor([pair[side] for pair in pairs], device) for side in (0, 1))
                distances = metric(reference, distorted, reduction="none").tolist()
        except InputError as error:
            return results | dict.fromkeys(images, error)
        results.update(zip(images, distances[: len(images)], strict=True))
    return results


def _tensor(images: Sequence[Rgb], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float() / 255


def _record(pair: ImagePair, result: float | InputError) -> PairDistance:
    reference, distorted = pair.names
    if isinstance(result, InputError):
        return PairDistance(reference=reference, distorted=distorted, distance=None, error=str(result))
    return PairDistance(reference=reference, distorted=distorted, distance=result)
