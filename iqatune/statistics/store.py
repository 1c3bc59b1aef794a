"""The on-disk store: what was computed of pairs of images, such as their moments, in safetensors files.

A shelf is a folder for what was computed under the same settings; its name is a hash of them. A file of it holds some
pairs of one reference, those that were computed together: a pair that is new comes in a file of its own, and a search
over fewer pairs reads a part of what is there. A file's name is a hash of the images' contents, so a change of any of
them is another file, never a stale figure. The file says in full what its name is a hash of, so that under another name
it is not believed. Files are written whole, so that two processes can fill one shelf and a killed one leaves only whole
files behind; a checksum is tested on reading.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from iqatune.records.paths import backbone_folder
from iqatune.runtime.files import write_bytes
from iqatune.runtime.kept import NOT_ITS_OWN, NOT_WHOLE

VERSION = 5
"""Raised whenever the same input would give other moments, or a file another form: older ones are then not found."""

SUFFIX = ".safetensors"

_OFTEN_EMPTY = ("plugin", "padding")
"""Settings without which a file is called what it was called before there were any."""

Moments = NDArray[np.float32]
Values = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything besides the images that decides the moments.

    Attributes:
        backbone: its name, which decides the taps.
        parameters_sha256: of the backbone's parameters.
        pooling: native or l2.
        resize: the short side that larger images are brought down to; None for no resize.
        precision: of the backbone's arithmetic: fp32, bf16 or fp16.
        channels: of every stage.
        plugin: what tells the code of a backbone that is not built in (`Registry.origin`); empty where it is.
        padding: what images are padded to, in words; empty for a backbone that takes them as they are.
    """

    backbone: str
    parameters_sha256: str
    pooling: str
    resize: int | None
    precision: str
    channels: tuple[int, ...]
    plugin: str = ""
    padding: str = ""


class DamagedFile(Exception):
    """A file of the store whose content is not what was written there under its name."""


@dataclass(frozen=True)
class Place:
    """Where what was computed of some pairs of one reference is kept.

    Attributes:
        path: of the file.
        key: all that decides its values, as text: the settings, and SHA-256 of the image files, the reference's first.
        name: of the tensor in it.
    """

    path: Path
    key: str
    name: str = "moments"


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A folder of files with what was computed of pairs under the same settings.

    Attributes:
        settings: all that decides the values besides the images, as JSON.
        shape: of what there is of one pair.
        dtype: of the values.
        name: what they are.
    """

    folder: Path
    settings: str
    shape: tuple[int, ...]
    dtype: DTypeLike
    name: str

    def place(self, reference: str, distorted: Sequence[str]) -> Place:
        """Where the values of one reference and some distorted images are kept, given by the names of `image_name`."""
        images = _as_text([reference, *distorted])
        return Place(self.folder / _file_name(reference, images), f"{self.settings} {images}", self.name)


def shelf_of_moments(folder: Path, settings: Settings) -> Shelf:
    """Where the moments are kept that are measured under these settings.

    Args:
        folder: of the moments of all settings.
    """
    decides = {name: value for name, value in asdict(settings).items() if name not in _OFTEN_EMPTY or value}
    text = _as_text({"version": VERSION, **decides})
    return Shelf(
        folder=folder / f"{backbone_folder(settings.backbone)}-{_hash(text)[:16]}",
        settings=text,
        shape=(5, sum(settings.channels)),
        dtype=np.float32,
        name="moments",
    )


def shelf_of_scores(folder: Path, name: str, settings: object) -> Shelf:
    """Where the scores of a baseline are kept.

    Args:
        folder: of the scores of all baselines.
        name: the baseline's.
        settings: all that decides its scores besides the images.
    """
    text = _as_text(settings)
    return Shelf(folder=folder / f"{name}-{_hash(text)[:16]}", settings=text, shape=(), dtype=np.float64, name="scores")


def write_group(place: Place, values: Values) -> None:
    """Keep the values of some pairs of one reference, (n, ...).

    Raises:
        InputError: naming the file when it cannot be written.
    """
    metadata = {"key": place.key, "sha256": _checksum(place.key, values)}
    write_bytes(place.path, save({place.name: values}, metadata=metadata))


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a file says that it is of.

    Attributes:
        settings: all that decides its values besides the images.
        images: SHA-256 of the image files, the reference's first.
    """

    settings: dict[str, Any]
    images: tuple[str, ...]


