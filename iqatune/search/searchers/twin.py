"""How a sample came about where its library does not say: by what would be proposed if the results were others."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, SearchExhausted, TuneSearcher


class Twinned(TuneSearcher):
    """A searcher beside which two others run: one is told every result with its sign turned, one has another seed.

    As long as the first of them proposes the same, samples follow from no result: they are "random", or "initial" where
    the other seed gives them too or the algorithm is a design. From its first difference on samples are what
    `_chosen_by` says, and the two are not asked any more.
    """

    is_design = False
    """Whether samples that follow from no result are points of a design, which a seed may shift."""

    def __init__(self, problem: Problem, *, alone: bool = False) -> None:
        super().__init__(problem)
        beside = () if alone else (problem, replace(problem, seed=problem.seed + 1))
        self._beside = tuple(type(self)(task, alone=True) for task in beside)
        self._asked: dict[str, tuple[Proposal, ...]] = {}

    def propose(self) -> Proposal:
        proposal = super().propose()
        if not self._beside:
            return proposal
        try:
            asked = tuple(searcher.propose() for searcher in self._beside)
        except (AwaitingResults, SearchExhausted):
            asked = ()
        same = [np.array_equal(other.parameters, proposal.parameters) for other in asked]
        if not any(same[:1]):
            self._beside = ()
            return proposal
        self._asked[proposal.trial_id] = asked
        return replace(proposal, chosen_by="initial" if all(same) or self.is_design else "random")

    def observe(self, proposal: Proposal, srcc: float) -> None:
        super().observe(proposal, srcc)
        asked = self._asked.pop(proposal.trial_id, ())
        for searcher, other in zip(self._beside, asked, strict=False):
            searcher.observe(other, -srcc)

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        """A run on a planted problem tells: a population or a design may be larger than the search."""
        searcher = cls(problem)
        for _ in range(problem.samples):
            try:
                proposal = searcher.propose()
            except SearchExhausted:
                return None
            if not searcher._beside:
                return None
            searcher.observe(proposal, _planted(proposal.parameters))
        return (
            f"{cls.name} proposes {problem.samples} samples of {len(problem.names)} parameters before any of their "
            "results makes a difference; use more `samples`"
        )


def _planted(parameters: NDArray[np.float64]) -> float:
    """1 at a point off the centre, less elsewhere."""
    return 1 - float(np.mean((parameters - np.linspace(0.2, 0.9, len(parameters))) ** 2))
