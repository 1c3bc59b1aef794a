"""What folds show of tuning: the corrected standard error, and the verdict drawn from it."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqatune.evaluation.gain import corrected_error, difference_of, estimate, gain_of
from iqatune.records.result import Fold, HeldOut


def held_out(differences: Sequence[float], references: Sequence[int] | None = None) -> HeldOut:
    """Folds of so many references, whose SRCC is above the uniform weights' by these differences."""
    sizes = [2] * len(differences) if references is None else references
    folds = tuple(
        Fold(
            references=tuple(f"r{place}.{one}" for one in range(size)),
            pairs=10 * size,
            tuned_srcc=0.9,
            srcc=0.8 + difference,
            uniform_srcc=0.8,
            tuned_on_all_srcc=0.85,
        )
        for place, (difference, size) in enumerate(zip(differences, sizes, strict=True))
    )
    return HeldOut(folds=len(folds), srcc_mean=0.8, srcc_std=0, per_fold=folds, uniform_srcc_mean=0.8, optimism=0)


def test_the_corrected_error_of_a_hand_computation() -> None:
    # mean .03, squares .0004 + .0001 + 0 + .0001 + .0004 = .001, variance .00025; 4 references out, 16 tuned on
    # (1/5 + 4/16) .00025 = .0001125
    assert corrected_error([0.01, 0.02, 0.03, 0.04, 0.05], 4 / 16) == pytest.approx(math.sqrt(0.0001125), rel=1e-12)
    # the plain one, sqrt(.00025 / 5), is smaller by a third
    assert corrected_error([0.01, 0.02, 0.03, 0.04, 0.05], 0) == pytest.approx(math.sqrt(0.00005), rel=1e-12)
    assert math.isnan(corrected_error([0.01], 0.25))


def test_the_gain_of_folds_of_unequal_size() -> None:
    # 3, 3 and 2 references: 3/5, 3/5 and 2/6, 23/45 in the mean; the differences' variance is .0001
    gain = gain_of([held_out([0.01, 0.02, 0.03], (3, 3, 2))])
    assert gain.mean == pytest.approx(0.02, rel=1e-12)
    assert gain.error == pytest.approx(math.sqrt((1 / 3 + 23 / 45) * 0.0001), rel=1e-9)


def test_repetitions_do_not_make_the_error_vanish() -> None:
    once = held_out([0.01, 0.02, 0.03, 0.04, 0.05])
    # 50 times the same: 250 figures, of which a plain error would be 1/16 of one repetition's; here 2/8 stays
    gain = gain_of([once] * 50)
    assert gain.error == pytest.approx(math.sqrt((1 / 250 + 2 / 8) * 0.00025 * 4 / 5 * 250 / 249), rel=1e-9)


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        # mean .03, error sqrt(.45 * .00025) = .01061, times t(4) = 2.776 is .02945: just above 0
        ((0.01, 0.02, 0.03, 0.04, 0.05), "helped"),
        ((0.009, 0.019, 0.029, 0.039, 0.049), "not shown to help"),
        ((-0.01, -0.02, -0.03, -0.04, -0.05), "harmed"),
        ((0.0, 0.0, 0.0), "not shown to help"),
        ((1e-12, 1e-12, 1e-12), "not shown to help"),
        ((0.2, 0.2), "not shown to help"),
        ((0.1, math.nan, 0.1), "not shown to help"),
    ],
)
def test_the_verdict(differences: tuple[float, ...], verdict: str) -> None:
    assert gain_of([held_out(differences)]).verdict == verdict


@given(st.lists(st.floats(-0.1, 0.1), min_size=2, max_size=8))
def test_the_verdict_is_that_of_an_interval(differences: list[float]) -> None:
    from scipy.stats import t

    gain = gain_of([held_out(differences)])
    low, high = t.interval(0.95, len(differences) - 1, loc=gain.mean, scale=max(gain.error, 1e-300))
    if len(differences) < 3:
        assert gain.verdict == "not shown to help"
    elif abs(low) > 1e-8 and abs(high) > 1e-8:
        assert gain.verdict == ("helped" if low > 0 else "harmed" if high < 0 else "not shown to help")


def test_no_run_has_no_gain() -> None:
    with pytest.raises(ValueError, match="one run"):
        gain_of([])


def test_an_interval_of_one_of_many_is_students_at_a_part_of_the_level() -> None:
    from scipy.stats import t

    values = [0.81, 0.84, 0.86, 0.9]
    for among in (1, 7):
        found = estimate(values, 1 / 3, among=among)
        low, high = t.interval(1 - 0.05 / among, 3, loc=np.mean(values), scale=corrected_error(values, 1 / 3))
        assert found.low == pytest.approx(low, rel=1e-12)
        assert found.high == pytest.approx(high, rel=1e-12)
    assert math.isnan(estimate([0.9], math.nan).low)


def test_a_gain_that_was_chosen_from_many_has_to_be_larger() -> None:
    # the first case of the verdicts above, whose interval all but reaches 0
    folds = [held_out([0.01, 0.02, 0.03, 0.04, 0.05])]
    assert gain_of(folds).verdict == "helped"
    assert gain_of(folds, among=2).verdict == "not shown to help"


def test_settings_are_compared_on_the_same_folds_alone() -> None:
    first, second = held_out([0.01, 0.03, 0.05]), held_out([0.01, 0.01, 0.02])
    found = difference_of([(first, second), (first, second)])
    assert found is not None
    assert found.mean == pytest.approx(0.05 / 3)
    assert found.error == pytest.approx(corrected_error([0.0, 0.02, 0.03] * 2, 2 / 4))
    others = held_out([0.01, 0.01, 0.02], references=[3, 3, 2])
    assert difference_of([(first, others)]) is None
    assert difference_of([(first, held_out([0.01, 0.01]))]) is None
    assert difference_of([]) is None
