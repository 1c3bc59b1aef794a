"""How well does one prediction agree with the human scores?

Quality and prediction are both oriented so that higher is better (for a distance D the prediction is -D), and every
correlation keeps its sign: a metric that is upside down gets a negative number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_LOGISTIC_PARAMETERS = 5
_SLOPES = (0.1, 1e4)  # of the logistic over the prediction's range: from almost straight to almost a step
_CENTRES = (-1.0, 2.0)  # in units of the prediction's range, which is 0 to 1


@dataclass(frozen=True)
class Correlations:
    """The field's three correlations of one prediction, each in [-1, 1] or NaN where it is undefined."""

    srcc: float
    krcc: float
    plcc: float


def correlations(quality: ArrayLike, prediction: ArrayLike) -> Correlations:
    """SRCC, KRCC and PLCC of prediction (N,) with quality (N,); see `srcc`, `krcc` and `plcc`."""
    return Correlations(srcc(quality, prediction), krcc(quality, prediction), plcc(quality, prediction))


def srcc(quality: ArrayLike, prediction: ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's correlation of the average ranks (equals scipy.stats.spearmanr).

    Args:
        quality: human scores (N,), higher is better.
        prediction: the metric's scores (N,), higher is better. Infinite values are ranked like any other.

    Returns:
        A value in [-1, 1]; NaN where either input is constant.

    Raises:
        ValueError: NaN in an input, different lengths, or fewer than 2 pairs.
    """
    y, x = checked_pairs(quality, prediction)
    if _is_constant(y) or _is_constant(x):
        return float("nan")
    return pearson(average_ranks(y), average_ranks(x))


def krcc(quality: ArrayLike, prediction: ArrayLike) -> float:
    """Kendall's rank correlation with ties, tau-b (scipy.stats.kendalltau); arguments and errors as of `srcc`."""
    from scipy.stats import kendalltau

    y, x = checked_pairs(quality, prediction)
    if _is_constant(y) or _is_constant(x):
        return float("nan")
    return float(np.clip(kendalltau(x, y, variant="b").statistic, -1.0, 1.0))


def plcc(quality: ArrayLike, prediction: ArrayLike) -> float:
    """Pearson's correlation after the field's 5-parameter logistic fit (`logistic_fit`), with the sign of the SRCC.

    A least-squares fit can bend any prediction the right way up, so its correlation is never negative; the direction
    is therefore taken from the SRCC of the raw prediction, and is 0 where the SRCC is 0.

    Args:
        quality: human scores (N,), higher is better.
        prediction: the metric's scores (N,), higher is better.

    Returns:
        A value in [-1, 1]; NaN where either input is constant and for fewer than 6 pairs, through which five
        parameters pass whatever the prediction is.

    Raises:
        ValueError: NaN or infinite values, different lengths, or fewer than 2 pairs.
    """
    y, x = checked_pairs(quality, prediction)
    if _is_constant(y) or _is_constant(x) or y.size <= _LOGISTIC_PARAMETERS:
        return float("nan")
    return pearson(y, logistic_fit(y, x)) * direction(y, x)


def direction(quality: ArrayLike, prediction: ArrayLike) -> float:
    """The sign of the SRCC: 1, -1, or 0 where it is 0 up to rounding; NaN where it is undefined."""
    rank_correlation = srcc(quality, prediction)
    return 0.0 if abs(rank_correlation) < 1e-12 else float(np.sign(rank_correlation))


def logistic_fit(quality: ArrayLike, prediction: ArrayLike) -> Floats:
    """The prediction mapped to the scale of the human scores: q(x) = b1 (1/2 - 1/(1 + exp(b2 (x - b3)))) + b4 x + b5.

    The function of Sheikh, Sabir and Bovik 2006, 'A statistical evaluation of recent full reference image quality
    assessment algorithms', equation 11. Fitted by least squares. b1, b4 and b5 enter linearly and are solved for
    exactly (variable projection, Golub and Pereyra 1973), so that the search is over slope b2 and centre b3 alone;
    both are bounded (b2 from 0.1 to 10000 over the prediction's range, b3 within one range of it), so that a best fit
    always exists, and it starts at the three best points of a fixed grid: nothing can fail to converge, the same input
    gives the same fit in any order, and no fit is worse than a straight line.

    Args:
        quality: human scores (N,), not constant.
        prediction: the metric's scores (N,), finite and not constant.

    Returns:
        q(prediction), (N,), on the scale of the human scores.

    Raises:
        ValueError: NaN, infinite or constant values, different lengths, or fewer than 2 pairs.
    """
    from scipy.optimize import least_squares

    y, x = checked_pairs(quality, prediction)
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise ValueError("the logistic fit needs finite values, and some are infinite")
    if _is_constant(y) or _is_constant(x):
        raise ValueError("the logistic fit needs values that differ, and all of an input's are equal")

    x = -x if direction(y, x) < 0 else x  # a metric and its negative get the same fit to the last digit
    order = np.lexsort((y, x))  # sums of floats depend on their order; a fit must not depend on that of the pairs
    u = (x[order] - x.min()) / (x.max() - x.min())
    v = (y[order] - y.min()) / (y.max() - y.min())
    line, _ = np.linalg.qr(np.stack([np.ones_like(u), u], axis=1))
    bent = _without(line, v)

    def explained(point: Floats) -> Floats:
        """The part of `bent` that the logistic with this (log slope, centre) explains beyond a straight line."""
        curve = np.tanh(np.exp(point[0]) * (u - point[1]) / 2)  # = 2 (1/2 - 1/(1 + exp(.))), without its overflow
        curve = _without(line, curve)
        power = float(curve @ curve)
        return curve * (float(curve @ bent) / power) if power > 1e-12 * u.size else np.zeros_like(u)

    low, high = (np.log(_SLOPES[0]), _CENTRES[0]), (np.log(_SLOPES[1]), _CENTRES[1])
    centres = np.unique([*np.quantile(u, np.linspace(0, 1, 16)), -0.5, 1.5])
    grid = [np.array([np.log(slope), centre]) for slope in np.geomspace(1.0, 3e3, 12) for centre in centres]
    starts = sorted(grid, key=lambda point: -float(np.sum(explained(point) ** 2)))[:3]
    tries = [
        least_squares(lambda point: bent - explained(point), start, bounds=(low, high), max_nfev=30) for start in starts
    ]
    found = min(tries, key=lambda one: float(one.cost))

    fitted = np.empty_like(v)
    fitted[order] = v - bent + explained(found.x)
    return np.asarray(y.min() + fitted * (y.max() - y.min()))


def average_ranks(values: Floats) -> Floats:
    """Ranks from 1 of values (N,), equal values sharing the mean of their ranks (scipy.stats.rankdata)."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[group], dtype=np.float64)


def pearson(a: Floats, b: Floats) -> float:
    """Pearson's correlation of a (N,) and b (N,), in [-1, 1]; 0 where one of them does not vary."""
    a, b = a - a.mean(), b - b.mean()
    if not (a.any() and b.any()):
        return 0.0
    a, b = a / np.abs(a).max(), b / np.abs(b).max()  # squares of very small and large units leave the range of floats
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def checked_pairs(quality: ArrayLike, prediction: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 (N,).

    Raises:
        ValueError: NaN, another shape than (N,), different lengths, or fewer than 2 pairs.
    """
    y, x = np.asarray(quality, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y.ndim != 1 or y.shape != x.shape:
        raise ValueError(f"quality and prediction must be one list of numbers each, as long: {y.shape} and {x.shape}")
    if y.size < 2:
        raise ValueError(f"a correlation needs at least 2 pairs, got {y.size}")
    for name, values in (("quality", y), ("prediction", x)):
        if np.isnan(values).any():
            raise ValueError(f"{name} contains {int(np.isnan(values).sum())} NaN")
    return y, x


def _is_constant(values: Floats) -> bool:
    return bool(values.min() == values.max())


def _without(basis: Floats, values: Floats) -> Floats:
    """Values (N,) less their projection on the orthonormal columns of basis (N, K)."""
    return np.asarray(values - basis @ (basis.T @ values))
