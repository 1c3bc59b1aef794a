"""Which pairs are left out together? Folds by reference: no reference is ever on both sides."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.evaluation.agreement import FEWEST_PAIRS


def reference_folds(reference_ids: Sequence[str], folds: int, seed: int) -> tuple[NDArray[np.bool_], ...]:
    """Random folds of whole references.

    Args:
        reference_ids: the reference of each pair, (N,).
        folds: how many; 2 or more.
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
    pairs = np.bincount(reference_of_pair)
    shuffled = np.random.default_rng(seed).permutation(references.size)
    largest_first = shuffled[np.argsort(-pairs[shuffled], kind="stable")]
    parts: list[list[int]] = [[] for _ in range(folds)]
    for reference in largest_first.tolist():
        min(parts, key=lambda part: (len(part), pairs[part].sum())).append(reference)
    return tuple(np.isin(reference_of_pair, part) for part in parts)


def possible_folds(reference_ids: Sequence[str], wanted: int, seed: int) -> int:
    """The largest number of folds up to `wanted` that leaves 2 references to tune on, and 3 pairs on either side.

    0 where there is none.
    """
    references = len(set(reference_ids))
    for folds in range(min(wanted, references), 1, -1):
        if references - -(-references // folds) < 2:
            continue
        held_out = [int(mask.sum()) for mask in reference_folds(reference_ids, folds, seed)]
        if min(held_out) >= FEWEST_PAIRS and len(reference_ids) - max(held_out) >= FEWEST_PAIRS:
            return folds
    return 0
