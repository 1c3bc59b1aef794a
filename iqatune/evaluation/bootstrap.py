"""How sure is a correlation? Intervals from resampling whole references, without a loop over resamples.

A resample draws as many references as there are, with replacement; all pairs of a reference come and go together,
because their scores are not independent (on TID2013 intervals by image are half as wide, and wrong). A resample is its
row of counts (how often each reference was drawn), and a correlation under counts is exactly that of the pairs repeated
so often. All three correlations are covariance / sqrt(variance * variance) of something, and their derivatives by the
counts give each resample its own standard error (the infinitesimal jackknife, Efron 1982), as the studentised
bootstrap needs.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqatune.evaluation.correlation import Floats, checked_pairs, direction, logistic_fit
from iqatune.runtime.threads import processors

METHOD = "studentised bootstrap over references on Fisher's z"
METHOD_FEW = "bootstrap over references, Student's t on the middle 68 % of Fisher's z"
FEW_REFERENCES = 15
"""Below this many studentised percentiles rest on a few extreme resamples, and an interval can fill the whole range."""
_CHUNK = 2**19  # numbers in one working array: what fits a core's cache
_PIECE = 128  # pairs whose couples with all others are counted at once: their table of places fits the cache as well
_TOGETHER = 64  # references whose counts are multiplied by all resamples at once


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Bounds (low, high) of each correlation at `level`; both NaN where a resample leaves it undefined."""

    srcc: tuple[float, float]
    krcc: tuple[float, float]
    plcc: tuple[float, float]
    level: float
    resamples: int
    method: str = METHOD


@dataclass(frozen=True)
class Resampled:
    """A correlation in each of B resamples, and its standard error there: (B,) both, NaN where undefined."""

    value: Floats
    error: Floats


