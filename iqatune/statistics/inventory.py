"""What a cache folder holds, and how it is cleared: of all that is in it, or of some data set or backbone alone."""

from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from iqatune.datasets.registry import load_pairs
from iqatune.progress import Progress
from iqatune.records.cache import CacheContents, Holding, Kind
from iqatune.records.options import DataOptions
from iqatune.runtime.files import writing
from iqatune.statistics.cache import MEMOS, Cache
from iqatune.statistics.digests import stamps_of
from iqatune.statistics.pictures import reference_files
from iqatune.statistics.prepare import refuse_features
from iqatune.statistics.store import SUFFIX, VERSION, read_head

DEMO = "demo-*"
"""Folders of the demo set, which are in the user's own cache folder."""

_NO_SETTINGS = ("version", "backbone", "baseline", "channels")
"""Keys of a file's settings that a listing says in another place, or not at all."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which of a cache's files are meant; by default all.

    Attributes:
        backbone: the statistics of this one alone.
        references: SHA-256 of reference files: the statistics and scores of their pairs alone.
    """

    backbone: str | None = None
    references: Set[str] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it."""
        return self.backbone is None and self.references is None


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file of a cache, and what it says that it is of."""

    path: Path
    size: int
    kind: Kind
    name: str
    settings: dict[str, str | int | None]
    images: tuple[str, ...] = ()
    readable: bool = True

    @property
    def belongs_to(self) -> tuple[str, str, str, bool]:
        """What the files of one holding have in common."""
        return self.kind, self.name, repr(sorted(self.settings.items(), key=lambda item: item[0])), self.readable


def references_of(data: DataOptions, cache: Cache, progress: Progress) -> frozenset[str]:
    """SHA-256 of the reference files of a data set, or of several.

    Raises:
        InputError: for what is wrong with the labels or the images.
    """
    refuse_features(data)
    tables = [load_pairs(each) for each in (data.sets if data.datasets else [data])]
    stamps = stamps_of(path for table in tables for path in reference_files(table))
    return frozenset(cache.digests(stamps, progress).values())


def contents(cache: Cache, selection: Selection) -> CacheContents:
    """What a cache holds.

    Raises:
        OSError: naming a folder that cannot be listed.
    """
    return _described(cache, _selected(cache, selection), cleared=False)


def clear(cache: Cache, selection: Selection) -> CacheContents:
    """Remove files of a cache, and give what they held. No file is touched that iqatune did not write.

    Raises:
        InputError: naming a file that cannot be removed.
    """
    files = _selected(cache, selection)
    for file in files:
        with writing(file.path):
            file.path.unlink(missing_ok=True)
    for folder in sorted({file.path.parent for file in files} - {cache.folder}, reverse=True):
        with suppress(OSError):  # what else is in it stays
            folder.rmdir()
    return _described(cache, files, cleared=True)


def _described(cache: Cache, files: list[_File], *, cleared: bool) -> CacheContents:
    groups = groupby(sorted(files, key=lambda file: file.belongs_to), key=lambda file: file.belongs_to)
    holdings = [_holding(list(members)) for _, members in groups]
    return CacheContents(
        folder=str(cache.folder.absolute()),
        size=sum(file.size for file in files),
        holdings=tuple(sorted(holdings, key=lambda holding: (_ORDER.index(holding.kind), -holding.size))),
        cleared=cleared,
    )


_ORDER: tuple[Kind, ...] = ("statistics", "baseline", "memo", "demo")


def _holding(files: list[_File]) -> Holding:
    first = files[0]
    pairs = {(file.images[0], image) for file in files for image in file.images[1:]}
    return Holding(
        kind=first.kind,
        name=first.name,
        settings=first.settings,
        pairs=len(pairs) if any(file.images for file in files) else None,
        files=len(files),
        size=sum(file.size for file in files),
        readable=first.readable,
    )


def _selected(cache: Cache, selection: Selection) -> list[_File]:
    files = [*_kept(cache.statistics, "statistics"), *_kept(cache.baselines, "baseline")]
    if selection.is_everything:
        return [*files, *_others(cache.folder)]
    return [
        file
        for file in files
        if (selection.backbone is None or (file.kind == "statistics" and file.name == selection.backbone))
        and (selection.references is None or (file.images and file.images[0].partition(" ")[0] in selection.references))
    ]


def _kept(folder: Path, kind: Kind) -> Iterator[_File]:
    # baselines of old releases are JSON, straight in the folder
    for path in sorted({*folder.glob(f"*/*{SUFFIX}"), *folder.glob("*.json")}):
        head = read_head(path) if path.suffix == SUFFIX else None
        settings = {} if head is None else head.settings
        # of a file that says nothing its folder's name tells the backbone: NAME-HASH
        named = path.stem if path.parent == folder else path.parent.name
        yield _File(
            path=path,
            size=path.stat().st_size,
            kind=kind,
            name=str(settings.get("backbone") or settings.get("baseline") or named.rpartition("-")[0]),
            settings={key: value for key, value in settings.items() if _is_told(key, value)},
            images=() if head is None else head.images,
            readable=head is not None and (kind == "baseline" or settings.get("version") == VERSION),
        )


def _is_told(key: str, value: Any) -> bool:
    return key not in _NO_SETTINGS and (value is None or isinstance(value, str | int))


def _others(folder: Path) -> Iterator[_File]:
    for name in MEMOS:
        path = folder / name
        if path.is_file():
            yield _File(path=path, size=path.stat().st_size, kind="memo", name=name, settings={})
    for path in sorted(folder.glob(f"{DEMO}/*")):
        if path.suffix in (".png", ".json"):
            yield _File(path=path, size=path.stat().st_size, kind="demo", name=path.parent.name, settings={})
