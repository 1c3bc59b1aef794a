"""The texture term: the tolerance against float64 NumPy, its derivatives, what searches and fits make of it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import check_grad
from scipy.stats import spearmanr

from iqatune.evaluation.tolerance import tolerance, tolerance_interval
from iqatune.metric.similarity import DISTS
from iqatune.metric.spaces import make_space
from iqatune.metric.weights import Floats
from iqatune.search.choice import best_trial
from iqatune.search.objective import Figures
from iqatune.search.task import Task
from iqatune.search.tolerance import Ratio, TexturePenalty

CHANNELS = (3, 4)


def _task(searcher: str, *, weight: float, space: str = "stage", seed: int = 0) -> Task:
    """What people see are features 0 and 2 alike; crops of textures lie apart in feature 0 alone."""
    rng = np.random.default_rng(seed)
    made = make_space(space, CHANNELS)
    width = 4 if space.removesuffix("+c") == "stage" else 2 * sum(CHANNELS)
    tables = len(made.similarities(DISTS))
    hidden = rng.random((120, 1))
    features = hidden + 0.3 * rng.random((120, width))
    crops = np.full((12, width), 0.05) + 0.02 * rng.random((12, width))
    crops[:, 0] += 2.0
    every = [(features * (1 + 0.1 * table)).astype(made.feature_type) for table in range(tables)]
    return Task(
        searcher=searcher,
        samples=20,
        seed=1,
        space=made,
        tables=tuple(every),
        quality=-hidden[:, 0] + rng.normal(0, 0.05, 120),
        reference_ids=tuple(f"reference {pair // 10}" for pair in range(120)),
        textures=tuple(crops.astype(made.feature_type) for _ in every),
        texture_weight=weight,
    )


def _shares(task: Task, parameters: Floats) -> Floats:
    return task.space.coefficients(parameters)


def test_the_tolerance_is_the_ratio_of_the_means() -> None:
    rng = np.random.default_rng(2)
    crops, pairs = rng.random(12), rng.random(50)
    assert tolerance(crops, pairs) == pytest.approx(sum(crops) / 12 / (sum(pairs) / 50))
    assert np.isnan(tolerance(crops, np.zeros(50)))
    assert np.isnan(tolerance(np.array([np.inf]), pairs))


def test_its_interval_is_students_over_textures() -> None:
    crops = np.array([1.0, 3.0, 2.0, 2.0, 5.0, 7.0])  # means 2, 2, 6
    low, high = tolerance_interval(crops, np.full(9, 2.0), 2)
    mean, error = 10 / 3 / 2, np.std([1, 1, 3], ddof=1) / np.sqrt(3)
    assert (low, high) == pytest.approx((max(0, mean - 4.30265 * error), mean + 4.30265 * error), abs=1e-4)
    assert np.isnan(tolerance_interval(crops[:2], np.full(9, 2.0), 2)).all()


@pytest.mark.parametrize("space", ["stage", "channel", "stage+c"])
@pytest.mark.parametrize("objective", ["srcc", "krcc", "reference-srcc"])
def test_what_is_maximised_is_the_objective_less_the_weighted_tolerance(space: str, objective: str) -> None:
    task = replace(_task("random", weight=0.4, space=space), objective_name=objective)  # type: ignore[arg-type]
    maximised = task.maximised()
    rng = np.random.default_rng(4)
    for parameters in rng.random((5, len(task.space.names))):
        table = int(task.space.table(parameters))
        shares = _shares(task, parameters).astype(np.float64)
        pairs = task.tables[table].astype(np.float64) @ shares
        crops = task.textures[table].astype(np.float64) @ shares
        found = maximised(parameters)
        assert isinstance(found, Figures)
        assert found.srcc == pytest.approx(spearmanr(task.quality, -pairs).statistic)
        plain = replace(task, texture_weight=0.0).value(parameters)
        assert found.value == pytest.approx(plain - 0.4 * crops.mean() / pairs.mean(), abs=1e-6)
        assert found.value == pytest.approx(task.value(parameters), abs=1e-6)
        assert task.tolerance_of(parameters) == pytest.approx(crops.mean() / pairs.mean(), abs=1e-6)


def test_of_several_sets_it_is_the_weighted_mean_of_theirs() -> None:
    one = _task("random", weight=0.4)
    ids = ("a",) * 60 + ("b",) * 60
    task = replace(one, set_ids=ids, set_weights={"a": 0.25, "b": 0.75})
    parameters = np.random.default_rng(1).random(len(one.space.names))
    rows = np.arange(120) < 60
    values = [one.of_rows(part).value(parameters) for part in (rows, ~rows)]
    found = task.maximised()(parameters)
    assert isinstance(found, Figures)
    assert found.value == pytest.approx(0.25 * values[0] + 0.75 * values[1])


def test_the_budgets_look_at_their_own_pairs() -> None:
    task = _task("bohb", weight=0.4)
    parameters = np.random.default_rng(1).random(len(task.space.names))
    maximised = task.maximised()
    for budget, rows in enumerate(task.subsets()):
        part = task.of_rows(np.isin(np.arange(120), rows))
        found = maximised(parameters, budget)
        assert isinstance(found, Figures)
        assert found.value == pytest.approx(part.value(parameters))


def test_derivatives_of_the_penalty() -> None:
    rng = np.random.default_rng(6)
    penalty = TexturePenalty((Ratio(rng.random(5), rng.random(5)), Ratio(rng.random(5), rng.random(5))), (0.3, 0.7))
    start = rng.random(5)
    error = check_grad(lambda x: penalty(x)[0], lambda x: penalty(x)[1], start)
    assert error < 1e-6
    assert penalty(3 * start)[0] == pytest.approx(penalty(start)[0])
    nothing = TexturePenalty((Ratio(np.zeros(2), np.zeros(2)),), (1.0,))
    assert nothing(np.ones(2))[0] == 0


def _best(task: Task) -> Floats:
    best = best_trial(task.run()[1])
    assert best is not None
    return best.parameters


@pytest.mark.parametrize("searcher", ["random", "fit", "optuna:tpe", "nevergrad", "bohb"])
def test_a_weight_of_0_is_no_textures(searcher: str) -> None:
    task = _task(searcher, weight=0.0)
    without = replace(task, textures=())
    first, second = task.run()[1], without.run()[1]
    assert [trial.parameters.tolist() for trial in first] == [trial.parameters.tolist() for trial in second]
    assert [(trial.srcc, trial.value, trial.inner) for trial in first] == [
        (trial.srcc, trial.value, trial.inner) for trial in second
    ]
    assert all(trial.value is None for trial in first)


@pytest.mark.parametrize("space", ["stage", "channel", "stage+c"])
def test_with_a_growing_weight_the_fit_does_not_get_less_tolerant(space: str) -> None:
    found = []
    for weight in (0.0, 0.01, 0.1, 1.0, 10.0):
        task = _task("fit", weight=weight, space=space)
        found.append(task.tolerance_of(_best(task)))
    assert all(later <= before + 0.01 for before, later in pairwise(found)), found
    assert found[-1] < 0.5 * found[0], found


@pytest.mark.parametrize("searcher", ["random", "fit", "optuna:tpe", "bohb"])
def test_where_textures_matter_the_weight_leaves_the_intolerant_feature(searcher: str) -> None:
    plain, tolerant = (_task(searcher, weight=weight) for weight in (0.0, 1.0))
    before, after = _best(plain), _best(tolerant)
    assert _shares(tolerant, after)[0] < 0.05
    assert tolerant.tolerance_of(after) <= tolerant.tolerance_of(before)
    assert tolerant.value(after) >= tolerant.value(before)
    # the other features tell damage as well, so that hardly any agreement is lost
    assert tolerant.srcc(after) > plain.srcc(before) - 0.05


def test_trials_tell_the_srcc_and_what_was_maximised(make_task: Callable[..., Task]) -> None:
    task = _task("random", weight=0.2)
    for trial in task.run()[1]:
        assert trial.value is not None
        assert trial.srcc == pytest.approx(task.srcc(trial.parameters))
        assert trial.value == pytest.approx(trial.srcc - 0.2 * task.tolerance_of(trial.parameters))
    assert make_task("random").run()[1][0].value is None
