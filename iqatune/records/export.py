"""What an export says beside its tensors: the header of format iqatune.metric/1."""

from typing import Final, Literal

from iqatune.records.base import Model
from iqatune.records.vocabulary import ResolvedPooling, Structure

EXPORT_FORMAT: Final = "iqatune.metric/1"


class Golden(Model):
    """Distances of the golden images (see `metric.golden`) of `side` pixels a side."""

    side: int
    scores: tuple[float, float, float]


class Header(Model):
    """What an export says beside its tensors. `sha256` is of the tensors, `backbone_sha256` of the unpruned CNN."""

    format: Literal["iqatune.metric/1"] = EXPORT_FORMAT
    iqatune: str
    origin: str
    direction: Literal["lower is better"] = "lower is better"
    higher_is_better: Literal[False] = False
    input: Literal["RGB in [0, 1], (B, 3, H, W)"] = "RGB in [0, 1], (B, 3, H, W)"
    minimum_size: int
    backbone: str
    taps: tuple[str, ...]
    channels: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pooling: ResolvedPooling
    resize: int | None
    interpolation: str | None
    structure: Structure
    c1: float
    c2: float
    backbone_weights: str
    backbone_sha256: str
    backbone_included: bool
    golden: Golden
    sha256: str
