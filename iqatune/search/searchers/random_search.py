"""Random search: independent uniform draws, the baseline every other searcher must beat."""

import numpy as np

from iqatune.search.searchers.base import Problem, Proposal, Searcher, SearchExhausted


class RandomSearch(Searcher):
    """Draws what ray.tune's BasicVariantGenerator draws for the same seed, without building its trial objects.

    That class resolves one `tune.uniform(0, 1)` after another from `numpy.random.default_rng(seed)`; one vector of
    uniforms is the same numbers, and thousands of parameters then cost microseconds instead of seconds.
    """

    name = "random"
    needs_no_results = True
    plans_by_total = False

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._generator = np.random.default_rng(problem.seed)
        self._samples = 0

    def propose(self) -> Proposal:
        sample = self._samples
        if sample >= self.problem.samples:
            raise SearchExhausted(f"all {sample} samples are proposed")
        self._samples += 1
        parameters = self._generator.uniform(0, 1, len(self.problem.names))
        return Proposal(f"{sample:05d}", sample, parameters, "random", budget=len(self.problem.budgets) - 1)

    def observe(self, proposal: Proposal, srcc: float) -> None:
        """Nothing follows from a result."""
