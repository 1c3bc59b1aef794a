"""A tuned metric for those who evaluate with torchmetrics (the extra `torchmetrics`).

from iqatune.metric.torchmetrics_adapter import TunedMetric

metric = TunedMetric("metric.safetensors")
metric.update(restored, originals)      # once a batch, in every process
metric.compute()                        # over all batches of all processes
"""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from iqatune.extras import install_command
from iqatune.metric.base import ImageMetric
from iqatune.metric.module import Metric

try:
    import torchmetrics
except ImportError as error:
    raise ImportError(f"TunedMetric needs torchmetrics; run {install_command('torchmetrics')}") from error


class TunedMetric(torchmetrics.Metric):
    """Mean or sum of D over every pair of every batch and process. Lower is better.

    Takes what torchmetrics takes, in its order: the predictions first, then the targets. The backbone is built once.

    Args:
        metric: a `Metric` or `FusedMetric`, or a file that `Metric.load` reads.
        reduction: "mean" or "sum", over all pairs.
        options: of every torchmetrics.Metric, as `sync_on_compute`.

    Raises:
        ValueError: for another reduction.
        InputError: when the file holds no metric.
    """

    higher_is_better = False
    is_differentiable = True
    full_state_update = False

    total: Tensor
    count: Tensor

    def __init__(
        self, metric: ImageMetric | Path | str, reduction: Literal["mean", "sum"] = "mean", **options: Any
    ) -> None:
        super().__init__(**options)
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction {reduction!r}: give 'mean' or 'sum'")
        self.metric = metric if isinstance(metric, ImageMetric) else Metric.load(metric)
        self.reduction = reduction
        # float32 would lose digits over the batches of a large set
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add the pairs of a batch: (B, 3, H, W) each, in [0, 1].

        Raises:
            ValueError: for images of another shape, type, range or device.
        """
        distances = self.metric(target, preds, reduction="none")
        self.total = self.total + distances.double().sum()
        self.count = self.count + len(distances)

    def compute(self) -> Tensor:
        """The mean (NaN of no pair at all) or the sum, of all pairs so far: one float32 number."""
        total = self.total if self.reduction == "sum" else self.total / self.count
        return total.float()
