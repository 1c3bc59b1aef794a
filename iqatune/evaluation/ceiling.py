"""How far could any metric get? What the human scores' own uncertainty leaves of a correlation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from iqatune.evaluation.correlation import average_ranks, checked_pairs, pearson

DRAWS = 400
"""Experiments that are simulated."""


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The SRCC that a metric would have which knows the true quality of every image.

    Attributes:
        srcc: the median of the simulated experiments.
        low, high: the middle 95 % of them: how much it depends on the experiment that was made.
    """

    srcc: float
    low: float
    high: float


def noise_ceiling(quality: ArrayLike, errors: ArrayLike, *, seed: int = 0) -> Ceiling:
    """What a perfect metric reaches on human scores of known uncertainty, by simulation.

    The true quality is not known. Human scores are it and an error, so they spread more than it does; drawn together to
    the spread that is left without the errors' (var(score) - mean(error^2)) they stand in for it. New scores are drawn
    around them with the same errors, normally distributed, and each draw is ranked against the truth that it was drawn
    around.

    Args:
        quality: human scores (N,).
        errors: standard error of each (N,), 0 or more, on the same scale.
        seed: of the draws.

    Raises:
        ValueError: NaN, lengths that differ, fewer than 2 pairs, an error below 0, constant scores, or errors that are
            larger than the scores' spread, which then say nothing.
    """
    y, error = checked_pairs(quality, errors)
    if (error < 0).any():
        raise ValueError("a standard error is below 0")
    if y.min() == y.max():
        raise ValueError("all scores are equal")
    left = 1 - float(np.mean(error**2)) / float(np.var(y))
    if left <= 0:
        raise ValueError("the scores spread no more than their errors do")
    truth = y.mean() + np.sqrt(left) * (y - y.mean())
    ranks = average_ranks(truth)
    generator = np.random.default_rng(seed)
    found = [pearson(ranks, average_ranks(generator.normal(truth, error))) for _ in range(DRAWS)]
    low, middle, high = np.quantile(found, (0.025, 0.5, 0.975))
    return Ceiling(srcc=float(middle), low=float(low), high=float(high))
