"""Published figures, each with its source and the protocol as far as it is stated.

The study is Mady, Agamy, Aly, Abdel-Nasser (2024), 'A Comparative Analysis of CNN Feature Extractors and Parameter
Tuning with Ray Tune Search Algorithms for Image Quality Assessment': six searchers, six CNNs, four data sets, tuned and
scored on the same pairs.
"""

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

STUDY = (
    "Mady, Agamy, Aly, Abdel-Nasser: A Comparative Analysis of CNN Feature Extractors and Parameter Tuning with Ray "
    "Tune Search Algorithms for Image Quality Assessment (2024)"
)


STUDY_SOURCE = "Mady et al. 2024"
"""What the source of each of its figures begins with."""

Training = Literal["on the set", "elsewhere", "not stated", "none"]
"""What a metric was trained on, beside the set that its figure is of."""


@dataclass(frozen=True, kw_only=True)
class PublishedFigure:
    """SRCC and KRCC of one metric on one data set. None where the source gives no figure."""

    metric: str
    """The metric's name, or the backbone of the study's tuned metric."""
    dataset: str
    srcc: float | None
    krcc: float | None
    source: str
    protocol: str
    plcc: float | None = None
    searcher: str = ""
    distortion: str = ""
    training: str = ""
    """In words, as far as it is known; empty where every row is the study's own, which is tuned on the set itself."""

    @property
    def trained(self) -> Training:
        """What it was trained on, in one of four kinds that no table mixes."""
        if not self.training or "the set itself" in self.training:
            return "on the set"
        if self.training.startswith(("no training", "training-free")):
            return "none"
        # on human scores of which set, nobody says
        return "not stated" if self.training in ("not stated", "trained on human scores") else "elsewhere"


@dataclass(frozen=True, kw_only=True)
class PublishedSpeed:
    """Image pairs per second of a backbone."""

    backbone: str
    pairs_per_second: float
    source: str
    protocol: str


@cache
def searches() -> tuple[PublishedFigure, ...]:
    """The study's tables 1 to 6: per searcher, backbone and data set."""
    return tuple(_figure(row, row["backbone"], searcher=row["searcher"]) for row in _rows("study_search.csv"))


@cache
def distortions() -> tuple[PublishedFigure, ...]:
    """The study's tables 7 and 8: per distortion of LIVE and CSIQ, and backbone."""
    rows = _rows("study_per_distortion.csv")
    return tuple(_figure(row, row["backbone"], distortion=row["distortion"]) for row in rows)


@cache
def speeds() -> tuple[PublishedSpeed, ...]:
    """The study's table 9."""
    return tuple(
        PublishedSpeed(
            backbone=row["backbone"],
            pairs_per_second=float(row["fps"]),
            source=row["source"],
            protocol=row["protocol"],
        )
        for row in _rows("study_speed.csv")
    )


@cache
def state_of_the_art() -> tuple[PublishedFigure, ...]:
    """The study's table 10, common metrics as other tool kits publish them, and newer ones."""
    rows = (*_rows("study_state_of_the_art.csv"), *_rows("metrics.csv"), *_rows("more_metrics.csv"))
    return tuple(_figure(row, row["metric"]) for row in rows)


def _figure(row: dict[str, str], metric: str, *, searcher: str = "", distortion: str = "") -> PublishedFigure:
    return PublishedFigure(
        metric=metric,
        dataset=row["dataset"],
        srcc=_number(row.get("srcc", "")),
        krcc=_number(row.get("krcc", "")),
        plcc=_number(row.get("plcc", "")),
        source=row["source"],
        protocol=row["protocol"],
        searcher=searcher,
        distortion=distortion,
        training=row.get("training", ""),
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("iqatune.report.published") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))
