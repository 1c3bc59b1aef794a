"""Files: written whole or not at all, hashed, read as YAML; and folders that one process has to itself."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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


def read_yaml(path: Path, name: str, wanted: str) -> Mapping[Any, Any]:
    """The mapping that a YAML file holds.

    Args:
        name: what an error calls the file.
        wanted: what the mapping should hold, with an example.

    Raises:
        InputError: when the file cannot be read, is not YAML, or holds something else than a mapping.
    """
    import yaml  # here, not above: only grids and settings need it

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _without_doubles())
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError) as error:  # the second for bytes that are no text, and a 13th month
        raise InputError(f"{name}: not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{name}: must hold {wanted}")
    return content


def _without_doubles() -> type[Any]:
    """A loader of plain YAML that refuses a key given twice: which of its values counts would be a guess."""
    import yaml

    class Loader(yaml.SafeLoader):
        # yaml calls it, by place
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            doubled = [key for place, key in enumerate(keys) if key in keys[:place]]
            if doubled:
                raise yaml.constructor.ConstructorError(None, None, f"'{doubled[0]}' is given twice", node.start_mark)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    return Loader
