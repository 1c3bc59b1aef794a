"""Files of the cache: each says what it is of, with a checksum over that and its content.

Damage is found by the checksum, and a copy of another file in a file's place by what it says that it is of: such a file
is never believed. What is wrong is said in one line, and what the file held is computed again.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from iqatune.progress import Progress
from iqatune.runtime.files import read_cached, write_bytes, writing

Content = TypeVar("Content")

NOT_WHOLE = "the checksum does not fit the content"
NOT_ITS_OWN = "it is not of what its name says: a copy of another file, or of another release"

_AFTER_CHECKSUM = '", "content": '
_END = b"}\n"


def check_can_be_kept(path: Path) -> None:
    """Make the folder of a file that is to be kept and try another file there, before the long work.

    Raises:
        UnwritableError: naming the file when its folder cannot be made or written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


def keep_json(path: Path, of: str, content: Any) -> None:
    """Write JSON, and what it is of.

    Raises:
        InputError: naming the file when it cannot be written.
    """
    body = json.dumps(content).encode()
    write_bytes(path, _sealed(of, body))


def keep_memo(path: Path, of: str, content: Any, progress: Progress) -> None:
    """As `keep_json`, for what costs time alone where it is absent: a cache that is read-only is told, and left.

    Raises:
        InputError: naming the file when it cannot be written for another reason, such as a full disk.
    """
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        progress.warn(f"{path}: not kept, the folder is read-only; what is missing in it is computed again every time")
        return
    keep_json(path, of, content)


def read_json(path: Path, of: str, form: TypeAdapter[Content], progress: Progress) -> Content | None:
    """What was kept at `path`; None where there is no file, and where one is told to be damaged.

    Args:
        of: what the file must say that it is of.

    Raises:
        InputError: when the file is there and cannot be read.
    """
    data = read_cached(path)
    if data is None:
        return None
    body = data[len(_head(of, "0" * 64)) : -len(_END)]
    if data == _sealed(of, body):
        try:
            return form.validate_python(json.loads(body))
        except (ValueError, RecursionError):  # no JSON, or (pydantic's is a ValueError) not of the form
            pass  # a fitting checksum over what nothing here writes: told as damage below
    is_own = data.startswith(_head(of, "").removesuffix(_AFTER_CHECKSUM.encode()))
    progress.warn(damage_line(f"{path}: {NOT_WHOLE if is_own else NOT_ITS_OWN}"))
    return None


def damage_line(file_and_fault: str) -> str:
    """What is told of a file of the cache that is not believed."""
    return f"damaged cache file, computed again: {file_and_fault}"


def _sealed(of: str, body: bytes) -> bytes:
    checksum = hashlib.sha256(json.dumps(of).encode() + body).hexdigest()
    return _head(of, checksum) + body + _END


def _head(of: str, checksum: str) -> bytes:
    return f'{{"of": {json.dumps(of)}, "sha256": "{checksum}{_AFTER_CHECKSUM}'.encode()
