"""The two similarities of DISTS, from moments.

Ding, Ma, Wang, Simoncelli: Image Quality Assessment: Unifying Structure and Texture Similarity (2020), equations 5
and 6. Plain arithmetic, so the same code serves NumPy arrays (tuning) and torch tensors (scoring, training).
"""

from typing import Any

from iqatune.records.vocabulary import C1, C2, Structure

Array = Any
"""A NumPy array or a torch tensor."""


def l_similarity(mean_x: Array, mean_y: Array, c1: float = C1) -> Array:
    """Texture similarity of spatial means, any matching shapes: (2 mx my + c1) / (mx^2 + my^2 + c1), in [-1, 1]."""
    return (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)


def s_similarity(var_x: Array, var_y: Array, cov: Array, c2: float = C2, structure: Structure = "covariance") -> Array:
    """Structure similarity of population moments, any matching shapes, in [-1, 1].

    (2 cov + c2) / (vx + vy + c2); with `stddev`, sqrt(vx vy) stands in the covariance's place, as the comparative
    study prints it: that form compares contrast alone.
    """
    shared = cov if structure == "covariance" else _root(var_x * var_y)
    return (2 * shared + c2) / (var_x + var_y + c2)


def _root(values: Array) -> Array:
    """Square root whose gradient at 0 is 0: a dead channel has no variance, and the true one is infinite there."""
    return (values + (values == 0)) ** 0.5 * (values > 0)
