"""What the human scores allow: the noise ceiling, and couples of images that people tell apart or not."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, spearmanr

from iqatune.evaluation.ceiling import noise_ceiling, outlier_ratio, rmse
from iqatune.evaluation.differences import differences


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
        z = (quality[i] - quality[j]) / math.sqrt(errors[i] ** 2 + errors[j] ** 2)
        gap = prediction[i] - prediction[j]
        if 2 * norm.cdf(abs(z)) - 1 > 0.95:
            different.append(abs(gap))
            correct.append(gap if z > 0 else -gap)
        else:
            similar.append(abs(gap))

    def area(positive: list[float], negative: list[float]) -> float:
        wins = [(a > b) + 0.5 * (a == b) for a in positive for b in negative]
        return float(np.mean(wins)) if wins else math.nan

    return {
        "different": len(different),
        "different_auc": area(different, similar),
        "better_auc": area(correct, [-gap for gap in correct]),
        "better_accuracy": float(np.mean([(gap > 0) + 0.5 * (gap == 0) for gap in correct])) if correct else math.nan,
    }


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 20), st.floats(0.2, 4, allow_nan=False), st.integers(-10, 10)), min_size=2, max_size=14
    )
)
@settings(max_examples=80, deadline=None)
def test_the_figures_of_couples_are_those_of_their_definition(rows: list[tuple[int, float, int]]) -> None:
    quality, errors, prediction = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = differences(quality, errors, prediction)
    right = _slowly(quality, errors, prediction)
    assert found.couples == len(rows) * (len(rows) - 1) // 2
    for name, value in right.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-12, nan_ok=True), name


def test_a_metric_that_is_the_truth_and_its_opposite() -> None:
    quality = np.arange(30.0)
    errors = np.full(30, 2.0)
    best, worst = differences(quality, errors, quality), differences(quality, errors, -quality)
    assert (best.different_auc, best.better_auc, best.better_accuracy) == (1, 1, 1)
    assert (worst.different_auc, worst.better_auc, worst.better_accuracy) == (1, 0, 0)
    # a difference of d is sure by ndtr(d / sqrt(8)): .95 from 4.66 on
    assert best.resolving_power == 5
    assert math.isnan(worst.resolving_power)


def test_errors_must_be_above_0() -> None:
    with pytest.raises(ValueError, match="above 0"):
        differences([1, 2, 3], [1, 0, 1], [1, 2, 3])


def test_misses_of_a_fit() -> None:
    quality, fitted = np.array([1.0, 2, 3, 4]), np.array([1.0, 2.5, 3, 2])
    assert rmse(quality, fitted) == pytest.approx(math.sqrt((0.25 + 4) / 4))
    assert outlier_ratio(quality, fitted, np.full(4, 0.3)) == 0.25
    assert outlier_ratio(quality, fitted, np.full(4, 0.2)) == 0.5


def test_real_scores_of_tid2013_leave_room_above_every_metric(test_data: Path) -> None:
    pairs = pandas.read_csv(test_data / "tid2013" / "pairs.csv")
    found = noise_ceiling(pairs["mos"], pairs["mos_std"])
    assert 0.95 < found.low < found.srcc < found.high < 1
