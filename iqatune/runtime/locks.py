"""Folders that one process has to itself."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

from iqatune.errors import InputError
from iqatune.runtime.files import writing

GRACE_S = 2.0
"""How long a folder's former user may take to end, such as the worker of a sweep that was killed just now."""

LOCK_FILE = ".lock"


@dataclass(frozen=True)
class Hold:
    """A folder that this process has to itself, as long as what guards it is where it was."""

    folder: Path
    guard: Path
    identity: tuple[int, int] | None

    def check(self) -> None:
        """Make sure of it before something is written.

        Raises:
            InputError: when the guard was removed or replaced, so that another process may have the folder.
        """
        if _identity(self.guard) != self.identity:
            raise InputError(
                f"{self.guard}: was removed or replaced while this process was at work in there, and another may have "
                "the folder now; run it again when none has"
            )


@contextmanager
def locked(folder: Path) -> Iterator[Hold]:
    """Keep every other process out of `folder` that asks for it here too; the lock goes with this process.

    The folder itself is locked, which cannot be made anew beside itself, and a file in it, for file systems that lock
    no folders (NFS) and to say who is at work.

    Raises:
        InputError: when another process is in there, with its number and host where they are known.
        UnwritableError: when the folder or the file in it cannot be made.
    """
    file = folder / LOCK_FILE
    with ExitStack() as held:
        with writing(file):
            folder.mkdir(parents=True, exist_ok=True)
            guard = folder if _lock_folder(folder, held) else file
            lock = FileLock(file)
            try:
                held.enter_context(lock.acquire(timeout=GRACE_S))
            except Timeout as error:
                raise _refusal(folder) from error
        # where there are no locks, filelock takes the mere existence of the file for one, and fills it in itself
        if isinstance(lock, FileLock):
            _say_who(file, f"{os.getpid()}\n{socket.gethostname()}\n")
            held.callback(_say_who, file, "")
        yield Hold(folder, guard, _identity(guard))


def _lock_folder(folder: Path, held: ExitStack) -> bool:
    """Lock a folder until `held` is left; False where folders cannot be locked.

    Raises:
        InputError: when another process is in there.
    """
    deadline = time.monotonic() + GRACE_S
    with suppress(OSError):  # NFS locks no folders, and Windows does not even open them
        descriptor = os.open(folder, os.O_RDONLY)
        held.callback(os.close, descriptor)
        while not lock_descriptor(descriptor, blocking=False):
            if time.monotonic() > deadline:
                raise _refusal(folder)
            time.sleep(0.05)
        return True
    return False


def _refusal(folder: Path) -> InputError:
    who = "another process"
    with suppress(OSError, ValueError):  # the file was deleted, or its owner had no room to fill it in
        process, host = (folder / LOCK_FILE).read_text(encoding="utf-8").split()[:2]
        who = f"process {int(process)} on {host}"
    return InputError(f"{folder}: {who} is at work in this folder; wait for it, or name another `output`")


def _say_who(file: Path, text: str) -> None:
    """Write who is at work; where there is no room for that nobody is named."""
    with suppress(OSError):
        descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
