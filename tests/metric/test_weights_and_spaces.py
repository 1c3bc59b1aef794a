"""Weights and spaces: sums, shapes and the linearity that the objective relies on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iqatune.errors import InputError
from iqatune.metric.spaces import BackboneSpace, ChannelSpace, ColumnSpace, StageSpace, TiltedStageSpace, make_space
from iqatune.metric.weights import Weights, uniform_weights

CHANNELS = (3, 4, 2)
COUNT = sum(CHANNELS)
DESCRIPTORS = np.random.default_rng(1).normal(size=(2, COUNT))

SPACES: list[BackboneSpace] = [StageSpace(CHANNELS), ChannelSpace(CHANNELS), TiltedStageSpace(CHANNELS, DESCRIPTORS)]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@given(data=st.data())
def test_weights_sum_to_one_and_agree_with_the_coefficients(space: BackboneSpace, data: st.DataObject) -> None:
    size = len(space.names)
    parameters = data.draw(arrays(np.float64, size, elements=st.floats(0, 1, width=32)))
    weights = space.weights(parameters)
    assert weights.alpha.sum() + weights.beta.sum() == pytest.approx(1, abs=1e-12)
    assert np.all(weights.alpha >= 0)
    assert np.all(weights.beta >= 0)
    losses = np.random.default_rng(0).uniform(0, 1, size=(2, 5, COUNT))
    direct = losses[0] @ weights.alpha + losses[1] @ weights.beta
    through = space.features(losses[0], losses[1]) @ space.coefficients(parameters)
    np.testing.assert_allclose(through, direct, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_coefficients_of_a_batch_are_those_of_its_rows(space: BackboneSpace) -> None:
    parameters = np.random.default_rng(2).uniform(size=(7, len(space.names)))
    rows = np.stack([space.coefficients(row) for row in parameters])
    np.testing.assert_allclose(space.coefficients(parameters), rows, rtol=1e-13)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_scaling_the_shares_changes_nothing(space: BackboneSpace) -> None:
    shares = len(CHANNELS) * 2 if isinstance(space, TiltedStageSpace) else len(space.names)
    parameters = np.random.default_rng(3).uniform(0.2, 1, size=len(space.names))
    scaled = parameters.copy()
    scaled[:shares] *= 0.5
    np.testing.assert_allclose(space.coefficients(scaled), space.coefficients(parameters), rtol=1e-12)


def test_stage_space_spreads_a_share_over_its_channels() -> None:
    space = StageSpace(CHANNELS)
    assert space.names == ("alpha_0", "alpha_1", "alpha_2", "beta_0", "beta_1", "beta_2")
    weights = space.weights(np.array([0.0, 1.0, 0, 0, 0, 0.6]))
    np.testing.assert_allclose(weights.alpha, [0, 0, 0, *[1 / 1.6 / 4] * 4, 0, 0])
    np.testing.assert_allclose(weights.beta, [0] * 7 + [0.6 / 1.6 / 2] * 2)


def test_shares_of_columns_have_plain_names_of_their_own() -> None:
    space = ColumnSpace(("psnr", "a b", "a/b", "a.b", "a_b_2", "µ"))
    assert space.names == ("share_psnr", "share_a_b", "share_a_b_2", "share_a_b_3", "share_a_b_2_2", "share__")
    np.testing.assert_allclose(space.coefficients(np.arange(6.0) / 5), np.arange(6) / 15)


def test_equal_parameters_are_the_uniform_weights() -> None:
    uniform = uniform_weights(CHANNELS)
    for level in (0.0, 0.3, 1.0):
        weights = StageSpace(CHANNELS).weights(np.full(6, level))
        np.testing.assert_allclose(weights.alpha, uniform.alpha)
        np.testing.assert_allclose(weights.beta, uniform.beta)


def test_tilts_in_the_middle_are_the_stage_space_and_move_weight_towards_the_descriptor() -> None:
    space = TiltedStageSpace(CHANNELS, DESCRIPTORS)
    shares = np.random.default_rng(4).uniform(size=6)
    middle = space.weights(np.concatenate((shares, np.full(6, 0.5))))
    np.testing.assert_allclose(middle.alpha, StageSpace(CHANNELS).weights(shares).alpha)
    tilts = np.full(6, 0.5)
    tilts[1] = 1.0  # first descriptor, second stage
    tilted = space.weights(np.concatenate((shares, tilts)))
    inside = tilted.alpha[3:7] / middle.alpha[3:7]
    np.testing.assert_array_equal(np.argsort(inside), np.argsort(DESCRIPTORS[0, 3:7]))
    np.testing.assert_allclose(tilted.stage_sums()[0], middle.stage_sums()[0])


def test_weights_refuse_what_is_not_a_weighting() -> None:
    half = np.full(3, 1 / 6)
    Weights((3,), half, half)
    for alpha in (half[:2], -half, half * 2, np.full(3, np.nan)):
        with pytest.raises(ValueError, match="alpha and beta"):
            Weights((3,), alpha, half)


@pytest.mark.parametrize("name", ["stages", "stage+", "stage+0", "stage-1", "", "stage+100"])
def test_unknown_space_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="space="):
        make_space(name, CHANNELS, DESCRIPTORS)


def test_more_descriptors_or_numbers_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match=r"stage\+2 at most"):
        make_space("stage+3", CHANNELS, DESCRIPTORS)
    with pytest.raises(InputError, match="more than 40"):
        make_space("stage+2", (3, *[4] * 10), np.zeros((2, 43)))
