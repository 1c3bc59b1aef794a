"""What happens to a search when Ray, or a part of it, dies, hangs or cannot start."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import iqatune
from iqatune.errors import InputError
from iqatune.runtime.cluster import own_folder
from iqatune.runtime.leftovers import writers

# Ray's start and its timeouts depend on what else the machine does
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.flaky(reruns=1)]

LATEST_S = 60
"""A process that waits for what never comes takes minutes; those at rest are a quarter of this."""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(small_set: Any, small_cache: Path, tmp_path: Path) -> Iterator[Start]:
    """Begin `iqatune search --quiet` with `--engine ray` and without, in a process of its own."""
    begun = []

    def begin(*options: object, output: str = "ray", engine: str = "ray", **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "iqatune", "search", *small_set.options]
        command += ["--backbone", "squeezenet", "--backbone-weights", "random", "--searcher", "random", "--folds", "0"]
        command += ["--quiet", "--cache-dir", str(small_cache), "--output", str(tmp_path / output), "--engine", engine]
        settings = {**os.environ, "PYTHONPATH": str(Path(iqatune.__file__).parents[1]), **variables}
        command += map(str, options)
        begun.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def _trials(output: Path) -> list[dict[str, Any]]:
    files = output.rglob("trials.jsonl")
    return [{**json.loads(line), "seconds": 0, "check": ""} for file in files for line in file.read_text().splitlines()]


def _record(output: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(next(output.rglob("result.json")).read_text())
    return record


def _ended(process: subprocess.Popen[str]) -> tuple[str, float]:
    """What a process says on stderr, and how long it takes to end."""
    before = time.monotonic()
    err = process.communicate(timeout=LATEST_S)[1]
    return err, time.monotonic() - before


def _wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _descendants(identity: int) -> dict[int, str]:
    """The processes that a process has started, and those that they have: their names by their ids."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{identity}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found |= {child: Path(f"/proc/{child}/comm").read_text().strip(), **_descendants(child)}
    return found


def _alive(identity: int) -> bool:
    try:
        return Path(f"/proc/{identity}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


@contextmanager
def _closed() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"127.0.0.1:{port}"


@contextmanager
def _silent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def _of_the_web() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("listens", "auto"),
    [
        (_closed, True),
        (_silent, True),
        *(pytest.param(listens, False, marks=pytest.mark.thorough) for listens in (_closed, _of_the_web)),
    ],
)
def test_an_address_without_a_ray_is_one_line_within_seconds(listens: Any, auto: bool, start: Start) -> None:
    with listens() as address:
        process = start("--address", "auto", RAY_ADDRESS=address) if auto else start("--address", address)
        err, _ = _ended(process)
    assert process.returncode == 2
    assert len(err.splitlines()) == 1
    assert address in err
    assert "no Ray cluster answers" in err


@pytest.mark.skipif(sys.platform != "linux", reason="finds Ray's processes in /proc")
def test_a_killed_worker_costs_nothing_even_below_a_folder_too_long_for_ray(start: Start, tmp_path: Path) -> None:
    local = start("--samples", 60, output="local", engine="local")
    long = tmp_path / ("long" * 30)
    long.mkdir()
    process = start("--samples", 60, TMPDIR=str(long))
    killed: set[int] = set()

    def kill_a_worker() -> bool:
        workers = [child for child, name in _descendants(process.pid).items() if name.startswith("ray::_Evaluatio")]
        for worker in workers if _trials(tmp_path / "ray") else ():
            killed.add(worker)
            os.kill(worker, signal.SIGKILL)
        return bool(killed) or process.poll() is not None

    _wait_until(kill_a_worker)
    err, _ = _ended(process)
    assert killed
    assert (process.returncode, err) == (0, "")
    assert _ended(local)[0] == ""
    assert _trials(tmp_path / "ray") == _trials(tmp_path / "local")
    for key in ("best", "confidence", "strategy"):
        assert _record(tmp_path / "ray")[key] == _record(tmp_path / "local")[key]
    assert list(long.glob("ray-*")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="finds Ray's processes in /proc")
@pytest.mark.parametrize(
    "server",
    ["gcs_server", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("raylet", "ray::DashboardA"))],
)
def test_a_ray_that_is_killed_is_one_line_and_the_search_goes_on_later(
    server: str, start: Start, tmp_path: Path
) -> None:
    process = start("--samples", 5000)
    _wait_until(lambda: bool(_trials(tmp_path / "ray")) or process.poll() is not None)
    started = _descendants(process.pid)
    (victim,) = [child for child, name in started.items() if name == server]
    os.kill(victim, signal.SIGKILL)
    err, _ = _ended(process)
    assert process.returncode == 2
    assert len(err.splitlines()) == 1
    assert "the Ray of this run has ended" in err
    _wait_until(lambda: not any(map(_alive, started)), seconds=20)
    record, trials = _record(tmp_path / "ray"), _trials(tmp_path / "ray")
    assert record["status"] == "interrupted"
    assert record["best"]["srcc"] == pytest.approx(max(trial["srcc"] for trial in trials), abs=1e-9)


@pytest.mark.skipif(sys.platform != "linux", reason="processes that Ray leaves behind are found in /proc")
def test_nothing_of_ray_outlives_a_killed_search(start: Start, tmp_path: Path) -> None:
    process = start("--samples", 5000, TMPDIR=str(tmp_path))
    _wait_until(lambda: bool(_trials(tmp_path / "ray")) or process.poll() is not None)
    started = _descendants(process.pid)
    assert {"gcs_server", "raylet", "ray::DashboardA", "ray::RuntimeEnv"} <= set(started.values())
    process.kill()
    killed = time.monotonic()
    _wait_until(lambda: not any(map(_alive, started)), seconds=60)
    # 1 s at rest; Ray's agents alone take half a minute
    assert time.monotonic() - killed < 20
    assert re.findall(r"ray-", " ".join(path.name for path in tmp_path.iterdir())) == []


def test_the_folder_of_an_own_ray_is_in_the_first_place_that_is_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TMPDIR", str(long))
    with own_folder() as folder:
        assert folder.parent not in (tmp_path, long)
        assert list(long.iterdir()) == []
    assert not folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_folder_is_cleared_of_processes_that_write_there_and_of_no_other() -> None:
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with own_folder() as folder:
        log = folder / "server.out"
        log.touch()
        with log.open("a") as writing, log.open() as reading:
            writer = subprocess.Popen(wait, stdin=subprocess.PIPE, stdout=writing)
            reader = subprocess.Popen([*wait[:2], "import time; time.sleep(600)"], stdin=reading)
        _wait_until(lambda: writers(folder) == [writer.pid])
    try:
        assert writer.wait(10) == -signal.SIGKILL
        assert reader.poll() is None
        assert not folder.exists()
    finally:
        reader.kill()
        reader.wait()
        if writer.stdin is not None:
            writer.stdin.close()


def test_an_own_ray_without_any_place_for_its_files_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iqatune.runtime.cluster.FREE_BYTES", 2**80)
    with pytest.raises(InputError, match=r"Ray cannot start: .*/tmp: full.*set RAY_TMPDIR"), own_folder():
        pass
