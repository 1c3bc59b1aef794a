"""Every verb, killed at random moments and run once more, ends with what an undisturbed run ends with.

One kill a verb; IQATUNE_TEST_KILLS=6 makes it six. Seconds are not compared, nor what is made of them.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import iqatune as package

KILLS = int(os.environ.get("IQATUNE_TEST_KILLS", "1"))

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")

UNLIKE = {"timing", "environment", "seconds", "seal", "trials_file", "check"}
"""Keys of records that differ between two runs of one command, for they hold or cover seconds."""

USUAL = {"search"}
"""What is killed whenever all tests run."""


class Bench:
    """A folder in which commands run as processes of their own."""

    def __init__(self, folder: Path, data: tuple[str, ...]) -> None:
        self.folder = folder
        self.data = data
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        """Begin a command, the leader of a process group of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("IQATUNE_")}
        return subprocess.Popen(
            [sys.executable, "-m", "iqatune", *map(str, arguments)],
            cwd=self.folder,
            env={**kept, "PYTHONPATH": str(Path(package.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: object) -> str:
        """What a command prints, which has to end well."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        return out

    def search(self, *more: object) -> tuple[object, ...]:
        """A search of the small set."""
        return ("search", *self.data, *BACKBONE, "--cache-dir", "cache", "--quiet", *more)


def _bare(value: Any) -> Any:
    """A record without its seconds, and without the path of its folder."""
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key not in UNLIKE}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _records(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*.json*")):
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        found[str(path.relative_to(folder))] = [_bare(json.loads(line)) for line in lines]
    return found


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


Case = tuple[tuple[object, ...], Callable[[Path], Any]]


def _search(bench: Bench) -> Case:
    arguments = bench.search("--searcher", "random", "--samples", 800, "--folds", 2, "--output", "out")
    return arguments, lambda folder: _records(folder / "out")


def _bohb(bench: Bench) -> Case:
    arguments = bench.search("--searcher", "bohb", "--samples", 60, "--folds", 2, "--output", "out")
    return arguments, lambda folder: _records(folder / "out")


def _under_ray(bench: Bench) -> Case:
    more = ("--searcher", "random", "--samples", 60, "--folds", 2, "--engine", "ray", "--output", "out")
    return bench.search(*more), lambda folder: _records(folder / "out")


def _extract(bench: Bench) -> Case:
    def found(folder: Path) -> Any:
        Bench(folder, bench.data).run(
            "search", *bench.data, *BACKBONE, "--cache-dir", "cache", "--searcher", "random", "--output", "after"
        )
        return _records(folder / "after")

    return ("extract", *bench.data, *BACKBONE, "--cache-dir", "cache"), found


def _sweep(bench: Bench) -> Case:
    data = dict(zip([name.removeprefix("--") for name in bench.data[::2]], bench.data[1::2], strict=True))
    grid = {
        "datasets": [data],
        "backbones": [{"backbone": "squeezenet", "backbone_weights": "random"}],
        "searchers": ["random", "nevergrad"],
        "seeds": [0, 1],
        "samples": 50,
        "folds": 2,
    }
    (bench.folder / "grid.yaml").write_text(json.dumps(grid))
    arguments = ("sweep", "grid.yaml", "--jobs", 2, "--output", "out", "--cache-dir", "cache", "--quiet")
    return arguments, lambda folder: _records(folder / "out")


def _evaluate(bench: Bench) -> Case:
    _record(bench)
    arguments = ("evaluate", "made/result.json", *bench.data, "--cache-dir", "cold", "--format", "json", "--quiet")
    return arguments, lambda _folder: None


def _robust(bench: Bench) -> Case:
    _record(bench)
    arguments = ("robust", "made/result.json", *bench.data, "--kinds", "jpeg", "--cache-dir", "cold", "--output", "out")
    return arguments, lambda folder: {
        name: content for name, content in _bytes(folder / "out").items() if "json" not in name
    }


def _report(bench: Bench) -> Case:
    _record(bench)
    return ("report", "made", "--output", "page"), lambda folder: sorted(_bytes(folder / "page"))


def _export(suffix: str) -> Callable[[Bench], Case]:
    def case(bench: Bench) -> Case:
        _record(bench)
        return ("export", "made/result.json", "--output", f"out/metric.{suffix}"), lambda folder: _bytes(folder / "out")

    return case


def _bench(bench: Bench) -> Case:
    more = ("--backbone", "squeezenet", "--quick", "--output", "out")
    return ("bench", *more), lambda folder: sorted(_bytes(folder / "out"))


CASES = {
    "search": _search,
    "search-bohb": _bohb,
    "search-ray": _under_ray,
    "extract": _extract,
    "sweep": _sweep,
    "evaluate": _evaluate,
    "robust": _robust,
    "report": _report,
    "export-safetensors": _export("safetensors"),
    "export-pt2": _export("pt2"),
    "export-onnx": _export("onnx"),
    "bench": _bench,
}


def _record(bench: Bench) -> None:
    """A finished search, as made/result.json."""
    bench.run(*bench.search("--searcher", "random", "--samples", 6, "--folds", 2, "--output", "first"))
    (folder,) = {path.parent for path in (bench.folder / "first").rglob("result.json")}
    shutil.copytree(folder, bench.folder / "made")


@pytest.fixture
def left_over(tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """The command lines of processes that were begun for this test and still run."""

    def alive() -> list[str]:
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            words = process.info["cmdline"] or []
            if process.pid != os.getpid() and any(str(tmp_path) in word for word in words):
                found.append(" ".join(words))
        return found

    yield alive
    assert not _in_time(alive, 10.0)


def _in_time(alive: Callable[[], list[str]], seconds: float) -> list[str]:
    deadline = time.monotonic() + seconds
    while (found := alive()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _temporary(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if ".tmp" in path.name]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in USUAL else pytest.mark.thorough) for name in CASES]
)
def test_killed_and_run_again(name: str, small_set: Any, tmp_path: Path, left_over: Callable[[], list[str]]) -> None:
    chance = random.Random(name)
    whole = Bench(tmp_path / "whole", small_set.options)
    arguments, found = CASES[name](whole)
    started = time.monotonic()
    said = whole.run(*arguments)
    lasted = time.monotonic() - started
    wanted = found(whole.folder)
    for kill in range(KILLS):
        disturbed = Bench(tmp_path / f"killed{kill}", small_set.options)
        arguments, found = CASES[name](disturbed)
        process = disturbed.start(*arguments)
        time.sleep(lasted * chance.uniform(0.1, 1.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not _in_time(left_over, 10.0)
        again = disturbed.run(*arguments)
        assert found(disturbed.folder) == wanted, f"kill {kill}"
        assert not _temporary(disturbed.folder)
        if name == "evaluate":
            assert _bare(json.loads(again)) == _bare(json.loads(said))


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["sweep", "search-ray"])
def test_a_worker_is_killed(name: str, small_set: Any, tmp_path: Path, left_over: Callable[[], list[str]]) -> None:
    chance = random.Random(name)
    whole = Bench(tmp_path / "whole", small_set.options)
    arguments, found = CASES[name](whole)
    whole.run(*arguments)
    wanted = found(whole.folder)
    for kill in range(KILLS):
        disturbed = Bench(tmp_path / f"killed{kill}", small_set.options)
        arguments, found = CASES[name](disturbed)
        process = disturbed.start(*arguments)
        worker = _worker_of(process, "ray::_Evaluatio" if name == "search-ray" else "python")
        time.sleep(chance.uniform(0.0, 4.0))
        if worker is not None and worker.is_running():
            worker.kill()
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert found(disturbed.folder) == wanted, f"kill {kill}"
        assert not _temporary(disturbed.folder)
    assert not _in_time(left_over, 10.0)


def _worker_of(process: "subprocess.Popen[str]", word: str) -> psutil.Process | None:
    """A process that this one has begun, with a word in its command line; None when it ended before."""
    while process.poll() is None:
        try:
            for child in psutil.Process(process.pid).children(recursive=True):
                if word in " ".join(child.cmdline()):
                    return child
        except psutil.Error:
            pass
        time.sleep(0.05)
    return None
