"""`iqatune sweep` on a small set: killed, interrupted, with cells that fail, and in workers that have no files."""

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import iqatune as package
from iqatune.progress import Progress
from iqatune.records.documents import sealed
from iqatune.records.options import BackboneOptions, DataOptions, Run
from iqatune.records.result import read_result
from iqatune.records.run_folder import RunFolder
from iqatune.runtime.locks import locked
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import Prepared, prepare
from iqatune.tuning.run import search_prepared
from iqatune.tuning.workers import Job, _Order, _run_apart, local_workers
from tests.run_paths import run_at


@pytest.fixture
def grid(small_set: Any) -> Callable[..., Path]:
    """Write grid.yaml over the small set, with random SqueezeNet parameters and no folds."""

    def write(**changes: str) -> Path:
        options = {
            "datasets": f"[{{dataset: csv, pairs: '{small_set.labels}', better: higher}}]",
            "backbones": "[{backbone: squeezenet, backbone_weights: random}]",
            "folds": "0",
        }
        path = Path("grid.yaml").absolute()
        path.write_text("\n".join(f"{key}: {value}" for key, value in {**options, **changes}.items()))
        return path

    return write


@pytest.fixture(scope="module")
def prepared(small_set: Any, small_cache: Path) -> Prepared:
    """The small set seen through SqueezeNet."""
    run = _run(small_set)
    return prepare(DataOptions.of(run), BackboneOptions.of(run), cache=Cache(small_cache), progress=Progress())


def _run(small_set: Any, **options: Any) -> Run:
    data = {"dataset": "csv", "pairs": str(small_set.labels), "better": "higher"}
    backbone = {"backbone": "squeezenet", "backbone_weights": "random"}
    return Run(**{**data, **backbone, "searcher": "random", "samples": 4, "folds": 2, **options})


def _records(output: Path) -> dict[str, Any]:
    """Everything a sweep has written but times and places."""
    records: dict[str, Any] = {"sweep.json": json.loads((output / "sweep.json").read_text())}
    for path in output.rglob("result.json"):
        record = json.loads(path.read_text())
        records[str(path.relative_to(output))] = {
            **record,
            **dict.fromkeys(("timing", "environment", "trials_file", "seal")),
        }
    for path in output.rglob("trials.jsonl"):
        lines = path.read_text().splitlines()
        records[str(path.relative_to(output))] = [{**json.loads(line), "seconds": 0, "check": ""} for line in lines]
    return records


def _killed(command: list[str], when: Callable[[], bool]) -> None:
    """Run a command until a condition holds, and kill it then."""
    settings = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=settings)
    deadline = time.monotonic() + 120
    while not when():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()


