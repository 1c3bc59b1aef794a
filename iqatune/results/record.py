"""The record of a run, `result.json` (schema iqatune.result/1), and one line of `trials.jsonl`.

docs/result.schema.json is this module's JSON Schema.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from iqatune.errors import InputError
from iqatune.files import write_text
from iqatune.metric.similarity import C1, C2, Structure
from iqatune.metric.weights import Weights

SCHEMA: Final = "iqatune.result/1"

RESULT_FILE = "result.json"
TRIALS_FILE = "trials.jsonl"


def _nan_from_null(value: Any) -> Any:
    return math.nan if value is None else value


# JSON has no NaN: an SRCC that is undefined (constant distances) is written as null
Figure = Annotated[float, BeforeValidator(_nan_from_null)]


class Model(BaseModel):
    """Immutable, and strict about what it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null")


class DataOptions(Model):
    """Which pairs: the data set's options as given."""

    dataset: str
    data_root: str | None = None
    pairs: str | None = None
    better: Literal["higher", "lower"] | None = None
    label: str | None = None
    exclude: tuple[str, ...] = ()
    allow_missing: bool = False


class BackboneOptions(Model):
    """Which features: the backbone's options as given."""

    backbone: str
    backbone_weights: str = "pretrained"
    pooling: Literal["auto", "native", "l2"] = "auto"
    resize: int | None = 256
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: str = "auto"


class Run(DataOptions, BackboneOptions):
    """One search: every option as given."""

    searcher: str
    samples: int = 50
    space: str = "stage"
    seed: int = 0
    folds: int = 5
    structure: Structure = "covariance"
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    concurrency: int = 1


class Protocol(Model):
    """Everything that changes a number without changing the method."""

    pairs: int
    references: int
    label: str
    better: Literal["higher", "lower"]
    excluded: tuple[str, ...]
    missing: int
    simulated: bool
    resize: int | None
    interpolation: str | None
    pooling: Literal["native", "l2"]
    structure: Structure
    precision: Literal["fp32", "bf16", "fp16"]
    c1: float = C1
    c2: float = C2
    dataset_sha256: str
    backbone_weights: str
    backbone_sha256: str
    split_seed: int | None = None


class Correlation(Model):
    """Agreement of -D with quality; signs kept, PLCC after a 5-parameter logistic fit."""

    srcc: Figure
    krcc: Figure
    plcc: Figure


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
    tuned_srcc: Figure
    srcc: Figure
    uniform_srcc: Figure


class HeldOut(Model):
    """SRCC on references that the weights were not tuned on, averaged over the folds."""

    folds: int
    srcc_mean: Figure
    srcc_std: Figure
    per_fold: tuple[Fold, ...]
    uniform_srcc_mean: Figure
    optimism: Figure = Field(description="tuned SRCC of the main search minus srcc_mean")


class Confidence(Model):
    """Intervals of the tuned figures, [low, high]."""

    srcc: tuple[Figure, Figure]
    krcc: tuple[Figure, Figure]
    plcc: tuple[Figure, Figure]
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
    details: dict[str, str] = {}
    warnings: tuple[str, ...] = ()


class Timing(Model):
    """Seconds, by what they were spent on."""

    extraction: float
    pairs_extracted: int
    search: float
    folds: float | None = None
    total: float


class Environment(Model):
    """What computed the numbers."""

    versions: dict[str, str]
    git: str | None
    platform: str
    device: str
    threads: int = Field(description="processors that the process may use; torch and the objective use as many threads")
    searcher_threads: int | None = Field(default=None, description="threads of BLAS while the searcher runs")


class Result(Model):
    """One run's record."""

    schema_: Literal["iqatune.result/1"] = Field(default=SCHEMA, alias="schema")
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

    def weights(self) -> Weights:
        """The tuned weights.

        Raises:
            InputError: when no sample of the run has a defined SRCC, or it has none yet.
            ValueError: when they are no weights.
        """
        if self.best is None:
            if self.status == "complete":
                raise InputError("no sample of this run has a defined SRCC, so that there are no weights")
            raise InputError(f"this run of {self.run.searcher} has no sample yet; run it to its end first")
        return Weights(self.channels, np.array(self.best.alpha), np.array(self.best.beta))


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
        raise InputError(f"{path}: not a record of {SCHEMA} ({place}: {first['msg']})") from error


def json_schema() -> str:
    """The published JSON Schema of `result.json`, as text."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        **Result.model_json_schema(by_alias=True),
    }
    return json.dumps(schema, indent=2) + "\n"


def floats(values: NDArray[np.floating[Any]]) -> tuple[float, ...]:
    """An array as plain numbers for a record."""
    return tuple(float(value) for value in values)
