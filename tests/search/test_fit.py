"""The direct fit, against arithmetic of its own kind and on planted and real scores."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad, minimize
from scipy.stats import spearmanr

from iqatune.evaluation.folds import by_reference, reference_folds
from iqatune.metric.priors import Prior
from iqatune.metric.spaces import BackboneSpace, ChannelSpace, ConstantSpace, Space, StageSpace, TiltedStageSpace
from iqatune.records.trial import Inner, Trial
from iqatune.records.vocabulary import ObjectiveName
from iqatune.search.choice import best_trial, chosen
from iqatune.search.fitting import Couples, Fit
from iqatune.search.searchers.fit import DirectFit, _InnerFolds
from iqatune.search.task import Task

CHANNELS = (3, 4, 5)


def _spaces() -> list[BackboneSpace]:
    descriptors = np.random.default_rng(5).normal(size=(2, sum(CHANNELS)))
    return [StageSpace(CHANNELS), ChannelSpace(CHANNELS), TiltedStageSpace(CHANNELS, descriptors)]


def _features(space: Space, pairs: int, seed: int = 0) -> np.ndarray:
    width = len(space.spread(space.uniform, np.full(len(space.own), 0.5)))
    return np.random.default_rng(seed).gamma(2.0, 0.1, (pairs, width))


def planted(space: Space, *, pairs: int = 200, references: int = 10, noise: float = 0.02) -> Task:
    """Quality is minus a sparse weighted sum of the features, and some noise."""
    rng = np.random.default_rng(1)
    tables = (_features(space, pairs),)
    truth = rng.dirichlet(np.full(tables[0].shape[1], 0.3))
    quality = -tables[0] @ truth + rng.normal(0, noise, pairs)
    ids = tuple(f"r{row % references}" for row in range(pairs))
    return Task(searcher="fit", samples=50, seed=0, space=space, tables=tables, quality=quality, reference_ids=ids)


def _trials(task: Task) -> list[Trial]:
    return task.run()[1]


@pytest.mark.parametrize("space", _spaces(), ids=lambda space: space.name)
def test_derivatives_are_those_of_differences(space: Space) -> None:
    table = _features(space, 40)
    couples = Couples.of(np.random.default_rng(2).normal(size=40), ("a",) * 40, seed=0)
    fit = Fit(space, table, couples)
    rng = np.random.default_rng(3)
    unknowns = np.concatenate((rng.uniform(0.1, 2, len(space.uniform)), rng.uniform(0.2, 1.5, len(space.own))))
    costs = rng.uniform(0, 0.1, len(space.uniform))
    for shrinkage in (0.0, 0.3):
        value = partial(fit.value, shrinkage=shrinkage, costs=costs)
        off = check_grad(lambda x, value=value: value(x)[0], lambda x, value=value: value(x)[1], unknowns)
        assert off < 2e-5


def test_loss_and_shrinkage_are_those_of_the_formula_and_minimised() -> None:
    """Against the same problem written down plainly, solved by another method from another start."""
    space = StageSpace(CHANNELS)
    rng = np.random.default_rng(0)
    table = _features(space, 30)
    quality = -table @ rng.dirichlet(np.ones(6)) + rng.normal(0, 0.02, 30)
    i, j = np.triu_indices(30, 1)
    apart = np.sign(quality[i] - quality[j])[:, None] * (table[j] - table[i])
    weight = np.minimum(np.abs(quality[i] - quality[j]) / quality.std(), 1)

    def plainly(v: np.ndarray) -> float:
        p = v / v.sum()
        return float(weight @ np.log1p(np.exp(-apart @ v)) / weight.sum() + 0.05 * ((p - 1 / 6) ** 2 * 6).sum())

    fit = Fit(space, table, Couples.of(quality, ("a",) * 30, seed=0))
    found = fit.solve(0.05, fit.uniform)
    starts = [found.shares, *rng.uniform(1, 30, (3, 6))]
    best = min(minimize(plainly, x, method="SLSQP", bounds=[(1e-9, None)] * 6, tol=1e-12).fun for x in starts)
    assert plainly(found.shares) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("inner", _spaces(), ids=lambda space: space.name)
@pytest.mark.parametrize("prior", [Prior(), Prior(1.0), Prior(0.3)], ids=str)
def test_parameters_stand_for_the_weights_that_were_fitted(inner: BackboneSpace, prior: Prior) -> None:
    rng = np.random.default_rng(0)
    shares, own = rng.gamma(0.5, size=len(inner.uniform)), rng.uniform(size=len(inner.own))
    shares[0] = 0
    inner.prior = prior
    for space, table in ((inner, 0), (ConstantSpace(inner), 7)):
        parameters = space.parameters(shares, own, table)
        assert parameters.shape == (len(space.names),)
        assert ((parameters >= 0) & (parameters <= 1)).all()
        expected = inner.spread(shares / shares.sum(), own)
        assert np.allclose(space.coefficients(parameters), expected, rtol=1e-9, atol=1e-15)
        assert int(space.table(parameters)) == table


@given(st.integers(0, 1000), st.integers(3, 60))
@settings(max_examples=30, deadline=None)
def test_couples_stay_within_a_set_and_prefer_the_better_score(seed: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    quality = rng.integers(0, 5, pairs).astype(float)
    sets = tuple(rng.choice(["a", "b"], pairs).tolist())
    couples = Couples.of(quality, sets, seed)
    assert (quality[couples.better] > quality[couples.worse]).all()
    names = np.array(sets)
    assert (names[couples.better] == names[couples.worse]).all()
    told = sum(quality[i] != quality[j] and sets[i] == sets[j] for i in range(pairs) for j in range(i + 1, pairs))
    assert len(couples.weight) == told
    if told:
        assert couples.weight.sum() == pytest.approx(1)


@pytest.mark.parametrize("space", _spaces()[:2], ids=lambda space: space.name)
def test_it_finds_what_was_planted(space: Space) -> None:
    task = planted(space)
    best = best_trial(_trials(task))
    assert best is not None
    uniform = spearmanr(task.quality, -task.tables[0] @ space.uniform).statistic
    assert best.chosen_by == "fit"
    assert best.srcc > uniform + 0.1
    assert best.srcc > 0.9


def test_inner_figures_are_those_of_fits_without_the_references_left_out() -> None:
    task = planted(StageSpace(CHANNELS))
    path = [trial for trial in _trials(task) if trial.inner is not None and trial.inner.shrinkage in (None, 1.0)]
    figures = []
    for mask in reference_folds(task.reference_ids, 5, task.seed):
        rows = ~mask
        couples = Couples.of(task.quality[rows], ("a",) * int(rows.sum()), task.seed)
        fit = Fit(task.space, task.tables[0][rows], couples)
        found = fit.solve(1.0, fit.uniform).shares
        quality, table = task.quality[mask], task.tables[0][mask]
        figures.append(
            [spearmanr(quality, -table @ weights).statistic for weights in (task.space.uniform, found / found.sum())]
        )
    means = [trial.inner.mean for trial in path if trial.inner is not None]
    assert means == pytest.approx(np.mean(figures, axis=0).tolist(), abs=1e-9)
    gain = np.diff(np.array(figures), axis=1).ravel()
    error = np.sqrt((1 / 5 + 1 / 4) * gain.var(ddof=1))  # Nadeau and Bengio 2003
    assert path[1].inner is not None
    assert path[1].inner.error == pytest.approx(error, abs=1e-9)


def test_noise_keeps_the_uniform_weights_and_says_so() -> None:
    task = planted(StageSpace(CHANNELS), pairs=60, references=6)
    task = replace(task, quality=np.random.default_rng(0).normal(size=60))
    searcher, trials = task.run()
    best = best_trial(trials)
    assert best is not None
    assert best.chosen_by == "initial"
    assert np.ptp(best.parameters) == 0
    assert searcher.details["shrinkage"] == "to the uniform weights"


@pytest.mark.parametrize("references", [1, 2])
def test_too_few_references_keep_the_uniform_weights(references: int) -> None:
    searcher, trials = planted(StageSpace(CHANNELS), pairs=30, references=references).run()
    assert [trial.chosen_by for trial in trials] == ["initial"]
    assert searcher.details == {"inner_folds": "0", "shrinkage": "to the uniform weights"}


def test_features_that_say_nothing_are_no_error() -> None:
    """Constant, zero, equal and collinear ones."""
    task = planted(StageSpace(CHANNELS))
    table = task.tables[0].copy()
    table[:, 1], table[:, 2], table[:, 3], table[:, 5] = 0.0, 0.5, table[:, 0], 2 * table[:, 4]
    trials = _trials(replace(task, tables=(table,)))
    assert all(np.isfinite(trial.parameters).all() for trial in trials)
    dead = _trials(replace(task, tables=(np.zeros_like(table),)))
    assert best_trial(dead) is None


def test_it_is_the_same_every_time_and_a_recorded_path_goes_on() -> None:
    task = planted(ChannelSpace(CHANNELS))
    trials = _trials(task)
    again = task.run(trials[:3])[1]
    for one, other in zip(trials, again, strict=True):
        assert np.array_equal(one.parameters, other.parameters)
        assert one.inner == other.inner


def test_a_constant_is_chosen_by_the_inner_folds() -> None:
    """One table of features out of thirteen tells the truth."""
    space = ConstantSpace(StageSpace(CHANNELS))
    task = planted(StageSpace(CHANNELS))
    noise = np.random.default_rng(9)
    tables = tuple(
        task.tables[0] * noise.lognormal(0, 0.15 * abs(place - 5), task.tables[0].shape) for place in range(13)
    )
    best = best_trial(_trials(replace(task, space=space, tables=tables)))
    assert best is not None
    assert int(space.table(best.parameters)) == 5


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (((None, 0.8, 0.0), (1.0, 0.81, 0.005), (0.1, 0.82, 0.015)), 2),
        (((None, 0.8, 0.0), (1.0, 0.81, 0.005), (0.1, 0.82, 0.025)), 0),
        (((None, 0.8, 0.0), (1.0, np.nan, np.nan), (0.1, 0.79, 0.001)), 0),
        (((None, np.nan, np.nan), (1.0, 0.9, np.nan)), 0),
        (((None, 0.8, 0.0), (None, 0.9, 0.01), (1.0, 0.905, 0.01)), 1),
    ],
)
def test_the_choice(path: tuple[tuple[float | None, float, float], ...], place: int) -> None:
    assert chosen([Inner(shrinkage=one, mean=mean, error=error) for one, mean, error in path]) == place


@pytest.mark.parametrize("objective", ["krcc", "reference-srcc"])
def test_inner_folds_go_by_the_objective(objective: ObjectiveName) -> None:
    task = planted(StageSpace(CHANNELS))
    other = replace(task, objective_name=objective)
    first, second = _trials(task)[0], _trials(other)[0]
    assert first.inner is not None
    assert second.inner is not None
    assert first.inner.mean != second.inner.mean


def joint(searcher: str = "fit", objective: ObjectiveName = "srcc") -> Task:
    """Two sets of 10 and 6 references on other scales, of which two of each show the same pictures."""
    task = planted(StageSpace(CHANNELS), pairs=160, references=16, noise=0.05)
    ids = np.array([int(name[1:]) for name in task.reference_ids])
    in_first = ids < 10
    names = tuple(f"{'a' if first else 'b'}/{number}" for number, first in zip(ids, in_first, strict=True))
    return replace(
        task,
        searcher=searcher,
        objective_name=objective,
        quality=np.where(in_first, task.quality, 50 + 300 * task.quality),
        reference_ids=names,
        set_ids=tuple("a" if first else "b" for first in in_first),
        set_weights={"a": 0.25, "b": 0.75},
        pictures=tuple({"b/10": "a/3", "b/15": "a/7"}.get(name, name) for name in names),
    )


def _by_set(task: Task, weights: np.ndarray) -> float:
    """The weighted mean of each set's SRCC, by scipy."""
    sets = np.array(task.set_ids)
    parts = [(share, sets == name) for name, share in task.set_weights.items()]
    return sum(
        share * float(spearmanr(task.quality[rows], -task.tables[0][rows] @ weights).statistic) for share, rows in parts
    )


