"""Which shares a penalised fit leaves: held against the conditions of its minimum, and against what was planted."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from iqatune.evaluation.folds import by_reference
from iqatune.metric.spaces import BackboneSpace, ChannelSpace, ConstantSpace, StageSpace, TiltedStageSpace
from iqatune.search.fitting import Fit
from iqatune.search.sparsity import Sparsity
from iqatune.search.supports import Supported, couples_of, path, support, supported
from iqatune.search.task import Task

CHANNELS = (3, 4, 5, 6)
COSTS = (0.0, 1.0, 2.0, 7.0)


def _task(space: BackboneSpace, *, early: bool = True, pairs: int = 240) -> Task:
    """Quality that follows the image and stage 1 alone (or all stages), and some noise."""
    rng = np.random.default_rng(4)
    losses = rng.gamma(2.0, 0.1, (2, pairs, sum(CHANNELS))) + 0.1 * rng.random((1, pairs, 1))
    table = space.features(*losses)
    truth = space.uniform * ((space.stage_of_share <= 1) if early else 1)
    own = np.full(len(space.own), 0.5)
    distances = table @ space.spread(truth / truth.sum(), own)
    quality = -distances + rng.normal(0, 0.3 * distances.std(), pairs)
    ids = tuple(f"r{row % 12}" for row in range(pairs))
    return Task(searcher="fit", samples=50, seed=0, space=space, tables=(table,), quality=quality, reference_ids=ids)


def _stages(mask: NDArray[np.bool_]) -> set[int]:
    """Of shares of the stage space."""
    return set(np.tile(range(len(CHANNELS)), 2)[mask].tolist())


@pytest.mark.parametrize("early", [True, False])
def test_a_penalised_fit_meets_the_conditions_of_its_minimum(early: bool) -> None:
    """Karush, Kuhn and Tucker's, of the loss written down plainly: a share above 0 gains what it costs, others less."""
    task = _task(StageSpace(CHANNELS), early=early)
    couples = couples_of(task)
    penalty = 0.05 * np.tile(COSTS, 2)
    shares = Fit(task.space, task.tables[0], couples).penalised(penalty, 2000)
    apart = task.tables[0][couples.worse] - task.tables[0][couples.better]
    gains = apart.T @ (couples.weight / (1 + np.exp(apart @ shares)))
    assert (shares >= 0).all()
    assert 0 < (shares == 0).sum() < len(shares)
    np.testing.assert_allclose(gains[shares > 0], penalty[shares > 0], atol=2e-4)
    assert (gains[shares == 0] <= penalty[shares == 0] + 2e-4).all()


def test_the_path_goes_from_the_image_alone_to_hardly_any_penalty() -> None:
    task = _task(StageSpace(CHANNELS))
    found = path(task, COSTS)
    stages = [_stages(each.mask) for each in found]
    assert stages[0] == {0}
    assert 1 in stages[-1]
    masks = [tuple(each.mask) for each in found]
    assert len(set(masks)) == len(masks) > 3
    penalties = [each.penalty for each in found]
    assert penalties[0] == max(penalties)
    for each in found:  # and each is what its penalty alone gives
        assert np.array_equal(support(task, Sparsity(each.penalty, COSTS)), each.mask)


def test_a_stage_that_costs_more_is_left_first() -> None:
    """Both stages tell as much of the quality, for they are copies; the dearer one goes."""
    task = _task(StageSpace(CHANNELS), early=False)
    table = task.tables[0].copy()
    table[:, 3], table[:, 7] = table[:, 1], table[:, 5]
    copied = replace(task, tables=(table,))
    mask = support(copied, Sparsity(0.01, (0.0, 1.0, 1.0, 5.0)))
    assert not mask[3]
    assert not mask[7]
    assert mask[1] or mask[5]


@pytest.mark.parametrize(
    "space",
    [
        StageSpace(CHANNELS),
        ChannelSpace(CHANNELS),
        TiltedStageSpace(CHANNELS, np.random.default_rng(0).normal(size=(1, sum(CHANNELS)))),
        ConstantSpace(StageSpace(CHANNELS)),
    ],
    ids=lambda space: space.name,
)
@pytest.mark.parametrize("sparsity", [Sparsity(last_stage=1), Sparsity(0.03, COSTS)], ids=["last stage", "penalty"])
def test_what_is_left_out_has_no_weight_in_any_sample(space: BackboneSpace, sparsity: Sparsity) -> None:
    task = replace(_task(space), sparsity=sparsity)
    if isinstance(space, ConstantSpace):
        task = replace(task, tables=tuple(task.tables[0] * scale for scale in np.linspace(1, 2, 13)))
    searcher, trials = task.run()
    allowed = support(task, sparsity)
    stages = set(space.stage_of_share[allowed].tolist())
    assert searcher.details["weighted_stages"] == ", ".join(map(str, sorted(stages)))
    starts = np.cumsum((0, *CHANNELS))
    for trial in trials:
        weights = space.weights(trial.parameters)
        alpha, beta = weights.stage_sums()
        assert {stage for stage in range(len(CHANNELS)) if alpha[stage] + beta[stage] > 0} <= stages
        if isinstance(space, ChannelSpace):
            used = np.concatenate((weights.alpha, weights.beta)) > 0
            assert not (used & ~allowed).any()
    assert starts[-1] == sum(CHANNELS)


def test_the_support_of_a_fold_knows_nothing_of_what_is_held_out() -> None:
    task = replace(_task(StageSpace(CHANNELS)), sparsity=Sparsity(0.02, COSTS))
    fold = by_reference(task.groups, 3, 0)[0]
    other = task.quality.copy()
    other[fold.held_out] = np.random.default_rng(9).normal(size=int(fold.held_out.sum()))
    first, second = (replace(task, quality=quality).split(fold)[0].run()[1] for quality in (task.quality, other))
    assert [trial.parameters.tolist() for trial in first] == [trial.parameters.tolist() for trial in second]


def test_a_part_of_a_space_derives_as_the_whole_does() -> None:
    space = ChannelSpace(CHANNELS)
    rng = np.random.default_rng(2)
    mask = rng.random(len(space.uniform)) < 0.4
    part = Supported(space, mask)
    shares, gradient = rng.random(int(mask.sum())), rng.normal(size=len(mask))
    by_share, _ = part.pull_back(shares, np.empty(0), gradient)
    coefficients = part.spread(shares, np.empty(0))
    assert coefficients[~mask].sum() == 0
    assert float(coefficients @ gradient) == pytest.approx(float(shares @ by_share))
    np.testing.assert_allclose(
        part.coefficients(part.parameters(shares, np.empty(0))), coefficients / coefficients.sum(), atol=1e-12
    )


def test_without_anything_that_helps_the_image_is_left() -> None:
    task = _task(StageSpace(CHANNELS))
    reversed_scores = replace(task, quality=-task.quality)  # the larger D the better: no weights above 0 help
    assert _stages(support(reversed_scores, Sparsity(10.0, COSTS))) == {0}
    left = supported(replace(reversed_scores, sparsity=Sparsity(10.0, COSTS)))
    assert left.space.uniform.sum() == pytest.approx(1)
