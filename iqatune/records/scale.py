"""A score on the scale of people: what a record and an export say of how D becomes one."""

from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from iqatune.records.base import Model, Positive
from iqatune.records.vocabulary import Better

FEWEST_KNOTS: Final = 2

Knots = Annotated[tuple[float, ...], Field(min_length=FEWEST_KNOTS)]
"""A number at each knot, piecewise linear in D between them, and constant outside."""


class ScaleInterval(Model):
    """Where the score that people give an image of another reference lies, with probability `level`."""

    low: Knots
    high: Knots
    level: Annotated[float, Field(gt=0, lt=1)]
    method: str
    references: Positive = Field(description="that its residuals are of")


class Scale(Model):
    """A monotone map from D to the human scores of one data set that it was tuned on."""

    dataset: str = Field(description="as the run names it")
    name: str = Field(description="what the scores are, and their range, such as 'MOS of TID2013, 0 to 9'")
    better: Better
    simulated: bool = Field(description="whether the scores are of SIMULATED observers, not of people")
    distances: Knots = Field(description="D at the knots, rising")
    scores: Knots = Field(description="the score at the knots, as the data set has it: never better where D is larger")
    interval: ScaleInterval | None = Field(default=None, description="null of a single reference")

    @model_validator(mode="after")
    def _is_monotone(self) -> Self:
        if any(left >= right for left, right in pairwise(self.distances)):
            raise ValueError("a scale's distances must rise from knot to knot")
        low, high = self.bounds
        if not len(self.distances) == len(self.scores) == len(low) == len(high):
            raise ValueError("a scale must have a score, and bounds, at each of its knots")
        for values in (self.scores, low, high):
            if any((left < right) if self.better == "higher" else (left > right) for left, right in pairwise(values)):
                raise ValueError("a scale's scores must not be better where D is larger")
        if any(not below <= score <= above for below, score, above in zip(low, self.scores, high, strict=True)):
            raise ValueError("a scale's interval must hold its score")
        return self

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The interval's low and high ends; the scores themselves where there is none."""
        return (self.scores, self.scores) if self.interval is None else (self.interval.low, self.interval.high)

    @property
    def described(self) -> str:
        """Its name, which scores are better, and whether people gave them."""
        simulated = ", SIMULATED observers" if self.simulated else ""
        return f"{self.name} ({self.better} is better{simulated})"
