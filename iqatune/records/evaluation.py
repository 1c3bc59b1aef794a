"""The document of `iqatune evaluate` (schema iqatune.evaluation/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Count, Model
from iqatune.records.documents import Seal
from iqatune.records.result import Confidence, Correlation, Protocol
from iqatune.records.vocabulary import Grouping, MetricKind

EVALUATION_SCHEMA: Final = "iqatune.evaluation/1"
EVALUATIONS_SCHEMA: Final = "iqatune.evaluations/1"


class GroupAgreement(Correlation):
    """The pairs of one distortion, reference or level. Correlations are null where a group is too small for them."""

    group: str
    pairs: Count


class Evaluated(Correlation):
    """One metric on the data set. A baseline has its name in place of a file, and was tuned on nothing."""

    file: str
    kind: MetricKind = "tuned"
    backbone: str
    searcher: str
    space: str
    prior: str = Field(default="", description="of the tuned metric's search; empty where nothing was tuned")
    tuned_on: str
    confidence: Confidence | None
    tied_with_best: bool
    protocol: Protocol
    groups: tuple[GroupAgreement, ...]
    forced: str | None = Field(
        default=None, description="what was wrong with the record's file, where it was taken all the same (`--force`)"
    )


class Evaluation(Model):
    """Metrics side by side on one data set, in the order given."""

    schema_: Literal["iqatune.evaluation/1"] = Field(default=EVALUATION_SCHEMA, alias="schema")
    dataset: str
    by: Grouping | None
    simulated: bool
    results: tuple[Evaluated, ...]
    seal: Seal = None


class Evaluations(Model):
    """The same metrics on several data sets, an evaluation of each: scores of two are never ranked together."""

    schema_: Literal["iqatune.evaluations/1"] = Field(default=EVALUATIONS_SCHEMA, alias="schema")
    evaluations: tuple[Evaluation, ...]
    seal: Seal = None
