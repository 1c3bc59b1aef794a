"""What shows, without reading it, that a file is not the one that it was."""

from pathlib import Path

Stamp = tuple[int, int, int, int]
"""Size, times of the last change of the content and of the file (ns), and inode of a file.

An archive gives its files back with their old dates, and a copy may have the size of what it replaces. The time of the
last change of the file itself cannot be set, and another file has another inode.
"""

Stamped = tuple[int, int, int, int, str]
"""A stamp, and the SHA-256 of the file that had it."""


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file as it is now.

    Raises:
        OSError: as of `Path.stat`.
    """
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
