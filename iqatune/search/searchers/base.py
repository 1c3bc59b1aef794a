"""What every searcher is: it proposes configurations and observes their SRCC."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from iqatune.evaluation.folds import Split
from iqatune.metric.spaces import Space
from iqatune.metric.weights import Floats
from iqatune.records.trial import Inner
from iqatune.records.vocabulary import ChosenBy
from iqatune.search.isolation import Isolation
from iqatune.search.searchers.quiet import quiet
from iqatune.search.sparsity import Sparsity

if TYPE_CHECKING:
    from ray.tune.search import Searcher as RaySearcher

    from iqatune.search.tolerance import TexturePenalty

METRIC = "srcc"
MODE = "max"
WORST = -1.0
"""The lowest SRCC there is: what a searcher is told for an undefined one before it has seen any other."""
ASKS = 100
"""How often a library that answers "nothing now" is asked again for one sample."""


class SearchExhausted(Exception):
    """There is no further configuration: all samples are proposed, or the library has none left (it says which)."""


class AwaitingResults(Exception):
    """The next configuration depends on results that are still out; observe one and ask again."""


class Pairs(Protocol):
    """The pairs of a search, as `iqatune.search.task.Task` has them: what a searcher that fits looks at."""

    @property
    def space(self) -> Space:
        """What turns parameters into weights."""

    @property
    def tables(self) -> tuple[Floats, ...]:
        """(N, F) features, one table for each way to compare that the space offers."""

    @property
    def quality(self) -> Floats:
        """(N,) human scores, higher is better."""

    @property
    def groups(self) -> tuple[str, ...]:
        """(N,) what is on one side of a split: the reference of each pair, or of several data sets its picture."""

    @property
    def set_ids(self) -> tuple[str, ...]:
        """(N,) the data set of each pair, whose scores compare with no other's; none where there is one set."""

    @property
    def set_weights(self) -> Mapping[str, float]:
        """Of each of several data sets, by its name."""

    @property
    def views(self) -> tuple[range, ...]:
        """The stages that each of two views has among the space's; none where there are no views."""

    @property
    def unlabelled(self) -> tuple[Floats, ...]:
        """(U, F) features of pairs without scores, a table for each of `tables`; none where there are no such pairs."""

    @property
    def seed(self) -> int:
        """Of all that is drawn."""

    def split(self, fold: Split) -> tuple["Pairs", "Pairs"]:
        """The pairs that a fold tunes on, and those held out as weights fitted to the others see them."""

    @property
    def sparsity(self) -> Sparsity:
        """Which stages may have weight, and what it costs."""

    def within(self, space: Space) -> "Pairs":
        """The same pairs in a part of the space: with the same parameters, some of them always 0."""

    def texture_penalty(self, table: int) -> "TexturePenalty | None":
        """What a fit through one table of features adds to its loss; None where nothing is added."""

    def value(self, parameters: Floats | None) -> float:
        """What the run maximises, of (P,) parameters; NaN of None, and where undefined."""


@dataclass(frozen=True)
class Problem:
    """What a searcher is to solve: maximise the SRCC over the unit cube.

    Attributes:
        names: P parameter names, each ranging over [0, 1].
        samples: configurations to propose, at least 1.
        seed: any integer >= 0; the same problem gives the same configurations, bit for bit.
        budgets: ascending fractions of the reference images an SRCC may be computed on; the last is 1.0.
        task: the pairs themselves, for a searcher that `fits` them; None for the others.
    """

    names: tuple[str, ...]
    samples: int
    seed: int = 0
    budgets: tuple[float, ...] = (1.0,)
    _: KW_ONLY
    task: "Pairs | None" = None


@dataclass(frozen=True)
class Proposal:
    """One evaluation a searcher asks for.

    Attributes:
        trial_id: names this evaluation, unique in its search.
        sample: the configuration's number from 0; a configuration promoted to a larger budget keeps it.
        parameters: (P,) float64 in [0, 1], in the order of Problem.names.
        chosen_by: how the configuration came about.
        budget: index into Problem.budgets.
        inner: what folds inside the pairs say of it, where the searcher `fits`.
    """

    trial_id: str
    sample: int
    parameters: NDArray[np.float64]
    chosen_by: ChosenBy
    _: KW_ONLY
    budget: int
    inner: Inner | None = None


