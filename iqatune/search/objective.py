"""The objective that every searcher maximises: SRCC between the metric and the human scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iqatune.metric.spaces import Space
from iqatune.metric.weights import Floats


class Objective:
    """SRCC of quality against -D for parameters of a space, signs kept.

    Everything that does not depend on the parameters is computed once: the features (see `Space.features`), and the
    centred, normalised ranks of the quality. A sample is then one matrix product and one sort.

    Args:
        space: what turns parameters into coefficients.
        features: (N, F) features of the pairs in that space.
        quality: (N,) human scores, higher is better.
        subsets: rows that each budget looks at, the last one all that there are; by default one budget, every row.
    """

    def __init__(
        self, space: Space, features: Floats, quality: Floats, subsets: Sequence[NDArray[np.intp]] | None = None
    ) -> None:
        self.space = space
        rows = subsets if subsets is not None else [np.arange(len(quality))]
        everything = len(rows[-1]) == len(quality)
        # the last budget reads the features in place; smaller ones keep their own copy of a few rows
        self._tables = [features[subset] for subset in rows[:-1]] + [features if everything else features[rows[-1]]]
        self._ranks = [_unit_ranks(quality[subset]) for subset in rows]

    def __call__(self, parameters: Floats, budget: int = -1) -> float:
        """SRCC of one configuration, (P,) parameters in [0, 1], on the budget's rows; NaN where D is constant."""
        table = self._tables[budget]
        coefficients = self.space.coefficients(parameters).astype(table.dtype)
        return -rank_correlation(self._ranks[budget], table @ coefficients)

    def batch(self, parameters: Floats) -> Floats:
        """(K,) SRCC of K configurations, (K, P) parameters, on all rows: one matrix product for all of them."""
        table = self._tables[-1]
        coefficients = self.space.coefficients(parameters).astype(table.dtype)
        distances = coefficients @ table.T
        return np.array([-rank_correlation(self._ranks[-1], row) for row in distances])


def rank_correlation(unit_ranks: Floats, values: NDArray[np.floating]) -> float:
    """SRCC of (N,) values with ranks prepared by `_unit_ranks`: average ranks for ties, NaN for constant or NaN."""
    order = np.argsort(values)
    ordered = values[order]
    # NaN sorts last: one look at the end finds any
    if not np.isfinite(ordered[-1]) or not np.isfinite(ordered[0]):
        return float("nan")
    count = len(values)
    positions = np.arange(count, dtype=np.float64)
    new = ordered[1:] != ordered[:-1]
    if not new.all():
        starts = np.concatenate(([0], np.flatnonzero(new) + 1))
        ends = np.concatenate((starts[1:], [count]))
        positions = np.repeat((starts + ends - 1) / 2, ends - starts)
    positions -= (count - 1) / 2
    norm = np.sqrt(positions @ positions)
    return float(unit_ranks[order] @ positions / norm) if norm > 0 else float("nan")


def _unit_ranks(quality: Floats) -> Floats:
    """(N,) average ranks, centred and divided by their norm; NaN where quality is constant."""
    _, inverse, counts = np.unique(quality, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse] - (len(quality) + 1) / 2
    norm = np.sqrt(ranks @ ranks)
    return ranks / norm if norm > 0 else np.full(len(quality), np.nan)
