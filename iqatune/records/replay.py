"""The document of `iqatune replay` (schema iqatune.replay/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Model, Number

REPLAY_SCHEMA: Final = "iqatune.replay/1"


class Changed(Model):
    """Something that the figures rest on and that is not what it was, as text."""

    name: str
    recorded: str
    now: str


class Replayed(Model):
    """One figure."""

    name: str
    recorded: Number
    recomputed: Number
    same: bool


class Replay(Model):
    """A record, recomputed."""

    schema_: Literal["iqatune.replay/1"] = Field(default=REPLAY_SCHEMA, alias="schema")
    file: str
    changed: tuple[Changed, ...]
    figures: tuple[Replayed, ...]
    notes: tuple[str, ...] = Field(default=(), description="what was not proven, and why; what else there is to know")

    @property
    def same(self) -> bool:
        """Whether nothing has changed and every figure is what it was."""
        return not self.changed and all(figure.same for figure in self.figures)
