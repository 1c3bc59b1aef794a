"""The cache that verbs and functions use, unless they are told of another."""

import os
from pathlib import Path

from iqatune.runtime.files import check_writable
from iqatune.statistics.cache import Cache


def open_cache(cache_dir: Path | str | None) -> Cache:
    """The cache: in the folder given, else in $IQATUNE_CACHE_DIR, else in the platform's own place for caches.

    Raises:
        InputError: when it cannot be written.
    """
    from platformdirs import user_cache_path

    given = cache_dir or os.environ.get("IQATUNE_CACHE_DIR")
    folder = Path(given) if given else user_cache_path("iqatune")
    check_writable(folder, option="cache_dir")
    return Cache(folder)
