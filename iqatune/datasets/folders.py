"""Where a published set's folders and label files are below the folder that a user names, however they are nested."""

import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePath

from iqatune.datasets.files import FileFinder
from iqatune.errors import InputError

DEEPEST = 4
"""Levels below the named folder that are looked at; downloads nest a set once or twice."""

MOST_FOLDERS = 2000
"""Folders that are looked at: whoever names a home folder shall not wait for all of it."""

Places = Mapping[str, tuple[str, ...]]
"""For every folder of images, as the set itself names it, the folders in which they may lie; the set's own first."""


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder at or below the named one.

    Attributes:
        steps: the names that lead to it.
        inside: the names of the folders in it, without case.
        files: of the wanted names those that are in it, without case, with their paths; folders count as well.
    """

    path: Path
    steps: tuple[str, ...]
    inside: frozenset[str]
    files: Mapping[str, Path]

    def holds(self, other: "Folder") -> bool:
        """Whether the other is this folder or below it."""
        return other.steps[: len(self.steps)] == self.steps


@dataclass(frozen=True)
class Tree:
    """What lies below the named folder."""

    root: Path
    folders: tuple[Folder, ...]
    """The named one first, then by depth and name."""

    def home(self, places: Places, name: str, labels: Collection[str]) -> "Home":
        """The folder that holds the images' folders: the one with the most of them.

        Between equal ones: one with a label file in or below it, one that is called as the set, the least nested.

        Args:
            labels: names of the set's label files.

        Raises:
            InputError: when two are as good.
        """
        scores = {folder: _score(folder, places) for folder in self.folders}
        best = max(scores.values())
        if not best:
            return Home(self, self.folders[0], (), places)
        candidates = [folder for folder, score in scores.items() if score == best]
        wanted = {label.casefold() for label in labels}

        def worse(folder: Folder) -> tuple[bool, bool, int]:
            labelled = any(wanted & each.files.keys() for each in self.folders if folder.holds(each))
            called = any(_letters(name) in _letters(step) for step in folder.steps)
            return not labelled, not called, len(folder.steps)

        candidates.sort(key=worse)
        if len(candidates) > 1 and worse(candidates[0]) == worse(candidates[1]):
            shown = " and ".join("/".join(folder.steps) for folder in candidates[:2])
            raise InputError(f"{self.root}: both {shown} may be {name}; name one of them with `data_root`")
        others = tuple(
            folder
            for folder, score in scores.items()
            if score and not folder.holds(candidates[0]) and not candidates[0].holds(folder)
        )
        return Home(self, candidates[0], others, places)


@dataclass(frozen=True)
class Home:
    """Where a set's images are, and what else of the set is around them; a finder of images.

    Attributes:
        others: folders that hold a set of the same form, whose label files are not this one's.
    """

    tree: Tree
    folder: Folder
    others: tuple[Folder, ...]
    places: Places

    @property
    def root(self) -> Path:
        """The folder that holds the images' folders."""
        return self.folder.path

    @cached_property
    def _finder(self) -> FileFinder:
        return FileFinder(self.root)

    @cached_property
    def found(self) -> dict[str, tuple[str, ...]]:
        """For every folder of images those that are there, as they are written on the disk, relative to `root`."""
        there = {place: tuple(self._spelled(place)) for names in self.places.values() for place in names}
        return {name: tuple(path for place in names for path in there[place]) for name, names in self.places.items()}

    def _spelled(self, place: str) -> Iterator[str]:
        folder = self._finder.folder(place)
        if folder is not None:
            yield folder.relative_to(self.root).as_posix()
            # an archive unpacked into a folder of its own name
            again = self._finder.folder(f"{place}/{posixpath.basename(place)}")
            if again is not None:
                yield again.relative_to(self.root).as_posix()

    def find(self, name: str) -> Path | None:
        """The file of a name in the set's own folders, wherever it is; None where there is none."""
        place = posixpath.dirname(name)
        while place and place not in self.places:
            place = posixpath.dirname(place)
        rest = name[len(place) + 1 :]
        for folder in self.found.get(place, ()):
            path = self._finder.find(f"{folder}/{rest}")
            if path is not None:
                return path
        return None

    def beside(self, name: str) -> Path | None:
        """The label file of that name that is nearest: in the images' home, below it, or in a folder above it.

        One that is named with a folder of images is looked for there alone.
        """
        return self.find(name) if "/" in name else self._files.get(name.casefold())

    @cached_property
    def _files(self) -> dict[str, Path]:
        def far(folder: Folder) -> tuple[int, int]:
            shared = takewhile(lambda both: both[0] == both[1], zip(self.folder.steps, folder.steps, strict=False))
            return len(self.folder.steps) - len(list(shared)), len(folder.steps)

        near: dict[str, Path] = {}
        for folder in sorted(self.tree.folders, key=far):
            if not any(other.holds(folder) for other in self.others):
                for name, path in folder.files.items():
                    near.setdefault(name, path)
        return near

    def otherwise(self, used: Collection[PurePath]) -> tuple[str, ...]:
        """In words, what is called or placed otherwise than in the set itself.

        Args:
            used: the folders that images were found in.
        """
        spelled: dict[str, list[str]] = {}
        there = {self.root / folder: folder for folders in self.found.values() for folder in folders}
        read = {
            next((there[parent] for parent in (path, *path.parents) if parent in there), "") for path in map(Path, used)
        }
        for name, folders in self.found.items():
            for folder in folders:
                if folder != name and folder in read:
                    spelled.setdefault(folder, []).append(name)
        lines = [f"{folder}/ is read as {_common(names)}/" for folder, names in spelled.items()]
        if self.folder.steps:
            lines.insert(0, f"the images are in {'/'.join(self.folder.steps)}/")
        return tuple(lines)