@contextmanager
def _interrupt(when: Callable[[], bool]) -> Iterator[None]:
    """Send this process Ctrl-C as soon as a condition holds inside, once."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            if when():
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


@pytest.mark.flaky(reruns=2)  # it has to be stopped while cheap samples are under way
def test_a_sweep_that_is_stopped_twice_equals_one_that_is_not(
    iqatune: Callable[..., Any], grid: Callable[..., Path], small_cache: Path
) -> None:
    # many cheap samples: a search long enough to be killed in the middle
    path = grid(searchers="random", seeds="[0, 1, 2]", samples="1500")
    whole = iqatune("sweep", path, "--output", "whole", "--cache-dir", small_cache, "--jobs", 2, "--json")
    assert whole.code == 0, whole.err
    written = json.loads(whole.out)
    assert written == _records(Path("whole"))["sweep.json"]
    assert [cell["state"] for cell in written["cells"]] == ["done"] * 3
    for cell in written["cells"]:
        assert cell["srcc"] == _records(Path("whole"))[f"{cell['folder']}/result.json"]["best"]["srcc"]

    output = Path("stopped").absolute()
    command = [sys.executable, "-m", "iqatune", "sweep", str(path), "--output", str(output), "--jobs", "1"]
    command += ["--cache-dir", str(small_cache)]

    def trials() -> int:
        return sum(file.read_bytes().count(b"\n") for file in output.rglob("trials.jsonl"))

    def at_least(count: int) -> bool:
        return trials() >= count

    _killed(command, partial(at_least, 1800))  # in the middle of the second cell
    done = trials()
    time.sleep(0.5)
    # nobody writes on when the sweep is gone
    assert trials() == done
    sweep = ("sweep", path, "--output", output, "--cache-dir", small_cache, "--jobs", 2)
    with _interrupt(partial(at_least, 3300)):
        assert iqatune(*sweep).code == 130
    assert json.loads((output / "sweep.json").read_text())["status"] == "interrupted"
    finished = run_at(output / "csv/squeezenet/random-stage-s0/result.json")
    untouched = finished.read_bytes()
    again = iqatune(*sweep)
    assert again.code == 0, again.err
    assert _records(output) == _records(Path("whole"))
    assert finished.read_bytes() == untouched
    assert "3 of 3 cells done" in again.out
    # nor do the killed ones leave anything behind
    assert sorted(path.name for path in output.iterdir()) == [".lock", "csv", "sweep.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.thorough)])
def test_a_sweep_that_is_told_to_end_leaves_no_process(
    number: signal.Signals,
    grid: Callable[..., Path],
    small_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "out"
    path = grid(searchers="optuna:tpe", seeds="[0, 1]", samples="100000")
    command = [sys.executable, "-m", "iqatune", "sweep", str(path), "--output", str(output), "--jobs", "2", "--quiet"]
    command += ["--cache-dir", str(small_cache)]
    settings = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    # as on a terminal that is closed, every process of the group hears of it
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=settings, start_new_session=True)
    deadline = time.monotonic() + 120
    while len([file for file in output.rglob("trials.jsonl") if file.stat().st_size]) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.strip() == "iqatune: interrupted; what was done is kept, and the same command goes on where it stopped"
    assert json.loads((output / "sweep.json").read_text())["status"] == "interrupted"
    deadline = time.monotonic() + 10
    while _is_group(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_group(identity: int) -> bool:
    try:
        os.killpg(identity, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_cell_whose_scores_have_changed_fails_and_keeps_what_was_finished(
    iqatune: Callable[..., Any], grid: Callable[..., Path], small_set: Any, small_cache: Path
) -> None:
    lines = small_set.labels.read_text().splitlines()
    labels = small_set.folder / "changing.csv"
    labels.write_text("\n".join(lines))
    data = f"[{{dataset: csv, pairs: '{labels}', better: higher}}]"
    sweep = ("sweep", grid(searchers="random", samples="4", datasets=data), "--cache-dir", small_cache, "--jobs", 1)
    first = json.loads(iqatune(*sweep, "--output", "out", "--json").out)["cells"][0]
    names, scores = zip(*((line.split(",")[:2], line.split(",")[2:]) for line in lines[1:]), strict=True)
    mixed = [",".join([*name, *score]) for name, score in zip(names, scores[7:] + scores[:7], strict=True)]
    labels.write_text("\n".join([lines[0], *mixed]))
    record = Path("out", first["folder"], "result.json")
    before = record.read_bytes()
    ran = iqatune(*sweep, "--output", "out", "--json")
    assert ran.code == 1
    (again,) = json.loads(ran.out)["cells"]
    assert again["state"] == "failed"
    assert "is of another run (other images or scores)" in again["error"]
    assert record.read_bytes() == before
    fresh = json.loads(iqatune(*sweep, "--output", "new", "--json").out)["cells"][0]
    assert fresh["srcc"] != first["srcc"]
    labels.unlink()


def test_a_cell_that_cannot_be_leaves_the_others_alone(
    iqatune: Callable[..., Any], grid: Callable[..., Path], small_cache: Path
) -> None:
    path = grid(searchers="random", samples="4", spaces="[stage, stage+3]", seeds="[0, 1]")
    sweep = ("sweep", path, "--cache-dir", small_cache, "--output", "out", "--jobs", 1, "--json")
    ran = iqatune(*sweep)
    assert ran.code == 1, ran.err
    cells = {cell["folder"].rsplit("/")[-1]: cell for cell in json.loads(ran.out)["cells"]}
    counts = "folds=0-samples=4"
    for seed in (0, 1):
        assert cells[f"random-stage-{counts}-s{seed}"]["state"] == "done"
        assert "stage+3" in cells[f"random-stage+3-{counts}-s{seed}"]["error"]
    damaged = Path("out", cells[f"random-stage-{counts}-s0"]["folder"], "result.json")
    damaged.write_text("{")
    cells = {cell["folder"].rsplit("/")[-1]: cell for cell in json.loads(iqatune(*sweep).out)["cells"]}
    assert cells[f"random-stage-{counts}-s0"]["error"].startswith(str(damaged))
    assert cells[f"random-stage-{counts}-s1"]["state"] == "done"


def test_two_sweeps_do_not_work_in_one_folder(iqatune: Callable[..., Any], grid: Callable[..., Path]) -> None:
    with locked(Path("out")):
        ran = iqatune("sweep", grid(searchers="random", samples="4"), "--output", "out")
    assert ran.code == 2
    assert ran.last_line == (
        f"iqatune: out: process {os.getpid()} on {socket.gethostname()} is at work in this folder; "
        "wait for it, or name another --output"
    )


def test_what_a_killed_sweep_left_is_removed_though_all_cells_are_done(
    iqatune: Callable[..., Any], grid: Callable[..., Path], small_cache: Path
) -> None:
    sweep = ("sweep", grid(searchers="random", samples="4"), "--cache-dir", small_cache, "--output", "out")
    assert iqatune(*sweep, "--jobs", 1).code == 0
    # as of one that was killed between its last cell and its end
    Path("out/.shared-left").mkdir()
    Path("out/.shared-left/1.npy").write_bytes(b"moments")
    Path("out/.iqatune-left.tmp").write_bytes(b"half")
    assert iqatune(*sweep).code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [".lock", "csv", "sweep.json"]


def test_failed_cells_are_recorded_while_the_rest_goes_on(
    iqatune: Callable[..., Any], grid: Callable[..., Path], small_cache: Path
) -> None:
    Path("broken.pth").write_bytes(b"no parameters")
    broken = str(Path("broken.pth").absolute())
    weights = (
        f"[{{backbone: squeezenet, backbone_weights: '{broken}'}}, {{backbone: squeezenet, backbone_weights: random}}]"
    )
    path = grid(searchers="[bohb, random]", samples="4", backbones=weights)
    sweep = ("sweep", path, "--cache-dir", small_cache, "--output", "out", "--jobs", 1)
    ran = iqatune(*sweep, "--strict", "--json")
    assert ran.code == 1, ran.err
    states = {
        cell["folder"].split("backbone_weights=")[1].replace("-folds=0-samples=4", ""): (cell["state"], cell["error"])
        for cell in json.loads(ran.out)["cells"]
    }
    for searcher in ("bohb", "random"):
        state, error = states[f"broken.pth/{searcher}-stage-s0"]
        assert state == "failed"
        assert "broken.pth" in error
    assert states["random/bohb-stage-s0"][0] == "failed"
    assert states["random/bohb-stage-s0"][1].startswith("--strict: bohb needs")
    assert states["random/random-stage-s0"] == ("done", None)
    # failed cells are tried again: without --strict one of them has a result now
    ran = iqatune(*sweep)
    assert ran.code == 1
    assert "2 of 4 cells done" in ran.out
    assert ran.out.count("failed: csv/") == 2
    assert "bohb needs" in ran.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"datasets": "[tid2012]"}, "tid2013"),
        ({"datasets": "[{dataset: csv, pairs: nowhere.csv, better: lower}]"}, "nowhere.csv"),
        ({"spaces": "[stage, stage+x]"}, "stage+x"),
    ],
)
def test_a_grid_that_cannot_work_does_nothing(
    change: dict[str, str], says: str, iqatune: Callable[..., Any], grid: Callable[..., Path], tmp_path: Path
) -> None:
    ran = iqatune("sweep", grid(searchers="random", **change), "--cache-dir", tmp_path / "cache")
    assert ran.code == 2
    assert says in ran.last_line
    assert not list(Path("runs").rglob("*.json"))


def test_a_killed_process_is_replaced_and_its_job_fails_the_second_time(
    small_set: Any, prepared: Prepared, tmp_path: Path
) -> None:
    slow = Job(_run(small_set, searcher="bayesopt", samples=2000, folds=0), RunFolder(tmp_path / "slow"), strict=False)
    quick = Job(_run(small_set), RunFolder(tmp_path / "quick"), strict=False)

    def kill_twice() -> None:
        killed: set[int] = set()
        while len(killed) < 2:
            for child in multiprocessing.active_children():
                if child.pid is not None and child.pid not in killed:
                    killed.add(child.pid)
                    os.kill(child.pid, signal.SIGKILL)
            time.sleep(0.05)

    with local_workers(1, tmp_path) as workers:
        shared = workers.share(prepared)
        workers.start(slow, shared)
        killer = threading.Thread(target=kill_twice)
        killer.start()
        [ended] = workers.next()
        killer.join()
        assert ended.job == slow
        assert ended.error is not None
        assert "killed" in ended.error
        workers.start(quick, shared)
        [ended] = workers.next()
        assert ended.error is None
        workers.drop(shared)
    assert read_result(quick.folder.result_file).status == "complete"
    assert not multiprocessing.active_children()


def test_a_distant_worker_needs_no_image_and_no_cache(small_set: Any, prepared: Prepared, tmp_path: Path) -> None:
    moved = tmp_path / "set"
    shutil.copytree(small_set.folder, moved)
    run = _run(small_set, pairs=str(moved / "labels.csv"), searcher="bohb", samples=6)
    local = search_prepared(run, prepared, RunFolder(tmp_path / "local"), progress=Progress(), processes=1)
    there = prepare(DataOptions.of(run), BackboneOptions.of(run), cache=Cache(tmp_path / "cache"), progress=Progress())
    sent = pickle.dumps((run, there))
    shutil.rmtree(moved)
    shutil.rmtree(tmp_path / "cache")
    # the first lines of an interrupted run travel along
    lines = (tmp_path / "local" / "trials.jsonl").read_bytes().splitlines(keepends=True)
    interrupted = sealed(local.model_copy(update={"status": "interrupted", "trials_file": None}))
    record = interrupted.model_dump_json(by_alias=True).encode()
    content = {"trials.jsonl": b"".join(lines[:3]), "result.json": record}
    sent_run, sent_statistics = pickle.loads(sent)
    received = _run_apart(_Order(sent_run, content, strict=False), sent_statistics)
    assert received["trials.jsonl"].startswith(b"".join(lines[:3]))
    assert len(received["trials.jsonl"].splitlines()) == len(lines)
    result = json.loads(received["result.json"])
    assert result["status"] == "complete"
    # the moments were computed apart, and convolutions round by the number of threads
    best = json.loads((tmp_path / "local" / "result.json").read_text())["best"]
    assert result["best"]["parameters"] == best["parameters"]
    for figure in ("srcc", "krcc", "plcc"):
        assert result["best"][figure] == pytest.approx(best[figure], abs=1e-5)
