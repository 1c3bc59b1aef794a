"""A searcher: a step from the best configuration so far, shorter after every step that did not help."""

import numpy as np

from iqatune.search.searchers.base import Problem, Proposal, Searcher, SearchExhausted


class HillClimb(Searcher):
    name = "hillclimb"
    description = "steps from the best configuration so far, shorter where they do not help"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._generator = np.random.default_rng(problem.seed)
        self._best = np.full(len(problem.names), 0.5)
        self._best_srcc = -np.inf
        self._step = 0.5
        self._proposed = 0

    def propose(self) -> Proposal:
        sample = self._proposed
        if sample == self.problem.samples:
            raise SearchExhausted(f"all {sample} samples are proposed")
        self._proposed += 1
        step = self._generator.normal(0, self._step, len(self._best)) if sample else 0.0
        return Proposal(
            trial_id=f"{sample:05d}",
            sample=sample,
            parameters=np.clip(self._best + step, 0, 1),
            chosen_by="local" if sample else "initial",
            budget=len(self.problem.budgets) - 1,
        )

    def observe(self, proposal: Proposal, srcc: float) -> None:
        if srcc > self._best_srcc:  # never where it is undefined, which is NaN
            self._best, self._best_srcc = proposal.parameters, srcc
        else:
            self._step = max(0.95 * self._step, 0.01)
