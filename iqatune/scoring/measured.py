"""Pairs measured one by one, and what was measured kept: scores of baselines and of metric files."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.images import Rgb
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.statistics.cache import Cache, ReferenceGroup
from iqatune.statistics.digests import check_unchanged
from iqatune.transforms import read_transformed

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 256
"""Pairs that are scored and kept together; an interrupted measurement loses no more than these."""


def kept_scores(
    table: PairTable,
    name: str,
    settings: object,
    measure: Callable[[], Callable[[Pair], float]],
    *,
    cache: Cache,
    progress: Progress,
) -> Floats:
    """(N,) numbers of the pairs, from the cache where they are.

    Args:
        name: of what is measured.
        settings: all that decides the numbers besides the images.
        measure: makes what measures a pair; called only where something is missing.

    Raises:
        InputError: for an image that cannot be read, and what `measure` raises.
    """
    lookup = cache.lookup_scores(table, name, settings, progress)
    lookup.tell_damage(progress)
    lookup.check_can_be_completed()
    scores: Floats = np.asarray(lookup.values)
    if lookup.missing:
        of_pair = measure()
        done = len(table) - lookup.missing_pairs
        with progress.track(f"measuring {name}", len(table), "pairs", done=done) as advance:
            for part in _parts(lookup.missing):
                rows = list(part.rows)
                scores[rows] = [of_pair(table.pairs[row]) for row in rows]
                check_unchanged(part.stamps)
                part.keep(scores[rows])
                advance(len(rows))
    return scores


def read_pair(pair: Pair, resize: int | None) -> tuple[Rgb, Rgb]:
    """The two images of a pair, of one size.

    Raises:
        InputError: naming an image that cannot be read, or whose size is another.
    """
    reference = read_transformed(pair.reference, pair.reference_transform, resize)
    distorted = read_transformed(pair.distorted, pair.distorted_transform, resize)
    if reference.shape != distorted.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (distorted, reference)]
        raise InputError(
            f"{pair.distorted}: {sizes[0]} differs from its reference {pair.reference} ({sizes[1]}); a pair needs one "
            "size"
        )
    return reference, distorted


def as_tensor(image: Rgb, device: str) -> "Tensor":
    """(1, 3, H, W) float32 in [0, 1]."""
    import torch

    return torch.from_numpy(image).permute(2, 0, 1)[None].to(device=device, dtype=torch.float32) / 255


def _parts(groups: Iterable[ReferenceGroup]) -> Iterator[ReferenceGroup]:
    """The groups, those of many pairs in parts; the first of them takes the place of what was damaged."""
    for group in groups:
        for start in range(0, len(group.rows), CHUNK):
            part = group.only(range(start, min(start + CHUNK, len(group.rows))))
            yield replace(part, damaged=() if start else group.damaged)
