"""How much of a metric's agreement with people is left on degraded images, and what changes its order unseen.

The figures are those of Pathak, Marjit, Vyas and Rawat 2025, 'LR0.FM: Low-Res Benchmark and Improving Robustness for
Zero-Shot Classification in Foundation Models' (ICLR), with an SRCC in the place of a classifier's accuracy; a metric's
chance level is 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqatune.evaluation.agreement import LEVEL, RESAMPLES
from iqatune.evaluation.bootstrap import bootstrap_srcc, resample_counts
from iqatune.evaluation.correlation import Floats, average_ranks, pearson, srcc
from iqatune.evaluation.differences import Couples

STEEPNESS = 200.0
"""`a` of the improved form, this package's own choice: an SRCC of .05 keeps 39 %, .1 keeps 86 %, from .2 on all."""

METHOD = "bootstrap over references, Student's t on the middle 68 % of the resamples"

PARTS = 20
"""Of which the weights of data sets are whole numbers, each set having one at least."""

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Retained:
    """What is left of a metric's agreement under K degradations.

    Attributes:
        high: SRCC on the images as they are.
        low: (K,) SRCC on the degraded ones, with the same human scores.
        retained: (K,) 1 - (high - low) / high; NaN where `high` is 0 or below, or an SRCC is undefined.
        improved: (K,) the same times 1 - exp(-STEEPNESS high^2); 0 where `high` is 0 or below.
        intervals: of each `retained` over references; None where a resample leaves it undefined.
        interval: of their mean.
    """

    high: float
    low: Floats
    retained: Floats
    improved: Floats
    intervals: tuple[Interval | None, ...]
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class OrderChanges:
    """Couples of pairs whose order under a metric is another one after a change that nobody sees.

    Attributes:
        couples: all that were looked at.
        changed: those whose order (the first better, the second better, or a tie) is another.
        interval: of their share, over references; None where a resample has no couple, and with one reference.
    """

    couples: int
    changed: int
    interval: Interval | None

    @property
    def share(self) -> float:
        """Of the couples; NaN where there are none."""
        return self.changed / self.couples if self.couples else float("nan")


def retained_agreement(
    quality: ArrayLike,
    distances: Floats,
    degraded: Floats,
    reference_ids: Sequence[str],
    *,
    resamples: int = RESAMPLES,
) -> Retained:
    """The agreement of one metric that is left under K degradations of both images.

    Args:
        quality: human scores of the images as they are, (N,), higher is better.
        distances: the metric's, (N,), higher is worse.
        degraded: (K, N) on the degraded images.
        reference_ids: of each pair, (N,).

    Raises:
        ValueError: NaN, infinite values, or lengths that differ.
    """
    rows = -np.vstack([distances, degraded])
    values = np.array([srcc(quality, row) for row in rows])
    kept = retained(values[0], values[1:])
    found = bootstrap_srcc(quality, rows, reference_ids, resamples)
    drawn = retained(found[0], found[1:])
    references = len(set(reference_ids))
    return Retained(
        high=float(values[0]),
        low=values[1:],
        retained=kept,
        improved=improved(float(values[0]), kept),
        intervals=tuple(
            interval(float(value), of_value, references) for value, of_value in zip(kept, drawn, strict=True)
        ),
        interval=interval(float(kept.mean()), drawn.mean(axis=0), references) if len(kept) else None,
    )


def retained(high: float | Floats, low: Floats) -> Floats:
    """Retained agreement, 1 - (high - low) / high; NaN where `high` is 0 or below: there was nothing to retain."""
    agrees = np.where(np.asarray(high) > 0, high, np.nan)
    return np.asarray(1 - (agrees - low) / agrees)


def improved(high: float, kept: Floats) -> Floats:
    """Its improved form, (K,): close to 0 for a metric that agreed with nobody, whatever degradation leaves of it."""
    if high <= 0:
        return np.zeros_like(kept)
    return np.asarray(kept * (1 - np.exp(-STEEPNESS * high**2)))


