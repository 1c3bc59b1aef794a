"""The standard error of any figure of pairs, by leaving out one reference at a time."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def jackknife_error(figure: Callable[[NDArray[np.bool_]], float], reference_ids: Sequence[str]) -> float:
    """Standard error by the delete-one jackknife over references (Efron and Tibshirani 1993, equation 11.5).

    All pairs of a reference come and go together, because their scores are not independent. Nothing is drawn: the same
    pairs give the same error.

    Args:
        figure: of the pairs in a mask, (N,).
        reference_ids: the reference of each of N pairs.

    Returns:
        NaN where there are fewer than 2 references, or the figure is undefined without one of them.
    """
    ids = np.asarray(reference_ids)
    references = np.unique(ids)
    if len(references) < 2:
        return float("nan")
    found = np.array([figure(ids != reference) for reference in references])
    return float(np.sqrt((len(found) - 1) * np.mean((found - found.mean()) ** 2)))
