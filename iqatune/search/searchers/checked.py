"""A plug-in's searcher, held to the contract of searchers: what breaks it is told in a line that names the package."""

import math
from contextlib import AbstractContextManager
from typing import Any, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.records.vocabulary import ChosenBy
from iqatune.registry import Plugin, broken, held_to_contract
from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, Searcher, SearchExhausted

CHOSEN_BY = get_args(ChosenBy)


def checked(searcher: type[Searcher], plugin: Plugin | None) -> type[Searcher]:
    """A class that asks another searcher, and passes on only what a search can use.

    All that its methods raise is an InputError, or what a searcher may raise: where the other one fails in a way of its
    own, or gives what no search can use, the line names the package.

    Args:
        searcher: the class from outside.
        plugin: the package that adds it; None where this process has registered it.
    """

    class Checked(_Checked):
        name = searcher.name
        description = searcher.description
        drives = searcher.drives
        wants_budgets = searcher.wants_budgets
        needs_no_results = searcher.needs_no_results
        plans_by_total = searcher.plans_by_total
        _theirs = searcher
        _plugin = plugin

    return Checked


class _Checked(Searcher):
    _theirs: ClassVar[type[Searcher]]
    _plugin: ClassVar[Plugin | None]

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._ids: set[str] = set()
        self._samples: dict[int, NDArray[np.float64]] = {}
        self._out: dict[str, Proposal] = {}
        with self._named():
            self._searcher = self._theirs(problem)
        self._adopt_state()

    def propose(self) -> Proposal:
        try:
            with self._named():
                theirs = self._searcher.propose()
        except AwaitingResults as error:
            if self.needs_no_results:
                raise self._broken("it says that it needs no results, and awaits some") from error
            if not self._out:
                raise self._broken("it awaits results where none is out") from error
            raise
        except SearchExhausted:
            self._adopt_state()
            if len(self._samples) < self.problem.samples:
                line = f"the searcher had no configuration left after {len(self._samples)} samples"
                self.details = {"stopped_early": line, **self.details}
            raise
        fault = self._fault(theirs)
        if fault is not None:
            raise self._broken(fault)
        # a copy: an array that the other one goes on working in would change what is recorded
        ours = Proposal(
            theirs.trial_id, theirs.sample, theirs.parameters.copy(), theirs.chosen_by, budget=theirs.budget
        )
        self._ids.add(ours.trial_id)
        self._samples.setdefault(ours.sample, ours.parameters)
        self._out[ours.trial_id] = theirs
        self._adopt_state()
        return ours

    def observe(self, proposal: Proposal, srcc: float) -> None:
        with self._named():
            self._searcher.observe(self._out.pop(proposal.trial_id), srcc)
        self._adopt_state()

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        with cls._named():
            return cls._line("degenerate", cls._theirs.degenerate(problem))

    @classmethod
    def caution(cls, problem: Problem) -> str | None:
        with cls._named():
            return cls._line("caution", cls._theirs.caution(problem))

    @classmethod
    def expected_seconds(cls, problem: Problem) -> float | None:
        with cls._named():
            seconds = cls._theirs.expected_seconds(problem)
            if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
                raise cls._broken(f"it expects to take {seconds} seconds")
        return seconds

    @classmethod
    def _named(cls) -> AbstractContextManager[None]:
        """Tell what goes wrong in here in a line that names the package."""
        return held_to_contract("searcher", cls.name, cls._plugin, passing=(SearchExhausted, AwaitingResults))

    @classmethod
    def _broken(cls, fault: str) -> InputError:
        return broken("searcher", cls.name, cls._plugin, fault)

    @classmethod
    def _line(cls, method: str, line: Any) -> str | None:
        if line is None or isinstance(line, str):
            return None if line is None else " ".join(line.split())
        raise cls._broken(f"its {method} gives a {type(line).__name__}, not a line of text")

    def _adopt_state(self) -> None:
        """What the other one says of this search by now."""
        details = getattr(self._searcher, "details", None)
        if details is None:
            raise self._broken("its __init__ does not call that of Searcher")
        if not isinstance(details, dict) or not all(isinstance(text, str) for text in (*details, *details.values())):
            raise self._broken("its details are not text by text")
        self.details = dict(details)
        # whoever runs the search may know that it is not
        self.repeatable = self.repeatable and bool(self._searcher.repeatable)

    def _fault(self, proposal: Any) -> str | None:
        problem, parameters = self.problem, getattr(proposal, "parameters", None)
        if not isinstance(proposal, Proposal) or not isinstance(parameters, np.ndarray):
            return f"it proposes a {type(proposal).__name__}, not a Proposal with an array of parameters"
        if parameters.shape != (len(problem.names),) or parameters.dtype != np.float64:
            return f"it proposes {parameters.dtype} numbers {parameters.shape}, not float64 ({len(problem.names)},)"
        if not (np.all(parameters >= 0) and np.all(parameters <= 1)):
            return "it proposes numbers that are not in [0, 1]"
        if not (isinstance(proposal.trial_id, str) and type(proposal.sample) is type(proposal.budget) is int):
            return "its trial_id is no text, or its sample or budget no int"
        if proposal.chosen_by not in CHOSEN_BY:
            return f"it says that a sample was chosen by '{proposal.chosen_by}', not one of {', '.join(CHOSEN_BY)}"
        return self._fault_of_order(proposal)

    def _fault_of_order(self, proposal: Proposal) -> str | None:
        """What is wrong with a proposal beside those before it, and in this problem."""
        problem, budgets = self.problem, len(self.problem.budgets)
        if proposal.trial_id in self._ids:
            return f"it proposes the evaluation '{proposal.trial_id}' twice"
        before = self._samples.get(proposal.sample)
        if before is None and proposal.sample != len(self._samples):
            return f"it numbers its sample {proposal.sample} where {len(self._samples)} is next"
        if before is not None and not np.array_equal(before, proposal.parameters):
            return f"it gives its sample {proposal.sample} other parameters than before"
        if proposal.sample >= problem.samples:
            return f"it proposes more than the {problem.samples} samples asked for"
        if not 0 <= proposal.budget < budgets:
            return f"it proposes the budget {proposal.budget} of {budgets}"
        if self.needs_no_results and proposal.budget != budgets - 1:
            return f"it needs no results, and proposes the budget {proposal.budget}, not the last one"
        return None
