"""A plug-in's searcher, held to the contract of searchers: what breaks it is told in a line that names the package."""

from typing import NoReturn, get_args

import numpy as np

from iqatune.errors import InputError
from iqatune.records.vocabulary import ChosenBy
from iqatune.registry import Plugin, broken
from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, Searcher, SearchExhausted

CHOSEN_BY = get_args(ChosenBy)


class CheckedSearcher(Searcher):
    """Asks another searcher, and passes on only what a search can use.

    Args:
        searcher: the class from outside.
        problem: what it is to solve.
        plugin: the package that adds it; None where this process has registered it.

    Raises:
        InputError: here and in every method, when it fails in a way of its own or proposes what no search can use.
    """

    def __init__(self, searcher: type[Searcher], problem: Problem, plugin: Plugin | None) -> None:
        super().__init__(problem)
        self.name = searcher.name  # type: ignore[misc]
        self.needs_no_results = searcher.needs_no_results  # type: ignore[misc]
        self.wants_budgets = searcher.wants_budgets  # type: ignore[misc]
        self._plugin = plugin
        self._seen: set[str] = set()
        self._samples: set[int] = set()
        try:
            self._searcher = searcher(problem)
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - a foreign package may fail in any way
            self._failed(error)
        self.details = self._searcher.details
        self.repeatable = self._searcher.repeatable

    def propose(self) -> Proposal:
        try:
            proposal = self._searcher.propose()
        except (InputError, SearchExhausted, AwaitingResults):
            raise
        except Exception as error:  # noqa: BLE001 - a foreign package may fail in any way
            self._failed(error)
        fault = self._fault(proposal)
        if fault is not None:
            raise broken("searcher", self.name, self._plugin, fault)
        self._seen.add(proposal.trial_id)
        self._samples.add(proposal.sample)
        return proposal

    def observe(self, proposal: Proposal, srcc: float) -> None:
        try:
            self._searcher.observe(proposal, srcc)
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - a foreign package may fail in any way
            self._failed(error)

    def _fault(self, proposal: Proposal) -> str | None:
        problem, parameters = self.problem, getattr(proposal, "parameters", None)
        if not isinstance(proposal, Proposal) or not isinstance(parameters, np.ndarray):
            return f"it proposes a {type(proposal).__name__}, not a Proposal with an array of parameters"
        if parameters.shape != (len(problem.names),) or parameters.dtype != np.float64:
            return f"it proposes {parameters.dtype} numbers {parameters.shape}, not float64 ({len(problem.names)},)"
        if not (np.all(parameters >= 0) and np.all(parameters <= 1)):
            return "it proposes numbers that are not in [0, 1]"
        if proposal.trial_id in self._seen:
            return f"it proposes the evaluation '{proposal.trial_id}' twice"
        if proposal.sample not in self._samples and proposal.sample != len(self._samples):
            return f"it numbers its sample {proposal.sample} where {len(self._samples)} is next"
        if proposal.sample >= problem.samples:
            return f"it proposes more than the {problem.samples} samples asked for"
        if not 0 <= proposal.budget < len(problem.budgets):
            return f"it proposes the budget {proposal.budget} of {len(problem.budgets)}"
        return (
            None if proposal.chosen_by in CHOSEN_BY else f"it says that a sample was chosen by '{proposal.chosen_by}'"
        )

    def _failed(self, error: Exception) -> NoReturn:
        reason = f"{type(error).__name__}: {error}"
        raise broken("searcher", self.name, self._plugin, reason) from error
