"""What a pair of images costs under a metric, on this machine."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from iqatune.errors import InputError
from iqatune.images import Rgb
from iqatune.records.robust import Cost
from iqatune.scoring.asked import Asked
from iqatune.scoring.baselines import comparison
from iqatune.scoring.evaluate import Machine, ScoredMetric, ScoredSet
from iqatune.scoring.measured import as_tensor, read_pair

if TYPE_CHECKING:
    from iqatune.metric.base import ImageMetric

ROUNDS = 7
"""Of which the median is a pair's time."""


def costs(scores: ScoredSet, machine: Machine, baselines: Sequence[Asked], *, force: bool) -> list[Cost]:
    """What the first pair costs under each metric, decoded and in memory.

    A CNN's operations are counted by torch's `FlopCounterMode` (convolutions and matrix products; two of its operations
    are one multiply-accumulate).

    Args:
        baselines: those that are among the metrics.
        force: take records that are not what was written.

    Raises:
        InputError: for a metric that cannot be loaded.
    """
    weights_of = {each.label: each.weights for each in baselines}
    return [_cost(metric, scores, machine, weights_of.get(metric.file), force=force) for metric in scores.metrics]


def _cost(metric: ScoredMetric, scores: ScoredSet, machine: Machine, weights: str | None, *, force: bool) -> Cost:
    from iqatune.backbones.devices import resolve_device

    device = str(resolve_device(machine.device))
    images = read_pair(scores.table.pairs[0], metric.protocol.resize)
    height, width = images[0].shape[:2]
    if metric.kind == "baseline" and weights is not None:
        compare = comparison(metric.file, device=device, weights=weights)
        spent, macs, parameters = _milliseconds(lambda: compare(*images)), None, None
    else:
        spent, macs, parameters = _of_cnn(metric, images, machine, device=device, force=force)
    return Cost(width=width, height=height, milliseconds=spent, rounds=ROUNDS, macs=macs, parameters=parameters)


def _of_cnn(
    metric: ScoredMetric, images: tuple[Rgb, Rgb], machine: Machine, *, device: str, force: bool
) -> tuple[float, int, int]:
    """Milliseconds and multiply-accumulate operations of a pair, and the parameters that take part in them."""
    import torch

    from iqatune.metric.module import Metric
    from iqatune.scoring.costs import macs_of, parameters_of

    module: ImageMetric
    if metric.kind == "uniform":
        module = _uniform(metric, machine)
    else:
        module = Metric.load(metric.file, machine.backbone_weights, force=force)
    module = module.to(device)
    pair = [as_tensor(image, device) for image in images]
    with torch.inference_mode():
        macs = macs_of(module, *pair)
        spent = _milliseconds(lambda: float(module(*pair)))
    return spent, macs, parameters_of(module)


def _uniform(metric: ScoredMetric, machine: Machine) -> "ImageMetric":
    """The untuned metric of a record's backbone, or of both of its views."""
    from iqatune.metric.files import untuned
    from iqatune.metric.module import Metric

    if metric.result is None:
        raise InputError(f"{metric.file}: of no record")
    return Metric.of_stored(untuned(Path(metric.file), metric.result, machine.backbone_weights))


def _milliseconds(work: Callable[[], object]) -> float:
    """The median of the rounds, after one that is not timed."""
    work()
    spent = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        spent.append(1e3 * (time.perf_counter() - started))
    return median(spent)
