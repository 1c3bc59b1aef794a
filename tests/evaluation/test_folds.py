"""Folds by reference never split a reference and never lose a pair."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iqatune.errors import InputError
from iqatune.evaluation.folds import possible_folds, reference_folds


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from([f"I{i:02}" for i in range(20)]), min_size=3, max_size=80),
    st.integers(2, 6),
    st.integers(0, 99),
)
def test_every_reference_is_held_out_in_exactly_one_fold(ids: list[str], folds: int, seed: int) -> None:
    references = np.unique(ids)
    assume(references.size >= folds and references.size - -(-references.size // folds) >= 2)
    masks = reference_folds(ids, folds, seed)
    assert len(masks) == folds
    np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    sizes = []
    for mask in masks:
        out, kept = set(np.array(ids)[mask]), set(np.array(ids)[~mask])
        assert out
        assert not out & kept
        sizes.append(len(out))
    assert max(sizes) - min(sizes) <= 1


def test_small_references_stand_beside_large_ones() -> None:
    ids = [f"r{i}" for i, pairs in enumerate([1, 20, 18, 2, 15, 14, 13, 14]) for _ in range(pairs)]
    for seed in range(20):
        assert min(mask.sum() for mask in reference_folds(ids, 5, seed)) >= 14


def test_the_split_follows_the_seed_and_not_the_order_of_the_pairs() -> None:
    ids = [f"r{i}" for i in range(12) for _ in range(3)]
    moved = np.random.default_rng(1).permutation(len(ids))
    first, again = reference_folds(ids, 4, 7), reference_folds(ids, 4, 7)
    shuffled = reference_folds([ids[pair] for pair in moved], 4, 7)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal([mask[moved] for mask in first], shuffled)
    assert any((mask != other).any() for mask, other in zip(first, reference_folds(ids, 4, 8), strict=True))


@pytest.mark.parametrize(
    ("references", "folds", "says"), [(5, 1, "at least 2"), (5, 6, "only 5 references"), (2, 2, "left to tune on")]
)
def test_impossible_folds_are_refused(references: int, folds: int, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        reference_folds([f"r{i}" for i in range(references)] * 4, folds, 0)
    assert str(refused.value).startswith(f"--folds {folds}")


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=9), st.sampled_from([0, 2, 3, 5, 40]), st.integers(0, 2**32 - 1)
)
def test_folds_that_are_possible_leave_something_on_either_side(sizes: list[int], wanted: int, seed: int) -> None:
    ids = [f"r{reference}" for reference, size in enumerate(sizes) for _ in range(size)]
    folds = possible_folds(ids, wanted, seed)
    assert folds <= wanted
    if folds:
        for mask in reference_folds(ids, folds, seed):
            assert min(mask.sum(), (~mask).sum()) >= 3
            assert len(set(np.array(ids)[~mask])) >= 2


def test_three_references_and_single_pairs_allow_as_many_folds_as_they_can() -> None:
    assert possible_folds([f"r{reference}" for reference in range(3) for _ in range(4)], 2, 0) == 0
    assert possible_folds([f"r{reference}" for reference in range(3) for _ in range(4)], 5, 0) == 3
    assert possible_folds([f"r{reference}" for reference in range(5)], 5, 0) == 0
    assert possible_folds([f"r{reference}" for reference in range(12)], 5, 0) == 4
