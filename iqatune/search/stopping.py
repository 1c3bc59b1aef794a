"""`stop` auto: a search ends where what further samples may gain is below the standard error of what it maximises."""

import math
from collections.abc import Callable
from typing import Any

from iqatune.metric.weights import Floats
from iqatune.search.isolation import Isolation
from iqatune.search.searchers.base import Proposal, Searcher, SearchExhausted
from iqatune.search.searchers.quiet import quiet

FEWEST = 20
"""Results that Optuna's terminator waits for."""

PER_PARAMETER = 10
"""Results a parameter before the first look: of fewer a Gaussian process knows too little (Loeppky, Sacks and Welch
2009, 'Choosing the Sample Size of a Computer Experiment'). On planted data of 12 parameters it bounded the gain by .011
after 20 samples, where a hundred more gained .02."""

SHARE = 10
"""The next look is when there are a tenth more, as each fits a Gaussian process to half of them."""


def first_look(parameters: int) -> int:
    """How many samples with a figure, on all references, there are before a search may end."""
    return max(FEWEST, PER_PARAMETER * parameters)


class Stopping(Searcher):
    """Another searcher, whose samples end by the rule of Makarova et al. (2022, 'Automatic Termination for
    Hyperparameter Optimization'): where an upper bound of the regret is below the statistical error of the best.

    The bound is Optuna's RegretBoundEvaluator, from a Gaussian process of the better half of all results; the error is
    that of the best so far. Both follow from the results in their order, so that the same results stop a search at the
    same place. What was found is in `details["stopped"]`.

    Args:
        searcher: a fresh one.
        error: the standard error of what is maximised, of (P,) parameters; NaN where there is none, which stops
            nothing.
    """

    name = "stopping"

    def __init__(self, searcher: Searcher, error: Callable[[Floats], float]) -> None:
        super().__init__(searcher.problem)
        self._searcher = searcher
        self._error = error
        self._isolation = Isolation(searcher.problem.seed)
        self._next = first_look(len(searcher.problem.names))
        self._samples = 0
        self._trials: list[Any] = []
        self._best: tuple[float, Floats] | None = None
        self._error_of_best: float | None = None
        self._last = f", before the first look at {self._next}"
        self._stopped = ""
        self._adopt()

    def propose(self) -> Proposal:
        if not self._stopped and len(self._trials) >= self._next:
            self._look()
        if self._stopped:
            raise SearchExhausted(self._stopped)
        try:
            proposal = self._searcher.propose()
        except SearchExhausted:
            self._stopped = f"at the maximum of {self._samples} samples{self._last}"
            raise
        finally:
            self._adopt()
        self._samples = max(self._samples, proposal.sample + 1)
        return proposal

    def observe(self, proposal: Proposal, srcc: float) -> None:
        self._searcher.observe(proposal, srcc)
        self._adopt()
        if proposal.budget < len(self.problem.budgets) - 1 or math.isnan(srcc):
            return
        self._trials.append(self._finished(proposal, srcc))
        if self._best is None or srcc > self._best[0]:
            self._best, self._error_of_best = (srcc, proposal.parameters), None

    def _look(self) -> None:
        self._next += -(-self._next // SHARE)
        gain, error = self._gain(), self._error_now()
        known = "no standard error" if math.isnan(error) else f"a standard error of {error:.2g}"
        figures = f"further ones may gain up to {gain:.2g}, and the best has {known}"
        self._last = f"; at the last look {figures}"
        if gain < error:
            self._stopped = f"after {self._samples} samples: {figures}"
            self._adopt()

    def _adopt(self) -> None:
        """What the other one says of itself, and where the search stopped."""
        self.repeatable = self._searcher.repeatable
        self.details = {**self._searcher.details, **({"stopped": self._stopped} if self._stopped else {})}

    def _gain(self) -> float:
        import torch  # noqa: F401 - before the isolation, which can only isolate what is there

        with self._isolation, quiet():
            from optuna.study import StudyDirection
            from optuna.terminator import RegretBoundEvaluator

            evaluator = RegretBoundEvaluator(min_n_trials=FEWEST, seed=self.problem.seed % 2**32)
            return float(evaluator.evaluate(self._trials, StudyDirection.MAXIMIZE))

    def _error_now(self) -> float:
        if self._best is None:
            return math.nan
        if self._error_of_best is None:
            self._error_of_best = self._error(self._best[1])
        return self._error_of_best

    def _finished(self, proposal: Proposal, srcc: float) -> Any:
        with quiet():
            from optuna.distributions import FloatDistribution
            from optuna.trial import create_trial

            names = self.problem.names
            return create_trial(
                params=dict(zip(names, proposal.parameters.tolist(), strict=True)),
                distributions=dict.fromkeys(names, FloatDistribution(0.0, 1.0)),
                value=srcc,
            )
