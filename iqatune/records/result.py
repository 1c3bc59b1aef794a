"""The record of a run, `result.json` (schema iqatune.result/1); docs/result.schema.json is its JSON Schema."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from iqatune.errors import InputError
from iqatune.records.base import Model, Number
from iqatune.records.environment import Environment
from iqatune.records.options import Run
from iqatune.records.vocabulary import C1, C2, Better, Precision, ResolvedPooling, Structure
from iqatune.runtime.files import write_text

RESULT_SCHEMA: Final = "iqatune.result/1"


class Protocol(Model):
    """Everything that changes a number without changing the method."""

    pairs: int
    references: int
    label: str
    better: Better
    excluded: tuple[str, ...]
    missing: int = Field(description="rows of the label file left out because an image is absent")
    ratings: int | None = Field(
        default=None, description="rows that `--raters` averaged into the pairs; null where every row is a pair"
    )
    simulated: bool
    resize: int | None
    interpolation: str | None
    pooling: ResolvedPooling
    structure: Structure
    precision: Precision
    c1: float = C1
    c2: float = C2
    dataset_sha256: str
    backbone_weights: str
    backbone_sha256: str
    split_seed: int | None = None


class Correlation(Model):
    """Agreement of -D with quality; signs kept, PLCC after a 5-parameter logistic fit."""

    srcc: Number
    krcc: Number
    plcc: Number


class Best(Correlation):
    """The configuration with the highest SRCC on every pair. alpha and beta are per channel and sum to 1 together."""

    sample: int
    parameters: dict[str, float]
    alpha: tuple[float, ...]
    beta: tuple[float, ...]


class Baselines(Model):
    """What the tuned weights have to beat."""

    uniform: Correlation


class Fold(Model):
    """One fold: tuned on the other references, scored on these."""

    references: tuple[str, ...]
    pairs: int
    parameters: dict[str, float] = Field(default={}, description="of its weights; empty where the fold found none")
    tuned_srcc: Number
    srcc: Number
    uniform_srcc: Number


class HeldOut(Model):
    """SRCC on references that the weights were not tuned on, averaged over the folds."""

    folds: int
    srcc_mean: Number
    srcc_std: Number
    per_fold: tuple[Fold, ...]
    uniform_srcc_mean: Number
    optimism: Number = Field(description="tuned SRCC of the main search minus srcc_mean")


class Confidence(Model):
    """Intervals of the tuned figures, [low, high]."""

    srcc: tuple[Number, Number]
    krcc: tuple[Number, Number]
    plcc: tuple[Number, Number]
    level: float
    method: str
    resamples: int


class Strategy(Model):
    """How many samples were chosen in which way, and how much was evaluated for them."""

    random: int = 0
    initial: int = 0
    model: int = 0
    local: int = 0
    samples_since_first_model: int | None = Field(default=None, description="samples from the first model's choice on")
    evaluations: dict[str, int] = Field(description="evaluations at each budget, a fraction of the references")
    repeatable: bool = True
    details: dict[str, str] = Field(default={})
    warnings: tuple[str, ...] = ()


class Timing(Model):
    """Seconds, by what they were spent on."""

    extraction: float
    pairs_extracted: int
    search: float
    folds: float | None = None
    total: float


class Result(Model):
    """One run's record."""

    schema_: Literal["iqatune.result/1"] = Field(default=RESULT_SCHEMA, alias="schema")
    status: Literal["running", "interrupted", "complete"]
    run: Run
    protocol: Protocol
    channels: tuple[int, ...]
    best: Best | None = None
    baselines: Baselines
    held_out: HeldOut | None = None
    confidence: Confidence | None = None
    strategy: Strategy
    timing: Timing
    environment: Environment


def write_result(path: Path, result: Result) -> None:
    """Write a record, whole or not at all."""
    write_text(path, result.model_dump_json(by_alias=True, indent=2, exclude_none=False) + "\n")


def read_result(path: Path) -> Result:
    """Read a record.

    Raises:
        InputError: naming the file, when it is missing or no record of this schema.
    """
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a result.json of a search") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: not a record of {RESULT_SCHEMA} ({place}: {first['msg']})") from error
