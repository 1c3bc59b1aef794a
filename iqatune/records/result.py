"""The record of a run, `result.json` (schema iqatune.result/1); docs/result.schema.json is its JSON Schema."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from iqatune.errors import InputError
from iqatune.records.base import (
    ROUNDING,
    Coefficient,
    Constant,
    Count,
    Deviation,
    Model,
    Number,
    Positive,
    Seconds,
    Sha256,
    Share,
)
from iqatune.records.documents import Seal, broken_seal, forced, parse_json, refuse_fault, sealed, validated
from iqatune.records.environment import Environment
from iqatune.records.options import Run
from iqatune.records.padding import Padding
from iqatune.records.prior import CUBE
from iqatune.records.scale import Scale
from iqatune.records.textures import HeldOutTolerance, Textures
from iqatune.records.trials import TrialsDigest, digest_of
from iqatune.records.vocabulary import C1, C2, Better, Direction, Precision, ResolvedPooling, Split, Structure, Verdict
from iqatune.runtime.files import write_text

RESULT_SCHEMA: Final = "iqatune.result/1"

SUM_TOLERANCE: Final = 1e-6
"""How far from 1 alpha and beta may sum: they are decimal numbers in a file."""

_OWN_NAME = re.compile(r"result(-\d+)?\.json")
"""Names under which a record lies beside its trials; under another one it was put there by its user."""


class SeenBy(Model):
    """One of two views of a metric: which stages of which backbone it takes."""

    view: str = Field(description='as asked for; "plain": the backbone as it is, beside the only view')
    backbone: str = Field(description="its name, after ~ what images go through before it: flip, resize:SIDE")
    stages: tuple[Count, ...] = Field(description="those that are taken, 0 being the image")
    pooling: ResolvedPooling
    backbone_weights: str
    backbone_sha256: Sha256
    taps: tuple[str, ...] = ()
    padding: Padding | None = None


class Unlabelled(Model):
    """Images without human scores that took part in a fit, each with damaged versions of it."""

    images: Positive
    pairs: Positive
    damages: tuple[str, ...] = Field(description="what was done to every image, as jpeg:10")
    sha256: Sha256 = Field(description="of the images' files and what was done to them")


class Protocol(Model):
    """Everything that changes a number without changing the method."""

    pairs: Positive
    references: Positive
    label: str
    better: Better | Literal["by set"] = Field(description="by set: of several data sets, each has its own")
    excluded: tuple[str, ...]
    missing: Count = Field(description="rows of the label file left out because an image is absent")
    ratings: Count | None = Field(
        default=None, description="rows that `--raters` averaged into the pairs; null where every row is a pair"
    )
    simulated: bool
    resize: Positive | None
    interpolation: str | None
    pooling: ResolvedPooling
    structure: Structure
    precision: Precision
    c1: Constant = C1
    c2: Constant = C2
    dataset_sha256: Sha256
    backbone_weights: str
    backbone_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = Field(
        description="empty for a baseline and for a features file, which have no backbone; of views see there"
    )
    columns: tuple[str, ...] = Field(
        default=(), description="of a features file: those taken; what is said of images and of a CNN then says nothing"
    )
    split_seed: Count | None = None
    taps: tuple[str, ...] = Field(
        default=(),
        description="whose maps the stages are: modules, or numbers of timm's maps; empty in older records, of a "
        "features file and of plug-ins that name none",
    )
    padding: Padding | None = Field(
        default=None, description="what the backbone has images padded to; null of one that takes them as they are"
    )
    views: tuple[SeenBy, ...] = Field(
        default=(),
        description="two views of each image, whose stages `channels`, alpha and beta are of, one after the other; "
        "`backbone_sha256` is then over both, and what else is said of a backbone is of the first; else empty",
    )
    statistics: Count | None = Field(
        default=None,
        description="version of the way moments are measured: figures of two versions differ by rounding, and pairs "
        "that are all but tied may change places; null in older records and of a features file",
    )
    unlabelled: Unlabelled | None = Field(default=None, description="null of a run that takes human scores alone")
    textures: Textures | None = Field(
        default=None, description="whose crops were looked at, where `--textures` was given; else null"
    )

    def as_made(self, now: "Protocol") -> "Protocol":
        """What is computed now, as a record of this protocol's release tells it: of its own way to measure moments, and
        older ones tell no taps."""
        older = not self.taps and self.padding is None
        untold = {"taps": (), "padding": None} if older else {}
        return now.model_copy(update={"statistics": self.statistics, **untold})


class Correlation(Model):
    """Agreement of -D with quality; signs kept, PLCC after a 5-parameter logistic fit."""

    srcc: Coefficient
    krcc: Coefficient
    plcc: Coefficient


class ColumnWeight(Model):
    """What a column of a features file adds to D: weight * |x - origin| / scale, counted from the origin downwards.

    Below its origin, that is where a pair is better than every pair that was tuned on, it is negative.
    """

    weight: Share
    direction: Direction = Field(description="a distance rises as quality falls; as found on the pairs tuned on")
    scale: Annotated[float, Field(gt=0)] = Field(description="its standard deviation on the pairs tuned on")
    origin: float = Field(description="its best value on the pairs tuned on")


class Best(Correlation):
    """The configuration with the highest SRCC, or other objective, on every pair.

    alpha and beta are per channel and sum to 1 together; of a features file, which has no channels, columns do.
    """

    value: Number | None = Field(
        default=None, description="of what was maximised; null where that is the SRCC; below -1 at most by textures"
    )
    texture_tolerance: Deviation | None = Field(
        default=None, description="mean D of the textures' crop pairs over mean D of the pairs; null without textures"
    )
    sample: Count
    parameters: dict[str, Share]
    c: Constant | None = Field(
        default=None, description="the constant c1 = c2 chosen with the weights; null where the protocol's hold"
    )
    alpha: tuple[Annotated[float, Field(ge=0)], ...]
    beta: tuple[Annotated[float, Field(ge=0)], ...]
    columns: dict[str, ColumnWeight] = Field(default={}, description="of a features file, by name; else empty")

    @property
    def merit(self) -> float:
        """What it is the best by: the objective's figure."""
        return self.srcc if self.value is None else self.value

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.columns and (self.alpha or self.beta):
            raise ValueError("holds weights of columns, and alpha and beta; a metric has one or the other")
        names = "the weights of columns" if self.columns else "alpha and beta"
        weights = [column.weight for column in self.columns.values()] if self.columns else [*self.alpha, *self.beta]
        total = math.fsum(weights)
        if abs(total - 1) > SUM_TOLERANCE:
            raise ValueError(f"{names} must sum to 1 together, not to {total:.6g}")
        return self


