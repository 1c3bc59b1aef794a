"""`--view`, `--searcher mutual` and `--unlabelled`, as they are typed: record, proof, use, resuming and refusals."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iqatune.metric.base import ImageMetric
from iqatune.metric.fused import FusedMetric
from iqatune.metric.module import Metric
from tests.run_paths import Runs

RUNS = ("--output", "runs", "--json")
SQUEEZENET = Runs("runs/csv/squeezenet")


def _distances(metric: ImageMetric, folder: Path) -> list[float]:
    """D of some pairs of the small set, by the metric itself."""
    names = [("ref0.png", "noise0_2.png"), ("ref1.png", "blur1_3.png"), ("ref5.png", "noise5_5.png")]
    with torch.no_grad():
        return [float(metric(*(metric.read(folder / name) for name in pair))) for pair in names]


def _distances_of(record: dict[str, Any], small_set: Any, small_cache: Path) -> list[float]:
    """The same from the record's weights and the moments, as the record's figures are made."""
    import iqatune
    from iqatune.metric.weights import Weights

    run = record["run"]
    options = {name: run[name] for name in ("backbone_weights", "view")}
    prepared = iqatune.prepare(
        "csv", "squeezenet", pairs=small_set.labels, better="higher", cache_dir=small_cache, progress="none", **options
    )
    best = record["best"]
    weights = Weights(tuple(record["channels"]), np.array(best["alpha"]), np.array(best["beta"]))
    found = prepared.distances(weights)
    rows = [pair.distorted.name for pair in prepared.table.pairs]
    return [float(found[rows.index(name)]) for name in ("noise0_2.png", "blur1_3.png", "noise5_5.png")]


@pytest.mark.parametrize(
    ("views", "folder", "members"),
    [
        (("resize:24",), "fit-stage-view=resize_24-s0", 2),
        (("stages:0-3", "stages:2-5"), "fit-stage-view=stages_0-3+stages_2-5-s0", 1),
        (("backbone:alexnet", "flip"), "fit-stage-view=backbone_alexnet+flip-s0", 2),
    ],
)
def test_a_record_of_views_replays_and_scores_as_a_metric(
    views: tuple[str, ...], folder: str, members: int, search: Any, iqatune: Any, small_set: Any, small_cache: Path
) -> None:
    options = [part for view in views for part in ("--view", view)]
    record = json.loads(search("--searcher", "fit", *options, *RUNS).out)
    file = SQUEEZENET / folder / "result.json"
    assert file.exists()
    assert len(record["protocol"]["views"]) == 2
    assert len(record["channels"]) == sum(len(view["stages"]) for view in record["protocol"]["views"])
    assert sum(record["best"]["alpha"]) + sum(record["best"]["beta"]) == pytest.approx(1)
    replayed = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    found = json.loads(replayed.out)
    assert (replayed.code, found["changed"], found["notes"]) == (0, [], [])
    metric = Metric.load(file)
    assert isinstance(metric, FusedMetric) == (members == 2)
    assert len(metric.components) == members
    expected = _distances_of(record, small_set, small_cache)
    assert _distances(metric, small_set.folder) == pytest.approx(expected, abs=1e-6)
    assert iqatune("export", file, "--output", "m.safetensors").code == 0
    assert _distances(Metric.load("m.safetensors"), small_set.folder) == pytest.approx(expected, abs=1e-6)
    evaluated = json.loads(
        iqatune("evaluate", file, *small_set.options, "--cache-dir", small_cache, "--format", "json").out
    )
    assert evaluated["results"][0]["srcc"] == pytest.approx(record["best"]["srcc"], abs=1e-12)


def test_views_of_stages_are_the_backbone_itself(search: Any) -> None:
    """Two halves have the same stages as the whole, so that a plain fit finds the same."""
    halves = json.loads(search("--searcher", "fit", "--view", "stages:0-2", "--view", "stages:3-5", *RUNS).out)
    whole = json.loads(search("--searcher", "fit", *RUNS).out)
    assert halves["channels"] == whole["channels"]
    assert halves["best"] == whole["best"]
    assert halves["held_out"] == whole["held_out"]


@pytest.fixture
def pictures(small_set: Any, tmp_path: Path) -> Path:
    """Two images without scores."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("ref0.png", "ref3.png"):
        shutil.copy(small_set.folder / name, folder / f"own-{name}")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_mutual_is_recorded_proven_and_goes_on_where_it_stopped(
    search: Any, iqatune: Any, small_cache: Path, pictures: Path, forge: Callable[..., Any]
) -> None:
    options = ("--searcher", "mutual", "--view", "resize:24", "--unlabelled", pictures, "--folds", 0, *RUNS)
    record = json.loads(search(*options).out)
    folder = SQUEEZENET / "mutual-stage-view=resize_24-unlabelled=pictures-s0"
    lines = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    inner = [json.loads(line)["inner"] for line in lines]
    assert "mu" not in inner[0]
    assert {one["mu"] for one in inner[1:]} == {0.0, 0.03, 0.3, 3.0}
    assert record["protocol"]["unlabelled"]["images"] == 2
    assert record["protocol"]["unlabelled"]["pairs"] == 16
    chosen = inner[record["best"]["sample"]].get("mu")
    assert record["strategy"]["details"].get("mu") == (None if chosen is None else f"{chosen:g}")

    moved = pictures.rename(pictures.with_name("elsewhere"))
    assert iqatune("replay", folder / "result.json", "--cache-dir", small_cache).code == 2
    replayed = iqatune("replay", folder / "result.json", "--unlabelled", moved, "--cache-dir", small_cache, "--json")
    found = json.loads(replayed.out)
    assert (replayed.code, found["changed"], found["notes"]) == (0, [], [])
    moved.rename(pictures)

    def undo(content: dict[str, Any]) -> None:
        content.update(status="interrupted", held_out=None, confidence=None, trials_file=None)

    forge(folder / "result.json", undo)
    (folder / "trials.jsonl").write_bytes(b"".join(lines[:3]))
    again = json.loads(search(*options).out)
    assert [again[key] for key in ("best", "confidence")] == [record[key] for key in ("best", "confidence")]
    # another picture is another experiment
    (pictures / "own-ref0.png").unlink()
    assert "is of another run (other unlabelled)" in search(*options, code=2).last_line


