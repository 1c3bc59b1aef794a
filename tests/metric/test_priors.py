"""Priors: quantiles and moments against scipy.stats and the Dirichlet distribution, and what is at the ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import gamma

from iqatune.errors import InputError
from iqatune.metric.priors import Prior
from iqatune.metric.spaces import TiltedStageSpace, make_space
from iqatune.metric.weights import uniform_weights

CHANNELS = (3, 4, 2)
NAMES = ("cube", "simplex", "dirichlet:0.05", "dirichlet:0.3", "dirichlet:7", "dirichlet:100")

numbers = st.floats(0, 1)


@pytest.mark.parametrize(("name", "shape"), [("simplex", 1), ("dirichlet:0.05", 0.05), ("dirichlet:12.5", 12.5)])
def test_shares_are_quantiles_of_the_gamma_distribution_divided_by_their_sum(name: str, shape: float) -> None:
    parameters = np.random.default_rng(0).uniform(size=(50, 12))
    quantiles = gamma.ppf(parameters, shape)
    expected = quantiles / quantiles.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Prior.of(name).shares(parameters), expected, rtol=1e-10, atol=1e-300)


def test_cube_divides_the_numbers_themselves() -> None:
    np.testing.assert_array_equal(Prior.of("cube").shares(np.array([0.5, 0.25, 0.25, 1.0])), [0.25, 0.125, 0.125, 0.5])


@pytest.mark.parametrize(("name", "a"), [("simplex", 1.0), ("dirichlet:0.3", 0.3), ("dirichlet:4", 4.0)])
def test_shares_of_uniform_numbers_have_the_moments_of_a_dirichlet_distribution(name: str, a: float) -> None:
    count, draws = 12, 200_000
    shares = Prior.of(name).shares(np.random.default_rng(1).uniform(size=(draws, count)))
    variance = (1 / count) * (1 - 1 / count) / (count * a + 1)
    np.testing.assert_allclose(shares.mean(axis=0), 1 / count, atol=6 * (variance / draws) ** 0.5)
    np.testing.assert_allclose(shares.var(axis=0), variance, rtol=0.03)
    covariance = np.cov(shares[:, 0], shares[:, 1])[0, 1]
    assert covariance == pytest.approx(-variance / (count - 1), rel=0.1)


@pytest.mark.parametrize("name", NAMES)
@given(parameters=arrays(np.float64, 7, elements=numbers))
def test_shares_sum_to_one_whatever_the_numbers(name: str, parameters: np.ndarray) -> None:
    shares = Prior.of(name).shares(parameters)
    assert np.all(shares >= 0)
    assert shares.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@given(parameters=arrays(np.float64, 5, elements=numbers), larger=numbers)
def test_a_share_grows_with_its_own_number(name: str, parameters: np.ndarray, larger: float) -> None:
    raised = parameters.copy()
    raised[2] = max(larger, parameters[2])
    if not raised.any():
        return  # all 0 stands for equal ones on either side
    before, after = Prior.of(name).shares(np.stack((parameters, raised)))
    assert after[2] >= before[2] * (1 - 1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("level", [0.0, 1e-320, 1e-17, 0.3, float(np.nextafter(1, 0)), 1.0])
def test_equal_numbers_are_equal_shares_from_end_to_end(name: str, level: float) -> None:
    np.testing.assert_allclose(Prior.of(name).shares(np.full(12, level)), 1 / 12, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_number_of_one_is_the_largest_below_it(name: str) -> None:
    ends = Prior.of(name).shares(np.array([[1.0, 0.5], [np.nextafter(1, 0), 0.5]]))
    np.testing.assert_array_equal(ends[0], ends[1])
    assert 0.5 < ends[0, 0] < 1


@pytest.mark.parametrize("name", NAMES)
def test_one_by_one_and_in_batches_shares_are_the_same_to_the_last_bit(name: str) -> None:
    parameters = np.random.default_rng(2).uniform(size=(9, 12))
    prior = Prior.of(name)
    np.testing.assert_array_equal(prior.shares(parameters), np.stack([prior.shares(row) for row in parameters]))


@pytest.mark.parametrize("space_name", ["stage", "channel", "stage+2"])
def test_every_space_makes_its_shares_under_the_prior(space_name: str) -> None:
    descriptors = np.random.default_rng(3).normal(size=(2, sum(CHANNELS)))
    sparse = make_space(space_name, CHANNELS, descriptors, Prior.of("dirichlet:0.1"))
    cube = make_space(space_name, CHANNELS, descriptors)
    parameters = np.random.default_rng(4).uniform(size=len(cube.names))
    count = 6 if space_name != "channel" else len(cube.names)
    as_cube = parameters.copy()
    quantiles = gamma.ppf(parameters[:count], 0.1)
    as_cube[:count] = quantiles / quantiles.max()
    weights, expected = sparse.weights(parameters), cube.weights(as_cube)
    np.testing.assert_allclose(weights.alpha, expected.alpha, rtol=1e-9)
    np.testing.assert_allclose(weights.beta, expected.beta, rtol=1e-9)
    np.testing.assert_allclose(sparse.coefficients(parameters), cube.coefficients(as_cube), rtol=1e-9)


def test_tilts_keep_their_middle_under_a_prior() -> None:
    space = TiltedStageSpace(CHANNELS, np.random.default_rng(5).normal(size=(2, 9)), Prior.of("simplex"))
    weights = space.weights(np.full(12, 0.5))
    np.testing.assert_allclose(weights.alpha, uniform_weights(CHANNELS).alpha)


@pytest.mark.parametrize("name", ["", "Cube", "dirichlet", "dirichlet:", "dirichlet:0", "dirichlet:0.049", "simplex:1"])
def test_what_is_no_prior_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"prior=.*dirichlet:0\.3|prior.*dirichlet:0\.3"):
        Prior.of(name)
