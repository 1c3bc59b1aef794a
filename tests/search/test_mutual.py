"""Two views fitted at once, against arithmetic of its own kind and on planted scores."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize
from scipy.stats import pearsonr

from iqatune.metric.spaces import BackboneSpace, ChannelSpace, ConstantSpace, StageSpace, TiltedStageSpace
from iqatune.search.choice import best_trial
from iqatune.search.fitting import Couples, Fit
from iqatune.search.mutual_fitting import MutualFit
from iqatune.search.searchers.mutual import MUS
from iqatune.search.task import Task

CHANNELS = (3, 4, 5, 3, 6)
VIEWS = (range(3), range(3, 5))


def _spaces() -> list[BackboneSpace]:
    descriptors = np.random.default_rng(5).normal(size=(2, sum(CHANNELS)))
    return [StageSpace(CHANNELS), ChannelSpace(CHANNELS), TiltedStageSpace(CHANNELS, descriptors)]


def _width(space: BackboneSpace) -> int:
    return len(space.spread(space.uniform, np.full(len(space.own), 0.5)))


def planted(space: BackboneSpace, *, pairs: int = 160, references: int = 10, noise: float = 0.05) -> Task:
    """Each view's features are two thirds of what the scores come from, and noise of its own."""
    rng = np.random.default_rng(1)
    truth = rng.gamma(2.0, 1.0, pairs)
    table = truth[:, None] * rng.uniform(0, 1, _width(space)) + rng.gamma(1.0, 1.0, (pairs, _width(space)))
    return Task(
        searcher="mutual",
        samples=50,
        seed=0,
        space=space,
        tables=(table,),
        quality=-truth + rng.normal(0, noise, pairs),
        reference_ids=tuple(f"r{row % references}" for row in range(pairs)),
        views=VIEWS,
    )


def _couples(task: Task) -> Couples:
    return Couples.of(task.quality, ("a",) * len(task.quality), seed=0)


@pytest.mark.parametrize("space", [*_spaces(), ConstantSpace(_spaces()[0])], ids=lambda space: space.name)
@pytest.mark.parametrize("stages", VIEWS)
def test_a_part_of_a_space_is_the_space_of_its_stages(space: BackboneSpace, stages: range) -> None:
    """Its numbers put among zeros give the same distances, whatever else the other stages hold."""
    rng = np.random.default_rng(0)
    part = space.part(stages)
    shares, own = rng.gamma(1.0, size=len(part.space.uniform)), rng.uniform(size=len(part.space.own))
    every_share, every_own = np.zeros(len(space.uniform)), rng.uniform(size=len(space.own))
    every_share[part.shares], every_own[part.own] = shares, own
    l_losses, s_losses = rng.uniform(size=(2, 7, sum(CHANNELS)))
    channels = slice(sum(CHANNELS[: stages.start]), sum(CHANNELS[: stages.stop]))
    table = space.features(l_losses, s_losses)
    own_table = part.space.features(l_losses[:, channels], s_losses[:, channels])
    assert np.array_equal(table[:, part.features], own_table)
    assert table @ space.spread(every_share, every_own) == pytest.approx(own_table @ part.space.spread(shares, own))
    assert part.space.channels == CHANNELS[stages.start : stages.stop]
    assert part.space.uniform.sum() == pytest.approx(1)


@pytest.mark.parametrize("space", _spaces(), ids=lambda space: space.name)
@pytest.mark.parametrize("unlabelled", [None, 30])
def test_derivatives_are_those_of_differences(space: BackboneSpace, unlabelled: int | None) -> None:
    task, rng = planted(space, pairs=40), np.random.default_rng(3)
    others = None if unlabelled is None else rng.gamma(1.0, 1.0, (unlabelled, _width(space)))
    fit = MutualFit(space, VIEWS, task.tables[0], _couples(task), mu=0.4, unlabelled=others)
    numbers = [len(space.part(stages).space.uniform) for stages in VIEWS]
    owns = [len(space.part(stages).own) for stages in VIEWS]
    unknowns = np.concatenate(
        [
            np.concatenate((rng.uniform(0.1, 1, count), rng.uniform(0.1, 0.9, own)))
            for count, own in zip(numbers, owns, strict=True)
        ]
    )
    off = check_grad(lambda x: fit.value(x, 0.3)[0], lambda x: fit.value(x, 0.3)[1], unknowns)
    assert off < 5e-4 * max(1.0, float(np.abs(fit.value(unknowns, 0.3)[1]).max()))


def test_what_is_minimised_is_the_formula() -> None:
    """Against the same problem written down plainly, solved by another method from other starts."""
    task = planted(StageSpace(CHANNELS), pairs=30)
    table, rng = task.tables[0], np.random.default_rng(2)
    others = rng.gamma(1.0, 1.0, (20, 10))
    i, j = np.triu_indices(30, 1)
    apart = np.sign(task.quality[i] - task.quality[j])[:, None] * (table[j] - table[i])
    weight = np.minimum(np.abs(task.quality[i] - task.quality[j]) / task.quality.std(), 1)
    columns = [[0, 1, 2, 5, 6, 7], [3, 4, 8, 9]]  # alpha of the view's stages, then beta

    def plainly(v: np.ndarray) -> float:
        total, distances = 0.0, []
        for mine in columns:
            w = v[mine]
            total += float(weight @ np.log1p(np.exp(-apart[:, mine] @ w)) / weight.sum())
            total += 0.05 * float(((w / w.sum() - 1 / len(w)) ** 2 * len(w)).sum())
            distances.append(np.concatenate((table, others))[:, mine] @ w)
        return total + 0.7 * float(np.var(distances[0] - distances[1]))

    assert isinstance(task.space, BackboneSpace)
    fit = MutualFit(task.space, VIEWS, table, _couples(task), mu=0.7, unlabelled=others)
    found = fit.solve(0.05, fit.start)
    starts = [found.shares, *rng.uniform(0.05, 1, (4, 10))]
    best = min(minimize(plainly, x, method="SLSQP", bounds=[(1e-9, None)] * 10, tol=1e-13).fun for x in starts)
    assert plainly(found.shares) == pytest.approx(best, abs=2e-5)


