"""The record of a fusion, `fusion.json` (schema iqatune.fusion/1); docs/fusion.schema.json is its JSON Schema."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from iqatune.errors import InputError
from iqatune.records.base import Coefficient, Model, PathText, Sha256, Share
from iqatune.records.documents import Seal, broken_seal, forced, parse_json, refuse_fault, sealed, validated
from iqatune.records.environment import Environment
from iqatune.records.evaluation import TunedHere
from iqatune.records.options import DataOptions, Run
from iqatune.records.prior import DEFAULT_PRIOR, canonical
from iqatune.records.result import (
    SUM_TOLERANCE,
    BestColumn,
    ColumnWeight,
    Confidence,
    Correlation,
    HeldOut,
    Protocol,
    Strategy,
    Timing,
)
from iqatune.records.scale import Scale
from iqatune.records.vocabulary import COLUMNS, FIT, ObjectiveName
from iqatune.runtime.files import sha256_of_file, write_text

FUSION_SCHEMA: Final = "iqatune.fusion/1"
FUSION_FILE: Final = "fusion.json"

MemberKind = Literal["record", "metric file", "column"]
"""What a member is: a tuned record; an export or published weights; a column of the features file."""

HeldOutHow = Literal["refitted", "of its record", "as it is"]
"""How a member is scored on a fold's references: tuned anew without them; under the weights that its record's own fold
was tuned to without them; with the same numbers as everywhere."""


class FuseOptions(DataOptions):
    """What is fused, on which pairs, and how: every option as given."""

    members: Annotated[tuple[PathText, ...], Field(description="files, columns of the features file; each also NAME=")]
    backbone_weights: tuple[str, ...] = Field(
        default=(), description="NAME=FILE: where the parameters of a backbone are, if not where its search found them"
    )
    searcher: str = FIT
    samples: Annotated[int, Field(ge=1)] = 50
    prior: Annotated[str, AfterValidator(canonical)] = DEFAULT_PRIOR
    objective: ObjectiveName = "srcc"
    seed: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=0)] = 5
    leave_one_distortion_out: bool = False
    device: str = "auto"

    @property
    def on_images(self) -> bool:
        """Whether the pairs are of a data set of images; else they are those of the features file."""
        return self.features is None or not (self.dataset == "csv" and self.pairs is None)

    @property
    def data(self) -> DataOptions:
        """The pairs: of the data set, or of the features file where that is all there is."""
        data = DataOptions.of(self)
        return data.model_copy(update={"features": None, "feature_columns": ()}) if self.on_images else data

    @property
    def parameters(self) -> dict[str, str]:
        """Where the parameters of backbones are, by their names.

        Raises:
            InputError: when it is not said of which.
        """
        parts = [(text, *text.partition("=")) for text in self.backbone_weights]
        for text, name, _, file in parts:
            if not name or not file:
                raise InputError(f"`backbone_weights` {text}: say of which backbone: NAME=FILE")
        return {name: file for _, name, _, file in parts}

    def weights_of(self, backbone: str) -> str | None:
        """Where the parameters of a backbone are now; None where its search found them."""
        return self.parameters.get(backbone)

    @property
    def run(self) -> Run:
        """The search for the members' weights: a search over columns.

        Raises:
            InputError: for a number out of range.
        """
        names = ("searcher", "samples", "prior", "objective", "seed", "folds", "leave_one_distortion_out", "device")
        own = {name: getattr(self, name) for name in names}
        return Run.parsed({**dict(self.data), **own, "space": COLUMNS})


class FusionMember(ColumnWeight):
    """One of the metrics that are fused; its weight is of its D in standard deviations, those of all sum to 1."""

    name: str
    kind: MemberKind
    file: str = Field(description="beside the record, or by its path from there")
    sha256: Sha256 = Field(description="of the file")
    column: str = Field(default="", description="of the features file; else empty")
    backbone: str = Field(default="", description="empty of a column")
    made: str = Field(default="", description="where its weights come from, in words; empty of a column")
    srcc: Coefficient = Field(description="of the member alone, on all pairs")
    held_out_srcc: Coefficient | None = Field(description="mean over the folds; null without folds")
    held_out_how: HeldOutHow
    tuned_here: TunedHere | None = Field(description="what it has seen of these pairs; null where that is not known")

    @property
    def is_of_images(self) -> bool:
        """Whether it is a metric of images, and no column of figures."""
        return self.kind != "column"


class RankMean(Model):
    """The mean of the members' ranks among the pairs that are scored: no metric, as a pair by itself has no rank."""

    srcc: Coefficient
    held_out_srcc: Coefficient | None = Field(description="mean over the folds; null without folds")


