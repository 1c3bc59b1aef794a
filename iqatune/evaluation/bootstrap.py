"""How sure is a correlation? Intervals from resampling whole references, exact and without loops over resamples.

A resample draws as many references as there are, with replacement; all pairs of a reference come and go together,
because their scores are not independent (on TID2013 intervals by image are half as wide, and wrong). A resample is its
row of counts (how often each reference was drawn), and each correlation is computed from counts as if the pairs had
been repeated that often.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from iqatune.evaluation.correlation import Floats, direction, logistic_fit

_CHUNK = 2**20  # numbers in one working array: fits the cache of a core


def resample_counts(reference_ids: Sequence[str], resamples: int, seed: int) -> Floats:
    """How often each resample draws each reference: whole numbers, (resamples, R), references in sorted order."""
    references = np.unique(np.asarray(reference_ids)).size
    draws = np.random.default_rng(seed).multinomial(references, np.full(references, 1 / references), size=resamples)
    return draws.astype(np.float64)


def resampled_srcc(quality: Floats, predictions: Floats, reference_of_pair: NDArray[np.intp], counts: Floats) -> Floats:
    """SRCC of each prediction (M, N) in each resample (B, R): (M, B), NaN where it is undefined."""
    of_quality, of_predictions = _Ranking(quality), [_Ranking(prediction) for prediction in predictions]
    result = np.empty((len(predictions), len(counts)))
    for rows in _chunks(len(counts), quality.size):
        weights = counts[rows][:, reference_of_pair]
        middle = (weights.sum(axis=1, keepdims=True) + 1) / 2
        y = of_quality.ranks(weights) - middle
        weighted = weights * y
        power = np.einsum("bn,bn->b", weighted, y)
        for index, ranking in enumerate(of_predictions):
            x = ranking.ranks(weights) - middle
            spread = np.sqrt(power * np.einsum("bn,bn,bn->b", weights, x, x))
            result[index, rows] = _ratio(np.einsum("bn,bn->b", weighted, x), spread)
    return result


def resampled_krcc(quality: Floats, prediction: Floats, reference_of_pair: NDArray[np.intp], counts: Floats) -> Floats:
    """KRCC (tau-b) in each resample (B, R): (B,), NaN where it is undefined.

    The number of concordant less discordant couples of pairs is a quadratic form w' M w in the counts w, M holding that
    number for each couple of references; so are the numbers of couples that are not tied.
    """
    order = np.argsort(reference_of_pair, kind="stable")
    y, x = quality[order], prediction[order]
    starts = np.searchsorted(reference_of_pair[order], np.arange(counts.shape[1] + 1))
    forms = np.zeros((3, len(counts)))
    for references in _reference_blocks(starts):
        pairs = slice(starts[references.start], starts[references.stop])
        sign_y, sign_x = _signs(y[pairs], y), _signs(x[pairs], x)
        for form, couples in zip(forms, (sign_y * sign_x, sign_y * sign_y, sign_x * sign_x), strict=True):
            by_column = np.add.reduceat(couples, starts[:-1], axis=1, dtype=np.int32)
            by_reference = np.add.reduceat(by_column, starts[references] - starts[references.start], axis=0)
            form += np.einsum("br,br->b", counts[:, references], counts @ by_reference.T.astype(np.float64))
    return _ratio(forms[0], np.sqrt(forms[1] * forms[2]))


def resampled_plcc(quality: Floats, prediction: Floats, reference_of_pair: NDArray[np.intp], counts: Floats) -> Floats:
    """PLCC in each resample (B, R): (B,), NaN where it is undefined.

    The logistic fit and the direction are those of the whole sample, held fixed; only Pearson's correlation is resampled.
    """
    fitted = logistic_fit(quality, prediction)
    y, x = quality - quality.mean(), fitted - fitted.mean()
    terms = np.stack([np.ones_like(y), y, x, y * y, x * x, x * y])
    references = counts.shape[1]
    sums = np.stack([np.bincount(reference_of_pair, weights=term, minlength=references) for term in terms], axis=1)
    n, sum_y, sum_x, sum_yy, sum_xx, sum_xy = (counts @ sums).T
    power_y, power_x = sum_yy - sum_y**2 / n, sum_xx - sum_x**2 / n
    rounding = 1e-14 * len(y)
    power_y[power_y < rounding * sum_yy] = 0.0
    power_x[power_x < rounding * sum_xx] = 0.0
    return _ratio(sum_xy - sum_x * sum_y / n, np.sqrt(power_y * power_x)) * direction(quality, prediction)


class _Ranking:
    """Average ranks of one list of values (N,) under any whole-number weights, for one sort."""

    def __init__(self, values: Floats) -> None:
        self._order = np.argsort(values, kind="stable")
        _, self._group, counts = np.unique(values, return_inverse=True, return_counts=True)
        self._last = np.cumsum(counts) - 1

    def ranks(self, weights: Floats) -> Floats:
        """Ranks (B, N) of the values when value i occurs weights[b, i] times."""
        through = np.cumsum(weights[:, self._order], axis=1)[:, self._last]
        before = np.concatenate([np.zeros((len(weights), 1)), through[:, :-1]], axis=1)
        return np.asarray(((before + through + 1) / 2)[:, self._group])


def _signs(a: Floats, b: Floats) -> NDArray[np.int8]:
    """sign(a_i - b_j), (A, B), by comparison: differences of infinite values are no numbers."""
    return (a[:, None] > b).astype(np.int8) - (a[:, None] < b).astype(np.int8)


def _ratio(value: Floats, spread: Floats) -> Floats:
    """A correlation from its covariance and spread: NaN, without a warning, where nothing varies."""
    return np.clip(np.divide(value, spread, out=np.full_like(value, np.nan), where=spread > 0), -1.0, 1.0)


def _chunks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _CHUNK // columns)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _reference_blocks(starts: NDArray[np.intp]) -> Iterator[slice]:
    """Runs of whole references whose couples with all pairs fit the working array, one reference at least."""
    rows, first = max(1, _CHUNK // int(starts[-1])), 0
    while first < starts.size - 1:
        stop = max(first + 1, int(np.searchsorted(starts, starts[first] + rows, side="right")) - 1)
        yield slice(first, stop)
        first = stop