@pytest.mark.parametrize("space", _spaces(), ids=lambda space: space.name)
def test_without_mu_it_is_the_sum_of_two_fits(space: BackboneSpace) -> None:
    task = planted(space)
    fit = MutualFit(space, VIEWS, task.tables[0], _couples(task), mu=0.0)
    found = fit.solve(0.1, fit.start)
    together = task.tables[0] @ space.spread(found.shares, found.own)
    alone = []
    for stages in VIEWS:
        part = space.part(stages)
        one = Fit(part.space, task.tables[0][:, part.features], _couples(task))
        stand = one.solve(0.1, one.uniform)
        alone.append(task.tables[0][:, part.features] @ part.space.spread(stand.shares, stand.own))
    assert pearsonr(together, alone[0] + alone[1]).statistic > 0.9999


def test_the_more_mu_the_less_the_views_disagree_where_nobody_scored() -> None:
    task = planted(StageSpace(CHANNELS), pairs=60)
    others = np.random.default_rng(4).gamma(1.0, 1.0, (300, 10))
    assert isinstance(task.space, BackboneSpace)
    found = []
    for mu in (*MUS, 30.0):
        fit = MutualFit(task.space, VIEWS, task.tables[0], _couples(task), mu=mu, unlabelled=others)
        shares = fit.solve(0.01, fit.start).shares
        first, second = (others[:, columns] @ shares[columns] for columns in ([0, 1, 2, 5, 6, 7], [3, 4, 8, 9]))
        found.append(float(np.var(first - second)))
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0] / 10


def test_the_path_holds_every_strength_and_inner_folds_choose() -> None:
    task = planted(StageSpace(CHANNELS))
    searcher, trials = task.run()
    inner = [trial.inner for trial in trials if trial.inner is not None]
    assert inner[0].shrinkage is None
    assert inner[0].mu is None
    assert {one.mu for one in inner[1:]} == set(MUS)
    best = best_trial(trials)
    assert best is not None
    assert best.inner == max(inner, key=lambda one: one.mean)
    assert searcher.details["mu"] == f"{best.inner.mu:g}" if best.inner is not None else False
    assert best.srcc > trials[0].srcc + 0.02
    assert len(trials) <= type(searcher).most_samples(task.problem())


def test_it_is_the_same_every_time_and_a_recorded_path_goes_on() -> None:
    task = replace(planted(ChannelSpace(CHANNELS), pairs=80), unlabelled=(np.ones((5, 42)),))
    trials = task.run()[1]
    again = task.run(trials[:3])[1]
    for one, other in zip(trials, again, strict=True):
        assert np.array_equal(one.parameters, other.parameters)
        assert one.inner == other.inner


def test_noise_keeps_the_uniform_weights_and_says_so() -> None:
    task = planted(StageSpace(CHANNELS), pairs=60, references=6)
    searcher, trials = replace(task, quality=np.random.default_rng(0).normal(size=60)).run()
    best = best_trial(trials)
    assert best is not None
    assert best.chosen_by == "initial"
    assert searcher.details["shrinkage"] == "to the uniform weights"
    assert "mu" not in searcher.details


def test_features_that_say_nothing_are_no_error() -> None:
    task = planted(StageSpace(CHANNELS))
    table = task.tables[0].copy()
    table[:, [3, 4, 8, 9]] = 0  # all of one view
    trials = replace(task, tables=(table,)).run()[1]
    assert all(np.isfinite(trial.parameters).all() for trial in trials)
    assert best_trial(replace(task, tables=(np.zeros_like(table),)).run()[1]) is None


def test_a_constant_is_chosen_with_it() -> None:
    space = ConstantSpace(StageSpace(CHANNELS))
    task = planted(StageSpace(CHANNELS), pairs=80)
    noise = np.random.default_rng(9)
    tables = tuple(
        task.tables[0] * noise.lognormal(0, 0.2 * abs(place - 5), task.tables[0].shape) for place in range(13)
    )
    best = best_trial(replace(task, space=space, tables=tables).run()[1])
    assert best is not None
    assert int(space.table(best.parameters)) == 5


def test_unlabelled_images_take_part() -> None:
    task = planted(StageSpace(CHANNELS), pairs=60)
    others = (np.random.default_rng(4).gamma(1.0, 1.0, (300, 10)),)
    plain, with_others = (each.run()[1] for each in (task, replace(task, unlabelled=others)))
    same = [
        np.array_equal(one.parameters, other.parameters)
        for one, other in zip(plain, with_others, strict=False)
        if one.inner is not None and not one.inner.mu
    ]
    assert all(same)  # without mu nothing depends on them
    assert not np.array_equal(plain[-1].parameters, with_others[-1].parameters)
