"""What is asked of a frontier, and its record, `frontier.json` (schema iqatune.frontier/1)."""

import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from iqatune.records.base import Coefficient, Count, Deviation, Model, Number, Positive, Sha256
from iqatune.records.documents import Seal, sealed
from iqatune.records.environment import Environment
from iqatune.records.options import BackboneOptions, DataOptions, Run
from iqatune.records.paths import run_path
from iqatune.records.vocabulary import C1, C2, FIT, ObjectiveName, Structure
from iqatune.runtime.files import write_text

FRONTIER_SCHEMA: Final = "iqatune.frontier/1"
FRONTIER_FILE: Final = "frontier.json"
DRAWINGS: Final = ("frontier.svg", "frontier.png")

CostKind = Literal["ms", "macs"]
"""What a stage is penalised by: milliseconds of this machine, or multiply-accumulate operations."""


class FrontierOptions(DataOptions, BackboneOptions):
    """Which metric, and what costs: the options of a frontier as given. Those of a search mean what they mean there."""

    by: CostKind = "ms"
    space: str = Run.model_fields["space"].default
    prior: str = Run.model_fields["prior"].default
    objective: ObjectiveName = "srcc"
    seed: int = 0
    folds: int = 5
    structure: Structure = "covariance"
    c1: float = C1
    c2: float = C2

    def run(self, **sparsity: Any) -> Run:
        """The search that a point of the frontier is.

        Args:
            sparsity: its penalty, stage_costs and last_stage.

        Raises:
            InputError: for a number beyond its bounds.
        """
        options = {name: value for name, value in dict(self).items() if name != "by"}
        return Run.parsed({**options, "searcher": FIT, **sparsity})

    def folder(self, output: Path, name: str | None = None) -> Path:
        """Where the frontier goes, below the folder of results: beside the searches of its data set and backbone.

        Raises:
            InputError: for a name that is no name of a folder.
        """
        search = output / run_path(self.run(), name)
        if name is not None:
            return search
        by = "" if self.by == "ms" else f"-{self.by}"
        return search.parent / f"frontier{by}{search.name.removeprefix(FIT)}"


class Time(Model):
    """Milliseconds, measured several times."""

    median: Annotated[float, Field(ge=0)]
    low: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(ge=0)]


class Cost(Model):
    """What one pair of images costs, the CNN and the comparison together."""

    milliseconds: Time
    macs: Count = Field(description="multiply-accumulate operations of convolutions and products")
    parameters: Count = Field(description="of the part of the CNN that is computed")


class StageCost(Model):
    """What computing the stages up to one costs, and what it costs beyond those before it."""

    stage: Count
    channels: Positive
    up_to: Cost
    marginal: Annotated[float, Field(ge=0)] = Field(
        description="milliseconds or multiply-accumulates beyond the stages before, the image's 0: what weight in it "
        "is penalised by"
    )


class Point(Model):
    """One metric of the frontier; `result` is its record, from the frontier's folder."""

    name: str
    penalty: Annotated[float, Field(ge=0)]
    last_stage: Count | None = Field(description="stages after it may have no weight; null for no such limit")
    result: str
    stages: tuple[Count, ...] = Field(description="that have weight")
    channels: Positive = Field(description="of all stages, that have weight")
    cut_channels: Count = Field(description="of the last computed stage, that are not computed")
    cost: Cost
    speedup: Annotated[float, Field(gt=0)] = Field(
        description="how many times as fast as the unpruned metric: median of the rounds' ratios"
    )
    srcc: Coefficient = Field(description="on all pairs, which it was tuned on")
    held_out_srcc: Coefficient = Field(description="mean over folds on references that neither fit nor support saw")
    held_out_error: Deviation = Field(description="its standard error, corrected as by Nadeau and Bengio (2003)")
    interval: tuple[Number, Number] = Field(description="95 %, Student's t of that error, within what an SRCC can be")
    loss: Number = Field(description="held-out SRCC below the best point's on the same folds, averaged")
    loss_error: Deviation = Field(description="its corrected standard error, paired by fold; 0 of the best point")
    within: bool = Field(description="whether the loss is no more than its standard error")

    @field_validator("loss_error", "held_out_error", mode="before")
    @classmethod
    def _undefined(cls, value: Any, info: ValidationInfo) -> Any:
        """Null is an error that is undefined."""
        return math.nan if value is None else value


class Frontier(Model):
    """Held-out SRCC against cost, from everything to the image alone, the cheapest point first."""

    schema_: Literal["iqatune.frontier/1"] = Field(default=FRONTIER_SCHEMA, alias="schema")
    status: Literal["running", "complete"]
    options: FrontierOptions
    dataset_sha256: Sha256
    backbone_sha256: Sha256
    simulated: bool
    image: tuple[Positive, Positive] = Field(description="width and height of the pair that was timed")
    rounds: Positive
    stages: tuple[StageCost, ...]
    planned: tuple[tuple[float, int | None], ...] = Field(description="penalty and last stage of every point")
    unpruned: Cost | None = Field(
        default=None, description="of uniform weights on every channel, timed with the points"
    )
    uniform_held_out_srcc: Coefficient = Field(
        default=math.nan, description="of uniform weights on every channel, on the same folds"
    )
    points: tuple[Point, ...] = ()
    best: str | None = Field(default=None, description="the point of the highest held-out SRCC")
    chosen: str | None = Field(
        default=None, description="the cheapest point that loses no more than one standard error against the best"
    )
    environment: Environment
    seal: Seal = None

    def point(self, name: str | None) -> Point | None:
        """The point of that name."""
        return next((point for point in self.points if point.name == name), None)


def write_frontier(folder: Path, frontier: Frontier) -> Frontier:
    """Write the record into its folder, whole or not at all; gives it as written, with its seal."""
    written = sealed(frontier)
    write_text(folder / FRONTIER_FILE, written.model_dump_json(by_alias=True, indent=2) + "\n")
    return written
