"""The on-disk store of moments: one safetensors file per reference, named by everything that its figures depend on.

A file holds the moments of one reference's distorted images under one backbone and protocol. Its name is a hash of
the images' contents and of the settings, so a change of any of them is another file, never a stale figure. Files are
written whole, so that two processes can fill one store and a killed one leaves only whole files behind; a checksum
is tested on reading.
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

from iqatune.runtime.files import write_bytes

VERSION = 3
"""Raised whenever the same input would give other moments: older files are then not found any more."""

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
    """

    backbone: str
    parameters_sha256: str
    pooling: str
    resize: int | None
    precision: str
    channels: tuple[int, ...]
    plugin: str = ""


class DamagedFile(Exception):
    """A file of the store whose content is not what was written."""


def group_path(folder: Path, settings: Settings, reference: str, distorted: Sequence[str]) -> Path:
    """Where the moments of one reference and its distorted images (SHA-256 of their files) are kept."""
    decides = {name: value for name, value in asdict(settings).items() if name != "plugin" or value}
    settings_key = _key({"version": VERSION, **decides})
    group_key = _key([reference, *distorted])
    return folder / f"{settings.backbone.replace(':', '_')}-{settings_key[:16]}" / f"{group_key[:32]}.safetensors"


def write_group(path: Path, moments: Moments) -> None:
    """Keep the (n, 5, C) moments of one reference's pairs."""
    write_bytes(path, save({"moments": moments}, metadata={"sha256": _checksum(moments)}))


def read_group(path: Path, shape: tuple[int, int, int]) -> Moments:
    """Moments kept at `path`, of the (n, 5, C) `shape` that the caller expects.

    Raises:
        FileNotFoundError: when there are none.
        DamagedFile: when the file is not whole.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with safe_open(path, framework="numpy") as file:
            expected = (file.metadata() or {}).get("sha256")
            moments: Moments = file.get_tensor("moments")
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise DamagedFile(f"{path}: {error}") from error
    if moments.shape != shape or moments.dtype != np.float32 or _checksum(moments) != expected:
        raise DamagedFile(f"{path}: the checksum does not fit the content")
    return moments


def _key(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _checksum(moments: Moments) -> str:
    return hashlib.sha256(np.ascontiguousarray(moments).data).hexdigest()
