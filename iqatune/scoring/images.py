"""Distances of image pairs under a metric."""

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from iqatune.errors import InputError
from iqatune.escape import csv_cell
from iqatune.images import Rgb, read_rgb, resized_size, size_of
from iqatune.metric.base import ImageMetric
from iqatune.metric.scale import on_knots
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.distances import Distances, PairDistance, ScoreScale
from iqatune.records.scale import Scale
from iqatune.scoring.pairing import ImagePair, ImagePairs
from iqatune.statistics.distances import distances
from iqatune.statistics.extract import AHEAD, GroupImage, Stream
from iqatune.statistics.kernels import kernels_of
from iqatune.statistics.store import Moments

VERSIONS = 32
"""Of one reference that are decoded together: bounds the memory, at the cost of another pass of the reference."""

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
            f"`resize` {resize or 'none'}: the scale was made for images at {metric.short_side or 'their own size'}; "
            "scores and intervals may be wrong"
        )
    results: dict[int, float | InputError] = {}
    with progress.track("scoring", len(found.pairs), "pairs") as advance:
        for batch in _scored(metric, found.pairs, device, resize=resize, progress=progress):
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


@dataclass(frozen=True)
class _Versions:
    """Images that are compared with one reference: rows of the pairs."""

    rows: tuple[int, ...]
    reference: Path
    distorted: tuple[Path, ...]

    def only(self, members: Sequence[int]) -> "_Versions":
        return _Versions(
            tuple(self.rows[member] for member in members),
            self.reference,
            tuple(self.distorted[member] for member in members),
        )


Results = dict[int, float | InputError]
"""Of rows of the pairs: D, or why there is none."""


def _scored(
    metric: ImageMetric, pairs: Sequence[ImagePair], device: torch.device, *, resize: int | None, progress: Progress
) -> Iterator[Results]:
    """Distances, or why there is none, as they come: by what a search's extraction does, with nothing kept."""
    versions, unreadable = _versions(pairs, resize, metric.minimum_size)
    yield unreadable
    passing = _Passing(metric, device, progress)
    for group, decoding in _decoding(versions, resize, device):
        whole, pixels, failed = _decoded(group, decoding)
        yield failed
        if whole.rows:
            yield from passing.take(whole, pixels)
    yield from passing.end()


def _decoding(
    versions: Sequence[_Versions], resize: int | None, device: torch.device
) -> Iterator[tuple[_Versions, list[Future[Rgb]]]]:
    """The groups with their images, the reference's first; on a CPU by turns with the CNN, as in extraction."""
    by_turns = device.type == "cpu"
    wanted, ahead = iter(versions), deque[tuple[_Versions, list[Future[Rgb]]]]()
    with ThreadPoolExecutor(torch.get_num_threads() if by_turns else None, thread_name_prefix="decode") as pool:
        while True:
            if not (by_turns and ahead):
                while sum(len(images) for _, images in ahead) < AHEAD[device.type] and (group := next(wanted, None)):
                    files = (group.reference, *group.distorted)
                    ahead.append((group, [pool.submit(read_rgb, path, resize) for path in files]))
                if by_turns:
                    wait([image for _, images in ahead for image in images])
            if not ahead:
                return
            yield ahead.popleft()


class _Passing:
    """Groups on their way through every backbone of a metric."""

    def __init__(self, metric: ImageMetric, device: torch.device, progress: Progress) -> None:
        self._components = [
            (component, component.backbone.placed(device, torch.float32)) for component in metric.components
        ]
        self._device = device
        self._kernels = kernels_of(device, progress)
        self._start()

    def take(self, group: _Versions, pixels: Sequence[Rgb]) -> Iterator[Results]:
        """Pass a reference and its versions; what has arrived meanwhile."""
        self._under_way[group] = []
        try:
            for place, stream in enumerate(self._streams):
                for row, image in zip((None, *range(len(group.rows))), pixels, strict=True):
                    for ended in stream.take(GroupImage(group, row, image)):
                        yield from self._arrived(place, *ended)
        except InputError as error:
            yield from self._refused(error)

    def end(self) -> Iterator[Results]:
        """What has not arrived yet."""
        try:
            for place, stream in enumerate(self._streams):
                for ended in stream.end():
                    yield from self._arrived(place, *ended)
        except InputError as error:
            yield from self._refused(error)

    def _start(self) -> None:
        self._streams: list[Stream[_Versions]] = [
            Stream(backbone, self._device, self._kernels) for _, backbone in self._components
        ]
        self._under_way: dict[_Versions, list[Floats]] = {}

    def _arrived(self, place: int, group: _Versions, moments: Moments) -> Iterator[Results]:
        component, _ = self._components[place]
        of_component = distances(moments, component.computed_weights, component.similarity)
        found = self._under_way[group]
        found.append(component.share * of_component)
        if len(found) == len(self._components):
            del self._under_way[group]
            yield dict(zip(group.rows, np.sum(found, axis=0).tolist(), strict=True))

    def _refused(self, error: InputError) -> Iterator[Results]:
        """No distances of what was under way: a backbone refuses images of this size."""
        for place, stream in enumerate(self._streams):
            with suppress(InputError):  # of the same size, which is told below
                for ended in stream.end():
                    yield from self._arrived(place, *ended)
        refused = list(self._under_way)
        self._start()
        yield {row: error for group in refused for row in group.rows}


def _decoded(group: _Versions, decoding: Sequence[Future[Rgb]]) -> tuple[_Versions, list[Rgb], Results]:
    """What could be decoded of a group, its images, the reference's first, and why the others have no distance."""
    failed: Results = {}
    try:
        reference = decoding[0].result()
    except InputError as error:
        return group.only(()), [], dict.fromkeys(group.rows, error)
    images = {}
    for member, coming in enumerate(decoding[1:]):
        try:
            images[member] = coming.result()
        except InputError as error:
            failed[group.rows[member]] = error
    return group.only(list(images)), [reference, *images.values()], failed


def _versions(pairs: Sequence[ImagePair], resize: int | None, minimum: int) -> tuple[list[_Versions], Results]:
    """Pairs of one size and reference together, VERSIONS at most, one size after another."""
    together: dict[tuple[tuple[int, int], Path], list[int]] = {}
    unreadable: Results = {}
    for row, pair in enumerate(pairs):
        try:
            size = _common_size(pair)
            if min(resized_size(*size, resize)) < minimum:
                raise InputError(f"{pair.reference}: {size[0]}x{size[1]} is too small, the CNN needs {minimum} a side")
        except InputError as error:
            unreadable[row] = error
        else:
            together.setdefault((resized_size(*size, resize), pair.reference), []).append(row)
    by_size = sorted(together.items(), key=lambda item: item[0][0])
    versions = [
        _Versions(tuple(part), reference, tuple(pairs[row].distorted for row in part))
        for (_, reference), rows in by_size
        for part in (rows[start : start + VERSIONS] for start in range(0, len(rows), VERSIONS))
    ]
    return versions, unreadable


def _common_size(pair: ImagePair) -> tuple[int, int]:
    first, second = size_of(pair.reference), size_of(pair.distorted)
    if first != second:
        raise InputError(
            f"{pair.distorted}: {second[0]}x{second[1]} differs from its reference {pair.reference} "
            f"({first[0]}x{first[1]}); a pair needs one size"
        )
    return first


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
