"""`--prior` as a user types it: its folder, its record, replay, resuming, sweeps, tables and refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import gamma

import iqatune as package
from tests.run_paths import Runs, run_at

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")
FOLDER = Runs("runs", "csv", "squeezenet")

Command = Callable[..., Any]


def _record(folder: str, output: str = "runs") -> dict[str, Any]:
    record: dict[str, Any] = json.loads(run_at(Path(output, "csv", "squeezenet", folder, "result.json")).read_text())
    return record


def _trials(folder: str, output: str = "runs") -> list[dict[str, Any]]:
    lines = run_at(Path(output, "csv", "squeezenet", folder, "trials.jsonl")).read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("searcher", ["random", "bohb"])
def test_a_search_under_a_prior_is_recorded_and_replays(
    searcher: str, search: Command, iqatune: Command, small_cache: Path
) -> None:
    search("--searcher", searcher, "--prior", "cube")
    printed = search("--searcher", searcher, "--json")
    cube, sparse = _record(f"{searcher}-stage-cube-s0"), _record(f"{searcher}-stage-s0")
    assert json.loads(printed.out) == sparse
    assert (cube["run"]["prior"], sparse["run"]["prior"]) == ("cube", "dirichlet:0.3")
    quantiles = gamma.ppf(list(sparse["best"]["parameters"].values()), 0.3)
    stages = np.split(np.array(sparse["best"]["alpha"]), np.cumsum(sparse["channels"])[:-1])
    np.testing.assert_allclose([stage.sum() for stage in stages], quantiles[:6] / quantiles.sum(), rtol=1e-9)
    ran = iqatune("replay", FOLDER / f"{searcher}-stage-s0" / "result.json", "--cache-dir", small_cache)
    assert ran.code == 0, ran.out
    assert "not proven" not in ran.out.lower()


def test_random_numbers_are_the_same_under_every_prior_and_their_figures_are_not(search: Command) -> None:
    search("--searcher", "random", "--prior", "cube")
    search("--searcher", "random", "--prior", "simplex")
    cube, simplex = _trials("random-stage-cube-s0"), _trials("random-stage-simplex-s0")
    assert [trial["parameters"] for trial in cube] == [trial["parameters"] for trial in simplex]
    assert [trial["srcc"] for trial in cube] != [trial["srcc"] for trial in simplex]


def test_a_replay_finds_another_prior_than_the_one_searched_under(
    search: Command, iqatune: Command, small_cache: Path, forge: Command
) -> None:
    search("--searcher", "random", "--prior", "dirichlet:0.3")
    file = FOLDER / "random-stage-s0" / "result.json"
    forge(file, lambda content: content["run"].update(prior="simplex"))
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 1
    assert {change["name"] for change in json.loads(ran.out)["changed"]} >= {"best.alpha", "best.beta"}


@pytest.mark.parametrize("space", ["channel", "stage+1"])
def test_other_spaces_replay_under_a_prior(space: str, search: Command, iqatune: Command, small_cache: Path) -> None:
    search("--searcher", "random", "--space", space, "--prior", "dirichlet:.50")
    file = FOLDER / f"random-{space}-dirichlet0.5-s0" / "result.json"
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 0, ran.out


@pytest.fixture
def of_an_older_release(search: Command, forge: Command) -> dict[str, Any]:
    """A finished search as it was made before there were priors: under the cube, and in the folder of the default."""
    search("--searcher", "random", "--prior", "cube")
    folder = FOLDER / "random-stage-cube-s0"
    folder.rename(folder.with_name(folder.name.replace("-cube", "")))
    forge(FOLDER / "random-stage-s0" / "result.json", lambda content: content["run"].pop("prior"))
    return _record("random-stage-s0")


def test_a_record_without_the_key_is_of_the_cube(
    of_an_older_release: dict[str, Any], iqatune: Command, small_cache: Path
) -> None:
    file = FOLDER / "random-stage-s0" / "result.json"
    assert package.read_result(file).run.prior == "cube"
    assert "prior" not in of_an_older_release["run"]
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 0, ran.out


def test_a_default_search_leaves_an_older_record_to_reports_and_to_who_goes_on_with_it(
    of_an_older_release: dict[str, Any], search: Command
) -> None:
    ran = search("--searcher", "random")
    assert "held a run of other prior, which is now in runs/csv/squeezenet/" in ran.err
    assert _record("random-stage-cube-s0") == of_an_older_release
    assert _record("random-stage-s0")["run"]["prior"] == "dirichlet:0.3"
    assert "complete" in search("--searcher", "random", "--prior", "cube").err
    assert FOLDER.names == ["random-stage-cube-s0", "random-stage-s0"]


@pytest.mark.parametrize("searcher", ["random", "blendsearch"])
def test_a_resumed_search_equals_a_whole_one(searcher: str, search: Command, forge: Command) -> None:
    options = ("--searcher", searcher, "--prior", "dirichlet:0.3")
    search(*options)
    search(*options, "--output", "again")
    name = f"{searcher}-stage-s0"
    folder = run_at(Path("again", "csv", "squeezenet", name))
    trials = (folder / "trials.jsonl").read_text().splitlines(keepends=True)
    (folder / "trials.jsonl").write_text("".join(trials[:3]))
    interrupted = {"status": "interrupted", "best": None, "held_out": None, "confidence": None, "trials_file": None}
    forge(folder / "result.json", lambda content: content.update(interrupted))
    search(*options, "--output", "again")
    whole, resumed = _record(name), _record(name, "again")
    for key in ("run", "best", "held_out", "confidence", "strategy"):
        assert resumed[key] == whole[key]
    assert _untimed(_trials(name, "again")) == _untimed(_trials(name))


def _untimed(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in trial.items() if key not in ("seconds", "check")} for trial in trials]


def test_two_spellings_are_one_run(search: Command) -> None:
    search("--searcher", "random", "--prior", "dirichlet:0.30")
    assert "complete" in search("--searcher", "random", "--prior", "dirichlet:.3").err
    search("--searcher", "random", "--prior", "simplex")
    assert "complete" in search("--searcher", "random", "--prior", "dirichlet:1.0").err
    assert FOLDER.names == [
        "random-stage-s0",
        "random-stage-simplex-s0",
    ]


@pytest.mark.parametrize(
    "prior", ["simplx", "dirichlet", "dirichlet:", "dirichlet:0.01", "dirichlet:101", "dirichlet:-1"]
)
def test_a_bad_word_is_refused_in_one_line(prior: str, search: Command) -> None:
    ran = search("--searcher", "random", "--prior", prior, code=2)
    assert ran.err.startswith(f"iqatune: --prior {prior}: ")
    assert "dirichlet:0.3" in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not Path("runs").exists()


def test_a_sweep_over_priors_gives_each_its_folder_and_row(iqatune: Command, small_set: Any, small_cache: Path) -> None:
    Path("grid.yaml").write_text(
        f"datasets: [{{dataset: csv, pairs: {small_set.labels}, better: higher}}]\n"
        "backbones: [{backbone: squeezenet, backbone_weights: random}]\n"
        "searchers: [random]\npriors: [cube, simplex, dirichlet:0.3]\nsamples: 4\nfolds: 2\n"
    )
    ran = iqatune("sweep", "grid.yaml", "--cache-dir", small_cache, "--output", "runs", "--jobs", 1)
    assert ran.code == 0, ran.err
    assert FOLDER.names == [
        "random-stage-cube-s0",
        "random-stage-s0",
        "random-stage-simplex-s0",
    ]
    assert "stage, simplex prior" in ran.out
    assert "stage, cube prior" in ran.out
    cells = json.loads(Path("runs", "sweep.json").read_text())["cells"]
    assert [cell["prior"] for cell in cells] == ["cube", "simplex", "dirichlet:0.3"]
    ran = iqatune("report", "runs", "--output", "report")
    assert ran.code == 0, ran.err
    tables = {file.stem for file in Path("report", "tables").glob("scores-*.csv")}
    assert tables == {f"scores-random-stage{part}-4" for part in ("", "-simplex", "-cube")}
    records = sorted(FOLDER.rglob("result.json"))
    ran = iqatune("evaluate", *records, *small_set.options, "--cache-dir", small_cache, "--format", "json")
    assert ran.code == 0, ran.err
    assert {metric["prior"] for metric in json.loads(ran.out)["results"]} == {"cube", "simplex", "dirichlet:0.3"}


def test_a_bad_prior_in_a_grid_is_refused_before_any_work(iqatune: Command) -> None:
    Path("grid.yaml").write_text("datasets: demo\nbackbones: squeezenet\nsearchers: random\npriors: [cube, sparse]\n")
    ran = iqatune("sweep", "grid.yaml")
    assert ran.code == 2
    assert ran.last_line.startswith("iqatune: grid.yaml: --prior sparse: ")


def test_python_takes_a_prior(small_set: Any, small_cache: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "dataset": "csv",
        "pairs": small_set.labels,
        "better": "higher",
        "backbone_weights": "random",
    }
    where: dict[str, Any] = {"cache_dir": small_cache, "progress": "none"}
    result = package.tune(
        **options,
        backbone="squeezenet",
        searcher="random",
        samples=4,
        folds=0,
        prior="simplex",
        output=tmp_path,
        **where,
    )
    assert result.run.prior == "simplex"
    prepared = package.prepare(**options, backbone="squeezenet", **where)
    space = prepared.space("stage", "simplex")
    assert result.best is not None
    weights = space.weights(np.array([result.best.parameters[name] for name in space.names]))
    np.testing.assert_allclose(weights.alpha, result.best.alpha)
    with pytest.raises(package.InputError, match="prior=sparse: no prior"):
        package.tune(**options, backbone="squeezenet", searcher="random", prior="sparse", output=tmp_path, **where)