class Fusion(Model):
    """Several metrics as one: D is the weighted sum of the members' D.

    `best` has the members' weights; `held_out` has, fold by fold, the fusion beside the mean of the members' z-scores
    (`uniform_srcc`) and the member that is best where the fold was tuned (`best_column`).
    """

    schema_: Literal["iqatune.fusion/1"] = Field(default=FUSION_SCHEMA, alias="schema")
    options: FuseOptions
    protocol: Protocol = Field(description="of the pairs; its columns are the members' names")
    members: Annotated[tuple[FusionMember, ...], Field(min_length=1)]
    parameters: dict[str, Share] = Field(description="of the searcher, which the weights are made of")
    figures: Correlation = Field(description="of the fusion on all pairs, which it was tuned on")
    uniform: Correlation = Field(description="of the mean of the members' z-scores, on all pairs")
    best_member: BestColumn = Field(description="the member with the highest SRCC on all pairs")
    rank_mean: RankMean
    held_out: HeldOut | None
    best_member_held_out: BestColumn | None = Field(
        description="the member with the highest held-out SRCC, chosen after the fact; null without folds"
    )
    confidence: Confidence | None
    scales: tuple[Scale, ...] = Field(default=(), description="how D becomes a human score")
    strategy: Strategy
    timing: Timing
    environment: Environment
    notes: tuple[str, ...] = Field(default=(), description="what its reader has to know")
    seal: Seal = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = math.fsum(member.weight for member in self.members)
        if abs(total - 1) > SUM_TOLERANCE:
            raise ValueError(f"the members' weights must sum to 1, not to {total:.6g}")
        if tuple(member.name for member in self.members) != self.protocol.columns:
            raise ValueError("the members are others than the protocol's")
        return self

    @property
    def is_of_images(self) -> bool:
        """Whether every member with weight is a metric of images, so that the fusion is one."""
        return all(member.is_of_images for member in self.members if member.weight > 0)

    @property
    def shares(self) -> tuple[float, ...]:
        """Of each member's own D in the fused D, summing to 1: its weight is of a D in standard deviations."""
        per_unit = [member.weight / member.scale for member in self.members]
        total = math.fsum(per_unit)
        return tuple(value / total for value in per_unit)

    @property
    def backbone(self) -> str:
        """Names of the members' backbones, as one."""
        return " + ".join(dict.fromkeys(member.backbone for member in self.members if member.backbone))

    @property
    def described(self) -> str:
        """Where it comes from, in words."""
        parts = ", ".join(f"{member.weight:.3f} {member.name}" for member in self.members if member.weight > 0)
        observers = ", SIMULATED observers" if self.protocol.simulated else ""
        return f"fusion by {self.options.searcher} on {self.options.dataset}{observers}: {parts}"


@dataclass(frozen=True)
class OpenedFusion:
    """A fusion's record as it is in a file.

    Attributes:
        fault: in what the file is not what was written; None where it is.
    """

    path: Path
    fusion: Fusion
    fault: str | None

    def trusted(self, *, force: bool) -> Fusion:
        """The record.

        Raises:
            InputError: without `force`, when the file is not what was written.
        """
        if not force:
            refuse_fault(self.path, self.fault, "fuse again")
        return self.fusion

    @property
    def forced(self) -> str | None:
        """What is to be said in all that is made of a record that was taken in spite of its fault."""
        return forced(self.path, self.fault)

    def member_file(self, member: FusionMember) -> Path:
        """Where a member's file is: by its path from the record's folder."""
        return self.path.parent / member.file

    def check_member(self, member: FusionMember) -> None:
        """Make sure that a member's file is the one that was fused.

        Raises:
            InputError: naming it, when it is gone or is another.
        """
        file = self.member_file(member)
        if not file.is_file():
            raise InputError(f"{self.path}: its member {member.name} is not at {file}; put it there, or fuse again")
        if sha256_of_file(file) != member.sha256:
            raise InputError(
                f"{self.path}: its member {member.name}, {file}, is not the file that was fused; fuse again"
            )


def is_fusion(path: Path) -> bool:
    """Whether a file is the record of a fusion, by what it calls itself; what is wrong with it is for its reader."""
    if path.suffix.lower() != ".json":
        return False
    try:
        content = parse_json(path, path.read_bytes())
    except (OSError, InputError):
        return False
    return isinstance(content, dict) and content.get("schema") == FUSION_SCHEMA


def open_fusion(path: Path) -> OpenedFusion:
    """Read a record, and compare its seal with what it says.

    Raises:
        InputError: naming the file, when it is missing or no record of this schema.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a fusion.json") from error
    fusion = validated(path, content, Fusion, f"a record of {FUSION_SCHEMA}")
    written: Any = parse_json(path, content)
    fault = "it has lost its seal" if fusion.seal is None else broken_seal(written)
    return OpenedFusion(path, fusion, fault)


def write_fusion(path: Path, fusion: Fusion) -> Fusion:
    """Write a record, whole or not at all; gives it as written, with its seal."""
    written = sealed(fusion)
    write_text(path, written.model_dump_json(by_alias=True, indent=2, exclude_none=False) + "\n")
    return written
