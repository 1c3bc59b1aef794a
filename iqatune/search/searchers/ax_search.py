"""Ax: a Sobol design, then a Gaussian process with expected improvement, by ray's AxSearch and Meta's ax-platform."""

from typing import TYPE_CHECKING

from iqatune.records.vocabulary import ChosenBy
from iqatune.search.searchers.base import METRIC, MODE, Problem, TuneSearcher
from iqatune.search.searchers.compat import ax_search

if TYPE_CHECKING:
    from ray.tune.search.ax import AxSearch

AX_SEARCH = ax_search()


class Ax(TuneSearcher):
    """ray.tune's AxSearch with the strategy that Ax itself picks for the space: Sobol points first, then BoTorch."""

    name = "ax"
    plans_by_total = False

    def _build(self) -> "AxSearch":
        search: AxSearch = AX_SEARCH(
            [
                {"name": name, "type": "range", "bounds": [0.0, 1.0], "value_type": "float"}
                for name in self.problem.names
            ],
            metric=METRIC,
            mode=MODE,
            random_seed=self.problem.seed % 2**32,
            verbose_logging=False,
        )
        return search

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        trial = self._tune._ax.experiment.trials[self._tune._live_trial_mapping[trial_id]]
        return "initial" if "Sobol" in trial.generator_run._generation_node_name else "model"

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        design = sobol_points(len(problem.names))
        if problem.samples <= design:
            return (
                f"ax starts with {design} Sobol points for {len(problem.names)} parameters, so {problem.samples} "
                f"samples never reach its model; use `samples` {design + design // 2} or more, or a smaller `space`"
            )
        return None

    @classmethod
    def expected_seconds(cls, problem: Problem) -> float | None:
        """.2 s a model's choice and parameter, .002 s a Sobol point and parameter: right to a factor of about two.

        From 26 choices of 12 parameters in 27 s on an idle machine and 74 s on a busy one, and 4 of 40 parameters,
        after 80 Sobol points, in 107 s on a slower and busy one.
        """
        dimension = len(problem.names)
        chosen = max(0, problem.samples - sobol_points(dimension))
        return 0.2 * dimension * chosen + 0.002 * dimension * (problem.samples - chosen)


def sobol_points(dimension: int) -> int:
    """How many Sobol points Ax's own choice of strategy puts before its model: max(5, 2 D)."""
    return max(5, 2 * dimension)
