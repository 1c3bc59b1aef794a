"""Texture tolerance of scored metrics: which of them have one, and what is said of it."""

from iqatune.datasets.textures import CROP_PAIRS
from iqatune.evaluation.tolerance import tolerance, tolerance_interval
from iqatune.metric.weights import Floats
from iqatune.records.textures import TextureTolerance
from iqatune.scoring.baselines import Baseline


def distance_from_identity(baseline: Baseline, distances: Floats) -> Floats | None:
    """A baseline's distances, counted from that of an image beside itself, which is 0 then.

    Of SSIM, whose best value is 1, that is 1 - SSIM. PSNR has no best value, so that no ratio of its distances means
    anything.

    Args:
        distances: minus its scores, higher is worse.

    Returns:
        None of a baseline that does not say what it gives for an image beside itself.
    """
    if baseline.at_identity is None:
        return None
    return distances + (baseline.at_identity if baseline.higher_is_better else -baseline.at_identity)


def texture_tolerance(crops: Floats, pairs: Floats) -> TextureTolerance:
    """What a document says of the texture tolerance.

    Args:
        crops: (M,) distances of crop pairs, those of each texture one after the other.
        pairs: (N,) distances of the data set's pairs.
    """
    low, high = tolerance_interval(crops, pairs, CROP_PAIRS)
    return TextureTolerance(value=tolerance(crops, pairs), low=low, high=high)
