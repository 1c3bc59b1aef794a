"""Weights found directly: a convex loss on couples of pairs, shrunk towards the uniform weights.

Of two pairs the one with the better human score should have the smaller D. The loss of such a couple is the logistic
one of the difference of their distances (Bradley and Terry 1952; RankNet, Burges et al. 2005), which is convex in
weights >= 0 that carry its temperature as their sum. Shrinkage adds the chi-squared distance of the weights' shares
from the uniform ones. L-BFGS-B minimises both (Byrd, Lu, Nocedal and Zhu 1995, as scipy has it).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iqatune.metric.spaces import TILT, Space
from iqatune.metric.weights import Floats

COUPLES: Final = 20_000
"""Couples that are looked at, drawn at random where there are more: more change no figure of weight, fewer do."""

FEW_FEATURES: Final = 64
"""Up to so many features the couples' differences are kept, which is sooner than to take them from the table."""

ITERATIONS: Final = 50
TOLERANCE: Final = 1e-8
"""Of the loss, relative. A looser one stops where a step of the path begins, before it has moved."""

TEMPERATURE: Final = 2.0
"""Standard deviation of the couples' differences under the uniform weights, where the path begins."""


@dataclass(frozen=True)
class Couples:
    """Pairs of which people preferred one.

    Attributes:
        better, worse: (M,) rows of the pairs.
        weight: (M,) how much each counts; they sum to 1.
    """

    better: NDArray[np.intp]
    worse: NDArray[np.intp]
    weight: Floats

    @classmethod
    def of(
        cls, quality: Floats, set_ids: Sequence[str], seed: int, set_weights: Mapping[str, float] | None = None
    ) -> "Couples":
        """Couples within each data set, whose scores compare; those that people hardly told apart count less.

        A couple's weight is the difference of its scores over their standard deviation in the set, 1 at most.

        Args:
            quality: (N,) human scores, higher is better.
            set_ids: (N,) the data set of each pair.
            seed: of the draw.
            set_weights: how much the couples of each set count together; by default as much as any other's.
        """
        names, shares = np.asarray(set_ids), set_weights or {}
        found = {name: _drawn(np.flatnonzero(names == name), quality, seed) for name in dict.fromkeys(set_ids)}
        parts = [(better, worse, weight * shares.get(name, 1.0)) for name, (better, worse, weight) in found.items()]
        better, worse, weight = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return cls(better, worse, weight / weight.sum() if len(weight) else weight)


