"""Paired comparisons find what was planted, and only that."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from iqatune.evaluation.compare import compare_over_many, holm, paired_differences, tied_with_best

IDS = [f"I{index:02}" for index in np.repeat(np.arange(25), 12)]


def metrics(seed: int, noises: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quality (300,) and one prediction for each amount of noise, most of it shared by all."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=300)
    common = quality + 0.3 * rng.normal(size=300)
    return quality, np.stack([common + noise * rng.normal(size=300) for noise in noises])


def test_a_far_worse_metric_is_not_tied_and_a_twin_is() -> None:
    quality, predictions = metrics(0, [0.1, 0.1, 3.0])
    assert tied_with_best(quality, predictions, IDS, 500).tolist() == [True, True, False]


def test_an_upside_down_metric_is_never_tied() -> None:
    quality, predictions = metrics(1, [0.3])
    found = tied_with_best(quality, [predictions[0], -10 * quality], IDS, 500)
    assert found.tolist() == [True, False]


def test_two_metrics_are_tied_when_the_interval_holds_zero() -> None:
    outcomes = set()
    for seed in range(12):
        quality, predictions = metrics(seed, [0.3, 0.4])
        found = paired_differences(quality, predictions, IDS, 300)
        other = 1 - found.best
        tied = tied_with_best(quality, predictions, IDS, 300)
        assert tied[other] == (found.low[other] <= 0 <= found.high[other])
        assert found.difference[other] == pytest.approx(
            stats.spearmanr(quality, predictions[found.best]).statistic
            - stats.spearmanr(quality, predictions[other]).statistic
        )
        assert found.p[found.best] == 1
        outcomes.add(bool(tied[other]))
    assert outcomes == {True, False}


def test_pairing_is_sharper_than_two_intervals() -> None:
    quality, predictions = metrics(3, [0.1, 0.25])
    found = paired_differences(quality, predictions, IDS, 500)
    worse = 1 - found.best
    assert found.low[worse] > 0
    assert found.high[worse] - found.low[worse] < 0.05


def test_equal_metrics_are_rarely_told_apart() -> None:
    """Of 100 data sets with two metrics equally good, about 5 may say otherwise."""
    apart = 0
    for seed in range(100):
        quality, predictions = metrics(100 + seed, [0.5, 0.5])
        apart += not tied_with_best(quality, predictions, IDS, 200).all()
    assert apart <= 12


def test_undefined_metrics() -> None:
    quality, predictions = metrics(4, [0.3])
    assert tied_with_best(quality, [np.ones(300), predictions[0]], IDS, 100).tolist() == [False, True]
    with pytest.raises(ValueError, match="no metric"):
        tied_with_best(quality, [np.ones(300)], IDS, 100)
    with pytest.raises(ValueError, match="NaN"):
        tied_with_best(quality, [np.full(300, np.nan)], IDS, 100)


def test_one_reference_tells_nothing_apart() -> None:
    quality, predictions = metrics(5, [0.1, 3.0])
    assert tied_with_best(quality, predictions, ["one"] * 300, 100).all()


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, 0.6])), [1.0, 1.0])
    assert holm(np.array([])).size == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_no_correction_and_bonferroni(values: list[float]) -> None:
    p = np.array(values)
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(p * p.size, 1)).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


def test_many_data_sets_equal_scipy() -> None:
    rng = np.random.default_rng(6)
    scores = rng.normal(size=(12, 4)) * 0.01 + [0.9, 0.9, 0.88, 0.95]
    found = compare_over_many(scores)
    assert found.friedman_p == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue)
    assert found.mean_ranks.argmin() == 3
    assert found.mean_ranks.sum() == pytest.approx(10)
    np.testing.assert_array_equal(found.wilcoxon_p, found.wilcoxon_p.T)
    raw = [stats.wilcoxon(scores[:, i], scores[:, j]).pvalue for i, j in zip(*np.triu_indices(4, 1), strict=True)]
    np.testing.assert_allclose(found.wilcoxon_p[np.triu_indices(4, 1)], holm(np.array(raw)))
    assert found.wilcoxon_p[0, 3] < 0.05 < found.wilcoxon_p[0, 1]


def test_methods_that_never_differ_are_equal() -> None:
    found = compare_over_many(np.tile([[0.9], [0.8], [0.7]], 3))
    assert (found.friedman_p, found.wilcoxon_p.min()) == (1, 1)
    assert np.isnan(compare_over_many([[1, 2], [3, 4]]).friedman_p)


@pytest.mark.parametrize("scores", [[1, 2], [[1, 2]], [[1], [2]], [[1, 2], [np.nan, 1]]])
def test_tables_with_holes_are_refused(scores: ArrayLike) -> None:
    with pytest.raises(ValueError, match="scores must be"):
        compare_over_many(scores)
