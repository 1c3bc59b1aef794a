"""The cache that verbs and functions use, unless they are told of another."""

import os
from pathlib import Path

from iqatune.errors import InputError
from iqatune.statistics.cache import Cache


def open_cache(cache_dir: Path | str | None) -> Cache:
    """The cache: in the folder given, else in $IQATUNE_CACHE_DIR, else in the platform's own place for caches.

    A folder that cannot be written will do as long as it holds all that is asked of it.

    Raises:
        InputError: when the folder is not there and cannot be made.
    """
    from platformdirs import user_cache_path

    given = cache_dir or os.environ.get("IQATUNE_CACHE_DIR")
    folder = Path(given) if given else user_cache_path("iqatune")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"`cache_dir` {folder}: cannot be made ({error.strerror}); name another folder") from error
    return Cache(folder)
