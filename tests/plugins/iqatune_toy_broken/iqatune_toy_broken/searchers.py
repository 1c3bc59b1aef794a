"""Searchers, each with one thing wrong."""

from dataclasses import replace

import numpy as np

from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, Searcher, SearchExhausted


class _Sound(Searcher):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._proposed = 0

    def propose(self) -> Proposal:
        if self._proposed == self.problem.samples:
            raise SearchExhausted("all samples are proposed")
        self._proposed += 1
        centre = np.full(len(self.problem.names), 0.5)
        return Proposal(
            f"{self._proposed}", self._proposed - 1, centre, "initial", budget=len(self.problem.budgets) - 1
        )

    def observe(self, proposal: Proposal, srcc: float) -> None:
        pass


def function(problem: Problem) -> Searcher:
    """A function, where a class is wanted."""
    return _Sound(problem)


class Outside(_Sound):
    name = "outside"
    description = "proposes 1.5"

    def propose(self) -> Proposal:
        return replace(super().propose(), parameters=np.full(len(self.problem.names), 1.5))


class Raises(_Sound):
    name = "raises"

    def observe(self, proposal: Proposal, srcc: float) -> None:
        raise ZeroDivisionError("division by zero")


class Unprepared(_Sound):
    name = "unprepared"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._proposed = 0


class Misdetailed(_Sound):
    name = "misdetailed"

    def observe(self, proposal: Proposal, srcc: float) -> None:
        self.details["step"] = 0.1  # type: ignore[assignment]


class Waits(_Sound):
    name = "waits"

    def propose(self) -> Proposal:
        raise AwaitingResults("of nothing")


class Unforeseen(_Sound):
    name = "unforeseen"

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        raise KeyError(problem.names[0])


class HillClimb(_Sound):
    """Has the name of another package's."""

    name = "hillclimb"
    description = "never leaves the centre"


class Random(_Sound):
    """Has the name of a built-in one."""

    name = "random"
    description = "never leaves the centre"
