"""The objective against scipy's Spearman correlation."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, spearmanr

from iqatune.errors import InputError
from iqatune.metric.spaces import CONSTANTS, BackboneSpace, ChannelSpace, StageSpace, make_space
from iqatune.records.vocabulary import ObjectiveName
from iqatune.search.objective import Figures, Objective
from iqatune.search.products import OnDevice
from iqatune.search.task import Task

CHANNELS = (3, 2)


@given(
    distances=arrays(np.float64, 12, elements=st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9])),
    quality=arrays(np.float64, 12, elements=st.sampled_from([1.0, 2.0, 3.0, 4.5])),
)
def test_ties_and_sign_are_those_of_scipy(distances: np.ndarray, quality: np.ndarray) -> None:
    space = StageSpace((3,))
    objective = Objective(space, (np.stack((distances, distances), axis=1),), quality)
    found = objective(np.array([0.5, 0.25]))
    if np.ptp(distances) == 0 or np.ptp(quality) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(-spearmanr(quality, distances).statistic, abs=1e-12)


@pytest.mark.parametrize("space", [StageSpace(CHANNELS), ChannelSpace(CHANNELS)], ids=lambda space: space.name)
def test_a_batch_is_its_samples_and_each_is_spearmans(space: BackboneSpace) -> None:
    rng = np.random.default_rng(0)
    features = rng.uniform(size=(200, len(space.names))).astype(space.feature_type)
    quality = rng.normal(size=200)
    objective = Objective(space, (features,), quality)
    parameters = rng.uniform(size=(9, len(space.names)))
    one_by_one = np.array([objective(row) for row in parameters])
    np.testing.assert_array_equal(objective.batch(parameters), one_by_one)
    coefficients = space.coefficients(parameters).astype(space.feature_type)
    expected = [-spearmanr(quality, features @ row).statistic for row in coefficients]
    np.testing.assert_allclose(one_by_one, expected, atol=1e-12)


def test_a_budget_looks_at_its_rows_only() -> None:
    rng = np.random.default_rng(1)
    space = StageSpace(CHANNELS)
    features, quality = rng.uniform(size=(60, 4)), rng.normal(size=60)
    rows = (np.arange(0, 60, 3), np.arange(60))
    objective = Objective(space, (features,), quality, rows)
    parameters = rng.uniform(size=4)
    small = Objective(space, (features[rows[0]],), quality[rows[0]])
    assert objective(parameters, 0) == small(parameters)
    assert objective(parameters, 1) == objective(parameters) != objective(parameters, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_cannot_be_ranked_is_undefined(bad: float) -> None:
    features = np.random.default_rng(2).uniform(size=(20, 2))
    features[7, 0] = bad
    objective = Objective(StageSpace((3,)), (features,), np.arange(20.0))
    assert np.isnan(objective(np.array([0.5, 0.5])))


def test_rows_that_are_equal_tie_wherever_they_stand() -> None:
    # a matrix product may round a row in the middle of a block otherwise than one at its end
    rng = np.random.default_rng(4)
    features: np.ndarray = np.tile(rng.uniform(size=(1, 2950)), (37, 1)).astype(np.float32)
    features[11] *= np.float32(1.01)
    space = ChannelSpace((3, 64, 128, 256, 512, 512))
    quality = rng.normal(size=37)
    objective = Objective(space, (features,), quality)
    parameters = rng.uniform(size=(5, 2950))
    expected = -spearmanr(quality, np.arange(37) == 11).statistic
    np.testing.assert_allclose(objective.batch(parameters), expected, atol=1e-12)
    np.testing.assert_array_equal(objective.batch(parameters), [objective(row) for row in parameters])


def test_float32_features_are_ranked_as_if_in_float64() -> None:
    # thousands of distances within a few roundings of their neighbours: a plain float32 product orders them wrongly
    rng = np.random.default_rng(6)
    space = ChannelSpace((3, 64, 128))
    quality = rng.uniform(size=3000)
    features: np.ndarray = (0.5 + 1e-4 * rng.uniform(size=(3000, 390))).astype(np.float32)
    objective = Objective(space, (features,), quality)
    parameters = rng.uniform(size=(3, 390))
    coefficients = space.coefficients(parameters)
    exact = [-spearmanr(quality, np.vecdot(features.astype(np.float64), row)).statistic for row in coefficients]
    plain = [-spearmanr(quality, features @ row.astype(np.float32)).statistic for row in coefficients]
    assert np.abs(np.subtract(exact, plain)).min() > 1e-9
    np.testing.assert_allclose([objective(row) for row in parameters], exact, atol=1e-12)
    np.testing.assert_allclose(objective.batch(parameters), exact, atol=1e-12)


def test_a_copy_finds_the_same() -> None:
    rng = np.random.default_rng(7)
    objective = Objective(StageSpace(CHANNELS), (rng.uniform(size=(300, 4)),), rng.normal(size=300))
    parameters = rng.uniform(size=(40, 4))
    found = objective.batch(parameters)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(objective)).batch(parameters), found)


def test_nothing_in_nothing_out() -> None:
    assert Objective(StageSpace((3,)), (np.ones((4, 2)),), np.arange(4.0)).batch(np.empty((0, 2))).shape == (0,)


def test_one_pair_has_no_correlation() -> None:
    space = make_space("stage", (3, 4))
    features = np.random.default_rng(0).random((1, len(space.names)))
    objective = Objective(space, (features,), np.ones(1))
    assert np.isnan(objective(np.full(len(space.names), 0.5)))
    assert np.isnan(objective.batch(np.full((3, len(space.names)), 0.5))).all()


def _joint_task(searcher: str = "random", objective: ObjectiveName = "srcc") -> Task:
    """Two sets of 40 and 30 pairs, whose scores are on other scales."""
    rng = np.random.default_rng(8)
    features = rng.uniform(size=(70, 4))
    quality = -features @ (0.4, 0.1, 0.3, 0.2) + rng.normal(0, 0.1, 70)
    quality[40:] = 100 + 50 * quality[40:]
    return Task(
        searcher=searcher,
        samples=5,
        seed=0,
        space=StageSpace(CHANNELS),
        tables=(features,),
        quality=quality,
        reference_ids=tuple(f"a/{row // 5}" for row in range(40)) + tuple(f"b/{row // 5}" for row in range(30)),
        objective_name=objective,
        set_ids=("a",) * 40 + ("b",) * 30,
        set_weights={"a": 0.75, "b": 0.25},
    )


def test_several_sets_are_each_ranked_by_themselves() -> None:
    task = _joint_task()
    parameters = np.random.default_rng(3).uniform(size=(7, 4))
    objective = task.objective()
    found = np.array([objective(row) for row in parameters])
    np.testing.assert_array_equal(objective.batch(parameters), found)
    for row, value in zip(task.space.coefficients(parameters), found, strict=True):
        distances = task.tables[0] @ row
        own = [-spearmanr(task.quality[rows], distances[rows]).statistic for rows in (slice(40), slice(40, 70))]
        assert value == pytest.approx(0.75 * own[0] + 0.25 * own[1], abs=1e-12)
        assert value != pytest.approx(-spearmanr(task.quality, distances).statistic, abs=1e-3)
    # without one of them the other has all the weight
    alone = task.of_rows(np.arange(70) < 40)
    assert alone.objective()(parameters[0]) == Objective(task.space, (task.tables[0][:40],), task.quality[:40])(
        parameters[0]
    )


def test_budgets_hold_their_share_of_every_set() -> None:
    task = _joint_task("bohb")
    ids = np.array(task.reference_ids)
    assert [{name[0] for name in ids[rows]} for rows in task.subsets()] == [{"a", "b"}] * len(task.subsets())
    assert len(task.subsets()) == len(task.problem().budgets) > 1
    rows = task.subsets()[0]
    parameters = np.full(4, 0.5)
    parts = [rows[rows < 40], rows[rows >= 40]]
    distances = task.tables[0] @ task.space.coefficients(parameters)
    own = [-spearmanr(task.quality[part], distances[part]).statistic for part in parts]
    assert task.objective()(parameters, 0) == pytest.approx(0.75 * own[0] + 0.25 * own[1], abs=1e-12)


def test_another_objective_of_several_sets_is_the_mean_of_each_sets_own() -> None:
    task = _joint_task("bohb", "krcc")
    parameters = np.array([0.2, 0.9, 0.4, 0.6])
    figures = task.maximised()(parameters, -1)
    distances = task.tables[0] @ task.space.coefficients(parameters)
    own = [-kendalltau(task.quality[rows], distances[rows]).statistic for rows in (slice(40), slice(40, 70))]
    assert isinstance(figures, Figures)
    assert figures.value == pytest.approx(0.75 * own[0] + 0.25 * own[1], abs=1e-12)
    assert figures.value == task.value(parameters) == task.figure(distances)
    assert figures.srcc == task.objective()(parameters)


def test_a_set_without_a_figure_leaves_the_mean_without_one() -> None:
    task = _joint_task()
    features = task.tables[0].copy()
    features[40:] = 0.5
    assert np.isnan(replace(task, tables=(features,)).objective()(np.full(4, 0.5)))


@pytest.mark.parametrize("name", ["channel", "channel+c", "stage+2", "stage"])
def test_a_device_finds_what_numpy_finds(name: str) -> None:
    """torch's CPU in the place of a GPU: the same code, another way to sum."""
    rng = np.random.default_rng(4)
    channels = (3, 30)
    space = make_space(name, channels, rng.normal(size=(2, 33)))
    count = len(CONSTANTS) if name.endswith("+c") else 1
    width = space.coefficients(np.full((1, len(space.names)), 0.5)).shape[1]
    tables = tuple(rng.normal(0.3, 0.02, (700, width)).astype(space.feature_type) for _ in range(count))
    for table in tables:
        table[7] = table[400]
        table[8] = np.nextafter(table[9], np.float32(1)).astype(table.dtype)  # hardly apart
    quality = rng.normal(size=700).round(1)
    parameters = rng.uniform(size=(100, len(space.names)))
    on_numpy, on_torch = Objective(space, tables, quality), Objective(space, tables, quality, device="cpu")
    found = on_torch.batch(parameters)
    assert found.tolist() == on_numpy.batch(parameters).tolist()
    assert found[:20].tolist() == [on_numpy(row) for row in parameters[:20]]
    # a copy for another process takes its features to the device anew
    assert pickle.loads(pickle.dumps(on_torch)).batch(parameters).tolist() == found.tolist()


