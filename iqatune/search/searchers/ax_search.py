"""Ax: a Sobol design, then a Gaussian process with expected improvement, by ray's AxSearch and Meta's ax-platform."""

import logging
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside the library's own imports
    from ax.service.ax_client import AxClient
    from ax.service.utils.instantiation import ObjectiveProperties
    from ray.tune.search.ax import AxSearch

from iqatune.search.searchers.base import METRIC, MODE, ChosenBy, Problem, TuneSearcher

logging.getLogger("ax").setLevel(logging.ERROR)


class _AxSearch(AxSearch):  # type: ignore[misc]  # ray has no types
    """AxSearch for ax-platform 1.3, whose Objective no longer has the attributes that ray reads the metric from."""

    def _setup_experiment(self) -> None:
        self._ax = AxClient(**self._ax_kwargs)
        self._ax.create_experiment(
            parameters=self._space,
            objectives={self._metric: ObjectiveProperties(minimize=self._mode == "min")},
        )
        self._parameters = list(self._ax.experiment.parameters)


class Ax(TuneSearcher):
    """ray.tune's AxSearch with the strategy that Ax itself picks for the space: Sobol points first, then BoTorch."""

    name = "ax"

    def _build(self) -> AxSearch:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # AxClient announces its end with Ax 1.4
            return _AxSearch(
                [
                    {"name": name, "type": "range", "bounds": [0.0, 1.0], "value_type": "float"}
                    for name in self.problem.names
                ],
                metric=METRIC,
                mode=MODE,
                random_seed=self.problem.seed % 2**32,
                verbose_logging=False,
            )

    def _suggest(self, trial_id: str) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numerical notes of botorch's fits
            return super()._suggest(trial_id)

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        trial = self._tune._ax.experiment.trials[self._tune._live_trial_mapping[trial_id]]
        return "initial" if "Sobol" in trial.generator_run._generation_node_name else "model"

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        design = sobol_points(len(problem.names))
        if problem.samples <= design:
            return (
                f"ax starts with {design} Sobol points for {len(problem.names)} parameters, so {problem.samples} samples "
                f"never reach its model; use --samples {design + design // 2} or more, or a smaller --space"
            )
        return None


def sobol_points(dimension: int) -> int:
    """How many Sobol points Ax's own choice of strategy puts before its model: max(5, 2 D)."""
    return max(5, 2 * dimension)