class Searcher(ABC):
    """Proposes configurations for one problem, told the SRCC of those before."""

    name: ClassVar[str]
    """As on the command line."""
    description: ClassVar[str] = ""
    """What it does, in a line."""
    drives: ClassVar[str] = ""
    """The library's class that it drives, if any."""
    wants_budgets: ClassVar[bool] = False
    """Whether it makes use of budgets below 1.0."""
    needs_no_results: ClassVar[bool] = False
    """Whether its proposals, all on the last budget, follow from nothing observed, so that they may be asked ahead."""

    plans_by_total: ClassVar[bool] = True
    """Whether its first samples may depend on how many there will be, so that no finished search goes on to more."""
    fits: ClassVar[bool] = False
    """Whether it fits its configurations to the pairs, which the problem then holds, and says what to choose by."""
    wants_views: ClassVar[bool] = False
    """Whether it needs two views of each image, and makes use of images without scores."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.details: dict[str, str] = {}
        """What else the record should say about this search, such as the algorithm a portfolio picked."""
        self.repeatable = True
        """Whether the same problem gives the same configurations, bit for bit."""

    @abstractmethod
    def propose(self) -> Proposal:
        """The next evaluation wanted.

        Raises:
            SearchExhausted: there is none left.
            AwaitingResults: there is none until an earlier proposal is observed.
        """

    @abstractmethod
    def observe(self, proposal: Proposal, srcc: float) -> None:
        """Tell the SRCC of a proposal, or what else the run maximises.

        An undefined one (NaN) counts as the worst seen so far, -1 if none was.
        """

    @property
    def is_ahead(self) -> bool:
        """Whether the next proposal, on the last budget, follows from no result that is still out.

        Such proposals, as those of one population, are asked for and evaluated together.
        """
        return self.needs_no_results

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        """One line if the searcher cannot act as its name says on this problem: what is wrong and what would work."""
        return None

    @classmethod
    def caution(cls, problem: Problem) -> str | None:
        """One line of what else there is to know before this search is started."""
        return None

    @classmethod
    def most_samples(cls, problem: Problem) -> int:
        """How many samples it proposes at most."""
        return problem.samples

    @classmethod
    def expected_seconds(cls, problem: Problem) -> float | None:
        """About how long the searcher itself will compute for all samples, where that is worth knowing beforehand."""
        return None


@dataclass(frozen=True)
class Conduct:
    """What a searcher says of itself after a search that another process did, as `Searcher` has it."""

    repeatable: bool
    details: Mapping[str, str]


class WorstSeen:
    """Stands a number in for an undefined SRCC, since the libraries choke on NaN or drop the sample."""

    def __init__(self) -> None:
        self._worst: float | None = None

    def __call__(self, srcc: float) -> float:
        """`srcc` itself, or for NaN the lowest defined one so far (-1 if there was none)."""
        if math.isnan(srcc):
            return WORST if self._worst is None else self._worst
        self._worst = srcc if self._worst is None else min(srcc, self._worst)
        return srcc


class TuneSearcher(Searcher):
    """Drives a `ray.tune.search.Searcher` in process, by its suggest() and on_trial_complete().

    A subclass builds the object and tells how each suggestion came about; both run isolated (see Isolation).
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._isolation = Isolation(problem.seed)
        self._defined = WorstSeen()
        self._samples = 0
        self._out: set[int] = set()  # samples without a result
        with self._isolation, quiet():
            self._tune: Any = self._build()

    @abstractmethod
    def _build(self) -> "RaySearcher":
        """The library's searcher for `self.problem`, with metric METRIC and mode MODE."""

    @abstractmethod
    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        """How the suggestion just made under `trial_id` came about, from the library's own record."""

    def propose(self) -> Proposal:
        if self._samples >= self.problem.samples:
            raise SearchExhausted(f"all {self.problem.samples} samples are proposed")
        sample = self._samples
        trial_id = f"{sample:05d}"
        with self._isolation, quiet():
            config = self._suggest(trial_id)
            chosen_by = self._chosen_by(trial_id, config)
        self._samples += 1
        self._out.add(sample)
        return Proposal(trial_id, sample, self._vector(config), chosen_by, budget=len(self.problem.budgets) - 1)

    def observe(self, proposal: Proposal, srcc: float) -> None:
        config = dict(zip(self.problem.names, proposal.parameters.tolist(), strict=True))
        with self._isolation, quiet():
            self._complete(proposal, {METRIC: self._defined(srcc), "config": config, "training_iteration": 1})
        self._out.discard(proposal.sample)

    def _complete(self, proposal: Proposal, result: dict[str, Any]) -> None:
        self._tune.on_trial_complete(proposal.trial_id, result)

    def _suggest(self, trial_id: str) -> dict[str, float]:
        for _ in range(ASKS):
            config = self._tune.suggest(trial_id)
            if isinstance(config, dict):
                return config
            if config is not None:  # Searcher.FINISHED
                break
        if self._out:
            raise AwaitingResults(f"{self.name} has no configuration before one of {len(self._out)} results is in")
        self.details["stopped_early"] = f"the library had no configuration left after {self._samples} samples"
        raise SearchExhausted(f"{self.name} has no configuration left after {self._samples} samples")

    def _vector(self, config: dict[str, float]) -> NDArray[np.float64]:
        return np.array([config[name] for name in self.problem.names], dtype=np.float64)