def test_couples_of_a_set_count_as_much_as_the_set() -> None:
    task = joint()
    sets = np.array(task.set_ids)
    couples = Couples.of(task.quality, task.set_ids, 0, task.set_weights)
    assert (sets[couples.better] == sets[couples.worse]).all()
    assert couples.weight[sets[couples.better] == "b"].sum() == pytest.approx(0.75)
    scaled = Couples.of(np.where(sets == "a", task.quality, 7 * task.quality), task.set_ids, 0, task.set_weights)
    assert scaled.weight == pytest.approx(couples.weight)


@pytest.mark.parametrize("seed", range(4))
def test_inner_folds_of_several_sets_hold_out_pictures_of_each(seed: int) -> None:
    task = replace(joint(), seed=seed)
    folds = _InnerFolds(task, DirectFit.fit_of)
    assert len(folds.tasks) == 5
    held_out = [set(left_out.groups) for _, left_out in folds.tasks]
    assert sorted(name for names in held_out for name in names) == sorted(set(task.groups))
    for (tuned, left_out), couples in zip(folds.tasks, folds._couples, strict=True):
        assert {*tuned.set_ids} == {*left_out.set_ids} == {"a", "b"}
        assert not {*tuned.groups} & {*left_out.groups}
        sets = np.array(tuned.set_ids)
        assert (sets[couples.better] == sets[couples.worse]).all()


