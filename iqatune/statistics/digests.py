"""SHA-256 of many image files, hashed in parallel and remembered while a file's size and time of change stay."""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.runtime.files import read_cached, sha256_of_file, write_text


def file_digests(paths: Iterable[Path], memo: Path, progress: Progress) -> dict[Path, str]:
    """SHA-256 of each file's bytes.

    Args:
        paths: the files; repeated ones are hashed once.
        memo: a JSON file that remembers digests between runs. Damaged or missing, it is made anew.

    Raises:
        InputError: naming a file that cannot be read.
    """
    unique = list(dict.fromkeys(paths))
    stamps = {path: _stamp(path) for path in unique}
    known = _read(memo)
    digests = {
        path: str(entry[-1])
        for path in unique
        if (entry := known.get(str(path))) is not None and entry[:-1] == stamps[path]
    }
    new = [path for path in unique if path not in digests]
    if new:
        with (
            progress.track("reading", len(unique), "files", done=len(unique) - len(new)) as advance,
            ThreadPoolExecutor() as pool,  # hashlib releases the interpreter lock
        ):
            for path, digest in zip(new, pool.map(_digest, new), strict=True):
                digests[path] = digest
                advance(1)
        # another process may have written since: its entries are kept, and a lost one is only hashed again
        fresh = {str(path): [*stamps[path], digests[path]] for path in new}
        write_text(memo, json.dumps({**_read(memo), **fresh}))
    return digests


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return [status.st_size, status.st_mtime_ns]


def _digest(path: Path) -> str:
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _read(memo: Path) -> Mapping[str, list[object]]:
    try:
        content = json.loads(read_cached(memo) or b"{}")
    except ValueError:
        return {}
    # a file whose entries are not of the form written above is one that something else damaged
    entries = content.items() if isinstance(content, dict) else ()
    return {path: entry for path, entry in entries if isinstance(entry, list) and len(entry) == 3}
