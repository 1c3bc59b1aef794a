"""`--objective` as a user types it: best by its value, held-out figures, replay, resuming, refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iqatune as package
from tests.run_paths import Runs, run_at

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")
FOLDER = Runs("runs", "csv", "squeezenet")
OTHERS = ("krcc", "plcc", "reference-srcc", "worst-distortion")

Command = Callable[..., Any]


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return record


def _trials(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("objective", OTHERS)
@pytest.mark.parametrize("searcher", ["random", "bohb"])
def test_the_best_sample_has_the_highest_value_and_the_record_replays(
    objective: str, searcher: str, search: Command, iqatune: Command, small_cache: Path
) -> None:
    ran = search("--searcher", searcher, "--objective", objective)
    assert f"Maximised: {objective}" in ran.out
    folder = FOLDER / f"{searcher}-stage-{objective}-s0"
    record, trials = _record(folder), _trials(folder)
    assert record["run"]["objective"] == objective
    whole = [trial for trial in trials if trial["budget"] == 1]
    best = max(whole, key=lambda trial: trial["value"])
    assert record["best"]["sample"] == best["sample"]
    assert record["best"]["value"] == pytest.approx(best["value"], abs=1e-9)
    assert record["best"]["srcc"] == pytest.approx(best["srcc"], abs=1e-9)
    if objective in ("krcc", "plcc"):
        assert record["best"]["value"] == record["best"][objective]
        assert record["baselines"]["uniform_value"] == record["baselines"]["uniform"][objective]
    held_out = record["held_out"]
    for name, mean in (("held_out", "mean"), ("uniform", "uniform_mean")):
        values = [fold["objective"][name] for fold in held_out["per_fold"]]
        assert held_out["objective"][mean] == pytest.approx(np.mean(values))
    ran = iqatune("replay", folder / "result.json", "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.out
    replay = json.loads(ran.out)
    assert replay["notes"] == []
    assert {"best.value", "baselines.uniform_value", "held_out.per_fold[1].objective.held_out"} <= {
        figure["name"] for figure in replay["figures"]
    }


@pytest.mark.parametrize(("objective", "by"), [("reference-srcc", "reference"), ("worst-distortion", "distortion")])
def test_values_of_groups_are_those_that_evaluate_finds(
    objective: str, by: str, search: Command, iqatune: Command, small_set: Any, small_cache: Path
) -> None:
    search("--searcher", "random", "--objective", objective)
    record = FOLDER / f"random-stage-{objective}-s0" / "result.json"
    ran = iqatune("evaluate", record, *small_set.options, "--by", by, "--cache-dir", small_cache, "--format", "json")
    groups = [group["srcc"] for group in json.loads(ran.out)["results"][0]["groups"]]
    expected = np.mean(groups) if by == "reference" else min(groups)
    assert json.loads(record.read_text())["best"]["value"] == pytest.approx(expected, abs=1e-9)


def test_under_srcc_records_and_trials_say_what_they_said(search: Command) -> None:
    search("--searcher", "random")
    record, trials = _record(FOLDER / "random-stage-s0"), _trials(FOLDER / "random-stage-s0")
    assert all("value" not in trial for trial in trials)
    assert record["best"]["value"] is None
    assert record["held_out"]["objective"] is None


def test_a_forged_value_is_found(search: Command, iqatune: Command, small_cache: Path, forge: Command) -> None:
    search("--searcher", "random", "--objective", "krcc")
    file = FOLDER / "random-stage-krcc-s0" / "result.json"
    forge(file, lambda content: content["best"].update(value=0.99))
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 1
    assert [f["name"] for f in json.loads(ran.out)["figures"] if not f["same"]] == ["best.value"]


@pytest.mark.parametrize("searcher", ["blendsearch", "bohb"])
def test_a_resumed_search_equals_a_whole_one(searcher: str, search: Command, forge: Command) -> None:
    options = ("--searcher", searcher, "--objective", "krcc")
    search(*options)
    search(*options, "--output", "again")
    name = f"{searcher}-stage-krcc-s0"
    whole, folder = FOLDER / name, run_at(Path("again", "csv", "squeezenet", name))
    lines = (folder / "trials.jsonl").read_text().splitlines(keepends=True)
    (folder / "trials.jsonl").write_text("".join(lines[:5]))
    interrupted = {"status": "interrupted", "best": None, "held_out": None, "confidence": None, "trials_file": None}
    forge(folder / "result.json", lambda content: content.update(interrupted))
    search(*options, "--output", "again")
    for key in ("run", "best", "baselines", "held_out", "strategy"):
        assert _record(folder)[key] == _record(whole)[key]
    values = [(trial["trial_id"], trial["value"], trial["srcc"]) for trial in _trials(whole)]
    assert [(trial["trial_id"], trial["value"], trial["srcc"]) for trial in _trials(folder)] == values


def test_worst_distortion_needs_labels(iqatune: Command, small_set: Any, small_cache: Path) -> None:
    rows = [line.split(",")[:3] for line in small_set.labels.read_text().splitlines()]
    rows[1:] = [[*(str(small_set.folder / name) for name in row[:2]), row[2]] for row in rows[1:]]
    Path("bare.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    options = ("--dataset", "csv", "--pairs", "bare.csv", "--better", "higher", *BACKBONE, "--searcher", "random")
    ran = iqatune("search", *options, "--objective", "worst-distortion", "--cache-dir", small_cache)
    assert ran.code == 2
    assert ran.last_line.startswith("iqatune: --objective worst-distortion: the pairs have no distortion labels")


def test_references_without_an_srcc_are_said(iqatune: Command, small_set: Any, small_cache: Path) -> None:
    lines = small_set.labels.read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    for row in rows:
        row[:2] = [str(small_set.folder / name) for name in row[:2]]
        if Path(row[0]).name == "ref2.png":
            row[2] = "4.0"
    Path("flat.csv").write_text("\n".join([lines[0], *(",".join(row) for row in rows)]) + "\n")
    options = ("--dataset", "csv", "--pairs", "flat.csv", "--better", "higher", *BACKBONE, "--searcher", "random")
    few = ("--samples", 3, "--folds", 0, "--cache-dir", small_cache)
    ran = iqatune("search", *options, *few, "--objective", "reference-srcc")
    assert ran.code == 0, ran.err
    assert "1 of 6 references left out" in ran.err
    (file,) = Path("runs").rglob("result.json")
    assert "1 of 6 references left out" in json.loads(file.read_text())["strategy"]["warnings"][0]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--objective", "srocc"), "--objective"),
        (("--objective", "krcc", "--engine", "ray"), "--objective krcc: --engine ray maximises only the SRCC"),
    ],
)
def test_what_cannot_be_maximised_is_refused_in_one_line(options: tuple[str, ...], line: str, search: Command) -> None:
    ran = search("--searcher", "random", *options, code=2)
    assert line in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_sweeps_reports_and_python_tell_objectives_apart(iqatune: Command, small_set: Any, small_cache: Path) -> None:
    Path("grid.yaml").write_text(
        f"datasets: [{{dataset: csv, pairs: {small_set.labels}, better: higher}}]\n"
        "backbones: [{backbone: squeezenet, backbone_weights: random}]\n"
        "searchers: [random]\nobjectives: [srcc, krcc]\nsamples: 4\nfolds: 2\n"
    )
    ran = iqatune("sweep", "grid.yaml", "--cache-dir", small_cache, "--jobs", 1)
    assert ran.code == 0, ran.err
    assert "stage, maximising krcc" in ran.out
    assert FOLDER.names == ["random-stage-krcc-s0", "random-stage-s0"]
    assert iqatune("report", "runs", "--output", "report").code == 0
    tables = {file.stem for file in Path("report", "tables").glob("scores-*.csv")}
    assert tables == {"scores-random-stage-4", "scores-random-stage-krcc-4"}
    result = package.read_result(FOLDER / "random-stage-krcc-s0")
    assert result.best is not None
    assert result.trials()["value"].max() == pytest.approx(result.best.krcc, abs=1e-9)
    (axes,) = result.plot_search().axes
    assert axes.get_ylabel() == "krcc"
