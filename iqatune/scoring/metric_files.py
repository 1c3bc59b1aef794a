"""Metrics of files other than records on the pairs of a data set: exports and the published weights of DISTS."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.images import INTERPOLATION
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.result import Protocol
from iqatune.runtime.files import sha256_of_file
from iqatune.scoring.measured import as_tensor, kept_scores, read_pair
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import table_sha256

VERSION = 1
"""Raised whenever the same pairs would get other distances: older ones are then not found."""

SUFFIXES = (".safetensors", ".pt", ".pth")
"""Of files that hold a metric and are no records."""


@dataclass(frozen=True, kw_only=True)
class FileDistances:
    """The distances of N pairs under the metric of a file.

    Attributes:
        distances: (N,), higher is worse.
        backbone: its name.
        origin: where the weights come from, in words.
        tuned_on: hashes of the data sets that they were tuned on; none where the file does not say it.
    """

    distances: Floats
    protocol: Protocol
    backbone: str
    origin: str
    tuned_on: tuple[str, ...]


def is_metric_file(path: Path) -> bool:
    """Whether a file is, by its name, an export or weights of DISTS, and no record."""
    return path.suffix.lower() in SUFFIXES


def file_distances(
    path: Path,
    table: PairTable,
    *,
    backbone_weights: str | None,
    device: str,
    cache: Cache,
    progress: Progress,
) -> FileDistances:
    """The distances of the pairs under an export or under weights of DISTS, at the resize that it was made with.

    Args:
        backbone_weights: where the backbone's parameters are, if not where the file says or within it.
        device: where to compute, as torch names it.

    Raises:
        InputError: naming the file where it is no metric, and an image that is unreadable or too small.
    """
    # here, not above: torch takes seconds to import, and records need none of it
    from iqatune.metric.module import Metric

    metric = Metric.load(path, backbone_weights)

    def measure() -> "_Measure":
        return _Measure(path, metric.to(device), device)

    settings = {
        "version": VERSION,
        "baseline": "metric file",
        "sha256": sha256_of_file(path),
        "parameters_sha256": metric.backbone_sha256,
        "resize": metric.short_side,
    }
    # a protocol has room for one backbone: of a fusion it says that of the member with most weight
    main = max(metric.components, key=lambda component: component.share)
    similarity = main.similarity
    return FileDistances(
        distances=kept_scores(table, path.stem, settings, measure, cache=cache, progress=progress),
        protocol=Protocol(
            **table.described(),
            resize=metric.short_side,
            interpolation=INTERPOLATION if metric.short_side else None,
            pooling=main.backbone.pooling,
            structure=similarity.structure,
            precision="fp32",
            c1=similarity.c1,
            c2=similarity.c2,
            dataset_sha256=table_sha256(table, cache, progress),
            backbone_weights=main.backbone.weights,
            backbone_sha256=metric.backbone_sha256,
        ),
        backbone=metric.backbone_name,
        origin=metric.origin,
        tuned_on=metric.tuned_on,
    )


class _Measure:
    """The distance of one pair after another."""

    def __init__(self, path: Path, metric: Any, device: str) -> None:
        self._path, self._metric, self._device = path, metric, device

    def __call__(self, pair: Pair) -> float:
        import torch

        images = read_pair(pair, self._metric.short_side)
        height, width = images[0].shape[:2]
        if min(height, width) < self._metric.minimum_size:
            raise InputError(
                f"{self._path}: {pair.reference} is {width} x {height}, and its CNN takes {self._metric.minimum_size} "
                "pixels a side; leave it out"
            )
        with torch.inference_mode():
            return float(self._metric(*(as_tensor(image, self._device) for image in images)))
