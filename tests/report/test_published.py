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


def test_newer_metrics_are_whole_with_what_they_were_trained_on(test_data: Path) -> None:
    with (test_data / "published" / "more_metrics.csv").open(newline="") as file:
        rows = [(row["metric"], row["dataset"], row["source"], row["training"]) for row in csv.DictReader(file)]
    found = {(figure.metric, figure.dataset, figure.source, figure.training) for figure in figures.state_of_the_art()}
    assert rows
    assert set(rows) <= found


def test_every_metric_is_of_one_kind() -> None:
    def kind(metric: str, dataset: str, source: str) -> str:
        (found,) = {
            figure.trained
            for figure in figures.state_of_the_art()
            if (figure.metric, figure.dataset) == (metric, dataset) and figure.source.startswith(source)
        }
        return found

    assert all(figure.training for figure in figures.state_of_the_art())
    assert kind("JLD", "live", "JLD") == "none"
    assert kind("psnr", "live", "IQA-PyTorch") == "none"
    assert kind("YOTO", "csiq", "YOTO") == "on the set"
    assert kind("SqueezeNet", "tid2013", "Mady") == "on the set"
    assert kind("topiq_fr", "live", "IQA-PyTorch") == "elsewhere"
    assert kind("ckdn", "live", "IQA-PyTorch") == "not stated"
    # DISTS was trained on KADID-10k, and on no other
    assert (kind("DISTS", "kadid10k", "piq"), kind("DISTS", "tid2013", "piq")) == ("on the set", "elsewhere")
    assert all(figure.trained == "on the set" for figure in figures.searches())
