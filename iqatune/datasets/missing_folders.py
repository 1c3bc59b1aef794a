"""Images that a table names without the folders that they lie in, as pyiqa's tables do."""

import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from iqatune.datasets.adapter import Entry
from iqatune.datasets.files import FileFinder, composed
from iqatune.errors import InputError
from iqatune.records.options import DataOptions

_WINDOWS = re.compile(r"[A-Za-z]:/|//")
"""How an absolute path of Windows begins, as image names are spelled."""

DEEPEST = 3
"""Folders below the root that are looked into: reference_images/, LIVE/refimgs/, LIVE/LIVE/refimgs/."""

SHOWN = 3
"""Folders that a line names."""


def placed(entries: Sequence[Entry], finder: FileFinder, source: str, options: DataOptions) -> Sequence[Entry]:
    """The entries with the folders of their images put before the names.

    That is done where none of all references, or of all distorted images, is where its name says: then each is looked
    for in the folders below the root. It is never done for single ones, of which another file would be taken that
    happens to have the name.

    Args:
        source: what error lines call the table.
        options: what is excluded, and whether an image may be absent.

    Raises:
        InputError: when several files have the name of an image; without `allow_missing` for an image that is absent
            while others are there, and lies elsewhere, and for an absolute path of Windows.
    """
    left_out = {name.strip().casefold() for name in options.exclude}
    looked_for = [entry for entry in entries if entry.distortion.casefold() not in left_out]
    for column in ("reference", "distorted"):
        rows = {getattr(entry, column): entry.where for entry in reversed(looked_for)}
        absent = {name: where for name, where in reversed(rows.items()) if finder.find(name) is None}
        if not absent or (len(absent) < len(rows) and options.allow_missing):
            continue
        files = _files_below(finder.root)
        found = {name: _places(name, files) for name in absent}
        for name, places in found.items():
            said = f"{finder.root / name}: no such image, though {absent[name]} of {source} names it"
            if _WINDOWS.match(name) and not options.allow_missing:
                raise InputError(f"{said}, by a path of Windows; write it relative to the images' folder")
            if len(absent) < len(rows) and len(places) == 1:
                raise InputError(f"{said}; there is {places[0]}: correct the path")
            if len(absent) == len(rows) and len(places) > 1:
                raise InputError(f"{said}; {places[0]} and {places[1]} have this name: write the folder before it")
        if len(absent) == len(rows):
            paths = {name: places[0] for name, places in found.items() if places}
            entries = [
                replace(entry, **{column: paths.get(getattr(entry, column), getattr(entry, column))})
                for entry in entries
            ]
    return entries


def folders_line(given: Sequence[Entry], found: Sequence[Entry]) -> list[str]:
    """What a user is told of the folders in which images were found."""
    lines = []
    for column, called in (("reference", "references"), ("distorted", "distorted images")):
        both = [(getattr(old, column), getattr(new, column)) for old, new in zip(given, found, strict=True)]
        folders = list(dict.fromkeys(new[: -len(old)] for old, new in both if new != old))
        if folders:
            lines.append(f"{called} found in {', '.join(folders[:SHOWN])}{', ...' if len(folders) > SHOWN else ''}")
    return lines


def _places(name: str, files: Mapping[str, list[str]]) -> list[str]:
    """The files whose path ends in a name, whatever its case; a PNG in place of a BMP only where there is none."""
    stem, suffix = posixpath.splitext(name)
    for candidate in (name, f"{stem}.png") if suffix.lower() == ".bmp" else (name,):
        wanted = _folded(candidate)
        alike = files.get(posixpath.basename(wanted), [])
        found = [path for path in alike if _folded(path).endswith(f"/{wanted}")]
        if found:
            return found
    return []


def _files_below(root: Path) -> dict[str, list[str]]:
    """Files in the folders below a root by their name without case, each as its path below the root."""
    found: dict[str, list[str]] = {}
    for folder, folders, names in os.walk(root, followlinks=True):
        parts = Path(folder).relative_to(root).parts
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if len(parts) < DEEPEST else []
        for name in sorted(names):
            found.setdefault(_folded(name), []).append(posixpath.join(*parts, name))
    return found


def _folded(name: str) -> str:
    return composed(name).casefold()
