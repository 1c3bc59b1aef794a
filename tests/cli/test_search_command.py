"""`iqatune search`, `evaluate`, `extract` and `list` as a user types them."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iqatune as package
from iqatune.records.run_folder import RunFolder
from tests.run_paths import Runs, run_at

SEARCHERS = ("random", "blendsearch", "ax", "bayesopt", "bohb", "nevergrad")
RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")


@pytest.fixture
def search(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> Callable[..., Any]:
    """`iqatune search` over the small set; ends with exit code 0."""

    def run(*options: object, code: int = 0) -> Any:
        ran = iqatune("search", *small_set.options, *RANDOM_SQUEEZENET, "--cache-dir", small_cache, *options)
        assert ran.code == code, ran.err
        return ran

    return run


def _record(searcher: str = "random", space: str = "stage", seed: int = 0, output: str = "runs") -> dict[str, Any]:
    path = run_at(Path(output, "csv", "squeezenet", f"{searcher}-{space}-s{seed}", "result.json"))
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def _without_time(record: dict[str, Any]) -> dict[str, Any]:
    timed = ("timing", "environment", "trials_file", "seal")
    return {key: value for key, value in record.items() if key not in timed}


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_every_searcher_ends_with_a_whole_record(searcher: str, search: Callable[..., Any]) -> None:
    ran = search("--searcher", searcher, "--samples", 8, "--folds", 2, "--json")
    printed = json.loads(ran.out)
    record = _record(searcher)
    assert printed == record
    assert record["schema"] == "iqatune.result/1"
    assert record["status"] == "complete"
    assert record["channels"] == [3, 64, 128, 256, 384, 512]
    best = record["best"]
    assert sum(best["alpha"]) + sum(best["beta"]) == pytest.approx(1, abs=1e-9)
    assert len(best["alpha"]) == len(best["beta"]) == sum(record["channels"])
    lines = run_at(Path("runs/csv/squeezenet", f"{searcher}-stage-s0", "trials.jsonl")).read_text().splitlines()
    trials = [json.loads(line) for line in lines]
    assert {trial["sample"] for trial in trials} == set(range(8))
    whole = [trial for trial in trials if trial["budget"] == 1]
    winner = max(whole, key=lambda trial: trial["srcc"])
    assert winner["parameters"] == best["parameters"]
    assert winner["srcc"] == pytest.approx(best["srcc"], abs=1e-9)
    strategy = record["strategy"]
    assert sum(strategy[kind] for kind in ("random", "initial", "model", "local")) == 8
    assert sum(strategy["evaluations"].values()) == len(trials)
    held_out = record["held_out"]
    assert held_out["folds"] == len(held_out["per_fold"]) == 2
    folds = [fold["srcc"] for fold in held_out["per_fold"]]
    assert held_out["srcc_mean"] == pytest.approx(np.mean(folds), abs=1e-12)
    on_all = [fold["tuned_on_all_srcc"] for fold in held_out["per_fold"]]
    assert held_out["optimism"] == pytest.approx(np.mean(np.subtract(on_all, folds)), abs=1e-12)
    assert sorted(name for fold in held_out["per_fold"] for name in fold["references"]) == sorted(
        {name for fold in held_out["per_fold"] for name in fold["references"]}
    )
    assert record["confidence"]["srcc"][0] <= best["srcc"] <= record["confidence"]["srcc"][1]


def test_the_table_shows_tuned_held_out_and_uniform(search: Callable[..., Any]) -> None:
    ran = search("--searcher", "random", "--samples", 5)
    record = _record()
    for figure in (
        record["best"]["srcc"],
        record["baselines"]["uniform"]["srcc"],
        record["held_out"]["srcc_mean"],
        record["held_out"]["uniform_srcc_mean"],
    ):
        assert f"{figure:.4f}" in ran.out
    assert "result.json" in ran.out


def test_the_last_lines_are_gains_on_the_same_pairs_and_a_verdict(
    search: Callable[..., Any], make_older: Callable[[Path], None]
) -> None:
    ran = search("--searcher", "random", "--samples", 5, "--folds", 3)
    record = _record()
    held_out, uniform = record["held_out"], record["baselines"]["uniform"]["srcc"]
    gain = held_out["srcc_mean"] - held_out["uniform_srcc_mean"]
    line = next(line for line in ran.out.splitlines() if line.startswith("Gain over the uniform weights"))
    assert f"{record['best']['srcc'] - uniform:+z.4f} tuned (all 48 pairs)" in line
    assert f"{gain:+z.4f} held out (mean of 3 folds by reference" in line
    assert f"standard error {held_out['gain_error']:.4f}" in line
    # 2 references a fold, 4 to tune on
    differences = [fold["srcc"] - fold["uniform_srcc"] for fold in held_out["per_fold"]]
    assert held_out["gain_error"] == pytest.approx(np.sqrt((1 / 3 + 2 / 4) * np.var(differences, ddof=1)), rel=1e-9)
    assert f"Optimism: {held_out['optimism']:+z.4f}, " in ran.out
    said = {"helped": "tuning helped", "harmed": "tuning harmed", "not shown to help": "tuning is not shown to help"}
    assert f"Verdict: {said[held_out['verdict']]}" in ran.out
    assert "Tuned minus held-out" not in ran.out

    file = run_at("runs/csv/squeezenet/random-stage-s0/result.json")
    make_older(file)
    ran = search("--searcher", "random", "--samples", 5, "--folds", 3)
    assert "as an older release recorded it" in ran.out
    assert "Optimism:" not in ran.out
    assert line in ran.out
    printed = json.loads(search("--searcher", "random", "--samples", 5, "--folds", 3, "--json").out)
    assert not any("tuned_on_all_srcc" in fold for fold in printed["held_out"]["per_fold"])


def test_few_folds_and_none_show_nothing(search: Callable[..., Any]) -> None:
    ran = search("--searcher", "random", "--samples", 5, "--folds", 2)
    assert _record()["held_out"]["verdict"] == "not shown to help"
    assert "Verdict: tuning is not shown to help: 2 folds are too few to tell; it takes 3." in ran.out
    ran = search("--searcher", "random", "--samples", 5, "--folds", 0)
    assert "Verdict: tuning is not shown to help: nothing was held out" in ran.out


def test_the_same_seed_gives_the_same_record_and_another_does_not(search: Callable[..., Any]) -> None:
    for output in ("a", "b"):
        search("--searcher", "random", "--samples", 6, "--output", output)
    search("--searcher", "random", "--samples", 6, "--seed", 1, "--output", "a")
    assert _without_time(_record(output="a")) == _without_time(_record(output="b"))
    assert _record(output="a", seed=1)["best"]["parameters"] != _record(output="a")["best"]["parameters"]


def test_a_complete_run_is_not_searched_again(search: Callable[..., Any]) -> None:
    search("--searcher", "random", "--samples", 4)
    before = run_at("runs/csv/squeezenet/random-stage-s0/result.json").read_bytes()
    ran = search("--searcher", "random", "--samples", 4)
    assert "complete" in ran.err
    assert run_at("runs/csv/squeezenet/random-stage-s0/result.json").read_bytes() == before


def test_a_run_with_other_options_has_a_folder_of_its_own(search: Callable[..., Any]) -> None:
    for samples in (7, 5, 4):
        search("--searcher", "random", "--samples", samples)
    for samples in (7, 5, 4):
        (folder,) = Path("runs").rglob(f"random-stage-samples={samples}-s0")
        assert sorted(path.name for path in folder.iterdir()) == [".lock", "result.json", "trials.jsonl"]
        assert len((folder / "trials.jsonl").read_text().splitlines()) == samples
        assert json.loads((folder / "result.json").read_text())["run"]["samples"] == samples


def test_an_unfinished_run_of_other_options_is_put_out_of_the_way_and_said_so(
    search: Callable[..., Any], forge: Callable[..., None]
) -> None:
    named = ("--searcher", "random", "--samples", 4, "--name", "mine")
    search(*named)
    folder = Path("runs/csv/squeezenet/mine")
    forge(folder / "result.json", lambda record: record.update(status="interrupted", trials_file=None, held_out=None))
    ran = search(*named, "--pooling", "l2")
    assert "held a run of other pooling" in ran.err
    assert "whose record is now result-1.json" in ran.err
    assert len((folder / "trials-1.jsonl").read_text().splitlines()) == 4


def test_two_searches_do_not_write_into_one_folder(search: Callable[..., Any]) -> None:
    folder = Path("runs/csv/squeezenet/mine")
    with RunFolder(folder).locked():
        ran = search("--searcher", "random", "--samples", 4, "--name", "mine", code=2)
    assert ran.last_line.startswith(f"iqatune: {folder}: process {os.getpid()} on ")
    assert search("--searcher", "random", "--samples", 4, "--name", "mine").code == 0


@pytest.mark.parametrize("searcher", ["random", "bohb", "nevergrad"])
def test_a_killed_search_goes_on_to_the_same_record(
    searcher: str, search: Callable[..., Any], forge: Callable[..., None]
) -> None:
    search("--searcher", searcher, "--samples", 9, "--output", "whole")
    search("--searcher", searcher, "--samples", 9, "--output", "torn")
    folder = run_at(Path("torn/csv/squeezenet", f"{searcher}-stage-s0"))
    # what a kill in the middle of writing the fifth line leaves behind
    running = {"status": "running", "best": None, "held_out": None, "trials_file": None}
    forge(folder / "result.json", lambda record: record.update(running))
    lines = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "trials.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:30])
    search("--searcher", searcher, "--samples", 9, "--output", "torn")
    assert _without_time(_record(searcher, output="torn")) == _without_time(_record(searcher, output="whole"))
    torn, whole = (
        [json.loads(line) for line in Path(output, *folder.parts[1:], "trials.jsonl").read_text().splitlines()]
        for output in ("torn", "whole")
    )
    timed = {"seconds": 0, "check": ""}
    assert [{**trial, **timed} for trial in torn] == [{**trial, **timed} for trial in whole]


def test_trials_of_another_search_are_refused(search: Callable[..., Any], forge: Callable[..., None]) -> None:
    search("--searcher", "random", "--samples", 4)
    folder = run_at("runs/csv/squeezenet/random-stage-s0")
    forge(folder / "result.json", lambda record: record.update(status="running", trials_file=None))
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    trials[1]["parameters"]["alpha_0"] = 0.5
    # as the first releases wrote them, which gave no line a checksum
    lines = [{key: value for key, value in trial.items() if key != "check"} for trial in trials[:2]]
    (folder / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = search("--searcher", "random", "--samples", 4, code=2)
    assert "delete the folder" in ran.last_line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_keeps_a_valid_record_and_exits_130(
    number: signal.Signals, small_set: Any, small_cache: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "iqatune",
        "search",
        *small_set.options,
        *RANDOM_SQUEEZENET,
        "--searcher",
        "bayesopt",
    ]
    command += ["--samples", "400", "--folds", "0", "--cache-dir", str(small_cache), "--output", str(tmp_path)]
    trials = Runs(str(tmp_path), "csv/squeezenet/bayesopt-stage-s0/trials.jsonl")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _wait_for(process, trials, 3)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    told = "iqatune: interrupted; what was done is kept, and the same command goes on where it stopped"
    assert err.strip().splitlines()[-1] == told
    assert "Traceback" not in err
    record = json.loads((trials.parent / "result.json").read_text())
    assert record["status"] == "interrupted"
    assert record["best"]["srcc"] == pytest.approx(
        max(json.loads(line)["srcc"] for line in trials.read_text().splitlines()), abs=1e-9
    )


@pytest.mark.thorough
def test_an_interrupt_that_meets_a_destructor_is_not_lost() -> None:
    code = """
