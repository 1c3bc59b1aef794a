"""The document of `iqatune score` (schema iqatune.scores/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Model
from iqatune.records.vocabulary import Better

DISTANCES_SCHEMA: Final = "iqatune.scores/1"


class PairDistance(Model):
    """The distance of one pair, or why there is none."""

    reference: str
    distorted: str
    distance: float | None
    score: float | None = Field(default=None, description="on the scale of people, where that was asked for")
    low: float | None = Field(default=None, description="where the score that people would give it begins")
    high: float | None = Field(default=None, description="and where it ends")
    error: str | None = None


class ScoreScale(Model):
    """The scale that scores are on."""

    name: str
    better: Better
    simulated: bool
    level: float | None = Field(description="probability that low to high holds the score; null without an interval")


class Distances(Model):
    """Distances of pairs in the order given. Lower is better; 0 is identical."""

    schema_: Literal["iqatune.scores/1"] = Field(default=DISTANCES_SCHEMA, alias="schema")
    metric: str
    origin: str
    backbone: str
    higher_is_better: Literal[False] = False
    resize: int | None
    scale: ScoreScale | None = Field(default=None, description="null where distances alone were asked for")
    unpaired: tuple[str, ...]
    pairs: tuple[PairDistance, ...]

    @property
    def complete(self) -> bool:
        """Whether every file found its counterpart and every pair was scored."""
        return not self.unpaired and all(pair.error is None for pair in self.pairs)
