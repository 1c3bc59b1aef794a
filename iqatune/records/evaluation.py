"""The document of `iqatune evaluate` (schema iqatune.evaluation/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Count, Deviation, Model, Number, Sha256, Share
from iqatune.records.documents import Seal
from iqatune.records.result import Confidence, Correlation, Protocol
from iqatune.records.textures import Textures, TextureTolerance
from iqatune.records.vocabulary import Better, Grouping, MetricKind

EVALUATION_SCHEMA: Final = "iqatune.evaluation/1"
EVALUATIONS_SCHEMA: Final = "iqatune.evaluations/1"


class GroupAgreement(Correlation):
    """The pairs of one distortion, reference or level. Correlations are null where a group is too small for them."""

    group: str
    pairs: Count


class NoiseCeiling(Model):
    """The SRCC of a metric that knows the true quality of every image, by simulation from the scores' errors."""

    srcc: Number = Field(description="median of the simulated experiments")
    low: Number = Field(description="of the middle 95 % of them")
    high: Number
    draws: Count = Field(description="experiments simulated")


class HumanScores(Model):
    """What the uncertainty of the human scores allows."""

    mean_error: Deviation = Field(description="mean standard error of a score, on the data set's scale")
    ceiling: NoiseCeiling | None = Field(description="null where the scores spread no more than their errors do")
    couples: Count = Field(description="couples of images looked at: all, or a million drawn at random")
    different: Count = Field(description="those whose scores differ beyond 1.96 standard errors of the difference")


class ScoresFile(Model):
    """A file of scores that stands for a metric."""

    file: str = Field(description="its name, without its folder")
    sha256: Sha256
    column: str
    better: Better = Field(description="which score is the better quality")
    better_found: bool = Field(description="whether the sign of the SRCC on these pairs told that, and not the user")
    other_rows: Count = Field(description="rows that are of none of these pairs")


class TunedHere(Model):
    """What a tuned metric has seen of the pairs that it is scored on."""

    pairs: bool = Field(description="whether it was tuned on these very pairs")
    references: Count | None = Field(
        description="how many of these references it was tuned on, by what they show; null where what it was tuned on "
        "is not here or not known"
    )


class Comparison(Model):
    """Two metrics on the same resamples of the references."""

    first: Count = Field(description="place in the results, from 0")
    second: Count
    difference: Number = Field(description="SRCC of the first minus that of the second")
    low: Number = Field(description="of the 95 % interval of the difference; null where it is not tested")
    high: Number
    p: Number = Field(description="two-sided, of this couple alone")
    p_corrected: Number = Field(description="corrected by Holm over all couples of the evaluation")
    verdict: Literal["better", "worse", "tie", "not tested"] = Field(
        description="the first one beside the second, by p_corrected at 5 %"
    )


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
    rmse: Deviation | None = Field(
        default=None, description="after the logistic fit, on the data set's scale; null where no fit is defined"
    )
    outlier_ratio: Share | None = Field(
        default=None,
        description="share of the pairs that the fit misses by over 1.96 standard errors of the human score",
    )
    different_auc: Share | None = Field(
        default=None, description="of telling couples whose scores differ from the others; null where there are none"
    )
    better_auc: Share | None = Field(default=None, description="of telling the better image of the couples that differ")
    better_accuracy: Share | None = Field(
        default=None, description="share of those whose better image has the better D"
    )
    resolving_power: Deviation | None = Field(
        default=None, description="difference after the fit from which on its sign is sure at 95 %; null where none is"
    )
    origin: str = Field(default="", description="of an export or of published weights: where the weights come from")
    tuned_here: TunedHere | None = Field(
        default=None, description="null of what is not tuned, and of a metric that does not say what it was tuned on"
    )
    scores: ScoresFile | None = Field(default=None, description="of the kind scores: the file")
    texture_tolerance: TextureTolerance | None = Field(
        default=None, description="null without textures, and of a metric that does not start at 0 or has no images"
    )


class Evaluation(Model):
    """Metrics side by side on one data set, in the order given."""

    schema_: Literal["iqatune.evaluation/1"] = Field(default=EVALUATION_SCHEMA, alias="schema")
    dataset: str
    by: Grouping | None
    simulated: bool
    results: tuple[Evaluated, ...]
    human_scores: HumanScores | None = Field(
        default=None, description="null where a score comes without a standard deviation, and in older documents"
    )
    comparisons: tuple[Comparison, ...] = Field(
        default=(), description="every couple of the metrics; none of one metric, and in older documents"
    )
    textures: Textures | None = Field(default=None, description="that the texture tolerance is of; null without")
    seal: Seal = None


class Evaluations(Model):
    """The same metrics on several data sets, an evaluation of each: scores of two are never ranked together."""

    schema_: Literal["iqatune.evaluations/1"] = Field(default=EVALUATIONS_SCHEMA, alias="schema")
    evaluations: tuple[Evaluation, ...]
    seal: Seal = None
