"""Can a metric tell two images apart that people tell apart, and which of them is the better one?

Correlations ask for the order of all images, also of those whose order people themselves are not sure of. These figures
look at couples of images, and take the people's uncertainty into account: Krasula, Fliegel, Le Callet and Klima 2016,
'On the accuracy of objective image and video quality models: New methodology for performance evaluation' (QoMEX).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from iqatune.evaluation.correlation import Floats, checked_pairs

SURE = 0.95
"""How sure people must be that two images differ, for a couple to count as different."""

MOST = 1_000_000
"""Couples that are looked at: all of up to 1414 images. Of more so many are drawn at random, which moves an area by
about .0005."""

TAIL = 0.01
"""Share of the couples that must lie beyond a resolving power: the very largest differences may agree by chance."""


@dataclass(frozen=True, kw_only=True)
class Couples:
    """Couples of N images, and how sure people are of their differences.

    Attributes:
        first, second: (C,) rows of the two.
        z: (C,) by how many standard errors of the difference the first is better; infinite where neither score has an
            error and they differ.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    z: Floats

    @property
    def different(self) -> NDArray[np.bool_]:
        """(C,) which of them people tell apart: |z| beyond 1.96, the two-sided normal test at 95 %."""
        return np.asarray(2 * ndtr(np.abs(self.z)) - 1 > SURE)


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How a metric does on couples of images.

    Attributes:
        different_auc: area under the ROC curve of telling the couples that people tell apart from the others, by the
            size of the metric's difference, in [0, 1]; NaN where there are none of one kind.
        better_auc: of telling the better image of those from the worse, by the metric's difference with its sign.
        better_accuracy: share of those whose better image has the better figure; equal figures count half.
    """

    different_auc: float
    better_auc: float
    better_accuracy: float


def couples_of(quality: ArrayLike, errors: ArrayLike, *, seed: int = 0) -> Couples:
    """All couples of N images, or `MOST` of them.

    Args:
        quality: human scores (N,), higher is better.
        errors: standard error of each (N,), 0 or more.
        seed: of the draw, where there are more than `MOST`.

    Raises:
        ValueError: NaN, lengths that differ, fewer than 2 images, or an error below 0.
    """
    y, error = checked_pairs(quality, errors)
    if (error < 0).any():
        raise ValueError("a standard error is below 0")
    rows = np.arange(len(y))
    # the couples in the order of their first image: row i begins len - 1 - i of them
    ends = np.cumsum(rows[::-1])
    total = int(ends[-1])
    if total <= MOST:
        places = np.arange(total)
    else:
        places = np.sort(np.random.default_rng(seed).choice(total, MOST, replace=False, shuffle=False))
    first = np.searchsorted(ends, places, side="right")
    second = len(y) - (ends[first] - places)
    gap, spread = y[first] - y[second], np.hypot(error[first], error[second])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(gap == 0, 0.0, gap / spread)
    return Couples(first=first, second=second, z=z)


def differences(couples: Couples, prediction: ArrayLike) -> Differences:
    """The figures of Krasula and others.

    Args:
        prediction: the metric's scores (N,) of the couples' images, higher is better.

    Raises:
        ValueError: NaN.
    """
    by_metric = _by_metric(couples, prediction)
    different = couples.different
    size, signed = np.abs(by_metric), by_metric[different] * np.sign(couples.z[different])
    return Differences(
        different_auc=_auc(size[different], size[~different]),
        # each couple seen from both sides: what is better by so much is worse by as much
        better_auc=_auc(signed, -signed),
        better_accuracy=float(np.mean((signed > 0) + 0.5 * (signed == 0))) if len(signed) else float("nan"),
    )


def resolving_power(couples: Couples, fitted: ArrayLike) -> float:
    """The smallest difference of the metric from which on people agree with its sign with 95 % confidence on average.

    The resolving power of ITU-T J.149 (2004). Confidence, as a function of the size of the difference, is taken to
    rise, and estimated by isotonic regression in the place of J.149's bins.

    Args:
        fitted: the metric's scores (N,) of the couples' images on the scale of the human scores, as by `logistic_fit`.

    Returns:
        a difference on that scale; NaN where fewer than 1 % of the couples lie beyond any such.

    Raises:
        ValueError: NaN.
    """
    from scipy.optimize import isotonic_regression

    by_metric = _by_metric(couples, fitted)
    sizes, group, counts = np.unique(np.abs(by_metric), return_inverse=True, return_counts=True)
    agreed = np.bincount(group, ndtr(np.sign(by_metric) * couples.z)) / counts
    sure = np.flatnonzero(isotonic_regression(agreed, weights=counts).x >= SURE)
    if not len(sure) or counts[sure[0] :].sum() < TAIL * len(by_metric):
        return float("nan")
    return float(sizes[sure[0]])


def _by_metric(couples: Couples, prediction: ArrayLike) -> Floats:
    """(C,) by how much the first image of each couple is better."""
    x, _ = checked_pairs(prediction, prediction)
    return np.asarray(x[couples.first] - x[couples.second])


def _auc(positive: Floats, negative: Floats) -> float:
    """The probability that one of the first is larger than one of the second; of ties half."""
    if not (len(positive) and len(negative)):
        return float("nan")
    # both in order: looking up a million values that are not takes ten times as long
    values, others = np.sort(positive), np.sort(negative)
    wins = sum(int(np.searchsorted(others, values, side=side).sum()) for side in ("left", "right"))
    return wins / 2 / (len(positive) * len(negative))
