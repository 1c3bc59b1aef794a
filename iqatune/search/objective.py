"""The objective that every searcher maximises: SRCC between the metric and the human scores.

An SRCC here is a pure function of the features and the parameters: distances that differ by no more than rounding are
computed again in one fixed way before they are ranked, and sums run over whole numbers, which round nowhere. So one by
one, in batches, and on any number of threads it comes out the same to the last bit, and identical images tie.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from iqatune.evaluation.correlation import average_ranks
from iqatune.evaluation.measures import Measure
from iqatune.metric.spaces import Space
from iqatune.metric.weights import Floats
from iqatune.runtime.threads import ThreadPools, processors
from iqatune.search.products import OnDevice

TOGETHER = 32
"""Configurations that a thread evaluates at once, at most: enough that the features are seldom read from memory, and
that the thread seldom waits for the interpreter's lock."""

VALUES = 1 << 20
"""Distances that a thread works on at once, at most, whatever the number of pairs: 24 MB."""

ROUNDING = 8
"""Distances closer than this many units of rounding of the largest may be out of order, and are computed again."""


TINY = float(np.finfo(np.float64).tiny)


class Figures(NamedTuple):
    """Of one configuration: its SRCC, and the figure of an objective other than that; NaN where undefined."""

    srcc: float
    value: float