class BestColumn(Model):
    """The column of a features file with the highest SRCC, taken in its direction."""

    name: str
    srcc: Coefficient


class Baselines(Model):
    """What the tuned weights have to beat."""

    uniform: Correlation
    uniform_value: Number | None = Field(
        default=None, description="the uniform weights' figure of what was maximised; null where that is the SRCC"
    )
    uniform_texture_tolerance: Deviation | None = Field(default=None, description="null without textures")
    best_column: BestColumn | None = Field(
        default=None, description="of a features file; directions and scales are of these pairs; else null"
    )


class FoldObjective(Model):
    """Figures of what was maximised, where that is another than the SRCC."""

    tuned: Number = Field(description="on the references that the fold was tuned on")
    held_out: Number
    uniform: Number = Field(description="of the uniform weights on the held-out references")


class HeldOutObjective(Model):
    """Means over the folds of an objective other than the SRCC; NaN where it is undefined in one of them."""

    mean: Number
    uniform_mean: Number


class FoldSet(Model):
    """Figures of one of several data sets in a fold."""

    pairs: Positive
    tuned_srcc: Coefficient = Field(description="on what the fold was tuned on; null where that is other sets alone")
    srcc: Coefficient
    uniform_srcc: Coefficient
    tuned_on_all_srcc: Coefficient
    objective: FoldObjective | None = Field(default=None, description="null where the objective is the SRCC")


