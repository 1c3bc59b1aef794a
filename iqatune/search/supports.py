"""Which shares a penalised fit leaves any weight: its support; and all supports along the penalty's path.

The loss of `iqatune.search.fitting` plus a linear penalty on shares that are not negative is a lasso (Tibshirani 1996),
and convex. Each share's penalty is the marginal cost of its stage; the image costs nothing, so that the path ends with
it alone. What such a fit leaves is then fitted again without the penalty (the relaxed lasso, Meinshausen 2007): the
penalty decides what is used, and not how much it weighs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iqatune.metric.spaces import BackboneSpace, Space
from iqatune.metric.weights import Floats
from iqatune.runtime.threads import ThreadPools
from iqatune.search.fitting import Couples, Fit, Fitted
from iqatune.search.searchers.base import Pairs
from iqatune.search.sparsity import Sparsity

Mask = NDArray[np.bool_]

ITERATIONS: Final = 300
"""Of a penalised fit: shares that end at 0 take longer to get there than a figure of weight takes to settle."""

FLOOR: Final = 1e-3
"""A share below this part of the uniform one counts as 0: the iterations stop a little before the bound."""

SMALLEST: Final = 1e-4
"""Where the path ends, as a part of the penalty that leaves the image alone."""

STEPS: Final = 24
"""Of the path, in equal ratios."""

FINEST: Final = 1.1
"""Ratio of two penalties between which no further support is looked for."""

DIGITS: Final = 4
"""Of a penalty."""

FEW: Final = 64
"""Up to so many shares supports are looked for until two neighbours differ by one share; with more of them every step
has its own, and the steps alone are taken."""


class Supported(Space):
    """A space in which some shares are always 0: its parameters and coefficients are the whole space's.

    Attributes:
        inner: the whole space.
        mask: (M,) which of its shares may be above 0; some at least.
    """

    def __init__(self, inner: Space, mask: Mask) -> None:
        self.inner = inner
        self.mask = mask
        self.name = inner.name
        self.names = inner.names
        self.prior = inner.prior
        self.uniform = inner.uniform[mask] / inner.uniform[mask].sum()

    @property
    def own(self) -> tuple[str, ...]:
        return self.inner.own

    def coefficients(self, parameters: Floats) -> Floats:
        return self.inner.coefficients(parameters)

    def table(self, parameters: Floats) -> NDArray[np.intp]:
        return self.inner.table(parameters)

    def constant(self, parameters: Floats) -> float | None:
        return self.inner.constant(parameters)

    def spread(self, shares: Floats, own: Floats) -> Floats:
        return self.inner.spread(self._whole(shares), own)

    def pull_back(self, shares: Floats, own: Floats, gradient: Floats) -> tuple[Floats, Floats]:
        by_share, by_own = self.inner.pull_back(self._whole(shares), own, gradient)
        return by_share[self.mask], by_own

    def parameters(self, shares: Floats, own: Floats, table: int = 0) -> Floats:
        return self.inner.parameters(self._whole(shares), own, table)

    def _whole(self, shares: Floats) -> Floats:
        found = np.zeros((*shares.shape[:-1], len(self.mask)))
        found[..., self.mask] = shares
        return found


@dataclass(frozen=True)
class Support:
    """What a penalty leaves.

    Attributes:
        mask: (M,) the shares that it leaves any weight.
    """

    penalty: float
    mask: Mask


def couples_of(task: Pairs) -> Couples:
    """The couples that a fit to these pairs looks at."""
    return Couples.of(task.quality, task.set_ids or ("",) * len(task.quality), task.seed, task.set_weights)


def supported(task: Pairs) -> Pairs:
    """The pairs in the part of their space that the task's sparsity leaves, decided on these very pairs."""
    return task.within(Supported(task.space, support(task, task.sparsity)))


