"""SHA-256 of many image files, hashed in parallel and remembered while nothing shows that a file was changed."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import TypeAdapter

from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.runtime.files import sha256_of_file
from iqatune.runtime.kept import keep_memo, read_json
from iqatune.runtime.stamps import Stamp, Stamped, stamp_of

_OF = "digests of image files by path, with size, mtime_ns, ctime_ns and inode"
_MEMO = TypeAdapter(dict[str, Stamped])


def stamps_of(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """The stamp of each file, of repeated ones once.

    Raises:
        InputError: naming a file that cannot be read.
    """
    return {path: _stamp(path) for path in dict.fromkeys(paths)}


def check_unchanged(stamps: Mapping[Path, Stamp]) -> None:
    """See that the files are still those that the stamps were taken of.

    Raises:
        InputError: naming one that was changed since.
    """
    for path, stamp in stamps.items():
        if _stamp(path) != stamp:
            raise InputError(f"{path}: was changed while it was being read; run again when nothing writes there")


def file_digests(stamps: Mapping[Path, Stamp], memo: Path, progress: Progress) -> dict[Path, str]:
    """SHA-256 of each file's bytes; a file whose stamp is the remembered one is not read.

    Args:
        stamps: the files, each with its stamp of now.
        memo: a JSON file that remembers digests between runs. Damaged or missing, it is made anew.

    Raises:
        InputError: naming a file that cannot be read, or the memo when it cannot be written.
    """
    remembered = remembered_digests(stamps, memo, progress)
    if len(remembered) == len(stamps):
        return remembered
    return _hashed(stamps, remembered, memo, progress)


def remembered_digests(stamps: Mapping[Path, Stamp], memo: Path, progress: Progress) -> dict[Path, str]:
    """Of the files those whose digest is remembered, with it; none is read."""
    known = _read(memo, progress)
    return {
        path: entry[-1]
        for path, stamp in stamps.items()
        if (entry := known.get(str(path))) is not None and entry[:-1] == stamp
    }


def digests_anew(stamps: Mapping[Path, Stamp], memo: Path, progress: Progress) -> dict[Path, str]:
    """As `file_digests`, with every file read, whatever is remembered of it."""
    _read(memo, progress)  # where it is damaged, that is told here too
    return _hashed(stamps, {}, memo, progress)


def _hashed(
    stamps: Mapping[Path, Stamp], remembered: Mapping[Path, str], memo: Path, progress: Progress
) -> dict[Path, str]:
    digests = dict(remembered)
    new = [path for path in stamps if path not in remembered]
    with (
        progress.track("reading", len(stamps), "files", done=len(remembered)) as advance,
        ThreadPoolExecutor() as pool,  # hashlib releases the interpreter lock
    ):
        for path, digest in zip(new, pool.map(_digest, new), strict=True):
            digests[path] = digest
            advance(1)
    # another process may have written since: its entries are kept, and a lost one is only hashed again
    known = _read(memo, Progress())
    all_known = known | {str(path): (*stamps[path], digests[path]) for path in new}
    if all_known != known:
        keep_memo(memo, _OF, all_known, progress)
    return digests


def _stamp(path: Path) -> Stamp:
    try:
        return stamp_of(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _digest(path: Path) -> str:
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _read(memo: Path, progress: Progress) -> dict[str, Stamped]:
    return read_json(memo, _OF, _MEMO, progress) or {}
