"""The document of `iqatune score` (schema iqatune.scores/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Model

DISTANCES_SCHEMA: Final = "iqatune.scores/1"


class PairDistance(Model):
    """The distance of one pair, or why there is none."""

    reference: str
    distorted: str
    distance: float | None
    error: str | None = None


class Distances(Model):
    """Distances of pairs in the order given. Lower is better; 0 is identical."""

    schema_: Literal["iqatune.scores/1"] = Field(default=DISTANCES_SCHEMA, alias="schema")
    metric: str
    origin: str
    backbone: str
    higher_is_better: Literal[False] = False
    resize: int | None
    unpaired: tuple[str, ...]
    pairs: tuple[PairDistance, ...]

    @property
    def complete(self) -> bool:
        """Whether every file found its counterpart and every pair was scored."""
        return not self.unpaired and all(pair.error is None for pair in self.pairs)