def order_changes(
    couples: Couples,
    before: ArrayLike,
    after: ArrayLike,
    reference_ids: Sequence[str],
    *,
    among: NDArray[np.bool_] | None = None,
    resamples: int = RESAMPLES,
) -> OrderChanges:
    """Which couples of pairs a metric ranks otherwise.

    Args:
        couples: of the N pairs.
        before, after: a metric's scores of the pairs, (N,).
        reference_ids: of each pair, (N,).
        among: (C,) which of the couples count; all by default.
    """
    x, y = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    rows = slice(None) if among is None else among
    first, second = couples.first[rows], couples.second[rows]
    # compared, not subtracted: two infinite scores are a tie
    changed = _order(x[first], x[second]) != _order(y[first], y[second])
    names, reference = np.unique(np.asarray(reference_ids), return_inverse=True)
    place = reference[first] * len(names) + reference[second]
    every, others = (
        np.bincount(place, weights, minlength=len(names) ** 2).reshape(len(names), len(names))
        for weights in (None, changed.astype(np.float64))
    )
    # a couple is there as often as both of its references are drawn, one times the other
    counts = resample_counts(reference_ids, resamples, seed=0)
    there, of_them = (((counts @ matrix) * counts).sum(axis=1) for matrix in (every, others))
    shares = np.divide(of_them, there, out=np.full(resamples, np.nan), where=there > 0)
    total = int(changed.sum())
    found = interval(total / len(changed), shares, len(names)) if len(changed) else None
    bounds = None if found is None else (max(found[0], 0.0), min(found[1], 1.0))
    return OrderChanges(couples=len(changed), changed=total, interval=bounds)


def _order(a: Floats, b: Floats) -> NDArray[np.int8]:
    return (a > b).astype(np.int8) - (a < b).astype(np.int8)


def interval(value: float, resampled: Floats, references: int) -> Interval | None:
    """A 95 % interval of a figure from its resamples (B,), which are of whole references.

    Student's t with R - 1 degrees of freedom times half the width of the middle 68 % of the resamples, widened by
    sqrt(R / (R - 1)) (Hesterberg 2015), as `bootstrap` has it for few references.

    Returns:
        None where there is one reference, or the figure is undefined for the sample or for a resample.
    """
    from scipy.stats import norm
    from scipy.stats import t as student

    if references < 2 or np.isnan(value) or np.isnan(resampled).any():
        return None
    low, high = np.quantile(resampled, norm.cdf([-1.0, 1.0]))
    spread = (high - low) / 2 * np.sqrt(references / (references - 1))
    far = float(student.ppf((1 + LEVEL) / 2, references - 1) * spread)
    return value - far, value + far


def set_weights(robustness: ArrayLike) -> Floats:
    """Weights of data sets under which the mean over sets ranks the metrics most as each set by itself does.

    All weights of which each is a whole number of twentieths, one at least, are tried, and equal weights: those with
    the highest mean Spearman correlation, over the sets, between a set's order of the metrics and the weighted mean's.
    Of several the ones nearest to equal weights are taken. LR0.FM finds its weights by the same aim, with .01 for the
    sets that count least.

    Args:
        robustness: (D, M) of each metric on each data set.

    Returns:
        (D,) weights that sum to 1. They are equal for one set, for a single metric, and where no set tells metrics
        apart.

    Raises:
        ValueError: NaN.
    """
    table = np.atleast_2d(np.asarray(robustness, dtype=np.float64))
    if np.isnan(table).any():
        raise ValueError("NaN among the figures; leave out the metrics that are undefined on a set")
    sets, metrics = table.shape
    equal = np.full(sets, 1 / sets)
    telling = [row for row in table if metrics > 1 and (row != row[0]).any()]
    if sets == 1 or not telling:
        return equal
    orders = [average_ranks(row) for row in telling]
    best, chosen = -np.inf, equal
    for weights in (equal, *sorted(_shares(sets), key=lambda shares: float(((shares - equal) ** 2).sum()))):
        mean = average_ranks(np.round(weights @ table, 12))
        agrees = float(np.mean([pearson(order, mean) for order in orders])) if (mean != mean[0]).any() else -np.inf
        if agrees > best + 1e-12:
            best, chosen = agrees, weights
    return chosen


def _shares(sets: int) -> Iterator[Floats]:
    """All weights of which each is a whole number of parts, one at least."""
    parts = max(PARTS, sets)
    for cuts in combinations(range(1, parts), sets - 1):
        yield np.diff((0, *cuts, parts)) / parts
