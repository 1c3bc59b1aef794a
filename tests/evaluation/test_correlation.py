"""Correlations against scipy, and their properties on ties, constants, permutations and signs."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from iqatune.evaluation.correlation import average_ranks, correlations, direction, krcc, logistic_fit, plcc, srcc

# few distinct values make many ties
tied_pairs = st.integers(2, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-4, 4).map(float), min_size=n, max_size=n)] * 2)
)
any_pairs = st.integers(6, 40).flatmap(
    lambda n: st.tuples(*[st.lists(st.floats(-1e6, 1e6), min_size=n, max_size=n)] * 2)
)
quick = settings(max_examples=60, deadline=None)


def logistic(x: NDArray[np.float64], b1: float, b2: float, b3: float, b4: float, b5: float) -> NDArray[np.float64]:
    return b1 * (0.5 - 1 / (1 + np.exp(b2 * (x - b3)))) + b4 * x + b5


@quick
@given(tied_pairs)
def test_rank_correlations_equal_scipy_on_ties(pairs: tuple[list[float], list[float]]) -> None:
    quality, prediction = pairs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of constants
        spearman = stats.spearmanr(quality, prediction).statistic
        kendall = stats.kendalltau(quality, prediction).statistic
    assert srcc(quality, prediction) == pytest.approx(spearman, abs=1e-12, nan_ok=True)
    assert krcc(quality, prediction) == pytest.approx(kendall, abs=1e-12, nan_ok=True)


@quick
@given(tied_pairs)
def test_ranks_equal_scipy(pairs: tuple[list[float], list[float]]) -> None:
    values = np.array(pairs[0])
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values))


@pytest.mark.parametrize("correlation", [srcc, krcc, plcc])
@pytest.mark.parametrize("constant", ["quality", "prediction", "both"])
def test_a_constant_gives_nan_without_a_warning(
    correlation: Callable[[ArrayLike, ArrayLike], float], constant: str
) -> None:
    flat, ramp = np.full(8, 0.1), np.arange(8.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(
            correlation(ramp if constant == "prediction" else flat, ramp if constant == "quality" else flat)
        )


@pytest.mark.parametrize("correlation", [srcc, krcc, plcc, correlations, logistic_fit])
@pytest.mark.parametrize(
    ("quality", "prediction", "says"),
    [
        ([1, 2, np.nan, 4], [1, 2, 3, 4], "quality contains 1 NaN"),
        ([1, 2, 3, 4], [np.nan, np.nan, 3, 4], "prediction contains 2 NaN"),
        ([1, 2, 3], [1, 2], "as long"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]], "one list"),
        ([1], [1], "at least 2"),
        ([], [], "at least 2"),
    ],
)
def test_input_that_has_no_correlation_is_refused(
    correlation: Callable[[ArrayLike, ArrayLike], object], quality: ArrayLike, prediction: ArrayLike, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        correlation(quality, prediction)


@quick
@given(any_pairs, st.integers(0, 2**32 - 1))
def test_the_order_of_the_pairs_does_not_matter(pairs: tuple[list[float], list[float]], seed: int) -> None:
    quality, prediction = map(np.array, pairs)
    moved = np.random.default_rng(seed).permutation(quality.size)
    before, after = correlations(quality, prediction), correlations(quality[moved], prediction[moved])
    for name in ("srcc", "krcc", "plcc"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=1e-12, nan_ok=True)


@quick
@given(any_pairs)
def test_the_sign_is_never_lost(pairs: tuple[list[float], list[float]]) -> None:
    quality, prediction = map(np.array, pairs)
    assume(np.ptp(quality) > 0 and np.ptp(prediction) > 0)
    up, down = correlations(quality, prediction), correlations(quality, -prediction)
    for name in ("srcc", "krcc", "plcc"):
        assert getattr(down, name) == pytest.approx(-getattr(up, name), abs=1e-12)
        assert -1 <= getattr(up, name) <= 1
    assert up.plcc * direction(quality, prediction) >= 0
    assert np.sign(up.plcc) in (0, np.sign(up.srcc))


def test_an_upside_down_metric_is_negative() -> None:
    quality = np.linspace(0, 1, 50)
    found = correlations(quality, -np.exp(3 * quality))
    assert found.srcc == -1
    assert found.krcc == pytest.approx(-1)
    assert found.plcc < -0.99


@quick
@given(any_pairs)
def test_no_fit_is_worse_than_a_straight_line(pairs: tuple[list[float], list[float]]) -> None:
    quality, prediction = map(np.array, pairs)
    assume(np.ptp(quality) > 1e-3 and np.ptp(prediction) > 1e-3)
    assume(direction(quality, prediction) != 0)
    assert abs(plcc(quality, prediction)) >= abs(stats.pearsonr(quality, prediction).statistic) - 1e-9


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sign", [1, -1])
def test_the_fit_is_as_good_as_the_best_of_many_curve_fits(seed: int, sign: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=250)
    prediction = sign * (np.exp(truth) if seed % 2 else truth + 0.2 * truth**3)
    quality = np.tanh(truth) + rng.normal(scale=0.3, size=250)
    best = 0.0
    for slope in (0.3, 1.0, 4.0):
        start = [np.ptp(quality) * sign, slope / prediction.std(), prediction.mean(), 0.1, quality.mean()]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                found, _ = optimize.curve_fit(logistic, prediction, quality, p0=start, maxfev=4000)
            except RuntimeError:
                continue  # this start does not converge, which is why the fit is our own
            best = max(best, stats.pearsonr(logistic(prediction, *found), quality).statistic)
    assert best > 0.5
    assert sign * plcc(quality, prediction) >= best - 5e-4


def test_a_planted_logistic_is_recovered() -> None:
    prediction = np.linspace(-30, -5, 80)
    quality = logistic(prediction, 40.0, 0.4, -17.0, 0.3, 12.0)
    np.testing.assert_allclose(logistic_fit(quality, prediction), quality, atol=1e-4)
    assert plcc(quality, prediction) == pytest.approx(1, abs=1e-9)


def test_plcc_is_scipys_pearson_of_the_fit() -> None:
    rng = np.random.default_rng(3)
    prediction = np.round(rng.normal(size=90), 1)
    quality = prediction + rng.normal(size=90)
    expected = stats.pearsonr(logistic_fit(quality, prediction), quality).statistic
    assert plcc(quality, prediction) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e9, 1e150])
def test_units_do_not_matter(scale: float) -> None:
    rng = np.random.default_rng(4)
    prediction = rng.normal(size=60)
    quality = prediction + rng.normal(size=60)
    assert plcc(quality * scale, prediction / scale) == pytest.approx(plcc(quality, prediction), abs=1e-9)


def test_five_pairs_are_too_few_for_five_parameters() -> None:
    rng = np.random.default_rng(5)
    assert math.isnan(plcc(rng.normal(size=5), rng.normal(size=5)))
    assert not math.isnan(plcc(rng.normal(size=6), rng.normal(size=6)))


def test_infinite_predictions_are_ranked_but_not_fitted() -> None:
    quality, prediction = np.arange(8.0), np.array([0, 1, 2, 3, 4, 5, 6, np.inf])
    assert srcc(quality, prediction) == 1
    assert krcc(quality, prediction) == pytest.approx(1)
    with pytest.raises(ValueError, match="infinite"):
        plcc(quality, prediction)