def bootstrap(
    quality: ArrayLike,
    prediction: ArrayLike,
    reference_ids: Sequence[str],
    resamples: int = 2000,
    *,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Intervals of SRCC, KRCC and PLCC by the studentised bootstrap on Fisher's z (Davison and Hinkley 1997, 5.2).

    The percentiles of the resamples themselves cover too rarely with about 25 references, because a sample's
    correlation is biased and skewed: on planted data 80 to 90 % instead of 95 %, BCa 84 to 92 %, studentised 90 to
    93 %. Here its percentiles are moved out for small samples as well (Hesterberg 2015, 'What teachers should know
    about the bootstrap'), which covers 92 to 96 %. With fewer than 15 references the interval is instead Student's t
    with R - 1 degrees of freedom times half the width of the middle 68 % of the resampled z, which a few resamples of a
    perfect correlation (z without end) leave alone: it covers 90 to 94 % with 8 references of 12 pairs, and 95 to 97 %
    with 4 to 6 references of 3 to 5 pairs, where it is wide. Where more than every sixth resample is perfect, nothing
    bounds it. The studentised interval covers 94 to 96 %, and now and then reaches from -1 to 1.

    Args:
        quality: human scores (N,), higher is better.
        prediction: the metric's scores (N,), higher is better, finite.
        reference_ids: the reference of each pair, (N,).
        resamples: how many.
        seed: of the draws.
        level: the probability with which an interval is meant to cover the true value.

    Returns:
        The intervals; (NaN, NaN) for a correlation that is undefined for the sample or for a resample (constant scores,
        a single reference, fewer than 6 pairs for PLCC).

    Raises:
        ValueError: NaN, infinite values, lengths that differ, fewer than 2 pairs, or a level outside (0, 1).
    """
    y, x, references = _by_reference(quality, prediction, reference_ids)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    drawn = resample_counts(reference_ids, resamples, seed)
    size = drawn.shape[1]
    counts = np.concatenate([np.ones((1, size)), drawn])
    return Intervals(
        srcc=_interval(resampled_srcc(y, x, references, counts)[0], level, size),
        krcc=_interval(resampled_krcc(y, x[0], references, counts), level, size),
        plcc=_interval(resampled_plcc(y, x[0], references, counts), level, size),
        level=level,
        resamples=resamples,
        method=METHOD_FEW if size < FEW_REFERENCES else METHOD,
    )


def bootstrap_srcc(
    quality: ArrayLike,
    predictions: ArrayLike,
    reference_ids: Sequence[str],
    resamples: int = 2000,
    *,
    seed: int = 0,
) -> Floats:
    """SRCC of every prediction (M, N) in the same resamples: (M, B), for paired comparisons; NaN where undefined."""
    y, x, references = _by_reference(quality, predictions, reference_ids)
    counts = resample_counts(reference_ids, resamples, seed)
    return np.stack([resampled.value for resampled in resampled_srcc(y, x, references, counts)])


def resample_counts(reference_ids: Sequence[str], resamples: int, seed: int) -> Floats:
    """How often each resample draws each reference: whole numbers, (resamples, R), references in sorted order."""
    references = np.unique(np.asarray(reference_ids)).size
    draws = np.random.default_rng(seed).multinomial(references, np.full(references, 1 / references), size=resamples)
    return draws.astype(np.float64)


def resampled_srcc(
    quality: Floats, predictions: Floats, references: NDArray[np.intp], counts: Floats
) -> list[Resampled]:
    """SRCC of each prediction (M, N) under counts (B, R), exact; references (N,) are indices 0 to R-1, ascending.

    With ranks centred at the middle of all, u_i = sum_k w_k sign(x_i - x_k) / 2, one sort serves every resample: ranks
    and derivatives are cumulative sums of weights in that order.
    """
    starts = np.searchsorted(references, np.arange(counts.shape[1]))
    of_quality, of_predictions = _Order(quality), [_Order(prediction) for prediction in predictions]

    def resampled(rows: slice) -> list[Resampled]:
        """Of each prediction, under some of the counts."""
        weights = counts[rows][:, references]
        y = of_quality.signs(weights) / 2
        power_y, slope_y = _sum(weights * y, y), y * y - of_quality.signs(weights * y)
        found = []
        for order in of_predictions:
            x = order.signs(weights) / 2
            power_x, slope_x = _sum(weights * x, x), x * x - order.signs(weights * x)
            shared = _sum(weights * x, y)
            slope = x * y - (order.signs(weights * y) + of_quality.signs(weights * x)) / 2
            slopes = [np.add.reduceat(part, starts, axis=1) for part in (slope, slope_x, slope_y)]
            found.append(_resampled((shared, power_x, power_y), slopes, counts[rows]))
        return found

    # a resample rests on no other, and NumPy leaves the interpreter to the other threads
    with ThreadPoolExecutor(processors()) as pool:
        parts = list(pool.map(resampled, _chunks(len(counts), quality.size)))
    return [
        Resampled(np.concatenate([part.value for part in of_one]), np.concatenate([part.error for part in of_one]))
        for of_one in zip(*parts, strict=True)
    ]


def resampled_krcc(quality: Floats, prediction: Floats, references: NDArray[np.intp], counts: Floats) -> Resampled:
    """KRCC (tau-b) under counts (B, R), exact; references (N,) are indices 0 to R-1, ascending.

    The number of concordant less discordant couples of pairs is a quadratic form w' M w in the counts w, M holding that
    number for each couple of references; so are the numbers of couples that are not tied.
    """
    starts = np.searchsorted(references, np.arange(counts.shape[1] + 1))
    of_quality, of_prediction = _Places(quality), _Places(prediction)
    halves = np.zeros((3, *counts.shape))  # M w of the three forms
    for first in range(0, counts.shape[1], _TOGETHER):
        block = range(first, min(first + _TOGETHER, counts.shape[1]))
        by_reference = np.zeros((3, len(block), counts.shape[1]))
        for row, reference in enumerate(block):
            for start in range(starts[reference], starts[reference + 1], _PIECE):
                some = slice(start, min(start + _PIECE, starts[reference + 1]))
                couples = _couples(of_quality.against(some), of_prediction.against(some))
                by_reference[:, row] += np.add.reduceat(couples, starts[:-1], axis=1)
        for half, form in zip(halves, by_reference, strict=True):
            half[:, block.start : block.stop] = counts @ form.T
    forms = [_sum(counts, half) for half in halves]
    return _resampled((forms[0], forms[1], forms[2]), [2 * half for half in halves], counts)


def resampled_plcc(quality: Floats, prediction: Floats, references: NDArray[np.intp], counts: Floats) -> Resampled:
    """PLCC under counts (B, R); references (N,) are indices 0 to R-1, ascending.

    The logistic fit and its direction are those of the whole sample, held fixed: what is resampled is Pearson's
    correlation of the fitted prediction. All NaN where the sample's PLCC is undefined or has no direction.
    """
    sign = direction(quality, prediction)
    if not abs(sign) > 0 or quality.size <= 5:
        return Resampled(np.full(len(counts), np.nan), np.full(len(counts), np.nan))
    fitted = logistic_fit(quality, prediction)
    y, x = quality - quality.mean(), sign * (fitted - fitted.mean())
    starts = np.searchsorted(references, np.arange(counts.shape[1]))
    n, by_y, by_x, by_yy, by_xx, by_xy = (
        np.add.reduceat(term, starts) for term in (np.ones_like(y), y, x, y * y, x * x, x * y)
    )
    size = counts @ n
    mean_y, mean_x = ((counts @ by / size)[:, None] for by in (by_y, by_x))
    slopes = [
        by_xy - mean_x * by_y - mean_y * by_x + mean_x * mean_y * n,
        by_xx - 2 * mean_x * by_x + mean_x**2 * n,
        by_yy - 2 * mean_y * by_y + mean_y**2 * n,
    ]
    shared, power_x, power_y = (_sum(counts, slope) for slope in slopes)
    # a resample in which nothing varies leaves rounding, which is no variance
    power_x[power_x <= 1e-13 * (counts @ by_xx)] = 0.0
    power_y[power_y <= 1e-13 * (counts @ by_yy)] = 0.0
    return _resampled((shared, power_x, power_y), slopes, counts)


class _Order:
    """The order of one list of values (N,), found once, for sums over the pairs below and above each pair."""

    def __init__(self, values: Floats) -> None:
        self._order = np.argsort(values, kind="stable")
        _, self._group, counts = np.unique(values, return_inverse=True, return_counts=True)
        self._last = np.cumsum(counts) - 1

    def signs(self, weights: Floats) -> Floats:
        """sum_k weights[b, k] sign(v_i - v_k) for each pair i: (B, N)."""
        through = np.cumsum(weights[:, self._order], axis=1)[:, self._last]
        below = np.concatenate([np.zeros((len(weights), 1)), through[:, :-1]], axis=1)
        return np.asarray((below + through - through[:, -1:])[:, self._group])


def _resampled(parts: tuple[Floats, Floats, Floats], slopes: Sequence[Floats], counts: Floats) -> Resampled:
    """shared / sqrt(power_x power_y), parts (B,), with its infinitesimal jackknife error from their slopes (B, R)."""
    shared, power_x, power_y = parts
    varies = (power_x > 0) & (power_y > 0)
    power_x, power_y = np.where(varies, power_x, np.nan), np.where(varies, power_y, np.nan)
    spread = np.sqrt(power_x * power_y)
    value = np.clip(shared / spread, -1.0, 1.0)
    shared_slope, slope_x, slope_y = slopes
    slope = shared_slope / spread[:, None]
    slope -= value[:, None] / 2 * (slope_x / power_x[:, None] + slope_y / power_y[:, None])
    return Resampled(value, np.sqrt(_sum(counts, slope * slope)))


def _interval(resampled: Resampled, level: float, references: int) -> tuple[float, float]:
    """The studentised interval; the first entry of `resampled` is the sample itself, the rest are resamples."""
    from scipy.stats import norm
    from scipy.stats import t as student

    if references < 2 or np.isnan(resampled.value).any():
        return float("nan"), float("nan")
    # a perfect correlation has no z: stop just short of it
    value = np.clip(resampled.value, -1 + 1e-12, 1 - 1e-12)
    z, error = np.arctanh(value), resampled.error / (1 - value**2)
    if references < FEW_REFERENCES:
        low, high = np.quantile(z[1:], norm.cdf([-1.0, 1.0]))
        spread = (high - low) / 2 * np.sqrt(references / (references - 1))
        far = float(student.ppf((1 + level) / 2, references - 1) * spread)
        return float(np.tanh(z[0] - far)), float(np.tanh(z[0] + far))
    moved = z[1:] - z[0]
    beyond = np.where(moved == 0, 0.0, np.copysign(np.inf, moved))  # a resample without spread that is elsewhere
    studentised = np.divide(moved, error[1:], out=beyond, where=error[1:] > 0)
    reach = float(norm.cdf(student.ppf((1 + level) / 2, references - 1) * np.sqrt(references / (references - 1))))
    low, high = np.quantile(studentised, [1 - reach, reach], method="nearest")
    if error[0] == 0:
        return float(resampled.value[0]), float(resampled.value[0])
    return float(np.tanh(z[0] - high * error[0])), float(np.tanh(z[0] - low * error[0]))


def _by_reference(
    quality: ArrayLike, predictions: ArrayLike, reference_ids: Sequence[str]
) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Quality (N,), predictions (M, N) and reference indices (N,), pairs sorted by reference."""
    rows = np.atleast_2d(np.asarray(predictions, dtype=np.float64))
    checked = [checked_pairs(quality, row) for row in rows]
    _, references = np.unique(np.asarray(reference_ids), return_inverse=True)
    if references.shape != checked[0][0].shape:
        raise ValueError(f"{references.size} references are named for {checked[0][0].size} pairs")
    order = np.argsort(references, kind="stable")
    return checked[0][0][order], rows[:, order], references[order]


def _sum(a: Floats, b: Floats) -> Floats:
    """Row sums of a * b, (B,)."""
    return np.asarray(np.einsum("bn,bn->b", a, b))


@dataclass(frozen=True)
class _Against:
    """Some pairs' values as thresholds: between them, or at one of them, lies every other value.

    Attributes:
        place: (N,) where each value lies: 2 m of them at one of m different thresholds or below the last, or above it.
        signs: (2 m + 1, n) sign(v_i - v) of each of the n pairs with a value that lies there.
    """

    place: NDArray[np.intp]
    signs: Floats


class _Places:
    """The order of one list of values (N,), found once, for where each lies among those of some pairs."""

    def __init__(self, values: Floats) -> None:
        _, self._group, counts = np.unique(values, return_inverse=True, return_counts=True)
        self._groups = len(counts)

    def against(self, some: slice) -> _Against:
        is_one = np.zeros(self._groups, dtype=np.int32)
        is_one[self._group[some]] = 1
        place_of = 2 * np.cumsum(is_one, dtype=np.int32) - is_one
        place, own = place_of[self._group], place_of[self._group[some]]
        everywhere = np.arange(int(place_of[-1]) + 1 + int(is_one[-1]))
        return _Against(place, np.sign(own - everywhere[:, None]).astype(np.float64))


def _couples(quality: _Against, prediction: _Against) -> Floats:
    """(3, N) of some pairs with each of all: concordant less discordant, not tied in prediction, not in quality.

    What a pair is among the some follows from where its two values lie, so that a table of all places tells it.
    """
    both = quality.signs @ prediction.signs.T
    untied = [np.abs(one.signs).sum(axis=1)[one.place] for one in (prediction, quality)]
    return np.stack((both[quality.place, prediction.place], *untied))


def _chunks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _CHUNK // columns)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
