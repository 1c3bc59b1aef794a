"""From moments to what the objective and the evaluation need: similarities, feature tables, distances."""

from collections.abc import Iterator, Sequence

import numpy as np

from iqatune.metric.similarity import DISTS, Similarity
from iqatune.metric.spaces import BackboneSpace
from iqatune.metric.weights import Floats, Weights
from iqatune.statistics.store import Moments

ROWS = 512
"""Pairs whose similarities are computed at once, in float64: bounds the memory, whatever the set's size."""


def similarities(moments: Moments, similarity: Similarity) -> tuple[Floats, Floats]:
    """(N, 5, C) moments to the (N, C) float64 similarities l and s."""
    mean_x, mean_y, var_x, var_y, cov = (moments[:, row].astype(np.float64) for row in range(5))
    return similarity.of_means(mean_x, mean_y), similarity.of_covariance(var_x, var_y, cov)


def feature_table(moments: Moments, space: BackboneSpace, similarity: Similarity = DISTS) -> Floats:
    """(N, F) features of every pair in a space, in the space's own floating type."""
    parts = [space.features(*_losses(chunk, similarity)).astype(space.feature_type) for chunk in _chunks(moments)]
    return np.concatenate(parts)


def distances(moments: Moments, weights: Weights, similarity: Similarity = DISTS) -> Floats:
    """(N,) float64 distances D of every pair: 0 for identical images, larger is worse."""
    parts = []
    for chunk in _chunks(moments):
        l_losses, s_losses = _losses(chunk, similarity)
        # each row by itself: a product of matrices rounds a row by where it stands, and identical pairs would not tie
        parts.append(np.vecdot(l_losses, weights.alpha) + np.vecdot(s_losses, weights.beta))
    return np.concatenate(parts)


def channel_descriptors(moments: Moments, rows: Sequence[int]) -> Floats:
    """(2, C) descriptors of every channel for the space `stage+K`: neither uses a human score.

    The first is how active a channel is on the reference images (log of its mean spatial variance), the second how
    much of its response is its mean (log of the squared mean over squared mean plus variance).

    Args:
        rows: one pair of each reference.
    """
    mean = moments[list(rows), 0].astype(np.float64)
    variance = moments[list(rows), 2].astype(np.float64).mean(axis=0)
    power = (mean**2).mean(axis=0)
    tiny = 1e-12
    return np.stack((np.log(variance + tiny), np.log((power + tiny) / (power + variance + tiny))))


def _losses(moments: Moments, similarity: Similarity) -> tuple[Floats, Floats]:
    l_values, s_values = similarities(moments, similarity)
    return 1 - l_values, 1 - s_values


def _chunks(moments: Moments) -> Iterator[Moments]:
    return (moments[start : start + ROWS] for start in range(0, len(moments), ROWS))
