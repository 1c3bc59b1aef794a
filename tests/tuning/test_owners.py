"""A run's folder has one owner: searches and sweeps keep out of each other's files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import iqatune as package

RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")
SAMPLES = 2000  # more than it comes to
PLACE = Path(
    "csv/squeezenet/pairs=labels.csv,better=higher,backbone_weights=random",
    f"bayesopt-stage-folds=0-samples={SAMPLES}-s0",
)


@pytest.fixture
def others(small_set: Any) -> Path:
    """Some of the pairs, in a file of the same name: searches of both have one folder."""
    path = Path("others/labels.csv").absolute()
    path.parent.mkdir()
    path.write_text("\n".join(small_set.labels.read_text().splitlines()[:41]) + "\n")
    return path


@pytest.fixture
def grid(small_set: Any) -> Callable[[Path], Path]:
    """Write grid.yaml with one cell: a search by bayesopt, of the pairs in a file."""

    def write(pairs: Path) -> Path:
        path = Path("grid.yaml").absolute()
        path.write_text(
            f"datasets: [{{dataset: csv, pairs: '{pairs}', data_root: '{small_set.folder}', better: higher}}]\n"
            "backbones: [{backbone: squeezenet, backbone_weights: random}]\n"
            f"searchers: bayesopt\nsamples: {SAMPLES}\nfolds: 0\n"
        )
        return path

    return write


@pytest.fixture
def start(small_cache: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start `iqatune ARGUMENTS...` and wait until it has written some trials into the cell's folder."""
    processes = []

    def run(*arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "iqatune", *map(str, arguments), "--cache-dir", str(small_cache), "--quiet"]
        settings = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings)
        processes.append(process)
        deadline = time.monotonic() + 120
        while _lines() < 3:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def _lines() -> int:
    trials = "out" / PLACE / "trials.jsonl"
    return trials.read_bytes().count(b"\n") if trials.exists() else 0


@pytest.fixture
def search(small_set: Any) -> Callable[..., tuple[object, ...]]:
    """The search of the grid's cell."""

    def line(pairs: Path, samples: int = SAMPLES) -> tuple[object, ...]:
        data = ("--dataset", "csv", "--pairs", pairs, "--data-root", small_set.folder, "--better", "higher")
        searching = ("--searcher", "bayesopt", "--samples", samples, "--folds", 0, "--output", "out")
        return ("search", *data, *RANDOM_SQUEEZENET, *searching)

    return line


def _ends_as_nothing_had_been(process: "subprocess.Popen[str]") -> None:
    """Interrupt it: it has written one trial after another, and into these files alone."""
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    lines = ("out" / PLACE / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["sample"] for line in lines] == list(range(len(lines)))
    assert {path.name for path in ("out" / PLACE).iterdir()} == {".lock", "result.json", "trials.jsonl"}


def test_a_sweep_leaves_a_running_search_alone(
    iqatune: Callable[..., Any],
    start: Callable[..., Any],
    grid: Callable[[Path], Path],
    search: Callable[..., Any],
    small_set: Any,
    others: Path,
    small_cache: Path,
) -> None:
    searching = start(*search(small_set.labels))
    # of the same run as the search, which it could not continue, and of another one, whose files it would move
    for pairs in (small_set.labels, others):
        ran = iqatune("sweep", grid(pairs), "--output", "out", "--cache-dir", small_cache, "--jobs", 1, "--json")
        assert ran.code == 1, ran.err
        (cell,) = json.loads(ran.out)["cells"]
        assert cell["state"] == "failed"
        assert cell["error"].startswith(f"{'out' / PLACE}: process {searching.pid} on ")
    _ends_as_nothing_had_been(searching)


def test_a_search_leaves_a_running_sweep_alone(
    iqatune: Callable[..., Any],
    start: Callable[..., Any],
    grid: Callable[[Path], Path],
    search: Callable[..., Any],
    small_set: Any,
    others: Path,
    small_cache: Path,
) -> None:
    sweeping = start("sweep", grid(small_set.labels), "--output", "out", "--jobs", 1)
    for pairs in (small_set.labels, others):
        ran = iqatune(*search(pairs), "--cache-dir", small_cache)
        assert ran.code == 2
        assert ran.last_line.startswith(f"iqatune: {'out' / PLACE}: process ")
        assert ran.last_line.endswith("is at work in this folder; wait for it, or name another --output")
    _ends_as_nothing_had_been(sweeping)


def test_a_search_whose_folder_was_taken_away_ends(
    start: Callable[..., Any],
    iqatune: Callable[..., Any],
    search: Callable[..., Any],
    small_set: Any,
    small_cache: Path,
) -> None:
    searching = start(*search(small_set.labels))
    shutil.rmtree("out" / PLACE)
    _, error = searching.communicate(timeout=60)
    assert searching.returncode == 2
    assert error.startswith(f"iqatune: {'out' / PLACE}: was removed or replaced while this process was at work")
    again = iqatune(*search(small_set.labels, samples=12), "--cache-dir", small_cache)
    assert again.code == 0, again.err
    (trials,) = Path("out").rglob("trials.jsonl")
    assert len(trials.read_text().splitlines()) == 12
