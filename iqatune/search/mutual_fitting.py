"""Two views fitted at once, each to the scores, and both to each other.

Of two branches that see an image differently each has the loss of `fitting`, and is shrunk to its own uniform weights;
added to both is mu times how far they disagree. So they learn from each other (DML-IQA, ICIP 2022), and because D is
linear in the weights, the disagreement is a square of them: what is added is convex (co-regularised least squares,
Brefeld et al. 2006). It needs no human scores, so that pairs without any take part in it.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from iqatune.metric.spaces import BackboneSpace
from iqatune.metric.weights import Floats
from iqatune.search.fitting import Couples, Fit, Fitted, minimised


class MutualFit:
    """The fit of two views' numbers to some pairs: L(w1) + L(w2) + shrinkage of both + mu mean((D1 - D2)^2).

    D of a view is in units of its logistic loss, where its couples differ by 2 standard deviations under the uniform
    weights: two views of other scales are comparable from the start. Of D1 - D2 the mean is taken off, which no order
    depends on.

    Args:
        space: of both views' stages.
        views: the stages of each.
        table: (N, F) features of all pairs that `couples` speaks of.
        unlabelled: (U, F) features of pairs without scores; none where there are none.
    """

    def __init__(
        self,
        space: BackboneSpace,
        views: Sequence[range],
        table: Floats,
        couples: Couples,
        *,
        mu: float,
        unlabelled: Floats | None = None,
    ) -> None:
        self._space = space
        self._mu = mu
        self._parts = [space.part(stages) for stages in views]
        self._fits = [Fit(part.space, table[:, part.features], couples) for part in self._parts]
        every = table if unlabelled is None else np.concatenate((table, unlabelled))
        self._tables = [every[:, part.features] for part in self._parts]
        self._ends = np.cumsum([len(part.space.names) for part in self._parts]).tolist()

    @property
    def uniform(self) -> Fitted:
        """The uniform weights of both views as one backbone."""
        return Fitted(self._space.uniform, np.full(len(self._space.own), 0.5))

    @property
    def start(self) -> Fitted:
        """Where the path begins: each view's uniform weights, at its own temperature."""
        return self._together([fit.uniform for fit in self._fits])

    def solve(self, shrinkage: float, start: Fitted) -> Fitted:
        """The weights of least loss, shrinkage and disagreement; arguments as of `Fit.solve`."""
        unknowns = np.concatenate(
            [fit.unknowns(stand) for fit, stand in zip(self._fits, self._apart(start), strict=True)]
        )
        bounds = [bound for fit in self._fits for bound in fit.bounds]
        found = minimised(partial(self.value, shrinkage=shrinkage), unknowns, bounds)
        stands = [fit.fitted(part) for fit, part in zip(self._fits, self._split(found), strict=True)]
        return self._together(stands) if any(stand.shares.any() for stand in stands) else self.uniform

    def value(self, unknowns: Floats, shrinkage: float) -> tuple[float, Floats]:
        """Losses, shrinkage and disagreement, and their derivatives."""
        parts = self._split(unknowns)
        found = [fit.value(part, shrinkage) for fit, part in zip(self._fits, parts, strict=True)]
        total, gradients = sum(value for value, _ in found), [gradient for _, gradient in found]
        if self._mu:
            first, second = (
                table @ fit.coefficients(part).astype(table.dtype)
                for fit, table, part in zip(self._fits, self._tables, parts, strict=True)
            )
            apart = (first - second).astype(np.float64)
            apart -= apart.mean()
            total += self._mu * float(apart @ apart) / len(apart)
            by_distance = 2 * self._mu / len(apart) * apart
            for place, sign in enumerate((1, -1)):
                table = self._tables[place]
                by_coefficient = sign * (by_distance.astype(table.dtype) @ table).astype(np.float64)
                gradients[place] = gradients[place] + self._fits[place].by_unknowns(parts[place], by_coefficient)
        return float(total), np.concatenate(gradients)

    def _split(self, unknowns: Floats) -> list[Floats]:
        return np.split(unknowns, self._ends[:-1])

    def _apart(self, stand: Fitted) -> list[Fitted]:
        return [Fitted(stand.shares[part.shares], stand.own[part.own]) for part in self._parts]

    def _together(self, stands: Sequence[Fitted]) -> Fitted:
        shares, own = np.empty(len(self._space.uniform)), np.empty(len(self._space.own))
        for part, stand in zip(self._parts, stands, strict=True):
            shares[part.shares], own[part.own] = stand.shares, stand.own
        return Fitted(shares, own)