def read_head(path: Path) -> Head | None:
    """What a file of any shelf says that it is of; None where it says nothing, as those of old releases."""
    try:
        with _opened(path) as file:
            key = (file.metadata() or {}).get("key", "")
        settings, end = json.JSONDecoder().raw_decode(key)
    except (DamagedFile, ValueError, RecursionError):
        return None
    images = _list_of_texts(key[end:])
    return Head(settings=settings, images=tuple(images)) if isinstance(settings, dict) and images else None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a shelf holds of some pairs of one reference.

    Attributes:
        values: (n, ...), those of the pairs that are absent not filled in.
        there: (n,) whether it holds the pair.
        damaged: files that may hold more of them, each with what is wrong with it.
    """

    values: Values
    there: NDArray[np.bool_]
    damaged: dict[Path, str]


class Reader:
    """Reads from a shelf as it is now; what others write there later is not seen."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._of_reference: dict[str, list[Path]] = {}
        self._older: list[Path] = []
        for name in sorted(_names(shelf.folder)):
            reference, dash, _ = name.partition("-")
            files = self._of_reference.setdefault(reference, []) if dash else self._older
            files.append(shelf.folder / name)

    def read(self, reference: str, distorted: Sequence[str]) -> Found:
        """What is there of one reference and distorted images, all given by the names of `image_name`."""
        found = Found(
            values=np.empty((len(distorted), *self._shelf.shape), dtype=self._shelf.dtype),
            there=np.zeros(len(distorted), dtype=bool),
            damaged={},
        )
        self._read_from(self._of_reference.get(_start(reference), []), reference, distorted, found)
        if not found.there.all():
            files, damaged = self._older_heads
            self._read_from(files.get(reference, []), reference, distorted, found)
            found.damaged.update({} if found.there.all() else damaged)
        return found

    def images_of(self, reference: str) -> set[str]:
        """The distorted images of a reference that there are files of, by what the files say; no values are read."""
        older, _ = self._older_heads
        files = [*self._of_reference.get(_start(reference), []), *older.get(reference, [])]
        heads = [head for path in files if (head := read_head(path)) is not None]
        return {image for head in heads if head.images[0] == reference for image in head.images[1:]}

    def _read_from(self, files: Iterable[Path], reference: str, distorted: Sequence[str], found: Found) -> None:
        for path in files:
            if found.there.all():
                return
            try:
                holds, values = _read(path, self._shelf, reference, set(distorted))
            except DamagedFile as error:
                found.damaged[path] = str(error)
                continue
            row_of = {image: row for row, image in enumerate(holds)}
            for row, image in enumerate(distorted):
                if not found.there[row] and image in row_of:
                    found.values[row], found.there[row] = values[row_of[image]], True

    @cached_property
    def _older_heads(self) -> tuple[dict[str, list[Path]], dict[Path, str]]:
        """Files of earlier releases by reference, which their names do not tell; and those that are damaged."""
        files: dict[str, list[Path]] = {}
        damaged: dict[Path, str] = {}
        for path in self._older:
            try:
                with _opened(path) as file:
                    files.setdefault(_images(path, file.metadata(), self._shelf.settings)[0], []).append(path)
            except DamagedFile as error:
                damaged[path] = str(error)
        return files, damaged


_DIGITS = 32
"""Of a hash in a file's name."""


def _names(folder: Path) -> list[str]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.name.endswith(SUFFIX)]
    return []


def _start(reference: str) -> str:
    """How the files of a reference begin; one that is changed before it is seen has files of its own."""
    digest, changed, _ = reference.partition(" ")
    return (_hash(reference) if changed else digest)[:_DIGITS]


def _file_name(reference: str, images: str) -> str:
    return f"{_start(reference)}-{_hash(images)[:_DIGITS]}{SUFFIX}"


def _read(path: Path, shelf: Shelf, reference: str, wanted: Set[str]) -> tuple[list[str], Values]:
    """The distorted images of a file, and (n, ...) their values; nothing of a file that holds none of those wanted."""
    with _opened(path) as file:
        metadata = file.metadata() or {}
        images = _images(path, metadata, shelf.settings)
        if images[0] != reference:
            raise DamagedFile(f"{path}: {NOT_ITS_OWN}")
        if wanted.isdisjoint(images[1:]):
            return [], np.empty((0, *shelf.shape), dtype=shelf.dtype)
        values: Values = file.get_tensor(shelf.name)
    if values.shape != (len(images) - 1, *shelf.shape) or values.dtype != shelf.dtype:
        raise DamagedFile(f"{path}: {NOT_WHOLE}")
    if _checksum(metadata["key"], values) != metadata.get("sha256"):
        raise DamagedFile(f"{path}: {NOT_WHOLE}")
    return images[1:], values


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An open file.

    Raises:
        DamagedFile: also for what fails while it is read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise DamagedFile(f"{path}: {error}") from error


def _images(path: Path, metadata: Mapping[str, str] | None, settings: str) -> list[str]:
    """SHA-256 of the images that a file says it is of, the reference's first.

    Raises:
        DamagedFile: when it says it in another place than its own.
    """
    key = (metadata or {}).get("key", "")
    text = key.removeprefix(f"{settings} ")
    images = _list_of_texts(text) if text != key else []
    # earlier releases left the reference out of the name
    own_names = (_file_name(images[0], text), f"{_hash(text)[:_DIGITS]}{SUFFIX}") if images else ()
    if path.name not in own_names:
        raise DamagedFile(f"{path}: {NOT_ITS_OWN}")
    return images


def _list_of_texts(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) and all(isinstance(item, str) for item in found) else []


def _as_text(content: object) -> str:
    return json.dumps(content, sort_keys=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(key: str, values: Values) -> str:
    digest = hashlib.sha256(key.encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