def _drawn(rows: NDArray[np.intp], quality: Floats, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    count = len(rows)
    if count * (count - 1) // 2 <= COUPLES:
        first, second = np.triu_indices(count, 1)
    else:
        first, second = np.random.default_rng(seed).integers(0, count, (2, COUPLES))
    first, second = rows[first], rows[second]
    differences = quality[first] - quality[second]
    told = differences != 0
    first, second, differences = first[told], second[told], differences[told]
    weight = np.minimum(np.abs(differences) / quality[rows].std(), 1) if len(differences) else differences
    is_first = differences > 0
    # together they count 1, whatever their number
    return (
        np.where(is_first, first, second),
        np.where(is_first, second, first),
        weight / weight.sum() if len(weight) else weight,
    )


@dataclass(frozen=True)
class Fitted:
    """Where a fit stands.

    Attributes:
        shares: (M,) of the space, not negative; their sum is the loss's temperature.
        own: (P - M,) the numbers of the space's own, in [0, 1].
    """

    shares: Floats
    own: Floats


class Fit:
    """The fit of a space's numbers to some pairs, through one table of features.

    Its unknowns are scaled so that the shrinkage has the same curvature in each of them: L-BFGS-B then takes ten to
    forty steps from one shrinkage to the next.

    Args:
        table: (N, F) features of all pairs that `couples` speaks of.
        penalty: what is added to the loss, a function of the (F,) coefficients whose scale drops out: its value and
            derivatives.
    """

    def __init__(
        self,
        space: Space,
        table: Floats,
        couples: Couples,
        *,
        penalty: Callable[[Floats], tuple[float, Floats]] | None = None,
    ) -> None:
        self._space = space
        self._penalty = penalty
        self._couples, self._table = _of_couples(couples, table)
        few = table.shape[1] <= FEW_FEATURES
        differences = table[couples.worse] - table[couples.better] if few else None
        self._differences = None if differences is None else differences.astype(np.float64)
        spread = self._apart(space.spread(space.uniform, np.full(self._own, 0.5))).std() if len(couples.weight) else 0.0
        self._temperature = TEMPERATURE / spread if spread > 0 else 1.0
        self._root = np.sqrt(space.uniform)
        # the within-stage chi-squared distance that a tilt makes is (TILT (2 t - 1))^2, averaged over the stages
        self._tilt = 2 * TILT / np.sqrt(len(space.uniform) / 2)

    @property
    def uniform(self) -> Fitted:
        """The uniform weights."""
        return Fitted(self._temperature * self._space.uniform, np.full(self._own, 0.5))

    @property
    def start(self) -> Fitted:
        """Where the path begins."""
        return self.uniform

    def solve(self, shrinkage: float, start: Fitted) -> Fitted:
        """The weights of least loss and shrinkage.

        Args:
            shrinkage: how much the distance from the uniform weights counts, 0 or more.
            start: such as the solution at another shrinkage.
        """
        found = self._least(shrinkage, start, None, ITERATIONS)
        # where no weights tell better from worse, none are better than the uniform ones
        return found if found.shares.any() else self.uniform

    def penalised(self, penalty: Floats, iterations: int) -> Floats:
        """(M,) shares of least loss and penalty, of which many are 0, and perhaps all.

        Args:
            penalty: (M,) what a unit of each share adds to the loss, 0 or more: the lasso of shares >= 0.
            iterations: at most.
        """
        return self._least(0.0, self.uniform, self._temperature * self._root * penalty, iterations).shares

    def _least(self, shrinkage: float, start: Fitted, costs: Floats | None, iterations: int) -> Fitted:
        value = partial(self.value, shrinkage=shrinkage, costs=costs)
        return self.fitted(minimised(value, self.unknowns(start), self.bounds, iterations))

    @property
    def bounds(self) -> list[tuple[float, float | None]]:
        """Of every unknown."""
        return [(0.0, None)] * len(self._root) + [(0.0, self._tilt)] * self._own

    def unknowns(self, stand: Fitted) -> Floats:
        """(P,) unknowns, scaled, from where a fit stands."""
        return np.concatenate((stand.shares / (self._temperature * self._root), stand.own * self._tilt))

    def fitted(self, unknowns: Floats) -> Fitted:
        """Where the fit stands with these unknowns."""
        relative, own = np.split(unknowns, [len(self._root)])
        return Fitted(self._temperature * self._root * relative, own / self._tilt)

    def slopes(self, at: Fitted) -> Floats:
        """(M,) by how much the loss alone falls where a share grows by a unit."""
        _, gradient = self.value(self.unknowns(at), 0.0)
        found: Floats = -gradient[: len(self._root)] / (self._temperature * self._root)
        return found

    def value(self, unknowns: Floats, shrinkage: float, costs: Floats | None = None) -> tuple[float, Floats]:
        """Loss, shrinkage and penalties, and their derivatives.

        Args:
            costs: (M,) what a unit of each unknown that stands for a share adds; None for nothing.
        """
        from scipy.special import expit

        count, weight = len(self._root), self._couples.weight
        relative, own = unknowns[:count], unknowns[count:] / self._tilt
        coefficients = self.coefficients(unknowns)
        apart = self._apart(coefficients)
        loss, by_coefficient = weight @ np.logaddexp(0, -apart), self._back(-weight * expit(-apart))
        if self._penalty is not None:
            added, by_penalty = self._penalty(coefficients)
            loss, by_coefficient = loss + added, by_coefficient + by_penalty
        by_loss = self.by_unknowns(unknowns, by_coefficient)
        if costs is not None:
            loss += costs @ relative
            by_loss[:count] += costs
        far, far_by_relative = _chi_squared(relative, self._root)
        tilted = 2 * own - 1
        value = loss + shrinkage * (far + (self._tilt / 2) ** 2 * (tilted @ tilted))
        by_shrinkage = np.concatenate((far_by_relative, self._tilt * tilted))
        return float(value), by_loss + shrinkage * by_shrinkage

    def coefficients(self, unknowns: Floats) -> Floats:
        """(F,) coefficients of the features, not negative; their sum is the loss's temperature."""
        stand = self.fitted(unknowns)
        return self._space.spread(stand.shares, stand.own)

    def by_unknowns(self, unknowns: Floats, by_coefficient: Floats) -> Floats:
        """(F,) derivatives by `coefficients` to (P,) by the unknowns."""
        stand = self.fitted(unknowns)
        by_share, by_own = self._space.pull_back(stand.shares, stand.own, by_coefficient)
        return np.concatenate((self._temperature * self._root * by_share, by_own / self._tilt))

    @property
    def _own(self) -> int:
        return len(self._space.own)

    def _apart(self, coefficients: Floats) -> Floats:
        """(M,) by how much D of the worse pair of each couple is the larger."""
        if self._differences is not None:
            return self._differences @ coefficients
        distances = (self._table @ coefficients.astype(self._table.dtype)).astype(np.float64)
        apart: Floats = distances[self._couples.worse] - distances[self._couples.better]
        return apart

    def _back(self, by_couple: Floats) -> Floats:
        """(M,) derivatives by `_apart` to (F,) by the coefficients."""
        if self._differences is not None:
            return by_couple @ self._differences
        count = len(self._table)
        by_row = np.bincount(self._couples.worse, by_couple, count) - np.bincount(
            self._couples.better, by_couple, count
        )
        back: Floats = (by_row.astype(self._table.dtype) @ self._table).astype(np.float64)
        return back


def _of_couples(couples: Couples, table: Floats) -> tuple[Couples, Floats]:
    """Of a table far larger than what the couples speak of that part alone, which is what a fit reads in each step."""
    rows, places = np.unique(np.concatenate((couples.better, couples.worse)), return_inverse=True)
    if len(rows) == 0 or len(rows) > len(table) // 2:
        return couples, table
    better, worse = np.split(places, 2)
    return Couples(better, worse, couples.weight), table[rows]


def minimised(
    value: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    bounds: Sequence[tuple[float, float | None]],
    iterations: int = ITERATIONS,
) -> Floats:
    """The unknowns of the least value, by L-BFGS-B.

    Args:
        value: with its derivatives.
        iterations: at most.
    """
    from scipy.optimize import minimize

    options = {"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 20, "ftol": TOLERANCE, "gtol": 0.0}
    found: Floats = minimize(value, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return found


def _chi_squared(relative: Floats, root: Floats) -> tuple[float, Floats]:
    """The chi-squared distance of shares from the uniform ones, sum (p - u)^2 / u, and its derivatives.

    Args:
        relative: (M,) shares, up to their sum, divided by the square roots of the uniform ones.
        root: (M,) those square roots.
    """
    total = float(root @ relative)
    if total <= 0:
        return 0.0, np.zeros_like(relative)
    away = relative / total - root
    return float(away @ away), 2 * (away - root * float(away @ relative) / total) / total
