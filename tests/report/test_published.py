"""Published figures are what was published, and every one has a source and a protocol."""

import csv
from pathlib import Path

import pytest

from iqatune.report.published import figures


def test_every_figure_has_source_and_protocol() -> None:
    published = (*figures.searches(), *figures.distortions(), *figures.state_of_the_art())
    assert all(one.source and one.protocol for one in (*published, *figures.speeds()))
    assert all(value is None or 0 < value <= 1 for one in published for value in (one.srcc, one.krcc))
    # the study has no figure of SWLGV on LIVE
    assert [one.dataset for one in published if one.srcc is None] == ["live"]


def test_the_studys_best() -> None:
    best = {
        dataset: max((one for one in figures.searches() if one.dataset == dataset), key=lambda one: one.srcc or 0)
        for dataset in ("tid2013", "kadid10k", "live", "csiq")
    }
    assert {name: (one.metric, one.searcher, one.srcc) for name, one in best.items()} == {
        "tid2013": ("squeezenet", "bayesopt", 0.883),
        "kadid10k": ("squeezenet", "bayesopt", 0.907),
        "live": ("vgg19", "nevergrad", 0.956),
        "csiq": ("vgg19", "nevergrad", 0.948),
    }


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("study_search", [(one.searcher, one.metric, one.dataset, one.srcc, one.krcc) for one in figures.searches()]),
        (
            "study_per_distortion",
            [(one.dataset, one.metric, one.distortion, one.srcc, one.krcc) for one in figures.distortions()],
        ),
        ("study_speed", [(one.backbone, one.pairs_per_second) for one in figures.speeds()]),
    ],
)
def test_the_tables_are_whole(test_data: Path, name: str, found: list[tuple[object, ...]]) -> None:
    with (test_data / "published" / f"{name}.csv").open(newline="") as file:
        rows = [list(row.values())[1:] for row in csv.DictReader(file)]
    assert [[str(value) for value in one] for one in found] == [
        [str(float(text)) if text.replace(".", "").isdigit() else text for text in row] for row in rows
    ]
