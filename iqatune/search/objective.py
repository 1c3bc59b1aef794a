"""The objective that every searcher maximises: SRCC between the metric and the human scores.

An SRCC here is a pure function of the features and the parameters: distances that differ by no more than rounding are
computed again in one fixed way before they are ranked, and sums run over whole numbers, which round nowhere. So one by
one, in batches, and on any number of threads it comes out the same to the last bit, and identical images tie.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from iqatune.metric.spaces import Space
from iqatune.metric.weights import Floats

BLOCK = 64
"""Configurations whose distances are computed by one matrix product: bounds the memory."""

TOGETHER = 4
"""Configurations that a thread ranks at once: few enough that their distances stay in its cache."""

ROUNDING = 8
"""Distances closer than this many units of rounding of the largest may be out of order, and are computed again."""


class Objective:
    """SRCC of quality against -D for parameters of a space, signs kept.

    Everything that does not depend on the parameters is computed once: the features (see `Space.features`), and the
    ranks of the quality. A sample is then one matrix product and one sort.

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
        self._ranks = [_ranks_of(quality[subset]) for subset in rows]
        self._distinct = [np.arange(1 - len(subset), len(subset), 2, dtype=np.float64) for subset in rows]

    def __call__(self, parameters: Floats, budget: int = -1) -> float:
        """SRCC of one configuration, (P,) parameters in [0, 1], on the budget's rows; NaN where D is constant."""
        table = self._tables[budget]
        coefficients = self.space.coefficients(parameters)
        distances = table @ coefficients.astype(table.dtype)
        return float(self._correlations(coefficients[None], distances[None], budget)[0])

    def batch(self, parameters: Floats) -> Floats:
        """(K,) SRCC of K configurations, (K, P) parameters, on all rows: the same as one by one, only sooner.

        Blocks of configurations share a matrix product, and threads rank them.
        """
        table = self._tables[-1]
        coefficients = self.space.coefficients(parameters)
        found: list[Floats] = []
        with ThreadPoolExecutor(_processors()) as pool:
            for start in range(0, len(parameters), BLOCK):
                block = coefficients[start : start + BLOCK]
                distances = block.astype(table.dtype) @ table.T
                shares = [slice(first, first + TOGETHER) for first in range(0, len(block), TOGETHER)]
                parts = [(block[share], distances[share]) for share in shares]
                found.extend(pool.map(self._correlations, *zip(*parts, strict=True)))
        return np.concatenate(found) if found else np.empty(0)

    def _correlations(self, coefficients: Floats, distances: NDArray[np.floating], budget: int = -1) -> Floats:
        """(K,) SRCC of the quality with minus (K, N) distances: (K, F) coefficients times the budget's table."""
        quality = self._ranks[budget]
        values = distances.astype(np.float64)
        order, ordered = _sorted(values)
        # NaN sorts last, so that one look at the ends finds any
        defined = np.isfinite(ordered[:, 0]) & np.isfinite(ordered[:, -1]) & quality.any()
        largest = np.maximum(np.abs(ordered[:, 0]), np.abs(ordered[:, -1]))
        near = ROUNDING * np.finfo(distances.dtype).eps * np.where(defined, largest, 0)
        close = ordered[:, 1:] <= ordered[:, :-1] + near[:, None]
        found = np.full(len(values), np.nan)
        unclear = close.any(axis=1)
        for row in np.flatnonzero(defined & unclear):
            found[row] = self._settled(coefficients[row], values[row], order[row], close[row], budget)
        clear = defined & ~unclear
        if clear.any():
            ranks = self._distinct[budget]
            norm = np.sqrt((quality @ quality) * (ranks @ ranks))
            found[clear] = -(quality[order if clear.all() else order[clear]] @ ranks) / norm
        return found

    def _settled(
        self, coefficients: Floats, values: Floats, order: NDArray[np.intp], close: NDArray[np.bool_], budget: int
    ) -> float:
        """SRCC of the quality with minus (N,) values, of which those too close to the next are computed again."""
        quality = self._ranks[budget]
        undecided = np.append(close, False)
        undecided[1:] |= close
        rows = order[undecided]
        values[rows] = _exactly(self._tables[budget][rows], coefficients)
        (order,), (ordered,) = _sorted(values[None])
        ranks = _average_ranks(ordered)
        if not ranks.any():
            return float("nan")
        return float(-(quality[order] @ ranks) / np.sqrt((quality @ quality) * (ranks @ ranks)))


def _exactly(features: NDArray[np.floating], coefficients: Floats) -> Floats:
    """(n, F) features times (F,) coefficients in float64, each row summed by itself, whatever the others are."""
    products: Floats = np.einsum("ij,j->i", features.astype(np.float64), coefficients)
    return products


def _sorted(values: Floats) -> tuple[NDArray[np.intp], Floats]:
    """(K, N) indices that sort each row of (K, N) values, NaN last, and the sorted values.

    Positive floats sort as the whole numbers that their bits are. With its index in the lowest bits each value is
    sorted in place, three times as fast as by argsort, which settles what that leaves out of order.
    """
    rows, count = values.shape
    low = (1 << (count - 1).bit_length()) - 1
    order = values.view(np.int64) & ~low
    order |= np.arange(count)
    order.sort(axis=1)
    order &= low
    ordered = values.ravel()[order + count * np.arange(rows)[:, None]]
    for row in np.flatnonzero(~(ordered[:, 1:] >= ordered[:, :-1]).all(axis=1)):
        order[row] = np.argsort(values[row])
        ordered[row] = values[row, order[row]]
    return order, ordered


def _average_ranks(ordered: Floats) -> Floats:
    """Average ranks of (N,) ascending values, centred and doubled: whole numbers, all 0 where all are equal."""
    starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    ends = np.append(starts[1:], len(ordered))
    return np.repeat((starts + ends - len(ordered)).astype(np.float64), ends - starts)


def _ranks_of(quality: Floats) -> Floats:
    order = np.argsort(quality)
    ranks = np.empty(len(quality))
    ranks[order] = _average_ranks(quality[order])
    return ranks


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
