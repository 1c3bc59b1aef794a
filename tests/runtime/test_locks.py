"""A folder has one owner, whatever happens to the files in it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import iqatune
from iqatune.errors import InputError
from iqatune.runtime import locks
from iqatune.runtime.locks import LOCK_FILE, locked

HOLDER = """
import sys
from pathlib import Path
from iqatune.runtime.locks import locked
with locked(Path(sys.argv[1])) as hold:
    print("held", flush=True)
    sys.stdin.readline()
    hold.check()
"""


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "GRACE_S", 0.2)


@pytest.fixture
def hold_elsewhere() -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Start a process that locks a folder until it is given a line, and then looks whether it still has it."""
    processes: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> "subprocess.Popen[str]":
        settings = {**os.environ, "PYTHONPATH": str(Path(iqatune.__file__).parents[1])}
        command = [sys.executable, "-c", HOLDER, str(folder)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=settings)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def _refusal(folder: Path) -> str:
    with pytest.raises(InputError) as refused, locked(folder):
        pass
    return refused.value.command_line


def test_the_second_is_told_who_is_there(
    tmp_path: Path, hold_elsewhere: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    holder = hold_elsewhere(tmp_path)
    assert _refusal(tmp_path) == (
        f"{tmp_path}: process {holder.pid} on {socket.gethostname()} is at work in this folder; "
        "wait for it, or name another --output"
    )
    holder.communicate("done\n")
    with locked(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text().split()[0] == str(os.getpid())
    assert (tmp_path / LOCK_FILE).read_text() == ""


def test_a_killed_owner_is_none(tmp_path: Path, hold_elsewhere: Callable[[Path], "subprocess.Popen[str]"]) -> None:
    holder = hold_elsewhere(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path) as hold:
        hold.check()


def test_the_second_is_refused_though_the_lock_file_was_deleted(
    tmp_path: Path, hold_elsewhere: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    holder = hold_elsewhere(tmp_path)
    (tmp_path / LOCK_FILE).unlink()
    assert "another process is at work in this folder" in _refusal(tmp_path)
    assert not (tmp_path / LOCK_FILE).exists()
    _, error = holder.communicate("done\n")
    assert (holder.returncode, error) == (0, "")


def test_the_first_ends_when_the_whole_folder_was_replaced(
    tmp_path: Path, hold_elsewhere: Callable[[Path], "subprocess.Popen[str]"]
) -> None:
    folder = tmp_path / "run"
    holder = hold_elsewhere(folder)
    shutil.rmtree(folder)
    with locked(folder) as hold:
        hold.check()
        _, error = holder.communicate("go on\n")
        hold.check()
    assert holder.returncode == 1
    assert f"{folder}: was removed or replaced while this process was at work in there" in error


def test_where_folders_cannot_be_locked_the_file_keeps_others_out_and_tells_its_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_on_nfs(descriptor: int, *, blocking: bool) -> bool:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(locks, "lock_descriptor", as_on_nfs)
    with locked(tmp_path) as first:
        assert f"process {os.getpid()} on" in _refusal(tmp_path)
        first.check()
        (tmp_path / LOCK_FILE).unlink()
        with locked(tmp_path) as second:
            second.check()
            with pytest.raises(InputError, match=r"\.lock: was removed or replaced"):
                first.check()
