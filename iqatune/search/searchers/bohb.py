"""BOHB (Falkner et al. 2018): Hyperband over subsets of the references, configurations drawn from density models."""

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from iqatune.records.vocabulary import ChosenBy
from iqatune.search.searchers.base import (
    METRIC,
    MODE,
    AwaitingResults,
    Problem,
    Proposal,
    SearchExhausted,
    TuneSearcher,
)
from iqatune.search.searchers.compat import quick_truncated_normals
from iqatune.search.searchers.hyperband import Bracket, brackets, promoted
from iqatune.search.searchers.quiet import quiet

with quiet():
    import ConfigSpace
    from hpbandster.optimizers.config_generators import bohb
    from ray.tune.search.bohb import TuneBOHB


class _DensityModels(bohb.BOHB):  # type: ignore[misc]  # hpbandster has no types
    """hpbandster's models, remembering whether the last configuration came from one."""

    model_based = False

    def get_config(self, budget: float | None) -> tuple[dict[str, float], dict[str, Any]]:
        if not self.kde_models:
            # what it would do, less the conversion of each of thousands of parameters: all range from 0 to 1, where a
            # value is its own place in the range
            values = self.configspace.sample_configuration().get_array()
            return dict(zip(self.configspace, values.tolist(), strict=True)), {}
        config, info = super().get_config(budget)
        self.model_based = info["model_based_pick"]
        return config, info


class _TuneBOHB(TuneBOHB):
    def _setup_bohb(self) -> None:
        super()._setup_bohb()  # type: ignore[no-untyped-call]
        self.bohber = _DensityModels(self._space)


@dataclass
class _Rung:
    """The evaluations of one bracket at one budget."""

    budget: int
    size: int
    promoted: list[Proposal] = field(default_factory=list)
    """The configurations to evaluate; empty in a bracket's first rung, whose configurations are new."""
    _: KW_ONLY
    proposed: int = 0
    results: list[tuple[float, Proposal]] = field(default_factory=list)

    def best(self, count: int) -> list[Proposal]:
        """The `count` proposals of highest SRCC; of equals, the configurations drawn first."""
        ranked = sorted(self.results, key=lambda result: (-result[0], result[1].sample))
        return [proposal for _, proposal in ranked[:count]]


class Bohb(TuneSearcher):
    """ray.tune's TuneBOHB, and so hpbandster's models with their own defaults, in Hyperband's brackets.

    A third of the configurations is random by hpbandster's design even when there is a model.
    """

    name = "bohb"
    wants_budgets = True

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._brackets = _brackets(problem)
        first = self._brackets.pop(0)
        self._rung = _Rung(first.lowest, first.size)
        self._models = samples_before_model(problem) < problem.samples

    def _build(self) -> TuneBOHB:
        # one call: adding parameters one by one rebuilds the space each time
        space = ConfigSpace.ConfigurationSpace(space=dict.fromkeys(self.problem.names, (0.0, 1.0)))
        return _TuneBOHB(space, metric=METRIC, mode=MODE, seed=self.problem.seed % 2**32)

    def propose(self) -> Proposal:
        while self._rung.proposed == self._rung.size:
            self._rung = self._next_rung()
        rung = self._rung
        if rung.promoted:
            proposal = self._evaluation(rung.promoted[rung.proposed], rung.budget)
        else:
            proposal = self._evaluation(super().propose(), rung.budget)
        rung.proposed += 1
        return proposal

    def _evaluation(self, configuration: Proposal, budget: int) -> Proposal:
        return replace(configuration, trial_id=f"{configuration.sample:05d}-{budget}", budget=budget)

    def _next_rung(self) -> _Rung:
        rung = self._rung
        if len(rung.results) < rung.size:
            raise AwaitingResults(f"bohb has {rung.size - len(rung.results)} results to come before the next rung")
        if rung.budget + 1 < len(self.problem.budgets):
            best = rung.best(promoted(rung.size))
            return _Rung(rung.budget + 1, len(best), best)
        if not self._brackets:
            raise SearchExhausted(f"all {self.problem.samples} samples are proposed")
        bracket = self._brackets.pop(0)
        return _Rung(bracket.lowest, bracket.size)

    def _suggest(self, trial_id: str) -> dict[str, float]:
        with quick_truncated_normals():
            return super()._suggest(trial_id)

    def _complete(self, proposal: Proposal, result: dict[str, Any]) -> None:
        self._rung.results.append((result[METRIC], proposal))
        if not self._models:
            # no model is ever built of so few results: hpbandster need not convert thousands of parameters for one
            return
        budget = self.problem.budgets[proposal.budget]
        self._tune.on_trial_result(f"{proposal.sample:05d}", result | {"hyperband_info": {"budget": budget}})

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        return "model" if self._tune.bohber.model_based else "random"

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        if samples_before_model(problem) < problem.samples:
            return None
        dimension = len(problem.names)
        needed = points_for_a_model(dimension)
        return (
            f"bohb needs {needed} results at one budget for a model of {dimension} parameters, so all "
            f"{problem.samples} samples will be random; use `samples` {2 * needed} or more, or a smaller `space`"
        )


def points_for_a_model(dimension: int) -> int:
    """Results at one budget before hpbandster builds a model: D + 1 for the good and D + 1 for the bad ones."""
    return 2 * (dimension + 1)


def samples_before_model(problem: Problem) -> int:
    """How many configurations are drawn before the first model, at most `problem.samples`."""
    needed = points_for_a_model(len(problem.names))
    results = [0] * len(problem.budgets)
    drawn = 0
    for bracket in _brackets(problem):
        missing = needed - results[bracket.lowest]
        if missing <= bracket.size:
            return min(drawn + missing, problem.samples)
        drawn += bracket.size
        size = bracket.size
        for budget in range(bracket.lowest, len(results)):
            results[budget] += size
            size = promoted(size)
        if max(results) >= needed:
            return drawn
    return drawn


def _brackets(problem: Problem) -> list[Bracket]:
    return brackets(len(problem.budgets), problem.samples, points_for_a_model(len(problem.names)))
