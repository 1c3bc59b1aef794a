"""Is one metric better than another, or is that chance? Paired comparisons on the same references.

On one data set metrics are compared on the same resamples of its references; over many data sets or seeds by rank
tests (Demsar 2006, 'Statistical comparisons of classifiers over multiple data sets').
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqatune.evaluation.bootstrap import bootstrap_srcc
from iqatune.evaluation.correlation import Floats, srcc


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The best metric's SRCC less each metric's, all (M,); 0, its bounds 0 and p 1 for the best itself.

    `low` and `high` bound each difference alone; `p` is two-sided and not corrected. NaN where an SRCC is undefined.
    """

    best: int
    difference: Floats
    low: Floats
    high: Floats
    p: Floats


@dataclass(frozen=True, kw_only=True)
class Couples:
    """Every metric's SRCC less every other's, all (M, M), row less column; 0, its bounds 0 and p 1 on the diagonal.

    `low` and `high` bound each difference alone; `p` is two-sided and not corrected, `p_corrected` by Holm over all
    couples. NaN where an SRCC is undefined, and all but the difference where there is one reference.
    """

    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    p_corrected: Floats

    def tied_with_best(self, level: float = 0.95) -> NDArray[np.bool_]:
        """As the function of that name, from the best one's row."""
        defined = ~np.isnan(np.diagonal(self.difference))
        best = int(np.argmax(np.where(defined, np.nansum(self.difference > 0, axis=1), -1)))
        return _tied(best, self.p[best], defined, level)


@dataclass(frozen=True)
class ManyComparison:
    """Methods over many data sets or seeds: Friedman's test of them all, then each against each.

    `friedman_p` is NaN for fewer than 3 methods; `wilcoxon_p` (M, M) is Holm-corrected over its couples, with 1 on the
    diagonal; `mean_ranks` (M,) are from 1, the best.
    """

    mean_ranks: Floats
    friedman_p: float
    wilcoxon_p: Floats


def paired_differences(
    quality: ArrayLike,
    predictions: ArrayLike,
    reference_ids: Sequence[str],
    resamples: int = 2000,
    *,
    seed: int = 0,
    level: float = 0.95,
) -> Differences:
    """How far each metric's SRCC is from the best one's, with paired intervals over references.

    The standard error is that of the difference over resamples, widened by sqrt(R/(R-1)), and the interval and p are
    Student's t with R-1 degrees of freedom (Hesterberg 2015, 'What teachers should know about the bootstrap').

    Args:
        quality: human scores (N,), higher is better.
        predictions: scores of M metrics (M, N), higher is better; signs count.
        reference_ids: the reference of each pair, (N,).
        resamples: how many; all metrics see the same ones.
        seed: of the draws.
        level: the probability with which an interval is meant to cover the true difference.

    Raises:
        ValueError: NaN, lengths that differ, no metric whose SRCC is defined, or a level outside (0, 1).
    """
    values, resampled = _resampled(quality, predictions, reference_ids, resamples, seed=seed)
    if np.isnan(values).all():
        raise ValueError("no metric's SRCC is defined: the quality or every prediction is constant")
    best = int(np.nanargmax(values))
    low, high, p = _bounds(values[best] - values, resampled[best] - resampled, len(set(reference_ids)), level)
    same = np.arange(len(values)) == best
    low, high, p = (np.where(same, certain, of) for certain, of in ((0.0, low), (0.0, high), (1.0, p)))
    return Differences(best=best, difference=values[best] - values, low=low, high=high, p=p)


def paired_comparisons(
    quality: ArrayLike,
    predictions: ArrayLike,
    reference_ids: Sequence[str],
    resamples: int = 2000,
    *,
    seed: int = 0,
    level: float = 0.95,
) -> Couples:
    """How far each metric's SRCC is from each other's, with paired intervals over references.

    Each couple is compared as `paired_differences` compares with the best, on the same resamples. Arguments as there.

    Raises:
        ValueError: NaN, lengths that differ, or a level outside (0, 1).
    """
    values, resampled = _resampled(quality, predictions, reference_ids, resamples, seed=seed)
    references = len(set(reference_ids))
    difference = values[:, None] - values
    bounds = [_bounds(row, of - resampled, references, level) for row, of in zip(difference, resampled, strict=True)]
    low, high, p = (np.stack(part) for part in zip(*bounds, strict=True))
    diagonal = np.diag_indices(len(values))
    low[diagonal] = high[diagonal] = 0.0
    p[diagonal] = 1.0
    first, second = (index[~np.isnan(p[np.triu_indices(len(values), 1)])] for index in np.triu_indices(len(values), 1))
    corrected = p.copy()
    corrected[first, second] = corrected[second, first] = holm(p[first, second])
    return Couples(difference=difference, low=low, high=high, p=p, p_corrected=corrected)


