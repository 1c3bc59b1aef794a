"""Searches and sweeps on a cluster of two nodes, and on a Ray of one's own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import iqatune
from iqatune.errors import InputError
from iqatune.records.run_folder import RunFolder
from iqatune.records.trial import Trial
from iqatune.search.objective import JointObjective, Objective
from iqatune.search.task import Task
from tests.run_paths import Runs, run_at

# Ray's start and its timeouts depend on what else the machine does
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.flaky(reruns=1)]

# random and bohb have tests of their own below
SEARCHERS = ("blendsearch", "ax", "bayesopt", "nevergrad")
RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")


@pytest.fixture
def connected(two_nodes: str) -> Iterator[None]:
    """This process as a driver of the cluster."""
    from iqatune.runtime.cluster import cluster

    with cluster(two_nodes, 1):
        yield


def _timeless(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [
        (trial.sample, trial.trial_id, tuple(trial.parameters), trial.srcc, trial.budget, trial.chosen_by)
        for trial in trials
    ]


@pytest.mark.usefixtures("connected")
def test_the_trials_are_those_of_the_local_engine(make_task: Callable[..., Task]) -> None:
    from iqatune.search.on_ray import search_on_ray

    for name in SEARCHERS:
        task = make_task(name)
        kept: list[Trial] = []
        local = task.run()[1]
        # the first trials of an earlier, killed search are replayed
        _, trials = search_on_ray(task, local[:2], kept.extend)
        assert _timeless(trials) == _timeless(local), name
        assert _timeless(kept) == _timeless(local[2:]), name


@pytest.mark.usefixtures("connected")
def test_the_evaluation_of_a_killed_worker_is_begun_again_and_counts_once(
    make_task: Callable[..., Task], tmp_path: Path
) -> None:
    from iqatune.search.on_ray import search_on_ray

    killed = tmp_path / "killed"

    # classes of this function travel by value: a worker cannot import a test
    class Deadly:
        def __init__(self, objective: Objective | JointObjective) -> None:
            self.objective = objective

        def __call__(self, parameters: Any, budget: int) -> float:
            srcc = self.objective(parameters, budget)
            if parameters[0] == third and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return srcc

    @dataclass(frozen=True)
    class DeadlyTask(Task):
        def objective(self) -> Any:
            return Deadly(super().objective())

    task = make_task("random", samples=6)
    local = task.run()[1]
    third = float(local[2].parameters[0])
    _, trials = search_on_ray(DeadlyTask(**vars(task)), concurrency=2)
    assert killed.exists()
    # random draws do not depend on results: only the order of the trials does
    assert sorted(_timeless(trials)) == sorted(_timeless(local))


@pytest.mark.usefixtures("connected")
def test_an_evaluation_that_never_succeeds_is_an_error(
    make_task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    from iqatune.search import on_ray, ray_engine

    monkeypatch.setattr(ray_engine, "RETRIES", 0)
    task = make_task("random", samples=3)

    @dataclass(frozen=True)
    class Broken(Task):
        def objective(self) -> Any:
            return "not a function"

    with pytest.raises(InputError, match="evaluation 00000 failed"):
        on_ray.search_on_ray(Broken(**vars(task)))


def _result(output: str, seed: int = 0, searcher: str = "bohb") -> dict[str, Any]:
    path = run_at(Path(output, "csv", "squeezenet", f"{searcher}-stage-s{seed}", "result.json"))
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def test_search_and_sweep_on_the_cluster_equal_those_of_this_machine(
    two_nodes: str, iqatune: Callable[..., Any], small_set: Any, small_cache: Path
) -> None:
    search = ("search", *small_set.options, *RANDOM_SQUEEZENET, "--searcher", "bohb", "--samples", 6)
    cache = ("--cache-dir", small_cache)
    local = iqatune(*search, "--folds", 2, *cache, "--output", "local")
    assert local.code == 0, local.err
    on_ray = iqatune(
        *search, "--folds", 2, *cache, "--output", "ray", "--engine", "ray", "--address", two_nodes, "--json"
    )
    assert on_ray.code == 0, on_ray.err
    # nothing of Ray on stdout
    assert json.loads(on_ray.out) == _result("ray")
    Path("grid.yaml").write_text(
        f"datasets: [{{dataset: csv, pairs: {small_set.labels}, better: higher}}]\n"
        "backbones: [{backbone: squeezenet, backbone_weights: random}]\n"
        "searchers: bohb\nsamples: 6\nfolds: 2\nseeds: [0, 1]\n"
    )
    swept = iqatune("sweep", "grid.yaml", *cache, "--output", "sweep", "--address", two_nodes, "--json")
    assert swept.code == 0, swept.err
    assert [cell["state"] for cell in json.loads(swept.out)["cells"]] == ["done", "done"]
    for key in ("best", "held_out", "confidence", "strategy", "protocol"):
        assert _result("sweep")[key] == _result("ray")[key] == _result("local")[key], key
    trials = [
        [{**json.loads(line), "seconds": 0, "check": ""} for line in file.read_text().splitlines()]
        for output in ("local", "ray", "sweep")
        for file in [run_at(Path(output, "csv/squeezenet/bohb-stage-s0/trials.jsonl"))]
    ]
    assert trials[0] == trials[1] == trials[2]
    assert _result("sweep", seed=1)["best"] != _result("sweep")["best"]


def test_a_sweep_on_a_cluster_keeps_out_of_a_folder_that_a_search_has(
    iqatune: Callable[..., Any], two_nodes: str, small_set: Any, small_cache: Path
) -> None:
    place = Path("out/csv/squeezenet/pairs=labels.csv,better=higher,backbone_weights=random")
    place /= "random-stage-folds=0-samples=6-s0"  # run_at finds only what is there
    Path("grid.yaml").write_text(
        f"datasets: [{{dataset: csv, pairs: {small_set.labels}, better: higher}}]\n"
        "backbones: [{backbone: squeezenet, backbone_weights: random}]\n"
        "searchers: random\nsamples: 6\nfolds: 0\n"
    )
    sweep = ("sweep", "grid.yaml", "--cache-dir", small_cache, "--output", "out", "--address", two_nodes, "--json")
    with RunFolder(place).locked():
        ran = iqatune(*sweep)
        assert ran.code == 1, ran.err
        (cell,) = json.loads(ran.out)["cells"]
        assert cell["error"].startswith(f"{place}: process {os.getpid()} on ")
        assert [path.name for path in place.iterdir()] == [".lock"]
    ran = iqatune(*sweep)
    assert ran.code == 0, ran.err
    assert len((place / "trials.jsonl").read_text().splitlines()) == 6
    with RunFolder(place).locked():
        pass


@pytest.mark.parametrize(
    ("address", "says"), [("ray://127.0.0.1:1", "iqatune sweep"), ("127.0.0.1:1", "no Ray cluster answers")]
)
def test_a_wrong_address_is_refused_in_a_line(address: str, says: str, make_task: Callable[..., Task]) -> None:
    from iqatune.search.on_ray import search_on_ray

    with pytest.raises(InputError, match=says):
        search_on_ray(make_task("random"), address=address)


def test_an_interrupt_ends_the_own_ray_and_keeps_a_valid_record(
    small_set: Any, small_cache: Path, tmp_path: Path
) -> None:
    trials = Runs(str(tmp_path / "runs/csv/squeezenet/random-stage-s0/trials.jsonl"))
    settings = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    settings |= {"HOME": str(tmp_path), "PYTHONPATH": str(Path(iqatune.__file__).parents[1])}
    command = [sys.executable, "-m", "iqatune", "search", *small_set.options, *RANDOM_SQUEEZENET]
    command += ["--searcher", "random", "--samples", "5000", "--folds", "0", "--engine", "ray"]
    command += ["--cache-dir", str(small_cache), "--output", str(tmp_path / "runs")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings)
    _wait_until(lambda: process.poll() is not None or (trials.exists() and trials.stat().st_size > 0))
    assert process.poll() is None, process.communicate()
    started = _descendants(process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    record = json.loads((trials.parent / "result.json").read_text())
    lines = [json.loads(line) for line in trials.read_text().splitlines()]
    assert record["status"] == "interrupted"
    assert record["best"]["srcc"] == pytest.approx(max(line["srcc"] for line in lines), abs=1e-9)
    assert len(started) > 2
    _wait_until(lambda: not any(Path(f"/proc/{identity}").exists() for identity in started))
    # its token was for that Ray alone
    assert not (tmp_path / ".ray").exists()


def _wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _descendants(identity: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    children = Path(f"/proc/{identity}/task/{identity}/children").read_text().split()
    return [int(child) for child in children] + [other for child in children for other in _descendants(int(child))]
