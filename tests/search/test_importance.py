"""What a number of the space was worth, where it is known."""

from dataclasses import replace

import numpy as np
import pytest

from iqatune.records.trial import Inner, Trial
from iqatune.records.vocabulary import ChosenBy
from iqatune.search.importance import fewest, importance, is_sample

NAMES = tuple("abcdef")


def planted(count: int, *, seed: int = 0, chosen_by: ChosenBy = "random") -> list[Trial]:
    """Samples of a function of which a is worth 16 times b in variance, d and e count together, the others nothing."""
    numbers = np.random.default_rng(seed).random((count, len(NAMES)))
    values = 4 * numbers[:, 0] + numbers[:, 1] + 4 * (numbers[:, 3] - 0.5) * (numbers[:, 4] - 0.5)
    return [
        Trial(
            sample=sample,
            trial_id=str(sample),
            parameters=row,
            srcc=float(value) / 8,
            budget=1.0,
            chosen_by=chosen_by,
            seconds=0.0,
        )
        for sample, (row, value) in enumerate(zip(numbers, values, strict=True))
    ]


def test_what_is_worth_most_is_found_and_what_is_worth_nothing_is_not_above_chance() -> None:
    found = importance(planted(200), NAMES)
    assert found is not None
    assert [number.name for number in found.numbers[:2]] == ["a", "b"]
    shares = {number.name: number.share for number in found.numbers}
    # of the variance of a sum of uniform numbers: 16 / (16 + 1 + 16 / 12)
    assert shares["a"] == pytest.approx(16 / (16 + 1 + 16 / 12), abs=0.12)
    above = {number.name for number in found.numbers if number.low > found.noise}
    assert "a" in above
    assert not above & {"c", "f"}
    assert all(0 <= number.low <= number.share <= number.high <= 1 for number in found.numbers)
    assert found.together == pytest.approx(1 - sum(shares.values()), abs=1e-12)


def test_a_few_terrible_samples_are_not_all_of_it() -> None:
    trials = planted(200)
    spoilt = [replace(trial, srcc=-1.0) if trial.parameters[2] > 0.98 else trial for trial in trials]
    assert 1 <= sum(trial.srcc == -1.0 for trial in spoilt) <= 8
    found = importance(spoilt, NAMES)
    assert found is not None
    assert found.numbers[0].name == "a"


def test_the_same_samples_give_the_same_figures() -> None:
    assert importance(planted(100), NAMES) == importance(planted(100), NAMES)


def test_too_few_samples_say_nothing() -> None:
    assert fewest(6) == 100
    assert fewest(20) == 160
    assert importance(planted(99), NAMES) is None
    assert importance(planted(100), NAMES) is not None


def test_what_is_no_sample_of_all_references_does_not_count() -> None:
    trials = planted(100)
    part = replace(trials[0], budget=1 / 3)
    undefined = replace(trials[0], srcc=float("nan"))
    fitted = replace(trials[0], chosen_by="fit")
    inner = replace(trials[0], inner=Inner(shrinkage=None, mean=0.5, error=0.1))
    for other in (part, undefined, fitted, inner):
        assert not is_sample(other)
        assert importance([other, *trials[1:]], NAMES) is None


def test_a_constant_objective_says_nothing() -> None:
    assert importance([replace(trial, srcc=0.5) for trial in planted(120)], NAMES) is None
