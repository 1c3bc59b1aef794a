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

ROWS = 8
"""Configurations that one thread ranks at a time."""

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
        self._ranks = [_centred_ranks(quality[subset]) for subset in rows]

    def __call__(self, parameters: Floats, budget: int = -1) -> float:
        """SRCC of one configuration, (P,) parameters in [0, 1], on the budget's rows; NaN where D is constant."""
        table = self._tables[budget]
        coefficients = self.space.coefficients(parameters)
        distances = table @ coefficients.astype(table.dtype)
        return float(_correlations(table, coefficients[None], distances[None], self._ranks[budget])[0])

    def batch(self, parameters: Floats) -> Floats:
        """(K,) SRCC of K configurations, (K, P) parameters, on all rows: the same as one by one, only sooner.

        Blocks of configurations share a matrix product, and threads rank them.
        """
        table, ranks = self._tables[-1], self._ranks[-1]
        coefficients = self.space.coefficients(parameters)
        found = np.empty(len(parameters))
        with ThreadPoolExecutor(_processors()) as pool:
            for start in range(0, len(parameters), BLOCK):
                block = slice(start, min(start + BLOCK, len(parameters)))
                distances = table @ coefficients[block].astype(table.dtype).T

                def rank(
                    first: int, block: slice = block, distances: NDArray[np.floating] = distances
                ) -> NDArray[np.float64]:
                    rows = slice(first, first + ROWS)
                    return _correlations(table, coefficients[block][rows], distances.T[rows], ranks)

                found[block] = np.concatenate(list(pool.map(rank, range(0, distances.shape[1], ROWS))))
        return found


def _correlations(
    table: NDArray[np.floating], coefficients: Floats, distances: NDArray[np.floating], quality_ranks: Floats
) -> NDArray[np.float64]:
    """(K,) SRCC of quality against minus (K, N) distances, which are (K, F) coefficients times the (N, F) table."""
    unit = float(np.finfo(distances.dtype).eps)
    values = np.array(distances, dtype=np.float64, order="C")
    order = _order(values)
    ordered = np.take_along_axis(values, order, axis=1)
    # NaN sorts last: one look at the ends finds any
    finite = np.isfinite(ordered[:, 0]) & np.isfinite(ordered[:, -1])
    near = ROUNDING * unit * np.maximum(np.abs(ordered[:, 0]), np.abs(ordered[:, -1]))
    with np.errstate(invalid="ignore"):
        close = np.diff(ordered, axis=1) <= near[:, None]
    positions, norm = _positions(values.shape[1])
    found = quality_ranks[order] @ positions / norm
    for row in np.flatnonzero(finite & close.any(axis=1)):
        found[row] = _settled(table, coefficients[row], values[row], order[row], close[row], quality_ranks)
    found /= -np.sqrt(quality_ranks @ quality_ranks) if quality_ranks.any() else np.nan
    found[~finite] = np.nan
    return found


def _settled(
    table: NDArray[np.floating],
    coefficients: Floats,
    values: Floats,
    order: NDArray[np.intp],
    close: NDArray[np.bool_],
    quality_ranks: Floats,
) -> float:
    """Quality ranks times the normalised ranks of the values, those that are too close to call computed again."""
    undecided = np.zeros(len(order), dtype=bool)
    undecided[1:] = close
    undecided[:-1] |= close
    rows = order[undecided]
    # row by row in float64, in an order of summation that does not depend on the other rows
    values[rows] = (table[rows] * coefficients).sum(axis=1)
    order = _order(values[None])[0]
    ordered = values[order]
    starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    ends = np.append(starts[1:], len(order))
    positions = np.repeat((starts + ends - len(order)).astype(np.float64), ends - starts)
    norm = np.sqrt(positions @ positions)
    return float(quality_ranks[order] @ positions / norm) if norm > 0 else float("nan")


def _order(values: Floats) -> NDArray[np.intp]:
    """(K, N) indices that sort each row of (K, N) values.

    Positive floats sort as the whole numbers that their bits are. With its index in the lowest bits each value is
    sorted in place, three times as fast as by argsort; a row whose order that does not settle is sorted plainly.
    """
    count = values.shape[1]
    low = np.int64((1 << max(count - 1, 1).bit_length()) - 1)
    keys = values.view(np.int64) & ~low
    keys |= np.arange(count)
    keys.sort(axis=1)
    keys &= low
    ordered = np.take_along_axis(values, keys, axis=1)
    unsettled = ~(ordered[:, 1:] >= ordered[:, :-1]).all(axis=1)
    if unsettled.any():
        keys[unsettled] = np.argsort(values[unsettled], axis=1)
    return keys


def _positions(count: int) -> tuple[Floats, float]:
    """Ranks 1 .. N, centred and doubled, so that they are whole numbers; and their norm."""
    positions = np.arange(1 - count, count, 2, dtype=np.float64)
    return positions, float(np.sqrt(positions @ positions))


def _centred_ranks(quality: Floats) -> Floats:
    """(N,) average ranks, centred and doubled: whole numbers, all 0 where quality is constant."""
    _, inverse, counts = np.unique(quality, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (2 * ends - counts - len(quality)).astype(np.float64)[inverse]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
