"""From distances to human scores: a monotone curve, and an interval around it for images of other references.

The curve is the least-squares fit among all that are piecewise linear between knots at quantiles of D and nowhere rise
with it (isotonic regression through few knots). The problem is convex (non-negative least squares, Lawson and Hanson
1974), so that there is one answer and no search for it. On the scores of DISTS, LPIPS, PSNR and FSIM for LIVE and
TID2013 it predicts references left out better than the 4-parameter logistic (1 to 8 % less error, with LIVE and DISTS
as good), which is why it is taken in its place; the 5-parameter logistic of the PLCC may turn back.

The interval is that of residuals of references left out: weights and curve of a fold are made without the pairs whose
residuals are taken, so that the interval holds what is uncertain of both, and what images of one D differ in. That is
the design of cross-conformal prediction (Vovk 2015; Barber et al. 2021, 'Predictive inference with the jackknife+'),
with residuals in units of their local mean (Lei et al. 2018, 5.2). Bootstrap replicas of the weights would show no more
than how much the curve moves, which is a fraction of how far people are from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqatune.evaluation.correlation import Floats
from iqatune.evaluation.folds import Split

KNOTS = 9
"""At most; more follow the noise, fewer no longer the shape."""

PAIRS_PER_KNOT = 5

SAME_DISTANCE = 1e-12
"""Distances that differ by less differ by rounding: D itself is right to 1e-6."""

NEAREST_KNOTS = 1e-6
"""In ranges of D: quantiles that are nearer than this are one knot."""

STEEPNESS = 0.01
"""How much of the straight line's slope every part of a curve has at least, so that no two distances get one score."""

BANDWIDTH = 0.1
"""Of the kernel under which residuals are averaged, in ranges of predicted quality."""

GRID = 33
"""Points at which they are averaged."""

LEVEL = 0.95

FEWEST_PAIRS = 6
"""As many as the PLCC takes."""


@dataclass(frozen=True)
class Curve:
    """Quality by D: (K,) each; distances rise strictly, quality does not; constant outside."""

    distances: Floats
    quality: Floats

    def __call__(self, distances: Floats) -> Floats:
        """(N,) quality of (N,) distances."""
        return np.interp(distances, self.distances, self.quality)


@dataclass(frozen=True)
class Refit:
    """Weights that were found without some of the pairs.

    Attributes:
        split: which pairs they were tuned on, and which they were not.
        distances: (N,) D of all pairs under them; what it says of pairs on neither side is not read.
    """

    split: Split
    distances: Floats

    def of_rows(self, rows: NDArray[np.intp]) -> "Refit":
        """What it says of some of the pairs."""
        return Refit(Split(self.split.held_out[rows], self.split.tuned[rows]), self.distances[rows])


@dataclass(frozen=True)
class ScaleFit:
    """A curve, and the ends of the interval around it at its knots, (K,); None where there are no two references."""

    curve: Curve
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True)
class Residuals:
    """What refits predict of pairs that they have not seen: (M,) predicted quality, and how far people are from it."""

    predicted: Floats
    size: Floats


