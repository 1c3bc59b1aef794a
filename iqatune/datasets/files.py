"""Where an image or label file really is, whatever the case and the Unicode form of its name on disk."""

import os
import posixpath
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from iqatune.errors import InputError


def image_name(text: str) -> str:
    """One spelling for one file, as a finder takes it, also where a table was written on Windows."""
    return posixpath.normpath(text.replace("\\", "/"))


class FileFinder:
    """Finds files below `root` by relative name, ignoring case and the form in which Unicode composes letters.

    The data sets write `I25.BMP` in their labels and ship `i25.bmp`. An exact match wins; among names that differ in
    case alone the first in sorted order. An é that is one character in the labels may be two on the disk, as macOS
    writes it; between two files whose names look the same nobody guesses. Every folder is listed once, which stays
    quick for ten thousand names on a network drive.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._files: dict[str, dict[str, Path]] = {}

    def find(self, name: str) -> Path | None:
        """The file's absolute path, None where there is none.

        A PNG is accepted in place of a BMP of the same stem: many copies of the data sets have been converted.

        Raises:
            InputError: when a folder cannot be listed, or holds two files of names that look the same.
        """
        # plain strings rather than pure paths: this runs twice for every pair
        parent, base = posixpath.split(name)
        files = self._listing(parent)
        stem, suffix = posixpath.splitext(base)
        candidates = [base, f"{stem}.png"] if suffix.lower() == ".bmp" else [base]
        for candidate in candidates:
            found = files.get(candidate) or files.get(candidate.casefold()) or self._composed(parent, candidate)
            if found is not None:
                return found
        return None

    def _composed(self, parent: str, name: str) -> Path | None:
        """The file whose name is the same once letters are composed alike."""
        if name.isascii():
            return None
        entries = set(self._listing(parent).values())
        return only_alike(name, entries) or only_alike(name.casefold(), entries, casefold=True)

    def _listing(self, parent: str) -> dict[str, Path]:
        """Files of a folder by name and by name without case; an exact name is never hidden by another's lower case."""
        if parent not in self._files:
            folder = self.folder(parent)
            entries = [] if folder is None else _contents(folder)
            files = {entry.name: entry for entry in entries if entry.is_file()}
            without_case = {name.casefold(): files[name] for name in sorted(files, reverse=True)}
            self._files[parent] = without_case | files
        return self._files[parent]

    def folder(self, parent: str) -> Path | None:
        """A folder's absolute path, None where there is none; the same names are found as those of files.

        Raises:
            InputError: when a folder cannot be listed.
        """
        folder = self.root
        for part in PurePosixPath(parent).parts:
            exact = folder / part
            if os.path.isdir(exact):  # noqa: PTH112 - Path.is_dir raises where a name is too long
                folder = exact
                continue
            alike = [
                entry
                for entry in _contents(folder)
                if composed(entry.name).casefold() == composed(part).casefold() and entry.is_dir()
            ]
            if not alike:
                return None
            folder = min(alike)
        return folder


def composed(name: str) -> str:
    """A name with its letters composed (Unicode's form NFC)."""
    return unicodedata.normalize("NFC", name)


def only_alike(name: str, entries: Iterable[Path], *, casefold: bool = False) -> Path | None:
    """The one entry whose name looks like `name`; None where there is none.

    Raises:
        InputError: when there are several.
    """
    wanted = composed(name)
    alike = sorted(
        entry for entry in entries if (composed(entry.name).casefold() if casefold else composed(entry.name)) == wanted
    )
    if len(alike) > 1:
        raise InputError(f"{alike[0].parent}: contains {len(alike)} files that look like '{wanted}'; move one away")
    return alike[0] if alike else None


def _contents(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
