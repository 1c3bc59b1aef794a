"""Can a metric tell two images apart that people tell apart, and which of them is the better one?

Correlations ask for the order of all images, also of those whose order people themselves are not sure of. These figures
look at couples of images, and take the people's uncertainty into account: Krasula, Fliegel, Le Callet and Klima 2016,
'On the accuracy of objective image and video quality models: New methodology for performance evaluation' (QoMEX).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from iqatune.evaluation.correlation import Floats, checked_pairs

SURE = 0.95
"""How sure people must be that two images differ, for a couple to count as different."""

MOST = 12_000
"""Images whose couples are all looked at: 72 millions. Of more a part is, drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How a metric does on couples of images.

    Attributes:
        couples: how many there are.
        different: those that people tell apart.
        different_auc: area under the ROC curve of telling those from the others by the size of the metric's difference,
            in [0, 1]; NaN where there are none of one kind.
        better_auc: of telling the better image of those from the worse, by the metric's difference with its sign.
        better_accuracy: share of those whose better image has the better figure; equal figures count half.
        resolving_power: the smallest difference of the metric, on the scale that it is given in, from which on people
            agree with its sign with 95 % confidence on average (ITU-T J.149, 'resolving power'); NaN where it is never
            reached.
    """

    couples: int
    different: int
    different_auc: float
    better_auc: float
    better_accuracy: float
    resolving_power: float


def differences(quality: ArrayLike, errors: ArrayLike, prediction: ArrayLike, *, seed: int = 0) -> Differences:
    """The figures of all couples of N images.

    People tell two images apart where |y1 - y2| / sqrt(e1^2 + e2^2) is beyond 1.96, the two-sided normal test at 95 %.

    Args:
        quality: human scores (N,), higher is better.
        errors: standard error of each (N,), above 0.
        prediction: the metric's scores (N,), higher is better.
        seed: of the draw, where there are more than `MOST` images.

    Raises:
        ValueError: NaN, lengths that differ, fewer than 2 images, or an error that is not above 0.
    """
    y, x = checked_pairs(quality, prediction)
    _, error = checked_pairs(quality, errors)
    if not (error > 0).all():
        raise ValueError("a standard error is not above 0")
    if len(y) > MOST:
        rows = np.sort(np.random.default_rng(seed).choice(len(y), MOST, replace=False))
        y, x, error = y[rows], x[rows], error[rows]
    first, second = np.triu_indices(len(y), 1)
    z = (y[first] - y[second]) / np.hypot(error[first], error[second])
    by_metric = x[first] - x[second]
    different = 2 * ndtr(np.abs(z)) - 1 > SURE
    size, signed = np.abs(by_metric), by_metric[different] * np.sign(z[different])
    return Differences(
        couples=len(z),
        different=int(different.sum()),
        different_auc=_auc(size[different], size[~different]),
        # each couple seen from both sides: what is better by so much is worse by as much
        better_auc=_auc(signed, -signed),
        better_accuracy=float(np.mean((signed > 0) + 0.5 * (signed == 0))) if len(signed) else float("nan"),
        resolving_power=_resolving_power(size, ndtr(np.sign(by_metric) * z)),
    )


def _auc(positive: Floats, negative: Floats) -> float:
    """The probability that one of the first is larger than one of the second; of ties half."""
    from scipy.stats import rankdata

    if not (len(positive) and len(negative)):
        return float("nan")
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    above = float(ranks.sum()) - len(positive) * (len(positive) + 1) / 2
    return above / (len(positive) * len(negative))


def _resolving_power(size: Floats, agreed: Floats) -> float:
    """The size of difference from which on the confidence in its sign is 95 % on average, by isotonic regression."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(size, kind="stable")
    confident = isotonic_regression(agreed[order]).x >= SURE
    return float(size[order][np.argmax(confident)]) if confident.any() else float("nan")
