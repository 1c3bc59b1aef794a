"""`--stop auto`, and more `--samples` than a finished search has, as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.run_paths import Runs, run_at

FOLDER = Runs("runs", "csv", "squeezenet")
Command = Callable[..., Any]


@pytest.fixture
def typed(iqatune: Command, small_set: Any, small_cache: Path) -> Command:
    """`iqatune search` over the small set with two folds."""

    def run(*options: object) -> Any:
        settings = ("--backbone", "squeezenet", "--backbone-weights", "random", "--cache-dir", small_cache)
        ran = iqatune("search", *small_set.options, *settings, "--folds", 2, *options)
        assert ran.code == 0, ran.err
        return ran

    return run


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return record


def _folder(output: str, samples: int) -> Path:
    """The only run of so many samples."""
    (folder,) = Path(output).rglob(f"*-samples={samples}-s0")
    return folder


def _files(output: str, samples: int) -> dict[str, bytes]:
    """What is in its folder."""
    return {file.name: file.read_bytes() for file in _folder(output, samples).iterdir()}


def _trials(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "trials.jsonl").read_text().splitlines()
    return [{**json.loads(line), "seconds": 0, "check": ""} for line in lines]


def _found(folder: Path) -> tuple[object, ...]:
    """What a search found, without what its time and place change."""
    record = _record(folder)
    return _trials(folder), *(record[key] for key in ("status", "run", "best", "held_out", "confidence", "strategy"))


class TestStopAuto:
    def test_it_stops_says_so_and_replays(self, typed: Command, iqatune: Command, small_cache: Path) -> None:
        ran = typed("--searcher", "random", "--stop", "auto")
        folder = FOLDER / "random-stage-stop=auto-s0"
        record = _record(folder)
        said = record["strategy"]["details"]["stopped"]
        assert record["run"]["stop"] == "auto"
        assert record["run"]["samples"] == 1000
        assert f"random: stopped {said}" in ran.err
        assert f"after {len(_trials(folder))} samples: further ones may gain up to" in said
        assert f", {len(_trials(folder))} samples" in ran.out
        replayed = iqatune("replay", folder / "result.json", "--cache-dir", small_cache, "--json")
        assert replayed.code == 0, replayed.out
        assert json.loads(replayed.out)["notes"] == []
        # the folds' searches stop by the rule too, and a finished search is not begun again
        assert record["held_out"]["folds"] == 2
        assert "this run is complete" in typed("--searcher", "random", "--stop", "auto").err

    def test_samples_are_the_maximum(self, typed: Command) -> None:
        ran = typed("--searcher", "optuna:tpe", "--stop", "auto", "--samples", 12)
        record = _record(FOLDER / "optuna_tpe-stage-stop=auto-s0")
        assert record["strategy"]["details"] == {
            "stopped": "at the maximum of 12 samples, before the first look at 120"
        }
        assert "the first look is after 120 samples, 10 for each number of the space" in ran.err
        assert sum(record["strategy"][kind] for kind in ("random", "model")) == 12

    def test_it_may_come_from_a_variable_and_without_it_samples_are_50(
        self, typed: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        typed("--searcher", "random", "--folds", 0)
        assert _record(FOLDER / "random-stage-s0")["run"]["samples"] == 50
        assert _record(FOLDER / "random-stage-s0")["run"]["stop"] is None
        monkeypatch.setenv("IQATUNE_STOP", "auto")
        typed("--searcher", "random", "--folds", 0)
        assert (FOLDER / "random-stage-stop=auto-s0").is_dir()

    def test_a_grid_may_have_it(self, iqatune: Command, small_set: Any, small_cache: Path) -> None:
        Path("grid.yaml").write_text(
            f"datasets: [{{dataset: csv, pairs: {small_set.labels}, better: higher}}]\n"
            "backbones: [{backbone: squeezenet, backbone_weights: random}]\n"
            "searchers: ['nevergrad:pso']\nstops: [none, auto]\nfolds: 0\n"
        )
        ran = iqatune("sweep", "grid.yaml", "--cache-dir", small_cache, "--output", "out", "--jobs", 1, "--json")
        assert ran.code == 0, ran.err
        cells = json.loads(ran.out)["cells"]
        assert [(cell["searcher"], cell["stop"]) for cell in cells] == [
            ("nevergrad:PSO", None),
            ("nevergrad:PSO", "auto"),
        ]
        places = [Path("out", cell["folder"]) for cell in cells]
        assert [_record(place)["run"]["samples"] for place in places] == [50, 1000]
        assert all(":" not in place.name for place in places)

    def test_a_wrong_word_is_refused(self, iqatune: Command) -> None:
        ran = iqatune(
            "search", "--dataset", "demo", "--backbone", "squeezenet", "--searcher", "random", "--stop", "now"
        )
        assert ran.code == 2
        assert "'--stop': 'now' is not 'auto'" in ran.err

    @pytest.mark.parametrize("samples", [119, 125])
    def test_a_search_that_ended_elsewhere_is_not_proven(
        self, samples: int, typed: Command, iqatune: Command, forge: Command, small_cache: Path
    ) -> None:
        typed("--searcher", "random", "--samples", samples)
        record = FOLDER / "random-stage-s0" / "result.json"

        def as_if_stopped(content: Any) -> None:
            content["run"].update(stop="auto", samples=1000)
            content["strategy"]["details"] = {"stopped": f"after {samples} samples: as I say"}

        forge(record, as_if_stopped)
        ran = iqatune("replay", record, "--cache-dir", small_cache, "--json")
        assert ran.code == 1
        changed = {change["name"] for change in json.loads(ran.out)["changed"]}
        assert ("trials" if samples < 120 else "trial 00120") in changed


class TestMoreSamples:
    @pytest.mark.parametrize(
        ("searcher", "fewer", "more"),
        [
            ("random", 7, 30),
            ("bayesopt", 12, 14),
            ("ax", 3, 6),
            ("nevergrad:PSO", 42, 47),
            ("nevergrad:CMAsmall", 9, 30),
            ("optuna:tpe", 12, 20),
            ("optuna:cmaes", 8, 30),
            ("optuna:gp", 11, 13),
            ("optuna:nsga2", 51, 55),
        ],
    )
    def test_it_goes_on_to_what_a_search_of_that_many_finds(
        self, searcher: str, fewer: int, more: int, typed: Command
    ) -> None:
        name = searcher.replace(":", "_")
        folds = ("--folds", 2 if searcher in ("random", "optuna:tpe") else 0)
        typed("--searcher", searcher, *folds, "--samples", fewer, "--output", "grown")
        ran = typed("--searcher", searcher, *folds, "--samples", more, "--output", "grown")
        before = _files("grown", fewer)
        assert f"goes on from {fewer} samples to {more}" in ran.err
        typed("--searcher", searcher, *folds, "--samples", more, "--output", "whole")
        grown, whole = (_folder(output, more) for output in ("grown", "whole"))
        assert grown.name.startswith(f"{name}-stage-")
        assert _found(grown) == _found(whole)
        assert _files("grown", fewer) == before

    @pytest.mark.parametrize("searcher", ["bohb", "nevergrad", "nevergrad:LHSSearch"])
    def test_one_that_plans_by_their_number_begins_anew(self, searcher: str, typed: Command) -> None:
        typed("--searcher", searcher, "--folds", 0, "--samples", 6)
        before = _files("runs", 6)
        ran = typed("--searcher", searcher, "--folds", 0, "--samples", 9)
        assert (
            f"{searcher} plans its samples by their total number, so a search with more of them starts again" in ran.err
        )
        assert _files("runs", 6) == before
        assert _record(_folder("runs", 9))["run"]["samples"] == 9

    def test_fewer_are_another_run(self, typed: Command) -> None:
        typed("--searcher", "random", "--samples", 9)
        before = _files("runs", 9)
        assert "goes on" not in typed("--searcher", "random", "--samples", 6).err
        assert _files("runs", 9) == before
        assert len(_trials(_folder("runs", 6))) == 6

    def test_other_options_beside_are_another_run(self, typed: Command) -> None:
        typed("--searcher", "random", "--samples", 6)
        ran = typed("--searcher", "random", "--samples", 9, "--pooling", "l2")
        assert "goes on" not in ran.err
        assert len(list(Path("runs").rglob("result.json"))) == 2

    def test_a_stopped_search_of_a_larger_maximum_goes_on(self, typed: Command) -> None:
        stop = ("--searcher", "random", "--stop", "auto")
        typed(*stop, "--samples", 10, "--output", "grown")
        ran = typed(*stop, "--output", "grown")
        assert "goes on from 10 samples to 1000" in ran.err
        typed(*stop, "--output", "whole")
        place = "csv/squeezenet/random-stage-stop=auto-folds=2-s0"
        assert _found(run_at(Path("grown", place))) == _found(run_at(Path("whole", place)))
