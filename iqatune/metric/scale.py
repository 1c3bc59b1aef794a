"""D as a score on the scale of people: the map that a record carries, evaluated.

One formula for NumPy, torch and the programs exported from it: a sum of clipped ramps, which needs no search for the
knots on either side of D. Every term is monotone in D, and so is their rounded sum: what is farther away never scores
better.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from iqatune.errors import InputError, did_you_mean
from iqatune.metric.weights import Floats
from iqatune.records.scale import Scale

if TYPE_CHECKING:
    from torch import Tensor

Numbers = TypeVar("Numbers", Floats, "Tensor")


class Scored(NamedTuple):
    """Scores (B,) on the scale of people, and the ends of their intervals: NaN where the scale has none."""

    score: "Tensor"
    low: "Tensor"
    high: "Tensor"


def on_knots(distances: Numbers, knots: Sequence[float], values: Sequence[float]) -> Numbers:
    """(N,) values at distances: piecewise linear between knots and constant outside, as numpy.interp."""
    found = distances * 0 + values[0]
    for (left, right), (first, last) in zip(pairwise(knots), pairwise(values), strict=True):
        found = found + (distances - left).clip(0.0, right - left) * ((last - first) / (right - left))
    return found


def choose_scale(scales: Sequence[Scale], of: str | None, *, holder: str) -> Scale:
    """The scale that is meant.

    Args:
        of: the data set that it is of; None where there is one.
        holder: what carries them, in error lines.

    Raises:
        InputError: when there is none, none of that data set, or several and no data set is named.
    """
    names = tuple(scale.dataset for scale in scales)
    if not scales:
        raise InputError(
            f"{holder}: has no scale of human scores (nor have records of earlier releases, published DISTS weights "
            "and fewer than 6 pairs); search again, or take distances"
        )
    if of is None and len(scales) > 1:
        raise InputError(f"`scale_of`: {holder} was tuned on {', '.join(names)}, which have a scale each; name one")
    found = next((scale for scale in scales if of in (None, scale.dataset)), None)
    if found is None:
        raise InputError(f"`scale_of` {of}: {holder} has no such scale; {did_you_mean(str(of), names)}")
    return found
