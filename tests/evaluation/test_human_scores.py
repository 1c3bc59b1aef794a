"""What the human scores allow: the noise ceiling, and couples of images that people tell apart or not."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm, spearmanr

from iqatune.evaluation.ceiling import noise_ceiling
from iqatune.evaluation.correlation import logistic_fit
from iqatune.evaluation.differences import MOST, couples_of, differences, resolving_power
from iqatune.evaluation.residuals import fitted_scores, outlier_ratio, rmse


@pytest.mark.parametrize("noise", [0.1, 0.4, 0.8])
def test_the_ceiling_is_what_a_metric_has_that_knows_the_truth(noise: float) -> None:
    """On planted data, where the truth is known: the mean over 40 experiments, to .01."""
    rng = np.random.default_rng(1)
    estimated, real = [], []
    for _ in range(40):
        truth = rng.normal(0, 1, 300)
        errors = noise * rng.uniform(0.5, 1.5, 300)
        scores = rng.normal(truth, errors)
        estimated.append(noise_ceiling(scores, errors).srcc)
        real.append(spearmanr(truth, scores).statistic)
    assert np.mean(estimated) == pytest.approx(np.mean(real), abs=0.01)


def test_the_ceilings_range_holds_the_experiment_that_was_made() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(60):
        truth = rng.uniform(0, 9, 100)
        scores = rng.normal(truth, 1.0)
        found = noise_ceiling(scores, np.full(100, 1.0))
        inside += found.low <= spearmanr(truth, scores).statistic <= found.high
    assert inside >= 50  # 57 of 60 are meant to be


def test_scores_without_error_leave_a_perfect_metric_all() -> None:
    found = noise_ceiling(np.arange(20.0), np.zeros(20))
    assert (found.low, found.srcc, found.high) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(
    ("scores", "errors", "fault"),
    [
        ([1, 2, 3], [1, -1, 1], "below 0"),
        ([2, 2, 2], [0, 0, 0], "equal"),
        ([1, 2, 3], [9, 9, 9], "spread no more"),
        ([1, 2, math.nan], [1, 1, 1], "NaN"),
    ],
)
def test_what_gives_no_ceiling_is_refused(scores: list[float], errors: list[float], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        noise_ceiling(scores, errors)


def _slowly(quality: np.ndarray, errors: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """The figures of Krasula et al. by their definition, one couple after another, ROC areas by counting."""
    different, similar, correct = [], [], []
    for i, j in combinations(range(len(quality)), 2):
        gap, spread = quality[i] - quality[j], math.sqrt(errors[i] ** 2 + errors[j] ** 2)
        by_metric = prediction[i] - prediction[j]
        if (gap != 0) if spread == 0 else 2 * norm.cdf(abs(gap) / spread) - 1 > 0.95:
            different.append(abs(by_metric))
            correct.append(by_metric if gap > 0 else -by_metric)
        else:
            similar.append(abs(by_metric))

    def area(positive: list[float], negative: list[float]) -> float:
        wins = [(a > b) + 0.5 * (a == b) for a in positive for b in negative]
        return float(np.mean(wins)) if wins else math.nan

    return {
        "different_auc": area(different, similar),
        "better_auc": area(correct, [-gap for gap in correct]),
        "better_accuracy": float(np.mean([(gap > 0) + 0.5 * (gap == 0) for gap in correct])) if correct else math.nan,
    }


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 20), st.one_of(st.just(0.0), st.floats(0.2, 4, allow_nan=False)), st.integers(-10, 10)
        ),
        min_size=2,
        max_size=14,
    )
)
@settings(max_examples=80, deadline=None)
def test_the_figures_of_couples_are_those_of_their_definition(rows: list[tuple[int, float, int]]) -> None:
    """Scores without an error among them, as where all raters agree."""
    quality, errors, prediction = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    couples = couples_of(quality, errors)
    found = differences(couples, prediction)
    assert list(zip(couples.first.tolist(), couples.second.tolist(), strict=True)) == list(
        combinations(range(len(rows)), 2)
    )
    for name, value in _slowly(quality, errors, prediction).items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_a_metric_that_is_the_truth_and_its_opposite() -> None:
    quality = np.arange(30.0)
    couples = couples_of(quality, np.full(30, 2.0))
    best, worst = differences(couples, quality), differences(couples, -quality)
    assert (best.different_auc, best.better_auc, best.better_accuracy) == (1, 1, 1)
    assert (worst.different_auc, worst.better_auc, worst.better_accuracy) == (1, 0, 0)
    # a difference of d is sure by ndtr(d / sqrt(8)): .95 from 4.66 on
    assert resolving_power(couples, quality) == 5
    assert math.isnan(resolving_power(couples, -quality))


def test_a_metric_of_no_use_resolves_nothing_though_its_largest_difference_may_agree() -> None:
    rng = np.random.default_rng(4)
    quality = rng.uniform(0, 9, 200)
    couples = couples_of(quality, np.full(200, 0.2))
    for _ in range(10):
        assert math.isnan(resolving_power(couples, rng.normal(size=200)))


def test_beyond_the_resolving_power_of_a_noisy_metric_people_agree_in_95_of_100_couples() -> None:
    rng = np.random.default_rng(5)
    quality = rng.uniform(0, 9, 400)
    fitted = quality + rng.normal(0, 1, 400)
    power = resolving_power(couples_of(quality, np.full(400, 0.3)), fitted)
    i, j = np.triu_indices(400, 1)
    gap, z = fitted[i] - fitted[j], (quality[i] - quality[j]) / (0.3 * math.sqrt(2))
    confidence = norm.cdf(np.sign(gap) * z)
    beyond, near = np.abs(gap) >= power, (np.abs(gap) >= power) & (np.abs(gap) < power + 0.1)
    assert confidence[beyond].mean() > 0.95
    assert confidence[near].mean() == pytest.approx(0.95, abs=0.02)
    assert confidence[(np.abs(gap) < power) & (np.abs(gap) > power - 0.2)].mean() < 0.95


def test_of_many_images_a_million_couples_stand_for_all() -> None:
    rng = np.random.default_rng(6)
    quality, errors = rng.uniform(0, 9, 1800), rng.uniform(0.1, 0.6, 1800)
    prediction = quality + rng.normal(0, 1, 1800)
    couples = couples_of(quality, errors)
    assert len(couples.z) == MOST < 1800 * 1799 // 2
    assert len(set(zip(couples.first.tolist(), couples.second.tolist(), strict=True))) == MOST
    assert (couples.first < couples.second).all()
    i, j = np.triu_indices(1800, 1)
    gap, different = (
        prediction[i] - prediction[j],
        np.abs(quality[i] - quality[j]) > 1.96 * np.hypot(errors[i], errors[j]),
    )
    u = mannwhitneyu(np.abs(gap[different]), np.abs(gap[~different])).statistic
    found = differences(couples, prediction)
    assert found.different_auc == pytest.approx(u / (different.sum() * (~different).sum()), abs=0.003)
    right = np.mean(np.sign(gap[different]) == np.sign((quality[i] - quality[j])[different]))
    assert found.better_accuracy == pytest.approx(right, abs=0.001)


def test_errors_below_0_are_refused() -> None:
    with pytest.raises(ValueError, match="below 0"):
        couples_of([1, 2, 3], [1, -1, 1])


def test_misses_of_a_fit() -> None:
    quality, fitted = np.array([1.0, 2, 3, 4]), np.array([1.0, 2.5, 3, 2])
    assert rmse(quality, fitted) == pytest.approx(math.sqrt((0.25 + 4) / 4))
    assert outlier_ratio(quality, fitted, np.full(4, 0.3)) == 0.25
    assert outlier_ratio(quality, fitted, np.full(4, 0.2)) == 0.5


def test_a_fit_is_the_one_of_plcc_where_there_is_one() -> None:
    rng = np.random.default_rng(0)
    quality = rng.uniform(0, 9, 30)
    prediction = quality**2 + rng.normal(0, 5, 30)
    fitted = fitted_scores(quality, prediction)
    assert fitted is not None
    assert np.array_equal(fitted, logistic_fit(quality, prediction))
    assert fitted_scores(quality[:5], prediction[:5]) is None
    assert fitted_scores(quality, np.zeros(30)) is None
    assert fitted_scores(quality, np.full(30, math.nan)) is None


def test_real_scores_of_tid2013_leave_room_above_every_metric(test_data: Path) -> None:
    pairs = pandas.read_csv(test_data / "tid2013" / "pairs.csv")
    found = noise_ceiling(pairs["mos"], pairs["mos_std"])
    assert 0.95 < found.low < found.srcc < found.high < 1


def test_tid2013_publishes_deviations_of_its_scores_and_not_of_its_votes(test_data: Path) -> None:
    """Whole numbers with a mean of m deviate from it by sqrt(f (1 - f)) at least, f being the fraction of m."""
    pairs = pandas.read_csv(test_data / "tid2013" / "pairs.csv")
    fraction = pairs["mos"] % 1
    assert np.mean(pairs["mos_std"] < np.sqrt(fraction * (1 - fraction))) > 0.95
