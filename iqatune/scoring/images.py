"""Distances of image pairs under a metric."""

import csv
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from iqatune.errors import InputError
from iqatune.escape import csv_cell
from iqatune.images import Rgb, read_rgb, resized_size, size_of
from iqatune.metric.base import ImageMetric
from iqatune.metric.scale import on_knots
from iqatune.progress import Progress
from iqatune.records.distances import Distances, PairDistance, ScoreScale
from iqatune.records.scale import Scale
from iqatune.scoring.pairing import ImagePair, ImagePairs

BATCH = {"cpu": 4, "cuda": 16}
"""Pairs that pass the backbone together; on a CPU as many as in a search's extraction, for the same rounding."""

SHOWN = 5
"""Files named in one line, where many have no counterpart."""


def score(
    metric: ImageMetric,
    found: ImagePairs,
    *,
    name: str,
    device: torch.device,
    resize: int | None,
    progress: Progress,
    keep_going: bool = False,
    scale: Scale | None = None,
) -> Distances:
    """PairDistance pairs; those of one size pass the backbone together.

    Args:
        name: of the metric's file.
        resize: short side that larger images are brought down to; None for none.
        keep_going: tell what cannot be scored, and score the rest.
        scale: of people, on which pairs get a score and its interval as well; one of the metric's.

    Raises:
        InputError: without `keep_going`, for files without a counterpart and for a pair that cannot be scored.
    """
    if found.unpaired and not keep_going:
        more = f" and {len(found.unpaired) - SHOWN} more" if len(found.unpaired) > SHOWN else ""
        raise InputError(f"{'; '.join(found.unpaired[:SHOWN])}{more}; `keep_going` scores the others")
    for found_line in (backbone.identity.found_line for backbone in metric.backbones):
        if found_line is not None:
            progress.say(found_line)
    for line in found.unpaired:
        progress.warn(line)
    if scale is not None and resize != metric.short_side:
        progress.warn(
            f"`resize` {resize or 'none'}: the scale is of images at {metric.short_side or 'their own size'}; scores "
            "and intervals need not hold"
        )
    results: dict[int, float | InputError] = {}
    metric = metric.to(device).to(memory_format=torch.channels_last)
    with progress.track("scoring", len(found.pairs), "pairs") as advance:
        for batch in _scored(metric, found.pairs, device, resize):
            for error in batch.values():
                if isinstance(error, InputError) and not keep_going:
                    raise error
            results.update(batch)
            advance(len(batch))
    errors = [result for _, result in sorted(results.items()) if isinstance(result, InputError)]
    for line in dict.fromkeys(error.line for error in errors):
        progress.warn(line)
    return Distances(
        metric=name,
        origin=metric.origin,
        backbone=metric.backbone_name,
        resize=resize,
        scale=None if scale is None else _of_scores(scale),
        unpaired=found.unpaired,
        pairs=tuple(_record(pair, results[row], scale) for row, pair in enumerate(found.pairs)),
    )


def _of_scores(scale: Scale) -> ScoreScale:
    level = None if scale.interval is None else scale.interval.level
    return ScoreScale(name=scale.name, better=scale.better, simulated=scale.simulated, level=level)


def as_csv(scores: Distances) -> str:
    """One line a pair: reference, distorted, distance, and on a scale score, low, high; empty where there is none."""
    figures = ("distance",) if scores.scale is None else ("distance", "score", "low", "high")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["reference", "distorted", *figures])
    for pair in scores.pairs:
        values = [getattr(pair, name) for name in figures]
        cells = [pair.reference, pair.distorted, *("" if value is None else repr(value) for value in values)]
        writer.writerow(map(csv_cell, cells))
    return text.getvalue()


def _scored(
    metric: ImageMetric, pairs: Sequence[ImagePair], device: torch.device, resize: int | None
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
            yield _batch_scores(metric, rows, ahead.pop(0), size=size, device=device)


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
    metric: ImageMetric,
    rows: Sequence[int],
    decoding: Sequence[tuple[Future[Rgb], Future[Rgb]]],
    *,
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


def _record(pair: ImagePair, result: float | InputError, scale: Scale | None) -> PairDistance:
    reference, distorted = pair.names
    if isinstance(result, InputError):
        return PairDistance(reference=reference, distorted=distorted, distance=None, error=result.command_line)
    on_scale = {} if scale is None else _on_scale(result, scale)
    return PairDistance(reference=reference, distorted=distorted, distance=result, **on_scale)


def _on_scale(distance: float, scale: Scale) -> dict[str, float]:
    of_people = {"score": scale.scores}
    if scale.interval is not None:
        of_people |= {"low": scale.interval.low, "high": scale.interval.high}
    at = np.array([distance])
    return {name: float(on_knots(at, scale.distances, values)[0]) for name, values in of_people.items()}
