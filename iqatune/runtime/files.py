"""Files: written whole or not at all, and hashed."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from iqatune.errors import InputError
from iqatune.escape import encodable

_PREFIX, _SUFFIX = ".iqatune-", ".tmp"
"""Of temporary names. While its process lives, what has such a name is locked."""

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class UnwritableError(InputError):
    """The disk refuses a file: it is full, read-only or broken, or permissions are in the way."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name `path` in what the system says against writing it in this block: a full disk names no file by itself.

    Raises:
        UnwritableError: naming `path`.
    """
    try:
        yield
    except OSError as error:
        other = isinstance(error.filename, str) and Path(error.filename).absolute()
        if other and not other.is_relative_to(path.parent.absolute()):
            raise
        what_to_do = "make room" if error.errno in _NO_ROOM else "mend that, or name another place"
        raise UnwritableError(
            f"{path}: cannot be written ({error.strerror or error}); {what_to_do}, and run it again"
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving without an error it takes the place of `path` in one step.

    What killed processes have left in the folder is removed.

    Raises:
        UnwritableError: naming `path`, which is as it was before.
    """
    with writing(path):
        _make_folder(path.parent)
        with _temporary_file(path.parent) as temporary:
            yield temporary
            _settle(temporary)
            temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all; what is none (bytes of file names) as escapes.

    Raises:
        UnwritableError: naming `path`, which is as it was before.
    """
    write_bytes(path, encodable(text).encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data`, whole or not at all.

    Raises:
        UnwritableError: naming `path`, which is as it was before.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_together(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Write several files below `folder`, named by their paths in it: all of them are written before one is replaced.

    Raises:
        UnwritableError: naming the file; all are as they were before.
    """
    with writing(folder):
        _make_folder(folder)
    with temporary_folder(folder) as stage:
        for name, content in contents.items():
            staged = stage / name
            with writing(folder / name):
                staged.parent.mkdir(parents=True, exist_ok=True)
                staged.write_bytes(content if isinstance(content, bytes) else encodable(content).encode())
                _settle(staged)
        for staged in sorted(stage.iterdir()):
            _move(staged, folder / staged.name)


def append_bytes(path: Path, data: bytes) -> None:
    """Add `data` at the end of a file, whole or, where the disk refuses, not at all.

    Raises:
        UnwritableError: naming `path`, which is as it was before.
    """
    # no buffer: what a full disk refused would be tried again when the file is closed
    with writing(path), path.open("ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            file.truncate(before)
            raise


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent` that goes at the end; where this process is killed, when the next one writes there.

    Raises:
        UnwritableError: naming `parent`.
    """
    with writing(parent):
        _remove_left(parent)
        folder, descriptor = _claimed_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed now is removed by the next one
        os.close(descriptor)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder where the system keeps what is temporary ($TMPDIR), which goes at the end.

    Raises:
        UnwritableError: naming it, when it cannot be made, or what is written into it inside has no room.
    """
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise UnwritableError(f"{error.strerror}; make room in one of them, or name another in $TMPDIR") from error
    with ExitStack() as stack:
        with writing(place):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX)))
        with writing(folder):
            yield folder


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # true, and misleading: what is there is a file
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


@contextmanager
def _temporary_file(folder: Path) -> Iterator[Path]:
    _remove_left(folder)
    path, descriptor = _claimed_file(folder)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _claimed_file(folder: Path) -> tuple[Path, int]:
    while True:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=_PREFIX, suffix=_SUFFIX)
        if _is_claimed(Path(name), descriptor):
            return Path(name), descriptor
        os.close(descriptor)


def _claimed_folder(parent: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX, suffix=_SUFFIX))
        path.chmod(0o777 & ~_umask())
        with suppress(FileNotFoundError):  # taken for a dead process's between these lines
            descriptor = os.open(path, os.O_RDONLY)
            if _is_claimed(path, descriptor):
                return path, descriptor
            os.close(descriptor)


def _is_claimed(path: Path, descriptor: int) -> bool:
    """Lock what was made just now; False where another process has removed it before, as a dead one's."""
    try:
        return lock_descriptor(descriptor, blocking=False) and path.exists()
    except OSError:
        return True  # this file system has no such locks, so nobody gets one and removes it


def _remove_left(folder: Path) -> None:
    """Remove what killed processes have left in a folder; what living ones have there is locked."""
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):  # gone meanwhile, another user's, or on a file system without such locks
            # NFS locks only what is open for writing, and folders never are
            descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
            try:
                if lock_descriptor(descriptor, blocking=False):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            finally:
                os.close(descriptor)


def _settle(temporary: Path) -> None:
    """Make a temporary file as readable as any that its user writes, and bring it to the disk."""
    temporary.chmod(0o666 & ~_umask())
    with temporary.open("rb") as written:
        os.fsync(written.fileno())


def _move(staged: Path, place: Path) -> None:
    """Move a file, or all files of a folder, over what may be there."""
    if staged.is_dir() and place.is_dir():
        for below in sorted(staged.iterdir()):
            _move(below, place / below.name)
        return
    with writing(place):
        staged.replace(place)


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
            f"{path}: cannot be read ({error.strerror}); correct its permissions, or name another `cache_dir`"
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def expand_home(text: str) -> str:
    """A text whose ~ is the user's own folder, as a shell would have it; any other text as it is."""
    return str(Path(text).expanduser()) if text.startswith("~/") else text