class Objective:
    """SRCC of quality against -D for parameters of a space, signs kept.

    Everything that does not depend on the parameters is computed once: the features (see `Space.features`), and the
    ranks of the quality. A sample is then one matrix product and one sort.

    Args:
        space: what turns parameters into coefficients.
        tables: (N, F) features of the pairs in that space, one for each way to compare that it offers.
        quality: (N,) human scores, higher is better.
        subsets: rows that each budget looks at, the last one all that there are; by default one budget, every row.
        device: what multiplies batches, by its name in torch; None for NumPy. SRCCs are the same.
    """

    def __init__(
        self,
        space: Space,
        tables: Sequence[Floats],
        quality: Floats,
        subsets: Sequence[NDArray[np.intp]] | None = None,
        *,
        device: str | None = None,
    ) -> None:
        self.space = space
        rows = subsets if subsets is not None else [np.arange(len(quality))]
        self._budgets = [
            tuple(_Ranking(_rows_of(table, subset), quality[subset]) for table in tables) for subset in rows
        ]
        self._together = max(1, min(TOGETHER, VALUES // max(len(quality), 1)))
        self._device = device
        self._products: dict[int, OnDevice] = {}
        self._idle: list[_Workspace] = []
        self._pools = ThreadPools()

    def __call__(self, parameters: Floats, budget: int = -1) -> float:
        """SRCC of one configuration, (P,) parameters in [0, 1], on the budget's rows; NaN where D is constant."""
        ranking = self._budgets[budget][int(self.space.table(parameters))]
        coefficients = self.space.coefficients(parameters)
        distances = ranking.features @ coefficients.astype(ranking.features.dtype)
        return float(ranking.correlations(coefficients[None], distances[None], ranking.workspace(1))[0])

    def batch(self, parameters: Floats) -> Floats:
        """(K,) SRCC of K configurations, (K, P) parameters, on all rows: the same as one by one, only sooner.

        Every thread takes some configurations at a time through matrix product and ranking, in memory that it has
        taken before: fresh pages for every step would cost more than the steps do.
        """
        rankings, chosen = self._budgets[-1], self.space.table(parameters)
        threads = processors()
        together = max(1, min(self._together, -(-len(parameters) // threads)))
        alike = [np.flatnonzero(chosen == table) for table in range(len(rankings))]
        parts = [rows[start : start + together] for rows in alike for start in range(0, len(rows), together)]
        products = {table: self._on_device(table) for table in set(chosen.tolist())}
        found = np.empty(len(parameters))

        def correlate(rows: NDArray[np.intp]) -> None:
            table = int(chosen[rows[0]])
            ranking, on_device = rankings[table], products[table]
            coefficients = self.space.coefficients(parameters[rows])
            with self._workspace() as workspace:
                distances: NDArray[np.floating]
                if on_device is None:
                    factors = coefficients.astype(ranking.features.dtype)
                    distances = np.matmul(factors, ranking.features.T, out=workspace.distances[: len(rows)])
                else:
                    distances = on_device(coefficients)
                found[rows] = ranking.correlations(coefficients, distances, workspace)

        # a thread of BLAS for each of these; more of its own would spin where these want to work
        with self._pools.limit(1), ThreadPoolExecutor(threads) as pool:
            list(pool.map(correlate, parts))
        return found

    def _on_device(self, table: int) -> OnDevice | None:
        """What multiplies with the features of a table, which the device gets once; None for NumPy."""
        if self._device is None:
            return None
        if table not in self._products:
            self._products[table] = OnDevice(self._budgets[-1][table].features, self._device)
        return self._products[table]

    @contextmanager
    def _workspace(self) -> Iterator["_Workspace"]:
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = self._budgets[-1][0].workspace(self._together)
        try:
            yield workspace
        finally:
            self._idle.append(workspace)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_idle": [], "_products": {}}  # whoever gets a copy takes memory of its own


class FiguresObjective(Protocol):
    """An objective other than the SRCC of one data set, which gives the SRCC beside it."""

    def __call__(self, parameters: Floats, budget: int = -1) -> Figures: ...


class OtherObjective:
    """Another figure than the SRCC over all pairs, which is computed beside it.

    Args:
        by_srcc: the SRCC, of the same pairs and budgets.
        tables: (N, F) features of all pairs, one for each way to compare that the space offers.
        measures: of each budget's rows.
        subsets: the rows.
    """

    def __init__(
        self,
        by_srcc: Objective,
        tables: Sequence[Floats],
        measures: Sequence[Measure],
        subsets: Sequence[NDArray[np.intp]],
    ) -> None:
        self._by_srcc = by_srcc
        self._measures = tuple(measures)
        self._tables = [tuple(_rows_of(table, rows) for table in tables) for rows in subsets]

    def __call__(self, parameters: Floats, budget: int = -1) -> Figures:
        """Both figures of one configuration, (P,) parameters in [0, 1], on the budget's rows; NaN where undefined."""
        distances = distances_of(self._by_srcc.space, self._tables[budget], parameters)
        return Figures(self._by_srcc(parameters, budget), self._measures[budget](distances))


class JointObjective:
    """The weighted mean of the SRCC of several data sets, each on its own pairs: no scores of two are ranked together.

    Args:
        parts: of each set.
        weights: of each set, summing to 1.
    """

    def __init__(self, parts: Sequence[Objective], weights: Sequence[float]) -> None:
        self._parts = tuple(parts)
        self._weights = tuple(weights)

    def __call__(self, parameters: Floats, budget: int = -1) -> float:
        """The mean of one configuration, (P,) parameters in [0, 1]; NaN where that of one of the sets is."""
        return weighted_mean([part(parameters, budget) for part in self._parts], self._weights)

    def batch(self, parameters: Floats) -> Floats:
        """(K,) means of K configurations, (K, P) parameters, on all rows: the same as one by one, only sooner."""
        columns = zip(*(part.batch(parameters).tolist() for part in self._parts), strict=True)
        return np.array([weighted_mean(column, self._weights) for column in columns])


class OtherJointObjective:
    """The same of another objective than the SRCC, which is computed beside it.

    Args:
        parts: of each set.
        weights: of each set, summing to 1.
    """

    def __init__(self, parts: Sequence[FiguresObjective], weights: Sequence[float]) -> None:
        self._parts = tuple(parts)
        self._weights = tuple(weights)

    def __call__(self, parameters: Floats, budget: int = -1) -> Figures:
        """Both means of one configuration, (P,) parameters in [0, 1]; NaN where that of one of the sets is."""
        found = [part(parameters, budget) for part in self._parts]
        return Figures(*(weighted_mean(column, self._weights) for column in zip(*found, strict=True)))


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """The mean of figures of several data sets; of one its figure, to the last bit.

    Args:
        weights: above 0; they need not sum to 1.
    """
    if len(values) == 1:
        return values[0]
    return math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / math.fsum(weights)


def distances_of(space: Space, tables: Sequence[Floats], parameters: Floats) -> Floats:
    """(N,) distances of (P,) parameters: each row of features summed by itself, so that identical images tie.

    Args:
        tables: (N, F) features, one for each way to compare that the space offers.
    """
    features = tables[int(space.table(parameters))]
    distances: Floats = np.vecdot(features, space.coefficients(parameters).astype(features.dtype)).astype(np.float64)
    return distances


def _rows_of(table: Floats, rows: NDArray[np.intp]) -> Floats:
    """All rows are read in place; a few are copied."""
    return table if len(rows) == len(table) else table[rows]


@dataclass(frozen=True)
class _Workspace:
    """Memory for up to K configurations: (K, N) each."""

    distances: NDArray[np.floating]
    values: Floats
    others: Floats


class _Ranking:
    """SRCC of the quality of some pairs, (N,), with distances that their (N, F) features give.

    Positive floats sort as the whole numbers that their bits are. With its index in the lowest bits each value is
    sorted in place, three times as fast as by argsort; where that leaves an order open, the values are computed again.
    """

    def __init__(self, features: NDArray[np.floating], quality: Floats) -> None:
        count = len(quality)
        self.features = features
        self._quality = 2 * average_ranks(quality) - (count + 1)  # whole numbers around 0
        self._distinct = np.arange(1 - count, count, 2, dtype=np.float64)
        self._index = np.arange(count)
        self._low = (1 << (count - 1).bit_length()) - 1
        # what a product may round off, and what the index takes the place of, relative to the largest distance
        left_out = 2 * (self._low + 1) * np.finfo(np.float64).eps
        self._unsure = float(ROUNDING * np.finfo(features.dtype).eps + left_out)

    def workspace(self, rows: int) -> _Workspace:
        """Memory that `correlations` of up to so many configurations works in."""
        shape = (rows, len(self._index))
        return _Workspace(np.empty(shape, self.features.dtype), np.empty(shape), np.empty(shape))

    def correlations(self, coefficients: Floats, distances: NDArray[np.floating], workspace: _Workspace) -> Floats:
        """(K,) SRCC of the quality with minus (K, N) distances, the product of (K, F) coefficients and the features.

        NaN where undefined.
        """
        if len(self._index) < 2:
            return np.full(len(distances), np.nan)
        values, others = workspace.values[: len(distances)], workspace.others[: len(distances)]
        values[:] = distances
        keys = values.view(np.int64)
        keys &= ~self._low
        keys |= self._index
        keys.sort(axis=1)
        smallest, largest = values[:, 0].copy(), values[:, -1].copy()
        sound = (smallest >= 0) & (largest < np.inf) & self._quality.any()
        with np.errstate(invalid="ignore"):  # infinite ones are not sound, and looked at below
            gaps = np.subtract(values[:, 1:], values[:, :-1], out=others[:, 1:])
        # at least a normal number: below, the index alone would tell equal values apart
        clear = sound & (gaps.min(axis=1) > np.maximum(self._unsure * np.where(sound, largest, 0), TINY))
        keys &= self._low
        found = np.empty(len(distances))
        if clear.any():
            found[:] = self._correlation(np.take(self._quality, keys, out=others, mode="clip"), self._distinct)
        for row in np.flatnonzero(~clear):
            order = keys[row] if sound[row] else np.argsort(distances[row])
            found[row] = self._settled(coefficients[row], distances[row].astype(np.float64), order)
        return found

    def _settled(self, coefficients: Floats, values: Floats, order: NDArray[np.intp]) -> float:
        """SRCC where some of (N,) values are too close for a sure order: those are computed again, in one fixed way.

        Equal ones then tie, as identical images do.

        Args:
            order: what sorts the values as far as that is sure, NaN last.
        """
        ordered = values[order]
        if not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1]) and self._quality.any()):
            return float("nan")
        close = np.diff(ordered) <= self._unsure * max(abs(ordered[0]), abs(ordered[-1]))
        undecided = np.append(close, False)
        undecided[1:] |= close
        places = np.flatnonzero(undecided)
        rows = order[places]
        # each row summed by itself: a product of matrices rounds a row by where it stands
        exact = np.vecdot(self.features.take(rows, axis=0), coefficients)
        among = np.argsort(exact)
        # what is close to nothing else stays in its place, so the others share out theirs
        order = order.copy()
        order[places], ordered[places] = rows[among], exact[among]
        ties = bool((ordered[1:] == ordered[:-1]).any())
        ranks = _ranks_of_sorted(ordered) if ties else self._distinct
        return float(self._correlation(self._quality[order], ranks)) if ranks.any() else float("nan")

    def _correlation(self, quality: Floats, ranks: Floats) -> Floats:
        """SRCC of ranks (..., N) of the quality, in the order of the distances, with minus those of the distances."""
        return -(quality @ ranks) / np.sqrt((self._quality @ self._quality) * (ranks @ ranks))


def _ranks_of_sorted(ordered: Floats) -> Floats:
    """Average ranks of (N,) ascending values, centred and doubled: whole numbers, all 0 where all are equal."""
    starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    ends = np.append(starts[1:], len(ordered))
    return np.repeat((starts + ends - len(ordered)).astype(np.float64), ends - starts)