def fit_scale(
    distances: Floats,
    quality: Floats,
    reference_ids: Sequence[str],
    *,
    refits: Sequence[Refit],
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> ScaleFit:
    """The curve of all pairs, and where the human scores of images of other references lie around it.

    The bounds fall with D as the curve does: where they would not they are moved out.

    Args:
        distances: (N,) D of 6 pairs or more, that differ by more than `SAME_DISTANCE`.
        quality: (N,) human scores, higher is better.
        reference_ids: of every pair, (N,).
        refits: that together hold out every pair once.
        limits: the lowest and the highest quality that there is.
    """
    curve = fit_curve(distances, quality)
    curve = Curve(curve.distances, np.clip(curve.quality, *limits))
    references = len(set(reference_ids))
    if references < 2:
        return ScaleFit(curve)
    far = half_widths(curve.quality, left_out_residuals(quality, refits), references=references, level=LEVEL)
    low = np.minimum.accumulate(curve.quality - far)
    high = np.maximum.accumulate((curve.quality + far)[::-1])[::-1]
    return ScaleFit(curve, np.clip(low, *limits), np.clip(high, *limits))


def leave_one_reference_out(distances: Floats, reference_ids: Sequence[str]) -> list[Refit]:
    """Refits of the curve alone, without one reference each, under one set of weights: none of a single reference."""
    ids = np.asarray(reference_ids)
    references = np.unique(ids)
    return [Refit(Split(ids == name, ids != name), distances) for name in references] if len(references) > 1 else []


def fit_curve(distances: Floats, quality: Floats) -> Curve:
    """The monotone curve that is nearest to the pairs.

    Args:
        distances: (N,) D.
        quality: (N,) human scores, higher is better.

    Returns:
        Up to 9 knots, fewer where there are fewer than 40 pairs, one where there is one distance up to rounding; level
        where quality rises with D.
    """
    from scipy.optimize import nnls

    if np.ptp(distances) <= SAME_DISTANCE:
        return Curve(distances[:1], quality.mean(keepdims=True))
    parts = int(np.clip(len(quality) // PAIRS_PER_KNOT, 1, KNOTS - 1))
    knots = np.unique(np.quantile(distances, np.linspace(0, 1, parts + 1)))
    apart = np.diff(knots) > NEAREST_KNOTS * np.ptp(distances)  # no slope between them is a number for certain
    knots = knots[np.concatenate([[True], apart])]
    ramps = np.clip(distances[:, None] - knots[:-1], 0, np.diff(knots))
    moved = distances - distances.mean()
    steepness = STEEPNESS * max(0.0, -float(moved @ quality) / float(moved @ moved))
    # quality = top - (steepness + slopes) @ ramps with slopes >= 0; a top of either sign is the difference of two
    middle = float(quality.mean())
    design = np.column_stack([np.ones_like(distances), -np.ones_like(distances), -ramps])
    units = np.linalg.norm(design, axis=0)
    found, _ = nnls(design / units, quality - middle + steepness * ramps.sum(axis=1))
    found = found / units
    falls = (steepness + found[2:]) * np.diff(knots)
    return Curve(knots, middle + found[0] - found[1] - np.concatenate([[0.0], np.cumsum(falls)]))


def left_out_residuals(quality: Floats, refits: Sequence[Refit]) -> Residuals:
    """Residuals of the pairs that each refit holds out, from the curve of those that it was tuned on."""
    predicted, size = [], []
    for refit in refits:
        tuned, held_out = refit.split.tuned, refit.split.held_out
        if not held_out.any():  # of one of several data sets, whose references are on no side of some fold
            continue
        curve = fit_curve(refit.distances[tuned], quality[tuned])
        predicted.append(curve(refit.distances[held_out]))
        size.append(np.abs(quality[held_out] - predicted[-1]))
    return Residuals(np.concatenate(predicted), np.concatenate(size))


def half_widths(quality: Floats, residuals: Residuals, *, references: int, level: float) -> Floats:
    """How far an interval reaches to either side of (K,) predicted quality.

    The residuals are divided by their mean among pairs of near predictions, their quantile at `level` is taken, and it
    is moved out for few references as Student's t is from the normal: the pairs of one reference are not independent.

    Args:
        references: that the residuals are of, 2 or more.
    """
    from scipy.stats import norm
    from scipy.stats import t as student

    local = _local_mean(residuals, residuals.predicted)
    units = np.divide(residuals.size, local, out=np.zeros_like(local), where=local > 0)
    moved_out = student.ppf((1 + level) / 2, references - 1) / norm.ppf((1 + level) / 2)
    reach = float(np.quantile(units, level, method="higher") * moved_out)
    return np.asarray(reach * _local_mean(residuals, quality))


def _local_mean(residuals: Residuals, quality: Floats) -> Floats:
    """The mean size of residuals by predicted quality, (K,): under a normal kernel, on a grid and between it."""
    low, high = float(residuals.predicted.min()), float(residuals.predicted.max())
    if low == high:
        return np.full(len(quality), residuals.size.mean())
    grid = np.linspace(low, high, GRID)
    weights = np.exp(-0.5 * ((grid[:, None] - residuals.predicted) / (BANDWIDTH * (high - low))) ** 2)
    return np.asarray(np.interp(quality, grid, weights @ residuals.size / weights.sum(axis=1)))