class Fold(Model):
    """One fold: tuned on the other references (sets, distortions), scored on these.

    Of several data sets the figures are weighted means over the sets that it holds out.
    """

    references: tuple[str, ...]
    pairs: Positive
    parameters: dict[str, Share] = Field(default={}, description="of its weights; empty where the fold found none")
    tuned_srcc: Coefficient
    srcc: Coefficient
    uniform_srcc: Coefficient
    tuned_on_all_srcc: Coefficient | None = Field(
        default=None,
        description="of the main search's weights, tuned on all pairs, on this fold's; absent in older records",
    )

    objective: FoldObjective | None = Field(default=None, description="null where the objective is the SRCC")
    best_column: BestColumn | None = Field(
        default=None,
        description="of a features file: the column that is best on the references tuned on, and its SRCC on these",
    )
    texture_tolerance: HeldOutTolerance | None = Field(default=None, description="absent without textures")
    name: str | None = Field(
        default=None, description="the set, distortion or value of a column that is held out; absent of references"
    )
    sets: dict[str, FoldSet] = Field(default={}, description="figures of each of several data sets; absent of one")

    @field_validator("tuned_on_all_srcc", mode="before")
    @classmethod
    def _undefined(cls, value: Any) -> Any:
        """Null is a figure that is undefined: only an absent key is of an older record."""
        return math.nan if value is None else value

    @model_serializer(mode="wrap")
    def _as_it_was(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An older record that is written again still lacks what it lacks, as one of a single data set does."""
        content: dict[str, Any] = write(self)
        lacking = {
            "tuned_on_all_srcc": self.tuned_on_all_srcc is None,
            "name": self.name is None,
            "texture_tolerance": self.texture_tolerance is None,
            "sets": not self.sets,
        }
        for name in (name for name, lacks in lacking.items() if lacks):
            content.pop(name, None)
        return content


class HeldOut(Model):
    """SRCC on references that the weights were not tuned on, averaged over the folds.

    Where `split` is another than references, the folds hold out data sets, distortions (then the references are on both
    sides: the figures say how weights carry over to other distortions, not to other pictures), or what a column says.

    In older records, whose folds have no `tuned_on_all_srcc`, the optimism is best.srcc minus srcc_mean: figures of
    different pairs, which do not compare (see `is_older`).
    """

    folds: Positive
    split: Split = Field(default="references", description="what a fold holds out")
    srcc_mean: Coefficient
    srcc_std: Deviation = Field(description="null of a single fold")
    per_fold: tuple[Fold, ...]
    uniform_srcc_mean: Coefficient
    objective: HeldOutObjective | None = Field(default=None, description="null where the objective is the SRCC")
    texture_tolerance: HeldOutTolerance | None = Field(
        default=None, description="means over the folds; null without textures"
    )
    best_column_srcc_mean: Coefficient | None = Field(
        default=None, description="of a features file: the mean of the folds' best columns; else null"
    )
    optimism: Number = Field(
        description="tuned_on_all_srcc minus srcc, averaged over the folds: both on a fold's own pairs. In older "
        "records best.srcc minus srcc_mean, which are of different pairs"
    )
    gain_error: Deviation | None = Field(
        default=None,
        description="corrected standard error of srcc_mean minus uniform_srcc_mean (Nadeau and Bengio 2003); null in "
        "older records",
    )
    verdict: Verdict | None = Field(
        default=None,
        description="whether tuning helped on the folds' pairs: the 95 % interval of its gain against 0; null in older "
        "records",
    )

    @model_validator(mode="after")
    def _as_many(self) -> Self:
        if self.folds != len(self.per_fold):
            raise ValueError(f"says {self.folds} folds and holds {len(self.per_fold)}")
        if abs(self.optimism) > 2 + ROUNDING:
            raise ValueError("optimism: the difference of two correlations lies between -2 and 2")
        if len({fold.tuned_on_all_srcc is None for fold in self.per_fold}) > 1:
            raise ValueError("some folds have a tuned_on_all_srcc and some have none")
        return self

    @property
    def is_older(self) -> bool:
        """Whether the optimism is that of older records, which is of different pairs and compares with no other."""
        return any(fold.tuned_on_all_srcc is None for fold in self.per_fold)


class Confidence(Model):
    """Intervals of the tuned figures, [low, high]."""

    srcc: tuple[Coefficient, Coefficient]
    krcc: tuple[Coefficient, Coefficient]
    plcc: tuple[Coefficient, Coefficient]
    level: Annotated[float, Field(gt=0, lt=1)]
    method: str
    resamples: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if any(low > high for low, high in (self.srcc, self.krcc, self.plcc)):
            raise ValueError("an interval's low end is above its high end")
        return self


class HeldOutSet(Model):
    """Held-out figures of one of several data sets: means over the folds that hold out some of its pairs."""

    folds: Positive
    srcc_mean: Coefficient
    uniform_srcc_mean: Coefficient
    objective: HeldOutObjective | None = Field(default=None, description="null where the objective is the SRCC")


class SetResult(Model):
    """What a record of several data sets says of one of them: never ranked together with another's scores."""

    weight: Share = Field(description="its share in the objective; those of all sets sum to 1")
    protocol: Protocol
    uniform: Correlation
    uniform_value: Number | None = Field(default=None, description="null where the SRCC was maximised")
    best: Correlation | None = Field(default=None, description="the figures of the record's best configuration")
    best_value: Number | None = Field(default=None, description="null where the SRCC was maximised")
    held_out: HeldOutSet | None = None
    confidence: Confidence | None = None


class Strategy(Model):
    """How many samples were chosen in which way, and how much was evaluated for them."""

    random: Count = 0
    initial: Count = 0
    model: Count = 0
    local: Count = 0
    fitted: Count = 0
    samples_since_first_model: Count | None = Field(
        default=None, description="samples from the first model's choice on"
    )
    evaluations: dict[str, Count] = Field(description="evaluations at each budget, a fraction of the references")
    repeatable: bool = True
    details: dict[str, str] = Field(default={})
    warnings: tuple[str, ...] = ()


class Timing(Model):
    """Seconds, by what they were spent on."""

    extraction: Seconds
    pairs_extracted: Count
    search: Seconds
    folds: Seconds | None = None
    total: Seconds


class Result(Model):
    """One run's record.

    Of several data sets every figure outside of `sets` is the weighted mean of the sets' own.
    """

    schema_: Literal["iqatune.result/1"] = Field(default=RESULT_SCHEMA, alias="schema")
    status: Literal["running", "interrupted", "complete"]
    run: Run
    protocol: Protocol
    channels: tuple[Positive, ...] = Field(description="of every stage of the backbone; empty for a features file")
    best: Best | None = None
    undefined: str | None = Field(default=None, description="why no sample of a complete run has a defined SRCC")
    baselines: Baselines
    held_out: HeldOut | None = None
    confidence: Confidence | None = Field(default=None, description="null of several data sets: see `sets`")
    sets: dict[str, SetResult] = Field(default={}, description="of several data sets, each by its name")
    scales: tuple[Scale, ...] = Field(
        default=(), description="how D becomes a human score, of each data set; none in older records"
    )
    strategy: Strategy
    timing: Timing
    environment: Environment
    trials_file: TrialsDigest | None = Field(
        default=None, description="of trials.jsonl; null while the search is not complete, and in older records"
    )
    seal: Seal = None

    @model_validator(mode="after")
    def _every_channel(self) -> Self:
        if bool(self.channels) == bool(self.protocol.columns):
            raise ValueError("must have the channels of a backbone, or the columns of a features file")
        if self.best is not None and tuple(self.best.columns) != self.protocol.columns:
            raise ValueError("the weights are of other columns than the protocol's")
        values = (self.baselines.uniform_value, None if self.best is None else self.best.value)
        if not self.run.texture_weight and any(value is not None and abs(value) > 1 + ROUNDING for value in values):
            raise ValueError("a correlation lies between -1 and 1")
        size = sum(self.channels)
        if self.best is not None and not len(self.best.alpha) == len(self.best.beta) == size:
            raise ValueError(
                f"alpha and beta must hold {size} weights each, as there are channels, not "
                f"{len(self.best.alpha)} and {len(self.best.beta)}"
            )
        return self


@dataclass(frozen=True)
class OpenedResult:
    """A record as it is in a file.

    Attributes:
        fault: in what the file, or the trials beside it, are not what was written; None where nothing is known of that.
    """

    path: Path
    result: Result
    fault: str | None

    def trusted(self, *, force: bool) -> Result:
        """The record.

        Raises:
            InputError: without `force`, when the file is not what was written.
        """
        if not force:
            refuse_fault(self.path, self.fault, "search again")
        return self.result

    @property
    def forced(self) -> str | None:
        """What is to be said in all that is made of a record that was taken in spite of its fault."""
        return forced(self.path, self.fault)


def dataset_hashes(result: Result) -> tuple[str, ...]:
    """The hashes of the data that a record was tuned on; of several sets those of each, after that of all as one."""
    protocols = (result.protocol, *(part.protocol for part in result.sets.values()))
    return tuple(protocol.dataset_sha256 for protocol in protocols)


def without_weights(result: Result) -> str:
    """Why a record has no weights: the words that every verb says it in."""
    if result.status != "complete":
        return f"this run of {result.run.searcher} has no sample with a defined SRCC yet; run it to its end first"
    reason = result.undefined or "D or the human score is the same for every pair"
    return f"no sample of this run has a defined SRCC, so that there are no weights: {reason}"


def write_result(path: Path, result: Result) -> Result:
    """Write a record, whole or not at all.

    Returns:
        the record as written: with its seal.
    """
    written = sealed(result)
    write_text(path, written.model_dump_json(by_alias=True, indent=2, exclude_none=False) + "\n")
    return written


def read_result(path: Path) -> Result:
    """Read a record that is what was written, as far as that can be told (see `open_result`).

    Raises:
        InputError: naming the file, when it is missing, no record of this schema, or its seal is broken.
    """
    found = open_result(path)
    if found.fault is not None:
        raise InputError(f"{path}: {found.fault}; restore the file, or delete it and search again")
    return found.result


def open_result(path: Path) -> OpenedResult:
    """Read a record, and compare its seal, and that of the `trials.jsonl` beside it, with what they say.

    A record that lies somewhere else than its trials is proven by itself. Older records have no seal.

    Raises:
        InputError: naming the file, when it is missing or no record of this schema.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a result.json of a search") from error
    result = validated(path, content, Result, f"a record of {RESULT_SCHEMA}")
    written = parse_json(path, content)
    if "prior" not in written["run"]:  # it is of a release that had no other
        result = result.model_copy(update={"run": result.run.model_copy(update={"prior": CUBE})})
    return OpenedResult(path, result, _fault(path, result, written))


def trials_beside(path: Path) -> Path | None:
    """The `trials.jsonl` that belongs to a record; None where it was put under a name or into a place without one."""
    if _OWN_NAME.fullmatch(path.name) is None:
        return None
    trials = path.with_name(path.name.replace("result", "trials").replace(".json", ".jsonl"))
    return trials if trials.exists() else None


def _fault(path: Path, result: Result, content: Any) -> str | None:
    if result.seal is None:
        return "it has lost its seal" if result.trials_file is not None else None
    broken = broken_seal(content)
    if broken is not None:
        return broken
    trials = trials_beside(path)
    if trials is None or result.trials_file is None:
        return None
    try:
        found = digest_of(trials)
    except InputError:  # whichever line it is, the file is not what the record was made with
        return f"{trials.name} beside it is damaged"
    if found != result.trials_file:
        return f"{trials.name} beside it is not the one that it was made with"
    return None
