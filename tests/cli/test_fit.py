"""`--searcher fit`, as it is typed: its record, its proof, and what happens when it is interrupted or altered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.run_paths import Runs

FOLDER = Runs("runs/csv/squeezenet/fit-stage-s0")


@pytest.fixture
def record(search: Callable[..., Any]) -> dict[str, Any]:
    """A finished fit, in the folder `runs`."""
    found: dict[str, Any] = json.loads(search("--searcher", "fit", "--output", "runs", "--json").out)
    return found


def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / "trials.jsonl").read_text().splitlines()]


def test_the_path_is_recorded_and_chosen_by_its_inner_folds(record: dict[str, Any]) -> None:
    lines = _lines()
    assert [line["chosen_by"] for line in lines] == ["initial"] + ["fit"] * (len(lines) - 1)
    assert record["strategy"]["fitted"] == len(lines) - 1 >= 4
    assert record["run"]["samples"] == 8  # what was asked for, which says nothing to a path
    shrinkages = [line["inner"]["shrinkage"] for line in lines]
    assert shrinkages[0] is None
    assert shrinkages[1:] == sorted(shrinkages[1:], reverse=True)
    inner = {line["sample"]: line["inner"] for line in lines}
    best = max(inner, key=lambda sample: inner[sample]["mean"])
    is_above = inner[best]["mean"] - inner[0]["mean"] > inner[best]["error"]
    assert record["best"]["sample"] == (best if is_above else 0)
    said = record["strategy"]["details"]["shrinkage"]
    assert said == (f"{inner[best]['shrinkage']:g}" if is_above else "to the uniform weights")
    assert all(fold["parameters"] for fold in record["held_out"]["per_fold"])


def test_it_is_proven_whole(record: dict[str, Any], iqatune: Callable[..., Any], small_cache: Path) -> None:
    replayed = iqatune("replay", FOLDER / "result.json", "--cache-dir", small_cache, "--json")
    found = json.loads(replayed.out)
    assert (replayed.code, found["changed"], found["notes"]) == (0, [], [])
    assert record["status"] == "complete"


def test_an_interrupted_path_ends_as_if_it_had_not_been(
    record: dict[str, Any], search: Callable[..., Any], forge: Callable[..., Any]
) -> None:
    whole = (FOLDER / "trials.jsonl").read_bytes().splitlines(keepends=True)

    def undo(content: dict[str, Any]) -> None:
        content.update(status="interrupted", held_out=None, confidence=None, trials_file=None)

    forge(FOLDER / "result.json", undo)
    (FOLDER / "trials.jsonl").write_bytes(b"".join(whole[:2]))
    again = json.loads(search("--searcher", "fit", "--output", "runs", "--json").out)
    assert [again[key] for key in ("best", "held_out", "confidence")] == [
        record[key] for key in ("best", "held_out", "confidence")
    ]
    assert [line["inner"] for line in _lines()] == [json.loads(line)["inner"] for line in whole]


def test_inner_figures_that_were_made_up_are_found(
    record: dict[str, Any], iqatune: Callable[..., Any], small_cache: Path, forge: Callable[..., Any]
) -> None:
    """Another sample made to look the best one, with checksums that are right again."""
    from iqatune.records.trials import TrialLog, read_trials

    names = tuple(record["best"]["parameters"])
    trials = list(read_trials(FOLDER / "trials.jsonl", names).trials)
    inner = trials[2].inner
    assert inner is not None
    object.__setattr__(inner, "mean", 0.999)
    (FOLDER / "trials.jsonl").unlink()
    log = TrialLog(FOLDER / "trials.jsonl", names)
    log.extend(trials)

    def take(content: dict[str, Any]) -> None:
        content["trials_file"] = log.digest.model_dump()

    forge(FOLDER / "result.json", take)
    replayed = iqatune("replay", FOLDER / "result.json", "--cache-dir", small_cache, "--json")
    assert replayed.code == 1
    assert f"trial {trials[2].trial_id}" in {changed["name"] for changed in json.loads(replayed.out)["changed"]}


def test_the_prior_changes_no_weight(record: dict[str, Any], search: Callable[..., Any]) -> None:
    other = json.loads(search("--searcher", "fit", "--prior", "dirichlet:0.3", "--output", "runs", "--json").out)
    for name in ("alpha", "beta"):
        assert other["best"][name] == pytest.approx(record["best"][name], abs=1e-12)


def test_what_it_has_no_use_for_is_refused(search: Callable[..., Any]) -> None:
    ran = search("--searcher", "fit", "--stop", "auto", code=2)
    assert ran.last_line.startswith("iqatune: --stop auto")


@pytest.mark.parametrize("space", ["stage+1", "channel", "stage+c", "channel+c"])
def test_it_fits_every_space(space: str, search: Callable[..., Any]) -> None:
    found = json.loads(search("--searcher", "fit", "--space", space, "--output", "runs", "--json").out)
    assert found["status"] == "complete"
    assert (found["best"]["c"] is not None) == space.endswith("+c")


def test_a_report_draws_its_path(record: dict[str, Any], iqatune: Callable[..., Any], small_cache: Path) -> None:
    assert record["status"] == "complete"
    assert iqatune("report", "runs", "--output", "report").code == 0
    (table,) = [path.read_text() for path in Path("report/tables").glob("fits.csv")]
    assert str(record["held_out"]["srcc_mean"])[:8] in table
    assert list(Path("report/figures").glob("fits-*.svg"))
    assert "The direct fit" in Path("report/report.md").read_text()
