"""The on-disk store of moments: one safetensors file per reference, named by everything that its figures depend on.

A file holds the moments of one reference's distorted images under one backbone and protocol. Its name is a hash of
the images' contents and of the settings, so a change of any of them is another file, never a stale figure. The file
says in full what its name is a hash of, so that under another name it is not believed. Files are written whole, so that
two processes can fill one store and a killed one leaves only whole files behind; a checksum is tested on reading.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from iqatune.records.run_folder import backbone_folder
from iqatune.runtime.files import write_bytes
from iqatune.runtime.kept import NOT_ITS_OWN, NOT_WHOLE

VERSION = 4
"""Raised whenever the same input would give other moments, or a file another form: older ones are then not found."""

_OFTEN_EMPTY = ("plugin", "padding")
"""Settings without which a file is called what it was called before there were any."""

Moments = NDArray[np.float32]


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
    """Where the moments of one reference's pairs are kept.

    Attributes:
        key: all that decides them, as text: the settings, and SHA-256 of the image files, the reference's first.
    """

    path: Path
    key: str


def place_of(folder: Path, settings: Settings, reference: str, distorted: Sequence[str]) -> Place:
    """Where the moments of one reference and its distorted images (SHA-256 of their files) are kept."""
    decides = {name: value for name, value in asdict(settings).items() if name not in _OFTEN_EMPTY or value}
    settings_key, images_key = _as_text({"version": VERSION, **decides}), _as_text([reference, *distorted])
    path = (
        folder
        / f"{backbone_folder(settings.backbone)}-{_hash(settings_key)[:16]}"
        / f"{_hash(images_key)[:32]}.safetensors"
    )
    return Place(path, f"{settings_key} {images_key}")


def write_group(place: Place, moments: Moments) -> None:
    """Keep the (n, 5, C) moments of one reference's pairs.

    Raises:
        InputError: naming the file when it cannot be written.
    """
    metadata = {"key": place.key, "sha256": _checksum(place.key, moments)}
    write_bytes(place.path, save({"moments": moments}, metadata=metadata))


def read_group(place: Place, shape: tuple[int, int, int]) -> Moments:
    """Moments kept there, of the (n, 5, C) `shape` that the caller expects.

    Raises:
        FileNotFoundError: when there are none.
        DamagedFile: when the file is not whole, or is not of what its name says.
    """
    path = place.path
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            moments: Moments = file.get_tensor("moments")
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise DamagedFile(f"{path}: {error}") from error
    if metadata.get("key") != place.key:
        raise DamagedFile(f"{path}: {NOT_ITS_OWN}")
    if moments.shape != shape or moments.dtype != np.float32:
        raise DamagedFile(f"{path}: {NOT_WHOLE}")
    if _checksum(place.key, moments) != metadata.get("sha256"):
        raise DamagedFile(f"{path}: {NOT_WHOLE}")
    return moments


def _as_text(content: object) -> str:
    return json.dumps(content, sort_keys=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(key: str, moments: Moments) -> str:
    digest = hashlib.sha256(key.encode())
    digest.update(np.ascontiguousarray(moments).data)
    return digest.hexdigest()
