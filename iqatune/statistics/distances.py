"""From moments to what the objective and the evaluation need: similarities, feature tables, distances."""

from collections.abc import Sequence

import numpy as np

from iqatune.metric.similarity import DISTS, Similarity
from iqatune.metric.spaces import BackboneSpace
from iqatune.metric.weights import Floats, Weights
from iqatune.statistics.by_group import AnyMoments, blocks, taken
from iqatune.statistics.store import Moments


def similarities(moments: Moments, similarity: Similarity) -> tuple[Floats, Floats]:
    """(N, 5, C) moments to the (N, C) float64 similarities l and s."""
    mean_x, mean_y, var_x, var_y, cov = (moments[:, row].astype(np.float64) for row in range(5))
    return similarity.of_means(mean_x, mean_y), similarity.of_covariance(var_x, var_y, cov)


def feature_table(moments: AnyMoments, space: BackboneSpace, similarity: Similarity = DISTS) -> Floats:
    """(N, F) features of every pair in a space, in the space's own floating type."""
    table = np.empty((0, 0), space.feature_type)
    for rows, block in blocks(moments):
        features = space.features(*_losses(block, similarity))
        if not table.size:
            table = np.empty((len(moments), features.shape[1]), space.feature_type)
        table[rows] = features
    return table


def distances(moments: AnyMoments, weights: Weights, similarity: Similarity = DISTS) -> Floats:
    """(N,) float64 distances D of every pair: 0 for identical images, larger is worse."""
    found = np.empty(len(moments))
    for rows, block in blocks(moments):
        l_losses, s_losses = _losses(block, similarity)
        # each row by itself: a product of matrices rounds a row by where it stands, and identical pairs would not tie
        found[rows] = np.vecdot(l_losses, weights.alpha) + np.vecdot(s_losses, weights.beta)
    return found


def channel_descriptors(moments: AnyMoments, rows: Sequence[int]) -> Floats:
    """(2, C) descriptors of every channel for the space `stage+K`: neither uses a human score.

    The first is how active a channel is on the reference images (log of its mean spatial variance), the second how
    much of its response is its mean (log of the squared mean over squared mean plus variance).

    Args:
        rows: one pair of each reference.
    """
    of_rows = taken(moments, rows)
    mean = of_rows[:, 0].astype(np.float64)
    variance = of_rows[:, 2].astype(np.float64).mean(axis=0)
    power = (mean**2).mean(axis=0)
    tiny = 1e-12
    return np.stack((np.log(variance + tiny), np.log((power + tiny) / (power + variance + tiny))))


def _losses(moments: Moments, similarity: Similarity) -> tuple[Floats, Floats]:
    l_values, s_values = similarities(moments, similarity)
    return 1 - l_values, 1 - s_values
