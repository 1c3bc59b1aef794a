"""The texture term of what is maximised: texture tolerance, linear over linear in the coefficients of a space.

D is linear in the weights. So the mean D of the crop pairs, and that of the data set's pairs, is the product of the
coefficients with the mean of the features: a sample costs two such products more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iqatune.metric.spaces import Space
from iqatune.metric.weights import Floats
from iqatune.search.objective import Figures


@dataclass(frozen=True)
class Ratio:
    """Mean D of crop pairs over mean D of pairs, as a function of (F,) coefficients; their scale drops out.

    Attributes:
        crops: (F,) mean features of the crop pairs.
        pairs: (F,) mean features of the pairs.
    """

    crops: Floats
    pairs: Floats

    @classmethod
    def of(cls, crops: Floats, pairs: Floats) -> "Ratio":
        """Of (M, F) features of the crop pairs and (N, F) of the pairs, in one space and of one way to compare."""
        return cls(crops.mean(axis=0, dtype=np.float64), pairs.mean(axis=0, dtype=np.float64))

    def __call__(self, coefficients: Floats) -> float:
        """The ratio; NaN where the pairs' mean is not above 0."""
        below = float(self.pairs @ coefficients)
        return float(self.crops @ coefficients) / below if below > 0 else float("nan")

    def gradient(self, coefficients: Floats) -> Floats:
        """(F,) derivatives."""
        below = float(self.pairs @ coefficients)
        return (self.crops - float(self.crops @ coefficients) / below * self.pairs) / below


@dataclass(frozen=True)
class TexturePenalty:
    """What a fit adds to its loss: the weighted sum of the ratios of every data set.

    It is what is maximised without its SRCC, not only what is like it: a strength of .03 to .3 times the weight came to
    lower values on references left out, 3 times to no higher ones (docs/textures.md). It is linear over linear, so not
    convex, but quasi-convex, and blind to the weights' scale, as the shrinkage is.
    """

    ratios: tuple[Ratio, ...]
    weights: tuple[float, ...]

    def __call__(self, coefficients: Floats) -> tuple[float, Floats]:
        """The penalty of (F,) coefficients, and its derivatives; nothing where all pairs' D is 0."""
        value, gradient = 0.0, np.zeros_like(coefficients)
        for ratio, weight in zip(self.ratios, self.weights, strict=True):
            if ratio.pairs @ coefficients > 0:
                value += weight * ratio(coefficients)
                gradient += weight * ratio.gradient(coefficients)
        return value, gradient


class Plain(Protocol):
    """An objective without textures: the SRCC, or that and another figure."""

    def __call__(self, parameters: Floats, budget: int = -1) -> float | Figures: ...


class TolerantObjective:
    """Another objective less the weighted texture tolerance; the SRCC is told beside it.

    Args:
        space: what turns parameters into coefficients.
        plain: the other objective.
        ratios: of every budget, one for each way to compare that the space offers.
        weight: of the tolerance, above 0.
    """

    def __init__(self, space: Space, plain: Plain, ratios: Sequence[Sequence[Ratio]], weight: float) -> None:
        self._space = space
        self._plain = plain
        self._ratios = [tuple(of_budget) for of_budget in ratios]
        self._weight = weight

    def __call__(self, parameters: Floats, budget: int = -1) -> Figures:
        """The SRCC and what is maximised, of one configuration on the budget's rows; NaN where undefined."""
        found = self._plain(parameters, budget)
        srcc, value = found if isinstance(found, Figures) else (found, found)
        ratio = self._ratios[budget][int(self._space.table(parameters))]
        return Figures(srcc, value - self._weight * ratio(self._space.coefficients(parameters)))


def ratios_of(
    crops: Sequence[Floats], tables: Sequence[Floats], subsets: Sequence[NDArray[np.intp]]
) -> list[list[Ratio]]:
    """Of every budget's rows the ratio for each way to compare.

    Args:
        crops: (M, F) features of the crop pairs.
        tables: (N, F) features of the pairs, as many tables.
        subsets: rows of every budget.
    """
    return [
        [
            Ratio.of(of_crops, table if len(rows) == len(table) else table[rows])
            for of_crops, table in zip(crops, tables, strict=True)
        ]
        for rows in subsets
    ]