def test_a_device_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(features: np.ndarray) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "from_numpy", full)
    features = np.ones((10, 6))
    objective = Objective(StageSpace(CHANNELS), (features[:, :4],), np.arange(10.0), device="cpu")
    with pytest.raises(InputError, match="device=cpu: has too little free memory for the features of 10 pairs; give"):
        objective.batch(np.ones((3, 4)))


@pytest.mark.parametrize(("device", "worth", "taken"), [("auto", 0, 1), ("auto", 1e12, 0), ("cpu", 0, 0), (None, 0, 0)])
def test_a_gpu_is_taken_where_it_is_worth_it(
    device: str | None, worth: float, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that says it has a GPU, which is the CPU by another name."""
    import torch

    made: list[str] = []

    def on(features: np.ndarray, device: str) -> Any:
        made.append(device)
        return OnDevice(features, "cpu")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("iqatune.search.task.WORTH", worth)
    monkeypatch.setattr("iqatune.search.objective.OnDevice", on)
    rng = np.random.default_rng(0)
    space = ChannelSpace(CHANNELS)
    plain = Task(
        searcher="random",
        samples=40,
        seed=0,
        space=space,
        tables=(rng.uniform(size=(60, 10)).astype(np.float32),),
        quality=rng.normal(size=60),
        reference_ids=tuple(f"r{row % 6}" for row in range(60)),
    )
    found = replace(plain, device=device).run()[1]
    assert made == ["cuda"] * taken
    assert [trial.srcc for trial in found] == [trial.srcc for trial in plain.run()[1]]
