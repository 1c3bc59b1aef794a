"""Which pairs are left out together? References, data sets, distortions, or what a column says.

By reference and by data set no picture is ever on both sides: references that show one picture, such as Kodak's in
several data sets, are one group.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.evaluation.agreement import FEWEST_PAIRS

TRAIN, VAL, TEST = "train", "val", "test"
"""Values of a column that stand for one split, not for a fold each."""


@dataclass(frozen=True)
class Split:
    """One fold.

    Attributes:
        held_out: (N,) mask of the pairs that weights are scored on.
        tuned: (N,) mask of those that they are tuned on; some pairs may be on neither side.
        name: what is held out, where that is no choice of references.
    """

    held_out: NDArray[np.bool_]
    tuned: NDArray[np.bool_]
    name: str | None = None


def reference_folds(
    reference_ids: Sequence[str], folds: int, seed: int, set_ids: Sequence[str] = ()
) -> tuple[NDArray[np.bool_], ...]:
    """Random folds of whole references; of several data sets each fold holds out its share of each.

    Args:
        reference_ids: the reference of each pair, or the group of references that show its picture, (N,).
        folds: how many; 2 or more.
        set_ids: the data set of each pair, (N,); none for one.
        seed: of the shuffle. The split depends on it and on the set of references, not on the order of the pairs.

    Returns:
        For each fold the mask (N,) of its held-out pairs. Every reference is held out in exactly one fold, the folds'
        numbers of references differ by 1 at most, and references of many pairs are spread, so that no fold is left
        with a few pairs while others are large.

    Raises:
        InputError: fewer than 2 folds, more folds than references, or fewer than 2 references left to tune on.
    """
    references, reference_of_pair = np.unique(np.asarray(reference_ids), return_inverse=True)
    if folds < 2:
        raise InputError(f"--folds {folds}: folds by reference need at least 2; take 0 to turn them off")
    if folds > references.size:
        raise InputError(
            f"--folds {folds}: there are only {references.size} references; take at most that many, or 0 for none"
        )
    left = references.size - -(-references.size // folds)
    if left < 2:
        raise InputError(
            f"--folds {folds}: of {references.size} references only {left} would be left to tune on, and that takes 2; "
            "add references or take 0 to turn folds off"
        )
    sets, set_of_pair = np.unique(np.asarray(set_ids or ("",) * len(reference_of_pair)), return_inverse=True)
    pairs = np.bincount(reference_of_pair)
    in_set = np.zeros((references.size, sets.size), dtype=np.int64)
    in_set[reference_of_pair, set_of_pair] = 1
    shuffled = np.random.default_rng(seed).permutation(references.size)
    # what is in several sets first: the others then even out what that leaves uneven
    order = np.lexsort((-pairs[shuffled], -in_set[shuffled].sum(axis=1)))
    held = np.zeros((folds, sets.size), dtype=np.int64)
    parts: list[list[int]] = [[] for _ in range(folds)]
    for reference in shuffled[order].tolist():
        mine = in_set[reference]
        chosen = min(range(folds), key=lambda fold: (int(held[fold] @ mine), pairs[parts[fold]].sum()))
        parts[chosen].append(reference)
        held[chosen] += mine
    return tuple(np.isin(reference_of_pair, part) for part in parts)


def by_reference(groups: Sequence[str], folds: int, seed: int, set_ids: Sequence[str] = ()) -> tuple[Split, ...]:
    """A split for every fold of `reference_folds`."""
    masks = reference_folds(groups, folds, seed, set_ids)
    return tuple(Split(mask, ~mask) for mask in masks)


def possible_folds(groups: Sequence[str], wanted: int, seed: int, set_ids: Sequence[str] = ()) -> int:
    """The largest number of folds up to `wanted` that leaves 2 references to tune on, and 3 pairs on either side.

    Of several data sets, of each of them. 0 where there is none.
    """
    sets, ids = np.asarray(set_ids or ("",) * len(groups)), np.asarray(groups)
    rows = [sets == name for name in np.unique(sets)]
    references = min(np.unique(ids[mine]).size for mine in rows)
    for folds in range(min(wanted, references), 1, -1):
        if references - -(-references // folds) < 2:
            continue
        splits = by_reference(groups, folds, seed, set_ids)
        sides = [side[mine].sum() for split in splits for side in (split.held_out, split.tuned) for mine in rows]
        if min(sides) >= FEWEST_PAIRS:
            return folds
    return 0


def by_set(groups: Sequence[str], set_ids: Sequence[str]) -> tuple[Split, ...]:
    """A split for every data set, tuned on the others without the pictures that are in it.

    Args:
        groups: the reference of each pair, or the group of references that show its picture, (N,).
        set_ids: the data set of each pair, (N,).

    Raises:
        InputError: fewer than 2 data sets, or too few pairs left to tune on.
    """
    names = list(dict.fromkeys(set_ids))
    if len(names) < 2:
        raise InputError("`leave_one_set_out`: needs several data sets; name another `dataset`")
    sets, ids = np.asarray(set_ids), np.asarray(groups)
    splits = tuple(Split(sets == name, ~np.isin(ids, ids[sets == name]), name) for name in names)
    few = next((split.name for split in splits if split.tuned.sum() < FEWEST_PAIRS), None)
    if few is not None:
        raise InputError(
            f"`leave_one_set_out`: without {few} and the pictures that it shares fewer than {FEWEST_PAIRS} pairs are "
            "left to tune on; name another `dataset`"
        )
    return splits


def by_distortion(
    distortions: Sequence[str], quality: NDArray[np.float64], set_ids: Sequence[str] = ()
) -> tuple[tuple[Split, ...], tuple[str, ...]]:
    """A split for every distortion, tuned on the others; references are on both sides.

    Distortions of one name, whatever its case, are held out of every data set at once.

    Args:
        distortions: of each pair, (N,).
        quality: human scores, (N,).
        set_ids: the data set of each pair, (N,); none for one.

    Returns:
        the splits, and the distortions that are none because they have fewer than 3 pairs, or one score for all.

    Raises:
        InputError: fewer than 2 distortions, none that can be held out, or too few pairs left to tune on.
    """
    names = np.asarray([name.casefold() for name in distortions])
    spelled = dict(zip(names[::-1].tolist(), reversed(distortions), strict=True))
    if len(spelled) < 2:
        raise InputError("`leave_one_distortion_out`: needs pairs of several distortions; leave it out")
    sets = np.asarray(set_ids or ("",) * len(names))
    splits, left_out = [], []
    for name in dict.fromkeys(names.tolist()):
        mine = names == name
        usable = np.zeros(len(names), dtype=np.bool_)
        for one in np.unique(sets[mine]):
            rows = mine & (sets == one)
            if rows.sum() >= FEWEST_PAIRS and np.ptp(quality[rows]) > 0:
                usable |= rows
        if not usable.any():
            left_out.append(spelled[name])
        elif (~mine).sum() < FEWEST_PAIRS:
            raise InputError(
                f"`leave_one_distortion_out`: without {spelled[name]} fewer than {FEWEST_PAIRS} pairs are left to tune "
                "on; leave it out"
            )
        else:
            splits.append(Split(usable, ~mine, spelled[name]))
    if not splits:
        raise InputError(
            f"`leave_one_distortion_out`: no distortion has {FEWEST_PAIRS} pairs of different scores; leave it out"
        )
    return tuple(splits), tuple(left_out)


def by_column(values: Sequence[str], column: str) -> tuple[Split, ...]:
    """The split that a column states: train, val and test are one split, other values a fold each.

    Without test the pairs of val are held out, otherwise they are tuned on.

    Args:
        values: of each pair, (N,).
        column: its name.

    Raises:
        InputError: for values that leave nothing to hold out or to tune on, or fewer than 3 pairs on a side.
    """
    words = np.asarray([value.casefold() for value in values])
    found = list(dict.fromkeys(words.tolist()))
    roles = {TRAIN, VAL, TEST}
    if roles & set(found) and not set(found) <= roles:
        other = next(value for value in values if value.casefold() not in roles)
        raise InputError(f"`split_column` {column}: contains '{other}' beside train, val or test; take either kind")
    if set(found) <= roles:
        found = [TEST] if TEST in found else [VAL] if VAL in found else []
    spelled = dict(zip(words[::-1].tolist(), reversed(values), strict=True))
    splits = tuple(Split(words == word, words != word, spelled[word]) for word in found)
    if not splits:
        raise InputError(f"`split_column` {column}: says train for every pair, so nothing is held out")
    for split in splits:
        if min(split.held_out.sum(), split.tuned.sum()) < FEWEST_PAIRS:
            raise InputError(
                f"`split_column` {column}: '{split.name}' contains {split.held_out.sum()} of {len(words)} pairs; a "
                f"fold takes {FEWEST_PAIRS}, and {FEWEST_PAIRS} to tune on"
            )
    return splits


def on_both_sides(splits: Sequence[Split], groups: Sequence[str]) -> str | None:
    """A reference that a split tunes on and holds out; None where there is none."""
    names = np.asarray(groups)
    shared = (np.intersect1d(names[split.tuned], names[split.held_out]) for split in splits)
    return next((str(both[0]) for both in shared if both.size), None)
