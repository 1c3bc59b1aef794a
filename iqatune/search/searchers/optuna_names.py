"""Optuna's samplers by their names: `optuna:tpe`, `optuna:gp`, `optuna:cmaes` and `optuna:nsga2`."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, ClassVar

from iqatune.records.vocabulary import ChosenBy
from iqatune.search.searchers.base import METRIC, MODE, Problem, Searcher
from iqatune.search.searchers.compat import quick_normal_logarithms
from iqatune.search.searchers.family import Family
from iqatune.search.searchers.quiet import quiet
from iqatune.search.searchers.twin import Twinned

with quiet():
    import optuna
    from optuna.distributions import FloatDistribution
    from ray.tune.search.optuna import OptunaSearch

SAMPLERS: Mapping[str, tuple[str, str | None]] = {
    "tpe": ("TPESampler", None),
    "gp": ("GPSampler", "torch"),
    "cmaes": ("CmaEsSampler", "cmaes"),
    "nsga2": ("NSGAIISampler", None),
}
"""By name, Optuna's class and the package that it needs besides."""

BLIND: Mapping[str, Callable[[int], int]] = {
    "tpe": lambda dimension: 10,
    "gp": lambda dimension: 10,
    "cmaes": lambda dimension: 5 + int(3 * math.log(dimension)),
    "nsga2": lambda dimension: 50,
}
"""Samples before the first that follows from results, by the number of parameters: startup trials, and populations."""

GP_SECONDS = 0.1
"""A sample of the Gaussian process: from 3.3 s for 50 of 12 parameters, on 2 cores."""


class OptunaNamed(Twinned):
    """ray.tune's OptunaSearch with one of Optuna's samplers, with its own defaults.

    A sample that follows from results is "local" for nsga2, whose children are made of the best so far, else "model".
    """

    sampler: ClassVar[str]
    """The name without the prefix."""
    plans_by_total = False

    def _build(self) -> OptunaSearch:
        kind = getattr(optuna.samplers, SAMPLERS[self.sampler][0])
        return OptunaSearch(
            dict.fromkeys(self.problem.names, FloatDistribution(0.0, 1.0)),
            metric=METRIC,
            mode=MODE,
            sampler=kind(seed=self.problem.seed % 2**32),
        )

    def _suggest(self, trial_id: str) -> dict[str, float]:
        with quick_normal_logarithms():
            return super()._suggest(trial_id)

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        return "local" if self.sampler == "nsga2" else "model"

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        # known, where a run on a planted problem would take seconds for thousands of parameters
        dimension = len(problem.names)
        if cls.sampler == "cmaes" and dimension == 1:
            return f"{cls.name} draws at random where there is one parameter; use another searcher or `space`"
        blind = BLIND[cls.sampler](dimension)
        if problem.samples > blind:
            return None
        return (
            f"{cls.name} draws its first {blind} samples of {dimension} parameters at random, so {problem.samples} "
            f"never use a result; use `samples` {2 * blind} or more"
        )

    @classmethod
    def expected_seconds(cls, problem: Problem) -> float | None:
        return GP_SECONDS * problem.samples if cls.sampler == "gp" else None


def _fault(name: str) -> str | None:
    kind, package = SAMPLERS[name]
    if not hasattr(optuna.samplers, kind):
        return f"needs an Optuna with {kind}, and {optuna.__version__} has none; update it"
    if package is not None and find_spec(package) is None:
        return f"needs the package {package}, which is not installed; pip install {package}"
    return None


@cache
def _make(name: str) -> type[Searcher]:
    attributes: dict[str, Any] = {"name": f"optuna:{name}", "sampler": name}
    return type(f"Optuna{name.title()}", (OptunaNamed,), attributes)


FAMILY = Family(prefix="optuna", faults=lambda: {name: _fault(name) for name in SAMPLERS}, make=_make)
