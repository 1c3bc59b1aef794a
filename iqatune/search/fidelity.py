"""Cheaper versions of the objective: SRCC on nested subsets of the reference images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FRACTIONS = (1 / 9, 1 / 3, 1.0)
"""Hyperband's budgets for a promotion of one in three."""
FEWEST_REFERENCES = 2
"""In the smallest subset: with one reference, SRCC would compare distortions of a single image."""


def nested_subsets(
    reference_ids: Sequence[str], fractions: Sequence[float] = FRACTIONS, seed: int = 0, set_ids: Sequence[str] = ()
) -> tuple[NDArray[np.intp], ...]:
    """Rows of the pairs for ascending fractions of the references, each subset within the next, whole references only.

    A subset holds the nearest whole number of references to its fraction, at least two. Fractions that come to the
    same references are one subset, so there may be fewer subsets than fractions where references are few.

    Args:
        reference_ids: the reference of each of N pairs.
        fractions: ascending, in (0, 1]; the last is 1.
        seed: any integer >= 0; which references come first.
        set_ids: the data set of each pair, of which every subset holds its fraction; none for one.

    Returns:
        ascending row indices of each subset; the last are all N.

    Raises:
        ValueError: fractions that do not ascend to 1.
    """
    if not fractions or fractions[-1] != 1 or fractions[0] <= 0 or any(np.diff(fractions) <= 0):
        raise ValueError(f"fractions must ascend from above 0 to 1, not {tuple(fractions)}")
    ids, sets = np.asarray(reference_ids), np.asarray(set_ids or ("",) * len(reference_ids))
    chosen = np.zeros((len(fractions), len(ids)), dtype=np.bool_)
    for name in np.unique(sets):
        mine = np.flatnonzero(sets == name)
        references, owner = np.unique(ids[mine], return_inverse=True)
        rank = np.random.default_rng(seed).permutation(len(references))[owner]
        for row, fraction in zip(chosen, fractions, strict=True):
            row[mine] = rank < max(FEWEST_REFERENCES, round(fraction * len(references)))
    sizes = chosen.sum(axis=1)
    return tuple(
        np.flatnonzero(row) for row, next_size in zip(chosen, (*sizes[1:], 0), strict=True) if row.sum() != next_size
    )
