"""Resampled correlations against scipy on pairs that are really repeated, and the coverage of the intervals."""

import math
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from iqatune.evaluation.bootstrap import (
    Resampled,
    bootstrap,
    bootstrap_srcc,
    resample_counts,
    resampled_krcc,
    resampled_plcc,
    resampled_srcc,
)
from iqatune.evaluation.correlation import direction, logistic_fit


def planted(references: int, per_reference: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Human scores and a metric that errs by reference (offset and gain) as well as by pair: (R, K) both."""
    rng = np.random.default_rng(seed)
    level = np.arange(per_reference) % 5
    quality = (
        -level + rng.normal(scale=0.5, size=(references, per_reference)) + rng.normal(scale=0.3, size=(references, 1))
    )
    gain = np.exp(rng.normal(scale=0.1, size=(references, 1)))
    error = rng.normal(scale=0.6, size=(references, 1)) + rng.normal(scale=0.5, size=quality.shape)
    return quality, quality * gain + error


def names(references: int, per_reference: int) -> list[str]:
    return [f"I{index:03}" for index in np.repeat(np.arange(references), per_reference)]


def forms(
    quality: NDArray[np.float64],
    prediction: NDArray[np.float64],
    references: NDArray[np.intp],
    counts: NDArray[np.float64],
) -> dict[str, Resampled]:
    return {
        "srcc": resampled_srcc(quality, prediction[None], references, counts)[0],
        "krcc": resampled_krcc(quality, prediction, references, counts),
        "plcc": resampled_plcc(quality, prediction, references, counts),
    }


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 1.0, 50.0]))
def test_counts_equal_scipy_on_repeated_pairs(references: int, seed: int, steps: float) -> None:
    rng = np.random.default_rng(seed)
    of_pair = np.sort(np.concatenate([np.arange(references), rng.integers(0, references, 25)]))
    quality = np.round(rng.normal(size=of_pair.size) * steps)
    prediction = np.round((quality / steps + rng.normal(size=of_pair.size)) * steps)
    counts = resample_counts([str(i) for i in of_pair], 8, seed)
    srcc, krcc = (
        resampled_srcc(quality, prediction[None], of_pair, counts)[0],
        resampled_krcc(quality, prediction, of_pair, counts),
    )
    for index, row in enumerate(counts):
        pairs = np.repeat(np.arange(of_pair.size), row[of_pair].astype(int))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spearman = stats.spearmanr(quality[pairs], prediction[pairs]).statistic
            kendall = stats.kendalltau(quality[pairs], prediction[pairs]).statistic
        assert srcc.value[index] == pytest.approx(spearman, abs=1e-12, nan_ok=True)
        assert krcc.value[index] == pytest.approx(kendall, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("sign", [1, -1])
def test_plcc_under_counts_is_pearson_of_the_fixed_fit(sign: int) -> None:
    quality, prediction = (part.ravel() for part in planted(9, 11, 2))
    prediction, of_pair = sign * prediction, np.repeat(np.arange(9), 11)
    counts = resample_counts(names(9, 11), 30, 0)
    found = resampled_plcc(quality, prediction, of_pair, counts).value
    fitted = logistic_fit(quality, prediction)
    assert direction(quality, prediction) == sign
    for value, row in zip(found, counts, strict=True):
        pairs = np.repeat(np.arange(quality.size), row[of_pair].astype(int))
        assert value == pytest.approx(sign * stats.pearsonr(quality[pairs], fitted[pairs]).statistic, abs=1e-12)


@pytest.mark.parametrize("name", ["srcc", "krcc", "plcc"])
def test_errors_are_the_derivatives_by_the_counts(name: str) -> None:
    quality, prediction = (np.round(part.ravel(), 1) for part in planted(7, 9, 3))
    of_pair, step = np.repeat(np.arange(7), 9), 1e-4
    counts = resample_counts(names(7, 9), 3, 1)
    found = forms(quality, prediction, of_pair, counts)[name].error
    for error, row in zip(found, counts, strict=True):
        more, less = (
            forms(quality, prediction, of_pair, row + sign * step * np.eye(7))[name].value for sign in (1, -1)
        )
        assert error == pytest.approx(np.sqrt(np.sum(row * ((more - less) / (2 * step)) ** 2)), rel=1e-5)


def test_counts_draw_as_many_references_as_there_are() -> None:
    counts = resample_counts(names(12, 3), 400, 5)
    np.testing.assert_array_equal(counts.sum(axis=1), 12)
    assert counts.mean() == pytest.approx(1)
    assert counts.var(axis=0).mean() == pytest.approx(11 / 12, rel=0.1)  # binomial (12, 1/12)
    np.testing.assert_array_equal(counts, resample_counts(names(12, 3), 400, 5))
    assert (counts != resample_counts(names(12, 3), 400, 6)).any()


def test_intervals_hold_whatever_the_order_of_the_pairs() -> None:
    quality, prediction = (part.ravel() for part in planted(10, 8, 4))
    ids, moved = names(10, 8), np.random.default_rng(0).permutation(80)
    first = bootstrap(quality, prediction, ids, 200)
    other = bootstrap(quality[moved], prediction[moved], [ids[pair] for pair in moved], 200)
    for name in ("srcc", "krcc", "plcc"):
        assert getattr(first, name) == pytest.approx(getattr(other, name), abs=1e-7)
        low, high = getattr(first, name)
        assert -1 < low < high < 1
        turned = getattr(bootstrap(quality, -prediction, ids, 200), name)
        assert turned == pytest.approx((-high, -low), abs=1e-12)


def test_whole_references_are_resampled() -> None:
    """Repeating every pair of every reference tells nothing new, and must not narrow the interval."""
    quality, prediction = (part.ravel() for part in planted(15, 6, 5))
    ids = names(15, 6)
    once = bootstrap(quality, prediction, ids, 400)
    twice = bootstrap(np.tile(quality, 4), np.tile(prediction, 4), ids * 4, 400)
    assert np.ptp(twice.srcc) == pytest.approx(np.ptp(once.srcc), rel=0.05)
    alone = bootstrap(np.tile(quality, 4), np.tile(prediction, 4), [str(i) for i in range(360)], 400)
    assert np.ptp(alone.srcc) < 0.6 * np.ptp(once.srcc)


def test_a_higher_level_is_wider() -> None:
    quality, prediction = (part.ravel() for part in planted(15, 6, 6))
    wide, narrow = (bootstrap(quality, prediction, names(15, 6), 500, level=level) for level in (0.99, 0.8))
    assert wide.srcc[0] < narrow.srcc[0] < narrow.srcc[1] < wide.srcc[1]


def test_what_is_undefined_is_nan() -> None:
    ramp = np.arange(12.0)
    for quality, prediction, ids in (
        (np.ones(12), ramp, names(4, 3)),
        (ramp, np.ones(12), names(4, 3)),
        (ramp, ramp, ["one"] * 12),
    ):
        found = bootstrap(quality, prediction, ids, 50)
        assert all(math.isnan(bound) for bounds in (found.srcc, found.krcc, found.plcc) for bound in bounds)


def test_two_references_say_next_to_nothing() -> None:
    quality, prediction = (part.ravel() for part in planted(2, 20, 7))
    assert np.ptp(bootstrap(quality, prediction, names(2, 20), 300).srcc) > 1.5


def test_a_perfect_metric_stays_perfect() -> None:
    ramp = np.arange(30.0)
    assert bootstrap(ramp, ramp, names(10, 3), 100).srcc == pytest.approx((1, 1), abs=1e-9)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_probability(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        bootstrap([1, 2, 3], [1, 2, 3], ["a", "b", "c"], 10, level=level)


def test_references_must_name_every_pair() -> None:
    with pytest.raises(ValueError, match="2 references are named for 3 pairs"):
        bootstrap([1, 2, 3], [1, 2, 3], ["a", "b"], 10)


def test_metrics_share_their_resamples() -> None:
    quality, prediction = (part.ravel() for part in planted(10, 8, 8))
    found = bootstrap_srcc(quality, [prediction, prediction**3, -prediction], names(10, 8), 100, seed=3)
    assert found.shape == (3, 100)
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)  # ranks are the same
    np.testing.assert_allclose(found[0], -found[2], atol=1e-12)
    assert found[0].std() > 0


def test_a_full_size_set_takes_seconds() -> None:
    quality, prediction = (part.ravel() for part in planted(25, 120, 9))
    started = time.process_time()
    bootstrap(quality, prediction, names(25, 120), 2000)
    assert time.process_time() - started < 15  # 1.5 s on one idle core


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """95 % intervals of 300 planted data sets of 25 references; the truth is that of 20000 references."""
    population = [part.ravel() for part in planted(20000, 10, 1)]
    truth = {
        "srcc": stats.spearmanr(*population).statistic,
        "krcc": stats.kendalltau(*population).statistic,
        "plcc": stats.pearsonr(population[0], logistic_fit(*population)).statistic,
    }
    ids, covered = names(25, 10), dict.fromkeys(truth, 0)
    for seed in range(300):
        quality, prediction = (part.ravel() for part in planted(25, 10, 1000 + seed))
        found = bootstrap(quality, prediction, ids, 400, seed=seed)
        for name, value in truth.items():
            low, high = getattr(found, name)
            covered[name] += low <= value <= high
    for name, times in covered.items():
        assert 0.92 <= times / 300 <= 0.98, f"{name}: {times} of 300"


def test_with_few_references_intervals_stay_narrow_enough_to_mean_something() -> None:
    quality, prediction = planted(3000, 10, 99)
    true = stats.spearmanr(quality.ravel(), prediction.ravel()).statistic
    hits, widths = [], []
    for seed in range(120):
        quality, prediction = planted(8, 12, seed)
        low, high = bootstrap(quality.ravel(), prediction.ravel(), names(8, 12), resamples=300, seed=seed).srcc
        hits.append(low <= true <= high)
        widths.append(high - low)
    assert np.mean(hits) >= 0.82
    assert np.max(widths) < 0.8


def test_a_few_perfect_resamples_do_not_decide_an_interval() -> None:
    rng = np.random.default_rng(3)
    quality = rng.normal(size=(6, 3))
    prediction = quality + rng.normal(scale=0.15, size=quality.shape)
    counts = resample_counts(names(6, 3), 2000, 0)
    resampled = resampled_srcc(quality.ravel(), prediction.ravel()[None], np.repeat(np.arange(6), 3), counts)[0]
    assert 0 < np.mean(resampled.value == 1) < 0.1
    low, high = bootstrap(quality.ravel(), prediction.ravel(), names(6, 3)).srcc
    assert 0 < low < high < 1
