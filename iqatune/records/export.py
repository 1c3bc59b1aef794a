"""What an export says beside its tensors: the header of format iqatune.metric/1 or, of several
backbones, iqatune.fused-metric/1.
"""

import math
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from iqatune.records.base import ROUNDING, Constant, Model, Positive, Sha256, Share
from iqatune.records.padding import Padding
from iqatune.records.scale import Scale
from iqatune.records.vocabulary import ResolvedPooling, Structure

EXPORT_FORMAT: Final = "iqatune.metric/1"
FUSED_FORMAT: Final = "iqatune.fused-metric/1"


Distance = Annotated[float, Field(ge=-ROUNDING, le=2 + ROUNDING)]
"""D: 0 for identical images; 2 where every l and s is -1."""


class Golden(Model):
    """Distances of the golden images (see `metric.golden`) of `side` pixels a side."""

    side: Positive
    scores: tuple[Distance, Distance, Distance]


class Header(Model):
    """What an export says beside its tensors. `sha256` is of the tensors, `backbone_sha256` of the unpruned CNN."""

    format: Literal["iqatune.metric/1"] = EXPORT_FORMAT
    iqatune: str
    origin: str
    direction: Literal["lower is better"] = "lower is better"
    higher_is_better: Literal[False] = False
    input: Literal["RGB in [0, 1], (B, 3, H, W)"] = "RGB in [0, 1], (B, 3, H, W)"
    minimum_size: Positive
    backbone: str
    taps: tuple[str, ...]
    channels: Annotated[tuple[Positive, ...], Field(min_length=1)]
    mean: tuple[float, float, float]
    std: tuple[Constant, Constant, Constant]
    pooling: ResolvedPooling
    resize: Positive | None
    interpolation: str | None
    structure: Structure
    c1: Constant
    c2: Constant
    backbone_weights: str
    backbone_sha256: Sha256
    backbone_included: bool
    scales: tuple[Scale, ...] = Field(
        default=(), description="how D becomes a human score, of each data set that it was tuned on"
    )
    tuned_on: tuple[Sha256, ...] = Field(
        default=(), description="hashes of the data sets (`protocol.dataset_sha256`) that it was tuned on; none of old"
    )
    golden: Golden
    padding: Padding | None = None
    sha256: str


class MemberHeader(Model):
    """What an export of a fusion says of one member; its tensors begin with its place and a point, as `0.`."""

    name: str
    weight: Share = Field(description="of its D in the fusion's D; those of all members sum to 1")
    origin: str
    backbone: str
    taps: tuple[str, ...]
    channels: Annotated[tuple[Positive, ...], Field(min_length=1)]
    mean: tuple[float, float, float]
    std: tuple[Constant, Constant, Constant]
    pooling: ResolvedPooling
    padding: Padding | None
    structure: Structure
    c1: Constant
    c2: Constant
    backbone_weights: str
    backbone_sha256: Sha256 = Field(description="of the unpruned CNN")
    tuned_on: tuple[Sha256, ...]


class FusedHeader(Model):
    """What an export of several backbones says beside its tensors, which hold all of them. `sha256` is of the tensors.

    D is the weighted sum of the members' D.
    """

    format: Literal["iqatune.fused-metric/1"] = FUSED_FORMAT
    iqatune: str
    origin: str
    direction: Literal["lower is better"] = "lower is better"
    higher_is_better: Literal[False] = False
    input: Literal["RGB in [0, 1], (B, 3, H, W)"] = "RGB in [0, 1], (B, 3, H, W)"
    minimum_size: Positive
    resize: Positive | None
    interpolation: str | None
    members: Annotated[tuple[MemberHeader, ...], Field(min_length=1)]
    scales: tuple[Scale, ...]
    tuned_on: tuple[Sha256, ...]
    golden: Golden
    sha256: str

    @property
    def backbone(self) -> str:
        """Names of the members' backbones, as one."""
        return " + ".join(member.backbone for member in self.members)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = math.fsum(member.weight for member in self.members)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the members' weights must sum to 1, not to {total:.6g}")
        return self
