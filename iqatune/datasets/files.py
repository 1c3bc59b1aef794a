"""Where an image or label file really is, whatever the case of its name on disk."""

import os
import posixpath
from pathlib import Path, PurePosixPath

from iqatune.errors import InputError


class FileFinder:
    """Finds files below `root` by relative name, ignoring case.

    The data sets write `I25.BMP` in their labels and ship `i25.bmp`. An exact match wins; among names that differ in
    case alone the first in sorted order. Every folder is listed once, which stays quick for ten thousand names on a
    network drive.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._files: dict[str, dict[str, Path]] = {}

    def find(self, name: str) -> Path | None:
        """The file's absolute path, None where there is none.

        A PNG is accepted in place of a BMP of the same stem: many copies of the data sets have been converted.

        Raises:
            InputError: when a folder cannot be listed.
        """
        # plain strings rather than pure paths: this runs twice for every pair
        parent, base = posixpath.split(name)
        files = self._listing(parent)
        stem, suffix = posixpath.splitext(base)
        candidates = [base, f"{stem}.png"] if suffix.lower() == ".bmp" else [base]
        for candidate in candidates:
            found = files.get(candidate) or files.get(candidate.casefold())
            if found is not None:
                return found
        return None

    def _listing(self, parent: str) -> dict[str, Path]:
        """Files of a folder by name and by name without case; an exact name is never hidden by another's lower case."""
        if parent not in self._files:
            folder = self._folder(parent)
            entries = [] if folder is None else _contents(folder)
            files = {entry.name: entry for entry in entries if entry.is_file()}
            without_case = {name.casefold(): files[name] for name in sorted(files, reverse=True)}
            self._files[parent] = without_case | files
        return self._files[parent]

    def _folder(self, parent: str) -> Path | None:
        folder = self.root
        for part in PurePosixPath(parent).parts:
            exact = folder / part
            if os.path.isdir(exact):  # noqa: PTH112 - Path.is_dir raises where a name is too long
                folder = exact
                continue
            alike = [
                entry for entry in _contents(folder) if entry.name.casefold() == part.casefold() and entry.is_dir()
            ]
            if not alike:
                return None
            folder = min(alike)
        return folder


def _contents(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
