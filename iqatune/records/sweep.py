"""`sweep.json`, the record of a sweep (schema iqatune.sweep/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Model, Number
from iqatune.records.prior import CUBE
from iqatune.records.vocabulary import ObjectiveName, Split, Stop

SWEEP_SCHEMA: Final = "iqatune.sweep/1"
SWEEP_FILE = "sweep.json"


class CellState(Model):
    """Where a cell stands; the whole record is `result.json` in its folder."""

    folder: str
    dataset: str
    backbone: str = Field(description="empty where `features` are in its place")
    features: str | None = None
    searcher: str
    space: str
    prior: str = CUBE
    objective: ObjectiveName = "srcc"
    stop: Stop | None = None
    split: Split = "references"
    penalty: float = 0.0
    last_stage: int | None = None
    texture_weight: float = 0.0
    view: tuple[str, ...] = ()
    seed: int
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    error: str | None = None
    srcc: Number | None = None
    held_out_srcc: Number | None = None
    uniform_srcc: Number | None = None
    simulated: bool | None = None
    warnings: tuple[str, ...] = ()


class Sweep(Model):
    """`sweep.json`: a grid's cells in its order."""

    schema_: Literal["iqatune.sweep/1"] = Field(default=SWEEP_SCHEMA, alias="schema")
    status: Literal["running", "interrupted", "complete"]
    cells: tuple[CellState, ...]

    @property
    def failed(self) -> tuple[CellState, ...]:
        """The cells that have no result, each with its reason."""
        return tuple(cell for cell in self.cells if cell.state == "failed")
