"""The document of `iqatune robust`, `robust.json` (schema iqatune.robust/1)."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Coefficient, Count, Model, Number, Positive, Share
from iqatune.records.documents import Seal
from iqatune.records.environment import Environment
from iqatune.records.evaluation import TunedHere
from iqatune.records.result import Protocol
from iqatune.records.vocabulary import MetricKind

ROBUST_SCHEMA: Final = "iqatune.robust/1"
ROBUST_FILE: Final = "robust.json"

Kind = Literal["side", "jpeg", "blur", "noise"]
"""How both images of a pair are degraded: a short side of so many pixels, JPEG, blur, noise."""

UNSEEN: Final = "unseen"
"""The kind of change that nobody sees, which is of the distorted image alone."""

Bounds = tuple[float, float] | None


class Degraded(Model):
    """The agreement on images that are degraded, both of every pair alike."""

    transform: str = Field(description="as jpeg:25; see iqatune/transforms.py")
    kind: Kind
    severity: Positive = Field(description="1 the weakest of the kind, 5 the strongest")
    srcc: Coefficient = Field(description="with the human scores of the images as they are")
    retained: Number = Field(
        description="agreement retained: 1 - (A - srcc) / A, A being the metric's SRCC on the images as they are; null "
        "where A is 0 or below"
    )
    interval: Bounds = Field(description="of `retained`, 95 % over references; null where it is undefined")
    improved: Number = Field(description="retained times 1 - exp(-a A^2); 0 where A is 0 or below")


class Changed(Model):
    """Couples of pairs whose order under the metric is another one."""

    couples: Count
    changed: Count
    share: Share | None = Field(description="null where there are no couples")
    interval: Bounds = Field(description="of the share, 95 % over references; null where it is undefined")


class Unseen(Model):
    """What a change of the distorted images that nobody sees does to the order of the pairs."""

    transform: str
    all: Changed
    different: Changed | None = Field(
        description="the couples that people tell apart, beyond 1.96 standard errors; null where a score has none"
    )


class OnSet(Model):
    """One metric on one data set."""

    dataset: str
    protocol: Protocol
    tuned_here: TunedHere | None = Field(description="as of an evaluation")
    srcc: Coefficient = Field(description="A, on the images as they are")
    retained: Number = Field(description="mean of the agreement retained over all degradations; null where one is")
    interval: Bounds = Field(description="of that mean, 95 % over references")
    improved: Number = Field(description="mean of the improved form")
    degraded: tuple[Degraded, ...]
    unseen: tuple[Unseen, ...]


class Cost(Model):
    """What one pair of images costs, decoded and in memory."""

    width: Positive = Field(description="of the images that were measured, in pixels: the first pair's, resized")
    height: Positive
    milliseconds: Number = Field(description="median of the rounds, on this machine")
    rounds: Positive
    macs: Count | None = Field(description="multiply-accumulate operations for the pair; null of a baseline")
    parameters: Count | None = Field(description="of the CNN as far as it is needed; null of a baseline")


class RobustMetric(Model):
    """One metric on all data sets."""

    file: str = Field(description="its name, of a baseline")
    kind: MetricKind
    backbone: str
    origin: str
    forced: str | None
    war: Number = Field(
        description="weighted aggregated robustness: the improved form's mean over degradations, averaged over the "
        "data sets with their weights; null where it is undefined on one"
    )
    war_by_kind: dict[Kind, Number] = Field(description="the same of each kind of degradation, with the same weights")
    cost: Cost
    sets: tuple[OnSet, ...]


class RobustSet(Model):
    """A data set."""

    dataset: str
    pairs: Count
    references: Count
    simulated: bool
    weight: Share = Field(description="in the weighted aggregated robustness; together 1")


class Robust(Model):
    """How robust metrics are: what degradation of both images leaves of their agreement, and what nobody sees changes.

    At small sizes the human scores no longer describe what is left of a pair: what is measured is agreement retained.
    """

    schema_: Literal["iqatune.robust/1"] = Field(default=ROBUST_SCHEMA, alias="schema")
    kinds: tuple[Literal["side", "jpeg", "blur", "noise", "unseen"], ...]
    a: Number = Field(description="of the improved form")
    intervals: str = Field(description="how they were found")
    sets: tuple[RobustSet, ...]
    metrics: tuple[RobustMetric, ...] = Field(description="in the order given, baselines last")
    environment: Environment
    seal: Seal = None

    @property
    def names(self) -> tuple[str, ...]:
        """A short name of each metric: a file's path without the folders, and the file name, that all files share."""
        paths = [list(Path(metric.file).parts) for metric in self.metrics if metric.kind == "tuned"]
        for end in (0, -1):
            while paths and all(len(parts) > 1 for parts in paths) and len({parts[end] for parts in paths}) == 1:
                for parts in paths:
                    del parts[end]
        short = iter(paths)
        names = [str(Path(*next(short))) if metric.kind == "tuned" else metric.file for metric in self.metrics]
        return tuple(
            name if names.count(name) == 1 else f"{name} ({names[:place].count(name) + 1})"
            for place, name in enumerate(names)
        )
