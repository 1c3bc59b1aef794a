"""What a verb would do, `--dry-run` (schema iqatune.plan/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Count, Model, Seconds

PLAN_SCHEMA: Final = "iqatune.plan/1"

State = Literal["new", "unfinished", "complete", "another run"]


class PlannedStatistics(Model):
    """The images of a data set through a backbone. Those of one data set through several are decoded once."""

    dataset: str
    backbone: str
    pairs: Count
    pairs_cached: Count = Field(description="whose statistics are in the cache")
    images: Count = Field(description="references and distorted ones, each once")
    images_to_compute: Count = Field(description="of them, those that would pass the CNN")
    images_a_second: float | None = Field(description="as measured on this machine; null where nothing was")
    seconds: Seconds | None = Field(description="null where the rate is not known")


class PlannedRun(Model):
    """One search."""

    folder: str
    state: State = Field(description="of what is in the folder")
    dataset: str
    pairs: Count
    references: Count
    searcher: str
    space: str
    samples: Count = Field(description="at most")
    folds: Count
    seconds: Seconds | None = Field(description="of the search and its folds; null where no rate is known")


class Plan(Model):
    """What would be done: nothing of it is."""

    schema_: Literal["iqatune.plan/1"] = Field(default=PLAN_SCHEMA, alias="schema")
    verb: str
    statistics: tuple[PlannedStatistics, ...]
    runs: tuple[PlannedRun, ...]
    seconds: Seconds | None = Field(description="of all, one run after another; null where a part is not known")
    notes: tuple[str, ...] = ()
