"""What computing a metric costs for one pair of images: milliseconds, multiply-accumulates and parameters."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from iqatune.metric.base import ImageMetric
from iqatune.records.frontier import Cost, Time

ROUNDS: Final = 9
"""Passes of every metric that are timed, all of them taking turns."""


@dataclass(frozen=True)
class Measured:
    """The cost of a metric, and the seconds of every round, which compare with another metric's of the same round."""

    cost: Cost
    seconds: tuple[float, ...]

    def times_as_fast_as(self, other: "Measured") -> float:
        """Median over the rounds of the other's time by this one's."""
        return median(theirs / mine for theirs, mine in zip(other.seconds, self.seconds, strict=True))


def measured(
    metrics: Mapping[str, ImageMetric], size: tuple[int, int], device: torch.device, rounds: int = ROUNDS
) -> dict[str, Measured]:
    """What one pair costs each metric.

    They take turns, every other round backwards, after a pass that is not timed: a machine that slows down does so for
    every one of them.

    Args:
        metrics: moved to the device.
        size: of the images (height, width).
    """
    generator = torch.Generator().manual_seed(0)
    reference, distorted = (torch.rand(1, 3, *size, generator=generator).to(device) for _ in range(2))
    seconds: dict[str, list[float]] = {name: [] for name in metrics}
    with torch.inference_mode():
        macs = {name: macs_of(metric.to(device), reference, distorted) for name, metric in metrics.items()}
        for number in range(rounds):
            for name in list(metrics) if number % 2 == 0 else list(metrics)[::-1]:
                seconds[name].append(_seconds(metrics[name], reference, distorted))
    return {
        name: Measured(
            Cost(milliseconds=_time(seconds[name]), macs=macs[name], parameters=parameters_of(metric)),
            tuple(seconds[name]),
        )
        for name, metric in metrics.items()
    }


def _seconds(metric: ImageMetric, reference: Tensor, distorted: Tensor) -> float:
    _settled(reference.device)
    started = time.perf_counter()
    metric(reference, distorted)
    _settled(reference.device)
    return time.perf_counter() - started


def _settled(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def macs_of(metric: ImageMetric, reference: Tensor, distorted: Tensor) -> int:
    """Multiply-accumulate operations of convolutions and matrix products for images (B, 3, H, W)."""
    with FlopCounterMode(display=False) as counter:
        metric(reference, distorted)
    return int(counter.get_total_flops()) // 2


def parameters_of(metric: ImageMetric) -> int:
    """Of the parts of its CNNs that are computed."""
    return sum(tensor.numel() for tensor in metric.parameters())


def _time(seconds: list[float]) -> Time:
    milliseconds = [1e3 * value for value in seconds]
    return Time(median=median(milliseconds), low=min(milliseconds), high=max(milliseconds))
