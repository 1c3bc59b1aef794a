"""BayesOpt: a Gaussian process with an upper confidence bound, by the bayesian-optimization package."""

from typing import Any

from iqatune.records.vocabulary import ChosenBy
from iqatune.search.searchers.base import METRIC, MODE, Problem, TuneSearcher
from iqatune.search.searchers.quiet import quiet

with quiet():
    import sklearn  # type: ignore[import-untyped]
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
    plans_by_total = False

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

    def _suggest(self, trial_id: str) -> dict[str, float]:
        # its checks of arguments take longer than the model's arithmetic, which they do not change
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            return super()._suggest(trial_id)

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        return "model" if len(self._tune.optimizer.space) else "random"

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        if problem.samples <= RANDOM_STEPS:
            return (
                f"bayesopt draws its first {RANDOM_STEPS} samples at random, so {problem.samples} samples never reach "
                f"its model; use `samples` {3 * RANDOM_STEPS} or more"
            )
        dimension = len(problem.names)
        if problem.samples < dimension:
            return (
                f"bayesopt's model sees {problem.samples} samples of {dimension} parameters, all about equally far "
                f"from each other, and can tell none apart; use a smaller `space` or `samples` {dimension} or more"
            )
        return None

    @classmethod
    def expected_seconds(cls, problem: Problem) -> float | None:
        """.04 s a model's choice and parameter, up to 40 parameters: gradients by differences, on 2 cores at rest.

        From 20 s for 50 samples of 12 parameters. Above 40 the search for the best point ends sooner (6 choices of 40
        and 2 of 400 parameters took 43 and 9 s in one session where the 40 choices of 12 took 106 s).
        """
        return 0.04 * min(len(problem.names), 40) * max(0, problem.samples - RANDOM_STEPS)
