"""BayesOpt: a Gaussian process with an upper confidence bound, by the bayesian-optimization package."""

from typing import Any

from iqatune.search.searchers.base import METRIC, MODE, ChosenBy, Problem, TuneSearcher
from iqatune.search.searchers.quiet import quiet

with quiet():
    from ray.tune.search.bayesopt import BayesOptSearch

RANDOM_STEPS = 10
"""Random points before the first model: the default of ray's BayesOptSearch."""


class _EachPointOnce(BayesOptSearch):
    """Tells the package no point a second time, which it would refuse; its model has nothing to learn from that."""

    def _register_result(self, params: Any, result: dict[str, Any]) -> None:
        space = self.optimizer.space  # type: ignore[union-attr]
        if space.params_to_array(params) not in space:
            super()._register_result(params, result)


class BayesOpt(TuneSearcher):
    """ray.tune's BayesOptSearch with its own defaults, except that a point proposed twice is evaluated twice."""

    name = "bayesopt"

    def _build(self) -> BayesOptSearch:
        return _EachPointOnce(
            dict.fromkeys(self.problem.names, (0.0, 1.0)),
            metric=METRIC,
            mode=MODE,
            random_state=self.problem.seed % 2**32,
            random_search_steps=RANDOM_STEPS,
            skip_duplicate=False,
            patience=self.problem.samples,
        )

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        return "model" if len(self._tune.optimizer.space) else "random"

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        if problem.samples <= RANDOM_STEPS:
            return (
                f"bayesopt draws its first {RANDOM_STEPS} samples at random, so {problem.samples} samples never reach "
                f"its model; use --samples {3 * RANDOM_STEPS} or more"
            )
        return None
