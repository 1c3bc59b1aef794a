"""Which pairs are left out together? Folds by reference: no reference is ever on both sides."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError


def reference_folds(reference_ids: Sequence[str], folds: int, seed: int) -> tuple[NDArray[np.bool_], ...]:
    """Random folds of whole references.

    Args:
        reference_ids: the reference of each pair, (N,).
        folds: how many; 2 or more.
        seed: of the shuffle. The split depends on it and on the set of references, not on the order of the pairs.

    Returns:
        For each fold the mask (N,) of its held-out pairs. Every reference is held out in exactly one fold, and the
        folds' numbers of references differ by 1 at most.

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
    held_out = np.array_split(np.random.default_rng(seed).permutation(references.size), folds)
    left = references.size - max(part.size for part in held_out)
    if left < 2:
        raise InputError(
            f"--folds {folds}: of {references.size} references only {left} would be left to tune on, and that takes 2; "
            "add references or take 0 to turn folds off"
        )
    return tuple(np.isin(reference_of_pair, part) for part in held_out)
