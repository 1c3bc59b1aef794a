"""By how much a metric misses the human scores once it is mapped to their scale."""

import numpy as np
from numpy.typing import ArrayLike

from iqatune.evaluation.correlation import Floats, checked_pairs, logistic_fit

FEWEST_FITTED = 6
"""Pairs that a fit of five parameters takes: a curve through fewer says nothing."""


def fitted_scores(quality: ArrayLike, prediction: ArrayLike) -> Floats | None:
    """The prediction (N,) on the scale of the human scores (N,): the logistic through which PLCC is taken.

    Returns:
        None where it is not defined: for fewer than 6 pairs, and where an input is constant, infinite or NaN, as the
        scores of a metric gone wrong.
    """
    if np.size(quality) < FEWEST_FITTED:
        return None
    try:
        return logistic_fit(quality, prediction)
    except ValueError:
        return None


def rmse(quality: ArrayLike, fitted: ArrayLike) -> float:
    """Root mean square of what a fit (N,), as by `fitted_scores`, misses of the human scores (N,), on their scale.

    The mean is over N, as in the literature of image quality. ITU-T P.1401 (2020), 7.5.1, divides by N less the fit's
    number of parameters: with 5 of them .4 % more on 625 images.
    """
    y, x = checked_pairs(quality, fitted)
    return float(np.sqrt(np.mean((y - x) ** 2)))


def outlier_ratio(quality: ArrayLike, fitted: ArrayLike, errors: ArrayLike) -> float:
    """Share of the pairs whose fitted score lies outside the 95 % interval of the human score, 1.96 standard errors.

    ITU-T P.1401 (2020), 7.5.2.2. In [0, 1].

    Args:
        quality, fitted, errors: (N,) human scores, a metric's on the same scale, and the standard errors of the first.
    """
    y, x = checked_pairs(quality, fitted)
    _, error = checked_pairs(quality, errors)
    return float(np.mean(np.abs(y - x) > 1.96 * error))
