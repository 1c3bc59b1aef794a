"""Ends what a program leaves behind: processes that still write into a folder of its own, and the folder itself.

This file is a program, too. A process of its own waits until the one that started it ends, however that ends, and then
clears up. It imports no other file of the package, so that it starts at once and holds little memory.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLEAR_S = 8.0
"""How long processes are looked for; those that are just starting open their files a moment later."""

QUIET_S = 0.5
"""Nobody left for so long: nobody comes any more."""


@contextmanager
def cleared_up(folder: Path) -> Iterator[None]:
    """End all that writes logs in `folder`, and delete it: on leaving, or when this process is killed before.

    Only processes that have a file `*.out` in there open for writing are ended. So the folder has to be one that was
    made for a single program, whose processes send what they print there.
    """
    command = [sys.executable, "-I", "-S", __file__, str(folder)]
    silent = subprocess.DEVNULL
    # a session of its own: Ctrl-C and the end of a terminal do not reach it
    watcher = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=silent, stderr=silent, cwd="/", start_new_session=True
    )
    try:
        yield
    finally:
        if watcher.stdin is not None:
            watcher.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            watcher.wait(CLEAR_S + QUIET_S)


def clear_up(folder: Path) -> None:
    """Kill the processes that write into the folder until none is left, and delete it."""
    deadline = time.monotonic() + CLEAR_S
    quiet = time.monotonic()
    while time.monotonic() < min(deadline, quiet + QUIET_S):
        for process in writers(folder):
            quiet = time.monotonic()
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def writers(folder: Path) -> list[int]:
    """The processes of this user that have a file `*.out` below `folder` open for writing; none where /proc is not."""
    return [int(process.name) for process in Path("/proc").glob("[0-9]*") if _writes(process, f"{folder}{os.sep}")]


def _writes(process: Path, below: str) -> bool:
    # a process of somebody else, or one that has ended meanwhile, shows nothing
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):
                name = str(descriptor.readlink())
                if name.startswith(below) and name.endswith(".out") and descriptor.lstat().st_mode & 0o200:
                    return True
    return False


if __name__ == "__main__":
    sys.stdin.read()  # ends when the other process does
    clear_up(Path(sys.argv[1]))
