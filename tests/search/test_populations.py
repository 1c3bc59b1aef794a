"""Algorithms that draw a population at a time: it is evaluated as one batch, and nothing comes out otherwise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from iqatune.metric.spaces import ChannelSpace
from iqatune.metric.weights import Floats
from iqatune.search.loop import search
from iqatune.search.objective import Objective
from iqatune.search.searchers.base import Problem
from iqatune.search.searchers.registry import make_searcher

SPACE = ChannelSpace((3, 20))


class Counting(Objective):
    """Says how many configurations came together."""

    def __init__(self) -> None:
        rng = np.random.default_rng(2)
        features: np.ndarray = rng.normal(0.3, 0.05, (200, 46)).astype(np.float32)
        quality = -features @ rng.dirichlet(np.full(46, 0.2)) + rng.normal(0, 0.002, 200)
        super().__init__(SPACE, (features,), quality)
        self.together: list[int] = []

    def batch(self, parameters: Floats) -> Floats:
        self.together.append(len(parameters))
        return super().batch(parameters)


@pytest.mark.parametrize(("name", "population"), [("CMA", 7), ("DiagonalCMA", 15), ("ECMA", 15)])
@pytest.mark.parametrize("recorded", [0, 20])
def test_a_population_is_a_batch_and_finds_what_single_samples_find(
    name: str, population: int, recorded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iqatune.search.loop.BATCH_S", 60.0)  # whatever else this machine does
    problem, objective = Problem(SPACE.names, 70), Counting()

    def one_by_one(parameters: NDArray[np.float64], budget: int) -> float:
        return objective(parameters, budget)

    alone = search(make_searcher(f"nevergrad:{name}", problem), one_by_one)
    together = search(make_searcher(f"nevergrad:{name}", problem), objective, alone[:recorded])
    assert max(objective.together) == population
    assert [trial.trial_id for trial in together] == [trial.trial_id for trial in alone]
    assert [trial.srcc for trial in together] == [trial.srcc for trial in alone]
    assert [trial.chosen_by for trial in together] == [trial.chosen_by for trial in alone]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.parameters, other.parameters)


@pytest.mark.parametrize("name", ["nevergrad:DE", "nevergrad:PSO", "nevergrad:OnePlusOne"])
def test_others_are_asked_one_at_a_time(name: str) -> None:
    """What DE and PSO propose next follows from the result of the last, within a population too."""
    objective = Counting()
    search(make_searcher(name, Problem(SPACE.names, 40)), objective)
    assert not objective.together
