"""`--c1`, `--c2`, and spaces with `+c`: the constants of l and s, from the command line to the export."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.run_paths import Runs, run_at

C1, C2 = 0.01, 0.2
RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")


def _prepared(small_set: Any, small_cache: Path) -> Any:
    """The moments of the small set."""
    import iqatune

    return iqatune.prepare(
        "csv",
        "squeezenet",
        backbone_weights="random",
        pairs=small_set.labels,
        better="higher",
        cache_dir=small_cache,
        progress="none",
    )


@pytest.fixture
def record(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> dict[str, Any]:
    """A search with other constants, in the folder `runs`."""
    search = ("search", *small_set.options, *RANDOM_SQUEEZENET, "--searcher", "random", "--samples", 5, "--folds", 2)
    ran = iqatune(*search, "--c1", C1, "--c2", C2, "--cache-dir", small_cache, "--output", "runs", "--json", "--quiet")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


FOLDER = Runs("runs/csv/squeezenet/random-stage-c1=0.01-c2=0.2-s0")


def test_the_figures_are_those_of_the_formulas(record: dict[str, Any], small_set: Any, small_cache: Path) -> None:
    assert (
        (record["run"]["c1"], record["run"]["c2"]) == (record["protocol"]["c1"], record["protocol"]["c2"]) == (C1, C2)
    )
    prepared = _prepared(small_set, small_cache)
    mean_x, mean_y, var_x, var_y, cov = np.moveaxis(prepared.moments.astype(np.float64), 1, 0)
    texture = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * cov + C2) / (var_x + var_y + C2)
    channels = record["channels"]
    share = np.repeat(1 / (2 * len(channels) * np.array(channels)), channels)
    distance = 1 - (texture + structure) @ share
    srcc = spearmanr(prepared.table.quality, -distance).statistic
    assert record["baselines"]["uniform"]["srcc"] == pytest.approx(srcc, abs=1e-9)
    with_dists_own = 1 - ((2 * cov + 1e-6) / (var_x + var_y + 1e-6)) @ share
    assert not np.allclose(distance, with_dists_own)


def test_it_replays_and_goes_on(
    record: dict[str, Any], iqatune: Callable[..., Any], small_set: Any, small_cache: Path
) -> None:
    replayed = iqatune("replay", FOLDER / "result.json", "--cache-dir", small_cache)
    assert (replayed.code, record["status"]) == (0, "complete"), replayed.out
    search = ("search", *small_set.options, *RANDOM_SQUEEZENET, "--searcher", "random", "--samples", 5, "--folds", 2)
    again = iqatune(*search, "--c1", "1e-2", "--c2", C2, "--cache-dir", small_cache, "--output", "runs")
    assert "this run is complete" in again.err
    own = iqatune(*search, "--cache-dir", small_cache, "--output", "runs", "--json")
    assert json.loads(own.out)["baselines"] != record["baselines"]
    assert FOLDER.is_dir()
    assert run_at("runs/csv/squeezenet/random-stage-s0").is_dir()


def test_the_export_holds_them(record: dict[str, Any], iqatune: Callable[..., Any], small_set: Any) -> None:
    export = ("export", FOLDER / "result.json", "--output", "metric.safetensors", "--include-backbone")
    assert iqatune(*export).code == 0
    pair = (small_set.folder / "ref0.png", small_set.folder / "noise0_3.png")
    scores = [
        json.loads(iqatune("score", metric, *pair, "--json").out)["pairs"][0]["distance"]
        for metric in (FOLDER / "result.json", "metric.safetensors")
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert record["best"] is not None


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1_0", "much"])
def test_what_is_no_constant_is_refused(value: str, iqatune: Callable[..., Any], small_set: Any) -> None:
    ran = iqatune("search", *small_set.options, *RANDOM_SQUEEZENET, "--searcher", "random", "--c1", value)
    assert (ran.code, ran.out) == (2, "")
    assert "--c1" in ran.last_line
    assert value in ran.last_line
    assert not Path("runs").exists()


def test_a_grid_has_them(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> None:
    grid = {
        "datasets": [{"dataset": "csv", "pairs": str(small_set.labels), "better": "higher"}],
        "backbones": [{"backbone": "squeezenet", "backbone_weights": "random"}],
        "searchers": ["random"],
        "samples": 3,
        "folds": 0,
        "c1": [1e-6, "1e-2"],
        "c2": 0.01,
    }
    Path("grid.yaml").write_text(json.dumps(grid))
    ran = iqatune("sweep", "grid.yaml", "--jobs", 1, "--output", "out", "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.err
    folders = sorted(cell["folder"] for cell in json.loads(ran.out)["cells"])
    assert [folder.rpartition("/")[2] for folder in folders] == [
        "random-stage-c1=0.01-c2=0.01-folds=0-samples=3-s0",
        "random-stage-c2=0.01-folds=0-samples=3-s0",
    ]
    Path("grid.yaml").write_text(json.dumps({**grid, "c1": "1_0"}))
    refused = iqatune("sweep", "grid.yaml", "--output", "other")
    assert "c1 '1_0': not a number" in refused.last_line


@pytest.fixture
def chosen(search: Callable[..., Any]) -> dict[str, Any]:
    """A search that chooses the constant, in the folder `runs`."""
    ran = search("--searcher", "random", "--space", "stage+c", "--prior", "cube", "--output", "runs", "--json")
    found: dict[str, Any] = json.loads(ran.out)
    return found


WITH_C = Runs("runs/csv/squeezenet/random-stage+c-cube-s0")


def test_the_constant_that_is_chosen_is_that_of_its_number(
    chosen: dict[str, Any], small_set: Any, small_cache: Path
) -> None:
    best = chosen["best"]
    place = min(int(best["parameters"]["c"] * 13), 12)
    assert best["c"] == pytest.approx(10 ** (-6 + place / 2), rel=1e-5)
    prepared = _prepared(small_set, small_cache)
    alpha, beta = np.array(best["alpha"]), np.array(best["beta"])
    for trial in map(json.loads, (WITH_C / "trials.jsonl").read_text().splitlines()):
        numbers = trial["parameters"]
        constant = 10 ** (-6 + min(int(numbers["c"] * 13), 12) / 2)
        mean_x, mean_y, var_x, var_y, cov = np.moveaxis(prepared.moments.astype(np.float64), 1, 0)
        texture = (2 * mean_x * mean_y + constant) / (mean_x**2 + mean_y**2 + constant)
        structure = (2 * cov + constant) / (var_x + var_y + constant)
        shares = np.array([numbers[name] for name in numbers if name != "c"])
        even = np.repeat((shares / shares.sum()).reshape(2, -1) / chosen["channels"], chosen["channels"], axis=1)
        distance = (1 - texture) @ even[0] + (1 - structure) @ even[1]
        assert trial["srcc"] == pytest.approx(spearmanr(prepared.table.quality, -distance).statistic, abs=1e-5)
        if trial["sample"] == best["sample"]:
            assert np.allclose([alpha, beta], even, rtol=1e-6)
            assert best["srcc"] == pytest.approx(trial["srcc"], abs=1e-5)


def test_a_chosen_constant_replays_evaluates_and_is_exported(
    chosen: dict[str, Any], iqatune: Callable[..., Any], small_set: Any, small_cache: Path
) -> None:
    record = WITH_C / "result.json"
    replayed = iqatune("replay", record, "--cache-dir", small_cache, "--json")
    assert replayed.code == 0, replayed.out
    evaluated = iqatune("evaluate", record, *small_set.options, "--cache-dir", small_cache, "--format", "json")
    assert evaluated.code == 0, evaluated.err
    assert json.loads(evaluated.out)["results"][0]["srcc"] == chosen["best"]["srcc"]
    assert iqatune("export", record, "--output", "metric.safetensors", "--include-backbone").code == 0
    pair = (small_set.folder / "ref0.png", small_set.folder / "noise0_3.png")
    scores = [
        json.loads(iqatune("score", metric, *pair, "--json").out)["pairs"][0]["distance"]
        for metric in (record, "metric.safetensors")
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_a_constant_that_was_not_chosen_is_found(
    chosen: dict[str, Any], iqatune: Callable[..., Any], small_cache: Path, forge: Callable[..., Any]
) -> None:
    other = 1e-6 if chosen["best"]["c"] != 1e-6 else 1.0

    def change(content: dict[str, Any]) -> None:
        content["best"]["c"] = other

    forge(WITH_C / "result.json", change)
    replayed = iqatune("replay", WITH_C / "result.json", "--cache-dir", small_cache, "--json")
    assert replayed.code == 1
    assert "best.c" in {changed["name"] for changed in json.loads(replayed.out)["changed"]}


@pytest.mark.parametrize("space", ["stage+1+c", "channel+c"])
def test_every_space_may_choose_it(space: str, search: Callable[..., Any]) -> None:
    ran = search("--searcher", "random", "--space", space, "--output", "runs", "--json")
    assert json.loads(ran.out)["best"]["c"] is not None


@pytest.mark.parametrize("space", ["+c", "stage+c+c", "c", "stage+c+2", "channel+1+c"])
def test_what_is_no_space_is_refused(space: str, search: Callable[..., Any]) -> None:
    ran = search("--searcher", "random", "--space", space, code=2)
    assert "unknown space" in ran.last_line
