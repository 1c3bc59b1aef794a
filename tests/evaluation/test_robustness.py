"""Retained agreement, orders that change, and the weights of data sets, beside slow and obvious calculations."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from iqatune.evaluation.differences import couples_of
from iqatune.evaluation.robustness import STEEPNESS, improved, interval, order_changes, retained_agreement, set_weights

REFERENCES = [f"r{number}" for number in range(10) for _ in range(6)]


def planted(noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quality (60,), a metric's distances (60,), and those (2, 60) on images that cost it more and more."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=60)
    distances = -quality + noise * rng.normal(size=60)
    return quality, distances, np.stack([distances + s * rng.normal(size=60) for s in (0.5, 2.0)])


def test_retained_agreement_is_the_formula() -> None:
    quality, distances, degraded = planted(0.3)
    found = retained_agreement(quality, distances, degraded, REFERENCES)
    high = spearmanr(quality, -distances).statistic
    low = np.array([spearmanr(quality, -row).statistic for row in degraded])
    assert found.high == pytest.approx(high, abs=1e-12)
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.retained == pytest.approx(1 - (high - low) / high, abs=1e-12)
    assert found.improved == pytest.approx((1 - (high - low) / high) * (1 - np.exp(-STEEPNESS * high**2)), abs=1e-12)


def test_the_intervals_are_of_resampled_references() -> None:
    quality, distances, degraded = planted(0.3)
    found = retained_agreement(quality, distances, degraded, REFERENCES, resamples=400)
    draws = np.random.default_rng(5).integers(0, 10, (400, 10))
    rows = [np.concatenate([np.arange(6 * r, 6 * r + 6) for r in draw]) for draw in draws]
    ratios = [
        [
            spearmanr(quality[row], -low[row]).statistic / spearmanr(quality[row], -distances[row]).statistic
            for row in rows
        ]
        for low in degraded
    ]
    for ratio, bounds in zip([*ratios, np.mean(ratios, axis=0)], [*found.intervals, found.interval], strict=True):
        # by other draws, and so to a fifth of its width
        expected = 2 * 2.262 * np.std(ratio) * np.sqrt(10 / 9)
        assert bounds is not None
        assert bounds[1] - bounds[0] == pytest.approx(expected, rel=0.2)
    one = retained_agreement(quality, distances, degraded, ["r"] * 60, resamples=50)
    assert one.interval is None
    assert one.intervals == (None, None)


def test_nothing_is_retained_of_no_agreement() -> None:
    quality, distances, degraded = planted(0.3)
    found = retained_agreement(quality, -distances, -degraded, REFERENCES, resamples=50)
    assert found.high < 0
    assert np.isnan(found.retained).all()
    assert (found.improved == 0).all()
    constant = retained_agreement(quality, distances, np.ones((1, 60)), REFERENCES, resamples=50)
    assert np.isnan([constant.low[0], constant.retained[0], constant.improved[0]]).all()


def test_a_metric_that_agreed_with_nobody_is_not_called_robust() -> None:
    assert improved(0.05, np.array([1.0, 0.5])) == pytest.approx([0.3935, 0.1967], abs=1e-4)
    assert improved(0.1, np.array([1.0])) == pytest.approx([0.8647], abs=1e-4)
    assert improved(0.5, np.array([1.0])) == pytest.approx([1.0], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 14))
def test_order_changes_are_counted_couple_by_couple(seed: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    quality, before, after = (rng.integers(0, 5, pairs).astype(float) for _ in range(3))
    errors = rng.random(pairs)
    couples = couples_of(quality, errors)
    references = [f"r{number % 3}" for number in range(pairs)]
    found = order_changes(couples, before, after, references, resamples=20)
    apart = order_changes(couples, before, after, references, among=couples.different, resamples=20)
    every = list(combinations(range(pairs), 2))
    changed = [(i, j) for i, j in every if np.sign(before[i] - before[j]) != np.sign(after[i] - after[j])]
    told = {
        (i, j) for i, j in every if abs(quality[i] - quality[j]) > 1.959963984540054 * np.hypot(errors[i], errors[j])
    }
    assert (found.couples, found.changed) == (len(every), len(changed))
    assert (apart.couples, apart.changed) == (len(told), len(told & set(changed)))


def test_the_interval_of_a_share_is_of_resampled_references() -> None:
    quality, before, degraded = planted(0.3)
    couples = couples_of(quality, np.zeros(60))
    found = order_changes(couples, before, degraded[0], REFERENCES)
    shares = []
    for draw in np.random.default_rng(9).integers(0, 10, (500, 10)):
        rows = np.concatenate([np.arange(6 * r, 6 * r + 6) for r in draw])
        x, y = before[rows], degraded[0][rows]
        # a pair and its own copy are no couple
        others = np.triu(rows[:, None] != rows[None], 1)
        flips = np.sign(x[:, None] - x[None]) != np.sign(y[:, None] - y[None])
        shares.append(flips[others].mean())
    assert found.interval is not None
    assert sum(found.interval) / 2 == pytest.approx(found.share)
    expected = 2 * 2.262 * np.std(shares) * np.sqrt(10 / 9)
    assert found.interval[1] - found.interval[0] == pytest.approx(expected, rel=0.2)
    same = order_changes(couples, before, 3 * before, REFERENCES)
    assert (same.changed, same.interval) == (0, (0.0, 0.0))


def test_an_interval_covers() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        sample = rng.normal(size=12)
        drawn = sample[rng.integers(0, 12, (400, 12))].mean(axis=1)
        bounds = interval(float(sample.mean()), drawn, 12)
        assert bounds is not None
        covered += bounds[0] <= 0 <= bounds[1]
    assert 0.91 <= covered / 300 <= 0.99


def agreement(weights: np.ndarray, table: np.ndarray) -> float:
    return float(np.mean([spearmanr(row, weights @ table).statistic for row in table]))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 6))
def test_weights_rank_the_metrics_as_the_sets_do(seed: int, metrics: int) -> None:
    table = np.random.default_rng(seed).random((3, metrics))
    weights = set_weights(table)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0.05 - 1e-12).all()
    assert agreement(weights, table) >= agreement(np.full(3, 1 / 3), table) - 1e-9
    for first in range(1, 19):
        for second in range(1, 20 - first):
            other = np.array([first, second, 20 - first - second]) / 20
            assert agreement(weights, table) >= agreement(other, table) - 1e-9


def test_weights_are_equal_where_orders_say_nothing_else() -> None:
    assert set_weights([[0.5, 0.7, 0.2]]) == pytest.approx([1])
    assert set_weights([[0.5], [0.9]]) == pytest.approx([0.5, 0.5])
    assert set_weights([[0.5, 0.5], [0.9, 0.9]]) == pytest.approx([0.5, 0.5])
    assert set_weights([[0.5, 0.6, 0.7], [0.1, 0.2, 0.9], [0.3, 0.4, 0.5]]) == pytest.approx([1 / 3] * 3)
    assert set_weights(np.empty((2, 0))) == pytest.approx([0.5, 0.5])
    with pytest.raises(ValueError, match="NaN"):
        set_weights([[0.5, np.nan], [0.9, 0.9]])