import os, signal, sys, time
from iqatune.cli import main
class Passing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
def work():
    Passing()
    time.sleep(20)
main.cli.main = lambda **settings: work()
sys.argv = ["iqatune"]
main.script()
"""
    settings = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=settings)
    assert ran.returncode == 130
    assert ran.stderr == "iqatune: interrupted; the same command starts again from the beginning\n"


def test_a_search_under_nohup_does_not_end_with_its_terminal(small_set: Any, small_cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "iqatune", "search", *small_set.options, *RANDOM_SQUEEZENET]
    command += ["--searcher", "bayesopt", "--samples", "400", "--folds", "0"]
    command += ["--cache-dir", str(small_cache), "--output", str(tmp_path)]
    trials = Runs(str(tmp_path), "csv/squeezenet/bayesopt-stage-s0/trials.jsonl")
    process = subprocess.Popen(["nohup", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _wait_for(process, trials, 3)
    process.send_signal(signal.SIGHUP)
    _wait_for(process, trials, trials.read_bytes().count(b"\n") + 3)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err


def _wait_for(process: subprocess.Popen[str], trials: Runs, count: int) -> None:
    """Until a search has kept so many trials."""
    deadline = time.monotonic() + 120
    while not (trials.exists() and trials.read_bytes().count(b"\n") >= count):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_folds_can_be_turned_off_and_are_reduced_where_references_are_few(search: Callable[..., Any]) -> None:
    search("--searcher", "random", "--samples", 3, "--folds", 0, "--output", "none")
    record = _record(output="none")
    assert record["held_out"] is None
    assert record["protocol"]["split_seed"] is None
    ran = search("--searcher", "random", "--samples", 3, "--folds", 9, "--output", "nine")
    assert "6 references of 48 pairs allow 6 folds, not 9" in ran.err
    assert _record(output="nine")["held_out"]["folds"] == 6


@pytest.mark.parametrize("space", ["channel", "stage+2"])
def test_other_spaces(space: str, search: Callable[..., Any]) -> None:
    search("--searcher", "random", "--samples", 4, "--space", space)
    record = _record(space=space)
    assert len(record["best"]["parameters"]) == {"channel": 2694, "stage+2": 24}[space]
    assert sum(record["best"]["alpha"]) + sum(record["best"]["beta"]) == pytest.approx(1, abs=1e-9)


def test_a_degenerate_search_warns_and_strict_refuses(search: Callable[..., Any]) -> None:
    ran = search("--searcher", "bohb", "--samples", 4, "--space", "channel", "--folds", 0)
    assert "warning" in ran.err
    assert _record("bohb", "channel")["strategy"]["warnings"]
    ran = search("--searcher", "bohb", "--samples", 4, "--space", "channel", "--strict", "--output", "s", code=2)
    assert ran.last_line.startswith("iqatune: --strict:")


def test_options_come_from_a_file_and_from_variables(
    iqatune: Callable[..., Any], small_set: Any, small_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("options.yaml").write_text(
        f"dataset: csv\npairs: {small_set.labels}\nbetter: higher\nbackbone: squeezenet\nbackbone-weights: random\n"
        f"searcher: random\nsamples: 3\nresize: none\nexclude: [blur]\ncache-dir: {small_cache}\n"
    )
    monkeypatch.setenv("IQATUNE_SEED", "5")
    ran = iqatune("search", "--config", "options.yaml", "--samples", 2)
    assert ran.code == 0, ran.err
    record = _record(seed=5)
    assert record["run"]["samples"] == 2
    assert record["run"]["resize"] is None
    assert record["protocol"]["pairs"] == 30
    Path("options.yaml").write_text("dataset: csv\nserchar: random\n")
    ran = iqatune("search", "--config", "options.yaml")
    assert ran.code == 2
    assert "serchar" in ran.last_line
    assert "searcher" in ran.last_line


def test_a_file_of_options_has_their_own_names(
    search: Callable[..., Any],
    iqatune: Callable[..., Any],
    small_set: Any,
    small_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search("--searcher", "random", "--samples", 3)
    monkeypatch.setenv("HOME", str(small_set.folder))
    Path("options.yaml").write_text(
        f"dataset: csv\npairs: ~/labels.csv\nbetter: higher\nexclude: blur\nformat: csv\nlabel: null\n"
        f"cache-dir: {small_cache}\n"
    )
    ran = iqatune("evaluate", *Path("runs").rglob("result.json"), "--config", "options.yaml")
    assert ran.code == 0, ran.err
    row = next(csv.DictReader(io.StringIO(ran.out)))
    assert (row["pairs"], row["dataset"], row["simulated"]) == ("30", "csv", "false")
    for key in ("output-format", "as-json", "debug", "config", "files"):
        Path("options.yaml").write_text(f"{key}: 1\n")
        assert f"unknown key '{key}'" in iqatune("evaluate", "x.json", "--config", "options.yaml").last_line


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        ("list backbones --json", ({}, {"PYTHONUNBUFFERED": "1"})),
        ("doctor --only device", ({"PYTHONUNBUFFERED": "1"},)),
    ],
    ids=["list", "doctor"],
)
def test_a_reader_that_leaves_is_no_error(arguments: str, kinds: tuple[dict[str, str], ...]) -> None:
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    for unbuffered in kinds:
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "iqatune", *arguments.split()]
        ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=settings | unbuffered, timeout=120)
        os.close(writer)
        assert (ran.returncode, ran.stderr) == (0, b"")


def test_evaluate_gives_the_searchs_figures_back(
    search: Callable[..., Any], iqatune: Callable[..., Any], small_set: Any, small_cache: Path
) -> None:
    search("--searcher", "random", "--samples", 4)
    search("--searcher", "nevergrad", "--samples", 4)
    files = [run_at(f"runs/csv/squeezenet/{searcher}-stage-s0/result.json") for searcher in ("random", "nevergrad")]
    evaluate = ("evaluate", *files, *small_set.options, "--cache-dir", small_cache)
    ran = iqatune(*evaluate, "--by", "distortion", "--format", "json")
    assert ran.code == 0, ran.err
    evaluation = json.loads(ran.out)
    for searcher, result in zip(("random", "nevergrad"), evaluation["results"], strict=True):
        best = _record(searcher)["best"]
        for name in ("srcc", "krcc", "plcc"):
            assert result[name] == pytest.approx(best[name], abs=1e-9)
        assert {group["group"]: group["pairs"] for group in result["groups"]} == {"noise": 30, "blur": 18}
        figures = [group["srcc"] for group in result["groups"]]
        assert figures == sorted(figures)
    assert any(result["tied_with_best"] for result in evaluation["results"])
    table = iqatune(*evaluate)
    assert f"{evaluation['results'][0]['srcc']:.4f}" in table.out
    rows = iqatune(*evaluate, "--by", "reference", "--format", "csv").out.splitlines()
    assert len(rows) == 1 + 2 * (1 + 6)


def test_two_pairs_have_no_correlation(search: Callable[..., Any], small_set: Any, iqatune: Callable[..., Any]) -> None:
    search("--searcher", "random", "--samples", 2, "--folds", 0)
    few = Path("few.csv")
    lines = small_set.labels.read_text().splitlines()
    few.write_text("\n".join([lines[0], *lines[1:6], *lines[6:8]]) + "\n")
    record = run_at("runs/csv/squeezenet/random-stage-s0/result.json")
    options = ("--dataset", "csv", "--pairs", few, "--data-root", small_set.folder, "--better", "higher")
    ran = iqatune("evaluate", record, *options, "--by", "distortion", "--format", "json")
    groups = {group["group"]: group for group in json.loads(ran.out)["results"][0]["groups"]}
    assert groups["blur"]["pairs"] == 2
    assert groups["blur"]["srcc"] is None
    assert groups["blur"]["krcc"] is None
    assert groups["noise"]["srcc"] is not None


def test_extract_then_search_runs_no_cnn(iqatune: Callable[..., Any], small_set: Any, tmp_path: Path) -> None:
    options = (*small_set.options, *RANDOM_SQUEEZENET, "--cache-dir", tmp_path / "cache")
    assert json.loads(iqatune("extract", *options, "--json").out)["computed"] == 48
    assert json.loads(iqatune("extract", *options, "--json").out)["computed"] == 0
    assert "48 from the cache" in iqatune("extract", *options).out
    iqatune("search", *options, "--searcher", "random", "--samples", 2)
    assert _record()["timing"]["pairs_extracted"] == 0


def test_with_kept_statistics_a_search_needs_no_torch_and_finds_the_same(small_set: Any, tmp_path: Path) -> None:
    options = [
        *small_set.options,
        *RANDOM_SQUEEZENET,
        "--searcher",
        "bayesopt",
        "--samples",
        "12",
        "--folds",
        "0",
        "--quiet",
    ]
    code = (
        "import json, sys\nfrom iqatune.cli.main import main\n"
        "ended = main(sys.argv[1:])\n"
        "print(json.dumps([ended, sorted({'torch', 'torchvision', 'timm'} & set(sys.modules))]))"
    )
    told = []
    for output in ("cold", "warm"):
        command = [sys.executable, "-c", code, "search", *options, "--cache-dir", "cache", "--output", output]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        told.append(json.loads(done.stdout.splitlines()[-1]))
    assert told == [[0, ["torch", "torchvision"]], [0, []]]
    cold, warm = (_record("bayesopt", output=str(tmp_path / output)) for output in ("cold", "warm"))
    assert _without_time(warm) == _without_time(cold)
    assert cold["environment"]["device"] == "cpu" or cold["environment"]["device"].startswith("cuda")
    assert warm["environment"]["device"].startswith("none")


@pytest.mark.parametrize("kind", ["datasets", "backbones", "searchers"])
def test_list(kind: str, iqatune: Callable[..., Any]) -> None:
    names = {row["name"] for row in json.loads(iqatune("list", kind, "--json").out)[kind]}
    expected = {
        "datasets": {"tid2013", "kadid10k", "live", "csiq", "pipal", "cid22", "tid2008", "csv", "demo"},
        "backbones": {"vgg16", "vgg19", "alexnet", "squeezenet", "resnet50", "resnet101", "xception", "timm:NAME"},
        "searchers": {*SEARCHERS, "fit", "mutual", "nevergrad:NAME", "optuna:NAME"},
    }
    assert names == expected[kind]
    table = iqatune("list", kind)
    assert all(name in table.out for name in names)


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    heavy = ["torch", "ray", "flaml", "ax", "nevergrad", "hpbandster", "scipy", "pandas", "matplotlib"]
    code = (
        "import sys\nfrom iqatune.cli.main import main\n"
        "main(['--help'])\nmain(['list', 'backbones'])\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Examples" in done.stdout


@pytest.mark.parametrize("verb", ["search", "evaluate", "extract", "list"])
def test_every_verb_has_help_with_an_example(verb: str, iqatune: Callable[..., Any]) -> None:
    ran = iqatune(verb, "--help")
    assert ran.code == 0
    assert f"iqatune {verb}" in ran.out.split("Examples")[1]


def test_version(iqatune: Callable[..., Any]) -> None:
    ran = iqatune("--version")
    assert ran.code == 0
    assert ran.out.startswith("iqatune")


def test_references_of_one_pair_each_have_fewer_folds(
    iqatune: Callable[..., Any], small_set: Any, small_cache: Path
) -> None:
    lines = small_set.labels.read_text().splitlines()
    labels = small_set.folder / "single.csv"
    labels.write_text("\n".join([lines[0], *lines[1::8]]))
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--searcher", "bohb", "--samples", 6)
    ran = iqatune("search", *options, *RANDOM_SQUEEZENET, "--cache-dir", small_cache, "--json")
    labels.unlink()
    assert ran.code == 0, ran.err
    assert "6 references of 6 pairs allow 2 folds, not 5" in ran.err
    assert json.loads(ran.out)["held_out"]["folds"] == 2


def test_a_search_that_cannot_be_continued_says_so_before_it_starts(search: Callable[..., Any]) -> None:
    ran = search("--searcher", "nevergrad", "--samples", 9, "--folds", 0)
    assert "cannot be continued" not in ran.err
    ran = search("--searcher", "nevergrad", "--samples", 601, "--folds", 0, "--json")
    assert "whose samples depend on the clock: interrupted, this search cannot be continued" in ran.err
    record = json.loads(ran.out)
    assert record["strategy"]["repeatable"] is False
    assert "--samples 600 or fewer" in record["strategy"]["warnings"][0]


def test_an_interrupted_record_keeps_its_best_and_the_time_of_its_samples(
    search: Callable[..., Any], forge: Callable[..., None]
) -> None:
    search("--searcher", "random", "--samples", 9, "--folds", 0)
    path = run_at("runs/csv/squeezenet/random-stage-s0/result.json")
    forge(path, lambda record: record.update(status="interrupted", trials_file=None))
    trials = path.with_name("trials.jsonl")
    slow = [{**json.loads(line), "seconds": 100.0, "check": None} for line in trials.read_text().splitlines()[:4]]
    trials.write_text("".join(json.dumps(line) + "\n" for line in slow))
    search("--searcher", "random", "--samples", 9, "--folds", 0)
    assert 400 <= json.loads(path.read_text())["timing"]["search"] < 500


@pytest.mark.parametrize("engine", [(), ("--objective", "krcc"), ("--searcher", "fit")])
def test_progress_shows_the_best_so_far_beside_the_uniform_weights(
    engine: tuple[str, ...],
    iqatune: Callable[..., Any],
    small_set: Any,
    small_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("iqatune.cli.progress.LINE_EVERY_S", 0)
    settings = (*RANDOM_SQUEEZENET, "--samples", 8, "--folds", 0, "--cache-dir", small_cache, "--searcher", "bohb")
    ran = iqatune("search", *small_set.options, *settings, *engine)
    assert ran.code == 0
    lines = [line for line in ran.err.splitlines() if line.startswith("searching (") and "best" in line]
    (record,) = Path("runs").rglob("result.json")
    result = json.loads(record.read_text())
    name = "krcc" if "krcc" in engine else "SRCC"
    best, uniform = result["best"][name.lower()], result["baselines"]["uniform"][name.lower()]
    assert lines[-1].endswith(f"; best {name} {best:.4f}, uniform weights {uniform:.4f}")
