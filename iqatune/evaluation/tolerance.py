"""Texture tolerance: how far apart a metric finds two crops of one texture, beside how far apart it finds damage."""

from typing import Final

import numpy as np

from iqatune.evaluation.correlation import Floats

LEVEL: Final = 0.95


def tolerance(crops: Floats, pairs: Floats) -> float:
    """Mean D of crop pairs over mean D of a data set's pairs; 0 or more, smaller is more tolerant.

    The distance's unit drops out, so that it compares metrics of different scales.

    Args:
        crops: (M,) distances of crop pairs.
        pairs: (N,) distances of the data set's pairs.

    Returns:
        NaN where the pairs' mean is not above 0, or either mean is not finite.
    """
    between, within = float(np.mean(pairs)), float(np.mean(crops))
    if not (np.isfinite(between) and np.isfinite(within) and between > 0):
        return float("nan")
    return within / between


def tolerance_interval(crops: Floats, pairs: Floats, each: int) -> tuple[float, float]:
    """The 95 % interval of the tolerance, by Student's t over textures, 0 at least; the pairs are taken as they are.

    Args:
        crops: (M,) distances of crop pairs, those of each texture one after the other.
        pairs: (N,) distances of the data set's pairs.
        each: crop pairs of a texture.

    Returns:
        its ends; NaN for a single texture, and where there is no tolerance.
    """
    from scipy.stats import t  # takes a moment to import

    of_textures = np.array([tolerance(part, pairs) for part in crops.reshape(-1, each)])
    count = len(of_textures)
    if count < 2 or not np.isfinite(of_textures).all():
        return float("nan"), float("nan")
    mean = float(of_textures.mean())
    half = float(t.ppf((1 + LEVEL) / 2, count - 1) * of_textures.std(ddof=1) / np.sqrt(count))
    return max(0.0, mean - half), mean + half