def tree(root: Path, wanted: Iterable[str]) -> Tree:
    """Look through a folder and those below it.

    Args:
        wanted: names of label files to look for, whatever their case.

    Raises:
        InputError: when the folder itself cannot be listed.
    """
    names = {name.casefold() for name in wanted}
    try:
        folders = [_folder(root.absolute(), (), names)]
    except OSError as error:
        raise InputError(f"{root}: cannot be listed ({error.strerror}); check its permissions") from error
    for folder, below in folders:
        if len(folder.steps) < DEEPEST:
            for name in below:
                if len(folders) < MOST_FOLDERS:
                    try:
                        folders.append(_folder(folder.path / name, (*folder.steps, name), names))
                    except OSError:
                        continue  # of no use to a set whose images are elsewhere, and missed by one whose are in it
    return Tree(root.absolute(), tuple(folder for folder, _ in folders))


def _folder(path: Path, steps: tuple[str, ...], wanted: Collection[str]) -> tuple[Folder, list[str]]:
    """A folder, and the names of those in it that are looked at next."""
    folders: list[str] = []
    files: dict[str, Path] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            without_case = entry.name.casefold()
            if without_case in wanted:
                files[without_case] = min(path / entry.name, files.get(without_case, path / entry.name))
            if not entry.name.startswith(".") and _is_folder(entry):
                folders.append(entry.name)
    return Folder(path, steps, frozenset(name.casefold() for name in folders), files), sorted(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _score(folder: Folder, places: Places) -> int:
    """How many folders of images are in a folder."""
    finder = FileFinder(folder.path)

    def there(place: str) -> bool:
        first = place.partition("/")[0].casefold()
        return first in folder.inside and finder.folder(place) is not None

    return sum(any(there(place) for place in names) for names in places.values())


def _letters(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _common(names: Sequence[str]) -> str:
    """One name for several folders: where they are in one, `FOLDER/TYPE`."""
    if len(names) == 1:
        return names[0]
    parent = posixpath.commonpath(names)
    return f"{parent}/TYPE" if parent else ", ".join(names)
