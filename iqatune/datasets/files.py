"""Where an image or label file really is, whatever the case of its name on disk."""

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
        self._folders: dict[PurePosixPath, Path | None] = {}
        self._files: dict[Path, dict[str, Path]] = {}

    def find(self, name: str) -> Path | None:
        """The file's absolute path, None where there is none.

        A PNG is accepted in place of a BMP of the same stem: many copies of the data sets have been converted.

        Raises:
            InputError: when a folder cannot be listed.
        """
        relative = PurePosixPath(name)
        folder = self._folder(relative.parent)
        if folder is None:
            return None
        files = self._listing(folder)
        candidates = [relative.name]
        if relative.suffix.lower() == ".bmp":
            candidates.append(f"{relative.stem}.png")
        for candidate in candidates:
            found = files.get(candidate) or files.get(candidate.casefold())
            if found is not None:
                return found
        return None

    def _folder(self, relative: PurePosixPath) -> Path | None:
        if relative not in self._folders:
            self._folders[relative] = self._walk(relative)
        return self._folders[relative]

    def _walk(self, relative: PurePosixPath) -> Path | None:
        folder = self.root
        for part in relative.parts:
            exact = folder / part
            if exact.is_dir():
                folder = exact
                continue
            alike = [
                entry for entry in _contents(folder) if entry.name.casefold() == part.casefold() and entry.is_dir()
            ]
            if not alike:
                return None
            folder = min(alike)
        return folder

    def _listing(self, folder: Path) -> dict[str, Path]:
        """Files of a folder by name and by name without case; an exact name is never hidden by another's lower case."""
        if folder not in self._files:
            files = sorted(entry for entry in _contents(folder) if entry.is_file())
            by_name: dict[str, Path] = {}
            for file in files:
                by_name.setdefault(file.name.casefold(), file)
            by_name.update({file.name: file for file in files})
            self._files[folder] = by_name
        return self._files[folder]


def _contents(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