def support(task: Pairs, sparsity: Sparsity) -> Mask:
    """(M,) which shares may have weight: of the stages up to the last one, those that a penalised fit leaves any.

    Where it leaves none, it is the image's. Of a space that also chooses constants the first table of features decides.
    """
    stages = _backbone_space(task).stage_of_share
    allowed = np.ones(len(stages), bool) if sparsity.last_stage is None else stages <= sparsity.last_stage
    if sparsity.penalty == 0:
        return allowed
    within = Supported(task.space, allowed)
    fit = Fit(within, task.tables[0], couples_of(task))
    found = fit.penalised(sparsity.penalty * _relative(sparsity.stage_costs)[stages[allowed]], ITERATIONS)
    kept = allowed.copy()
    kept[allowed] = found > FLOOR * found.sum() * within.uniform
    return kept if kept.any() else stages == 0


def path(task: Pairs, stage_costs: tuple[float, ...]) -> list[Support]:
    """Every different support along the penalty, from the largest penalty that matters to hardly any.

    Of penalties with one support the middle one stands for them.
    """
    space = _backbone_space(task)

    def at(penalty: float) -> Support:
        short = float(f"{penalty:.{DIGITS}g}")  # an option of a run, which people read
        return Support(short, support(task, Sparsity(short, stage_costs)))

    # one thread, as of the fit itself: both then come to the same support
    with ThreadPools().limit(1):
        largest = _largest(task, stage_costs)
        if largest <= 0:
            return []
        found = [at(float(penalty)) for penalty in np.geomspace(1.01 * largest, SMALLEST * largest, STEPS)]
        if len(space.uniform) <= FEW:
            found = list(_refined(found, at))
    return [alike[len(alike) // 2] for alike in _alike(found)]


def stages_in_words(space: Space) -> str:
    """The stages that may have weight, as a record's details say them."""
    if not isinstance(space, Supported) or not isinstance(space.inner, BackboneSpace):
        return "all"
    return ", ".join(map(str, sorted(set(space.inner.stage_of_share[space.mask].tolist()))))


def _largest(task: Pairs, stage_costs: tuple[float, ...]) -> float:
    """The penalty from which on a fit leaves the image alone: what a unit of the other shares gains there at most."""
    stages = _backbone_space(task).stage_of_share
    image = stages == 0
    within = Supported(task.space, image)
    couples = couples_of(task)
    alone = Fit(within, task.tables[0], couples).penalised(np.zeros(int(image.sum())), ITERATIONS)
    whole = np.zeros(len(stages))
    whole[image] = alone
    fit = Fit(task.space, task.tables[0], couples)
    gains = fit.slopes(Fitted(whole, np.full(len(task.space.own), 0.5)))
    costs = _relative(stage_costs)[stages]
    return float(np.max(gains[~image] / costs[~image]))


def _refined(found: Sequence[Support], at: Callable[[float], Support]) -> Iterator[Support]:
    """The same and what lies between neighbours that differ by more than one share."""
    for before, after in pairwise(found):
        yield before
        apart = int((before.mask != after.mask).sum())
        if apart > 1 and before.penalty > FINEST * after.penalty:
            middle = at(float(np.sqrt(before.penalty * after.penalty)))
            yield from list(_refined([before, middle, after], at))[1:-1]
    yield found[-1]


def _alike(found: Sequence[Support]) -> list[list[Support]]:
    """Those of one support together, wherever on the path they are."""
    groups: dict[bytes, list[Support]] = {}
    for each in found:
        groups.setdefault(each.mask.tobytes(), []).append(each)
    return list(groups.values())


def _relative(stage_costs: Sequence[float]) -> Floats:
    """(S,) costs as parts of their sum: a penalty then means the same whatever their unit."""
    costs = np.asarray(stage_costs, dtype=np.float64)
    relative: Floats = costs / costs.sum()
    return relative


def _backbone_space(task: Pairs) -> BackboneSpace:
    space = task.space
    if not isinstance(space, BackboneSpace):
        raise ValueError(f"the space {space.name} has no stages")
    return space
