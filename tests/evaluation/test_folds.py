"""Folds by reference never split a reference and never lose a pair."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iqatune.errors import InputError
from iqatune.evaluation.folds import by_column, by_distortion, by_set, on_both_sides, possible_folds, reference_folds


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


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "ab"]), min_size=8, max_size=30),
    st.lists(st.integers(1, 5), min_size=30, max_size=30),
    st.integers(2, 4),
    st.integers(0, 99),
)
def test_every_fold_holds_out_its_share_of_each_set(groups: list[str], sizes: list[int], folds: int, seed: int) -> None:
    pairs = [(f"{n}", name) for n, names in enumerate(groups) for name in names for _ in range(sizes[n])]
    ids, sets = [one for one, _ in pairs], [name for _, name in pairs]
    assume(min(sum(name in names for names in groups) for name in "ab") >= folds)
    masks = reference_folds(ids, folds, seed, sets)
    np.testing.assert_array_equal(np.sum(masks, axis=0), 1)
    held = [{pair for pair, out in zip(pairs, mask, strict=True) if out} for mask in masks]
    for place, out in enumerate(held):
        others = set.union(*held[:place], *held[place + 1 :])
        assert not {one for one, _ in out} & {one for one, _ in others}
    for name in "ab":
        counts = [sum(of == name for _, of in out) for out in held]
        assert max(counts) - min(counts) <= 1


def test_a_set_is_left_out_with_its_pictures() -> None:
    groups, sets = list("11223344") + list("11556677"), ["a"] * 8 + ["b"] * 8
    one, other = by_set(groups, sets)
    np.testing.assert_array_equal(one.held_out, np.arange(16) < 8)
    np.testing.assert_array_equal(one.tuned, np.arange(16) >= 10)
    np.testing.assert_array_equal(other.tuned, (np.arange(16) >= 2) & (np.arange(16) < 8))
    assert (one.name, other.name) == ("a", "b")
    with pytest.raises(InputError, match="needs several data sets"):
        by_set(groups, ["a"] * 16)
    with pytest.raises(InputError, match="without a and the pictures that it shares fewer than 3"):
        by_set(list("1122") * 2, ["a"] * 4 + ["b"] * 4)


def test_a_distortion_is_left_out_of_every_set_at_once() -> None:
    distortions = ["JPEG"] * 4 + ["noise"] * 3 + ["few"] * 2 + ["jpeg"] * 3 + ["flat"] * 3
    quality = np.array([*range(12), 5, 5, 5], dtype=np.float64)
    sets = ["a"] * 9 + ["b"] * 6
    splits, left_out = by_distortion(distortions, quality, sets)
    assert [split.name for split in splits] == ["JPEG", "noise"]
    assert left_out == ("few", "flat")
    np.testing.assert_array_equal(np.flatnonzero(splits[0].held_out), [0, 1, 2, 3, 9, 10, 11])
    for split in splits:
        np.testing.assert_array_equal(split.tuned, ~split.held_out)
    # a part of it that has no correlation is neither scored nor tuned on
    splits, _ = by_distortion(distortions[:10] + ["noise"] * 5, quality, sets)
    np.testing.assert_array_equal(np.flatnonzero(~splits[0].tuned), [0, 1, 2, 3, 9])
    np.testing.assert_array_equal(np.flatnonzero(splits[0].held_out), [0, 1, 2, 3])


def test_a_column_is_one_split_or_a_fold_for_each_value() -> None:
    words = ["train"] * 4 + ["Val"] * 3 + ["test"] * 3
    (split,) = by_column(words, "split")
    np.testing.assert_array_equal(np.flatnonzero(split.held_out), [7, 8, 9])
    np.testing.assert_array_equal(split.tuned, ~split.held_out)
    (split,) = by_column(words[:7], "split")
    assert (split.name, split.held_out.sum()) == ("Val", 3)
    assert [fold.name for fold in by_column(["x"] * 3 + ["y"] * 3 + ["z"] * 3, "part")] == ["x", "y", "z"]
    for bad, says in (
        (["train"] * 9, "nothing is held out"),
        ([*words, "rest"], "contains 'rest'"),
        (words[:5], "'Val'"),
    ):
        with pytest.raises(InputError, match=says):
            by_column(bad, "split")
    assert on_both_sides([split], list("1122234")) == "2"
    assert on_both_sides([split], list("1111222")) is None
