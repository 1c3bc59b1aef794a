"""Alpha and beta: one weight per channel for l and one for s, all together summing to 1."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.records.result import Result, without_weights

Floats = NDArray[np.float64]

SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Weights:
    """The metric's weights.

    Attributes:
        channels: number of channels of every stage, the image's 3 first.
        alpha: (C,) weights of l, C = sum(channels); not negative.
        beta: (C,) weights of s; not negative; sum(alpha) + sum(beta) = 1.

    Raises:
        ValueError: when a shape, a sign or the sum is not as stated.
    """

    channels: tuple[int, ...]
    alpha: Floats
    beta: Floats

    def __post_init__(self) -> None:
        size = sum(self.channels)
        if self.alpha.shape != (size,) or self.beta.shape != (size,):
            raise ValueError(f"alpha and beta must each hold {size} weights, not {self.alpha.shape}, {self.beta.shape}")
        if not (np.all(self.alpha >= 0) and np.all(self.beta >= 0)):
            raise ValueError("alpha and beta must not be negative or NaN")
        total = float(self.alpha.sum() + self.beta.sum())
        if not abs(total - 1) <= SUM_TOLERANCE:
            raise ValueError(f"alpha and beta must sum to 1 together, not to {total:.6g}")

    def stage_sums(self) -> tuple[Floats, Floats]:
        """(S,) sums of alpha and of beta over each stage's channels: where the weight sits."""
        starts = np.cumsum((0, *self.channels[:-1]))
        return np.add.reduceat(self.alpha, starts), np.add.reduceat(self.beta, starts)

    def kept(self, stage: int) -> tuple[int, ...]:
        """The numbers of a stage's channels that have any weight, ascending."""
        start = sum(self.channels[:stage])
        mine = slice(start, start + self.channels[stage])
        return tuple(np.flatnonzero((self.alpha[mine] > 0) | (self.beta[mine] > 0)).tolist())


def spread(shares: Floats, channels: Sequence[int]) -> Floats:
    """(..., S) stage shares to (..., C) channel weights, each share spread evenly over its stage's channels."""
    counts = np.asarray(channels)
    return np.repeat(shares / counts, counts, axis=-1)


def uniform_weights(channels: Sequence[int]) -> Weights:
    """The untuned baseline: every stage has the same share of alpha and of beta, spread evenly over its channels."""
    shares = np.full(len(channels), 0.5 / len(channels))
    even = spread(shares, channels)
    return Weights(tuple(channels), even, even.copy())


def used_stages(weights: Weights) -> int:
    """How many stages have to be computed: up to the last one that has any weight."""
    alpha, beta = weights.stage_sums()
    return int(np.flatnonzero(alpha + beta)[-1]) + 1


def tuned_weights(result: Result) -> Weights:
    """The weights that a run found.

    Raises:
        InputError: when no sample of the run has a defined SRCC, or it has none yet; and of a run on a features file.
        ValueError: when they are no weights.
    """
    if result.best is None:
        raise InputError(without_weights(result))
    if result.best.columns:
        raise InputError(
            f"this metric is made of figures of other metrics ({', '.join(result.best.columns)}) and not of images, so "
            "that it has no alpha and beta; `iqatune evaluate` scores it on a features file"
        )
    return Weights(result.channels, np.array(result.best.alpha), np.array(result.best.beta))
