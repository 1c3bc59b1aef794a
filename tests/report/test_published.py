"""Published figures are what was published, and every one has a source and a protocol."""

import csv
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path

import pytest

from iqatune.report.published import figures


def test_every_figure_has_source_and_protocol() -> None:
    published = (*figures.searches(), *figures.distortions(), *figures.state_of_the_art())
    assert all(figure.source and figure.protocol for figure in published)
    assert all(speed.source and speed.protocol for speed in figures.speeds())
    assert all(value is None or 0 < value <= 1 for figure in published for value in (figure.srcc, figure.krcc))
    # the study has no figure of SWLGV on LIVE
    assert [figure.dataset for figure in published if figure.srcc is None] == ["live"]


def test_the_studys_best() -> None:
    best = {
        dataset: max(
            (figure for figure in figures.searches() if figure.dataset == dataset), key=lambda figure: figure.srcc or 0
        )
        for dataset in ("tid2013", "kadid10k", "live", "csiq")
    }
    assert {name: (figure.metric, figure.searcher, figure.srcc) for name, figure in best.items()} == {
        "tid2013": ("squeezenet", "bayesopt", 0.883),
        "kadid10k": ("squeezenet", "bayesopt", 0.907),
        "live": ("vgg19", "nevergrad", 0.956),
        "csiq": ("vgg19", "nevergrad", 0.948),
    }


def rows_of(published: Iterable[object], *fields: str) -> list[tuple[object, ...]]:
    return [attrgetter(*fields)(figure) for figure in published]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("study_search", rows_of(figures.searches(), "searcher", "metric", "dataset", "srcc", "krcc")),
        ("study_per_distortion", rows_of(figures.distortions(), "dataset", "metric", "distortion", "srcc", "krcc")),
        ("study_speed", rows_of(figures.speeds(), "backbone", "pairs_per_second")),
    ],
)
def test_the_tables_are_whole(test_data: Path, name: str, found: list[tuple[object, ...]]) -> None:
    with (test_data / "published" / f"{name}.csv").open(newline="") as file:
        rows = [list(row.values())[1:] for row in csv.DictReader(file)]
    assert [[str(value) for value in figure] for figure in found] == [
        [str(float(text)) if text.replace(".", "").isdigit() else text for text in row] for row in rows
    ]