def test_any_searcher_takes_views_and_settings_come_from_everywhere(
    search: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = json.loads(search("--searcher", "random", "--view", "stages:0-1", "--view", "stages:4", *RUNS).out)
    Path("views.yaml").write_text("view: [stages:0-1, stages:4]\n")
    by_file = json.loads(search("--searcher", "random", "--config", "views.yaml", "--output", "f", "--json").out)
    monkeypatch.setenv("IQATUNE_VIEW", "stages:0-1 stages:4")
    by_variable = json.loads(search("--searcher", "random", "--output", "v", "--json").out)
    assert given["best"] == by_file["best"] == by_variable["best"]
    assert given["channels"] == [3, 64, 384]


def test_a_grid_has_single_views_and_pairs_of_them(iqatune: Any, small_set: Any, small_cache: Path) -> None:
    Path("grid.yaml").write_text(
        json.dumps(
            {
                "dataset": "csv",
                "pairs": str(small_set.labels),
                "better": "higher",
                "backbone": "squeezenet",
                "backbone_weights": "random",
                "searcher": "random",
                "samples": 2,
                "folds": 0,
                "views": ["none", "flip", ["stages:0-1", "stages:4-5"]],
            }
        )
    )
    ran = iqatune("sweep", "grid.yaml", "--output", "s", "--jobs", 1, "--cache-dir", small_cache, "--json", "--quiet")
    cells = json.loads(ran.out)["cells"]
    assert ran.code == 0
    assert [cell["view"] for cell in cells] == [[], ["flip"], ["stages:0-1", "stages:4-5"]]
    assert len({cell["folder"] for cell in cells}) == 3


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--searcher", "mutual"), "--searcher mutual: fits two views"),
        (("--searcher", "fit", "--view", "mirror"), "--view mirror: no view;"),
        (("--searcher", "fit", "--view", "backbone:alexnt"), "--backbone alexnt: unknown backbone"),
        (("--searcher", "fit", "--view", "stages:0-9"), "--view stages:0-9: squeezenet has the stages 0 to 5"),
        (
            ("--searcher", "fit", "--view", "backbone:squeezenet"),
            "--view backbone:squeezenet: is the same as the other",
        ),
        (("--searcher", "fit", "--view", "flip", "--unlabelled", "x"), "--unlabelled x: fit does not use"),
        (("--searcher", "mutual", "--view", "flip", "--unlabelled", "x"), "--unlabelled x: no such folder"),
        (("--searcher", "mutual", "--view", "flip", "--unlabelled", "."), "--unlabelled .: contains no images"),
    ],
)
def test_bad_views_are_refused_in_a_line(options: tuple[str, ...], line: str, search: Any) -> None:
    ran = search(*options, "--output", "runs", code=2)
    assert ran.last_line.startswith(f"iqatune: {line}"), ran.last_line
    assert not Path("runs").exists() or not list(Path("runs").rglob("result.json"))


def test_views_of_columns_are_refused(iqatune: Any) -> None:
    Path("f.csv").write_text("reference,distorted,score,a\nr,x,1,2\nr,y,2,1\ns,z,3,0\n")
    ran = iqatune("search", "--features", "f.csv", "--better", "higher", "--searcher", "fit", "--view", "flip")
    assert ran.code == 2
    assert ran.last_line.startswith("iqatune: --view flip: needs images")


def test_the_searcher_is_listed_and_a_report_tells_views_apart(search: Any, iqatune: Any) -> None:
    assert "mutual" in iqatune("list", "searchers").out
    for view in ("flip", "resize:24"):
        search("--searcher", "fit", "--view", view, *RUNS)
    assert iqatune("report", "runs", "--output", "report").code == 0
    text = Path("report/report.md").read_text()
    assert r"squeezenet (random) \[flip\]" in text
    assert r"squeezenet (random) \[resize:24\]" in text


def test_the_uniform_weights_of_views_cost_what_both_views_cost(
    search: Any, iqatune: Any, small_set: Any, small_cache: Path
) -> None:
    search("--searcher", "random", "--samples", 2, "--view", "flip", *RUNS)
    (record,) = SQUEEZENET.rglob("result.json")
    options = ("--kinds", "unseen", "--baseline", "uniform", "--cache-dir", small_cache, "--json", "--quiet")
    ran = iqatune("robust", record, *small_set.options, *options)
    assert ran.code == 0, ran.err
    tuned, uniform = (metric["cost"] for metric in json.loads(ran.out)["metrics"])
    # random weights leave nothing out
    assert (uniform["macs"], uniform["parameters"]) == (tuned["macs"], tuned["parameters"])