def _resampled(
    quality: ArrayLike, predictions: ArrayLike, reference_ids: Sequence[str], resamples: int, *, seed: int
) -> tuple[Floats, Floats]:
    """SRCC of M metrics (M,), and of the same resamples of the references (M, B)."""
    rows = np.atleast_2d(np.asarray(predictions, dtype=np.float64))
    values = np.array([srcc(quality, row) for row in rows])
    resampled = bootstrap_srcc(quality, rows, reference_ids, resamples, seed=seed)
    if len(set(reference_ids)) < 2:
        resampled = np.full_like(resampled, np.nan)  # one reference, drawn again and again, says nothing
    return values, resampled


def _bounds(difference: Floats, resampled: Floats, references: int, level: float) -> tuple[Floats, Floats, Floats]:
    """The interval of differences (M,), and their two-sided p, from those of resamples (M, B)."""
    from scipy.stats import t as student

    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    freedom = max(references - 1, 1)
    error = np.std(resampled, axis=1, ddof=1) * np.sqrt(references / freedom)
    reach = error * student.ppf((1 + level) / 2, freedom)
    certain = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    statistic = np.divide(difference, error, out=certain, where=~(error == 0))
    return difference - reach, difference + reach, 2 * student.sf(np.abs(statistic), freedom)


def tied_with_best(
    quality: ArrayLike,
    predictions: ArrayLike,
    reference_ids: Sequence[str],
    resamples: int = 2000,
    *,
    seed: int = 0,
    level: float = 0.95,
) -> NDArray[np.bool_]:
    """Which metrics these data cannot tell from the best, (M,): the best is one of them.

    A metric is left out when its difference to the best is significant at 1 - level after Holm's correction over the
    metrics; for two metrics that is a paired interval without 0. A metric whose SRCC is undefined is never tied, and
    one whose SRCC some resample leaves undefined always is. Arguments and errors as of `paired_differences`.
    """
    found = paired_differences(quality, predictions, reference_ids, resamples, seed=seed, level=level)
    return _tied(found.best, found.p, ~np.isnan(found.difference), level)


def _tied(best: int, p: Floats, defined: NDArray[np.bool_], level: float) -> NDArray[np.bool_]:
    """Which metrics are tied with the best, from the p of each beside it and whether its SRCC is defined."""
    others = np.flatnonzero((np.arange(p.size) != best) & ~np.isnan(p))
    tied = defined.copy()
    tied[others] = holm(p[others]) > 1 - level
    return tied


def compare_over_many(scores: ArrayLike) -> ManyComparison:
    """Friedman's test and Holm-corrected Wilcoxon signed-rank tests of M methods over K data sets or seeds.

    Args:
        scores: (K, M), higher is better, K >= 2 and M >= 2, without missing cells.

    Raises:
        ValueError: another shape, or values that are not finite.
    """
    from scipy.stats import friedmanchisquare, rankdata, wilcoxon

    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"scores must be a table of 2 or more cases by 2 or more methods, got {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("scores must be finite: leave out the cases that some method lacks")
    methods = table.shape[1]
    first, second = np.triu_indices(methods, 1)
    p = np.array(
        [
            wilcoxon(table[:, i], table[:, j]).pvalue if (table[:, i] != table[:, j]).any() else 1.0
            for i, j in zip(first, second, strict=True)
        ]
    )
    corrected = np.ones((methods, methods))
    corrected[first, second] = corrected[second, first] = holm(p)
    differs = (table != table[:, :1]).any()
    friedman = float("nan") if methods < 3 else float(friedmanchisquare(*table.T).pvalue) if differs else 1.0
    return ManyComparison(rankdata(-table, axis=1).mean(axis=0), friedman, corrected)


def holm(p: Floats) -> Floats:
    """Holm's step-down correction (1979) of p values (K,): corrected p values in the same order."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(p.size)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return corrected