def test_inner_figures_of_several_sets_are_their_weighted_means() -> None:
    task = joint()
    path = [trial for trial in _trials(task) if trial.inner is not None and trial.inner.shrinkage in (None, 1.0)]
    figures = []
    for fold in by_reference(task.groups, 5, task.seed, task.set_ids):
        tuned, left_out = task.of_rows(fold.tuned), task.of_rows(fold.held_out)
        fit = Fit(task.space, tuned.tables[0], Couples.of(tuned.quality, tuned.set_ids, task.seed, task.set_weights))
        found = fit.solve(1.0, fit.uniform).shares
        figures.append([_by_set(left_out, weights) for weights in (task.space.uniform, found)])
    means = [trial.inner.mean for trial in path if trial.inner is not None]
    assert means == pytest.approx(np.mean(figures, axis=0).tolist(), abs=1e-9)
    best = best_trial(_trials(task))
    assert best is not None
    weights = task.space.coefficients(best.parameters)
    assert best.srcc == pytest.approx(_by_set(task, weights), abs=1e-9)


def test_a_fit_of_several_sets_chooses_by_the_run_objective() -> None:
    trials = _trials(joint(objective="krcc"))
    assert all(trial.value is not None and trial.value < trial.srcc for trial in trials)
    other = _trials(joint())
    assert [trial.inner.mean for trial in trials if trial.inner] != [trial.inner.mean for trial in other if trial.inner]


def test_the_standard_error_of_several_sets_leaves_out_pictures() -> None:
    task = joint("random")
    parameters = np.array([0.2, 0.9, 0.4, 0.6, 0.3, 0.8])
    weights, groups = task.space.coefficients(parameters), np.array(task.groups)
    every = np.unique(groups)
    assert len(every) == 14
    without = [_by_set(task.of_rows(groups != picture), weights) for picture in every]
    expected = np.sqrt(13 / 14 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert task.standard_error(parameters) == pytest.approx(expected, abs=1e-9)
    # a set of one reference has no figure without it
    few = task.of_rows(np.array([name.startswith("a/") or name == "b/12" for name in task.reference_ids]))
    assert np.isnan(few.standard_error(parameters))
