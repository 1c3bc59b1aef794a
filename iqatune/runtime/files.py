"""Files: written whole or not at all, hashed; and folders that one process has to itself."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from iqatune.errors import InputError

GRACE_S = 2.0
"""How long a folder's former user may take to end, such as the worker of a sweep that was killed just now."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving without an error it takes the place of `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files for their owner alone; a result is as readable as any file its user writes
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all; what is none (bytes of file names) as escapes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_cached(path: Path) -> bytes | None:
    """The bytes of a file in the cache; None where there is none.

    Raises:
        InputError: when it is there and cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); mend its permissions, or name another `cache_dir`"
        ) from error


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(folder: Path, *, option: str) -> None:
    """Make `folder` and try a file in it, so that hours of work do not end at a folder that cannot be written.

    Raises:
        InputError: naming `option` when the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"`{option}` {folder}: cannot be written ({error.strerror}); name another folder") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process out of `folder` that asks for it here too; the lock goes with this process.

    Raises:
        InputError: when another process is in there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=GRACE_S)
    except Timeout as error:
        raise InputError(
            f"{folder}: another process is at work in this folder; wait for it, or name another `output`"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def expand_home(text: str) -> str:
    """A text whose ~ is the user's own folder, as a shell would have it; any other text as it is."""
    return str(Path(text).expanduser()) if text.startswith("~/") else text
