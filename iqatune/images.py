"""Image files to 8-bit RGB arrays, and the protocol's resize."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from iqatune.errors import InputError

Rgb = NDArray[np.uint8]


def open_rgb(path: Path) -> Image.Image:
    """Decode an image file to 8-bit RGB.

    Greyscale is repeated in the three channels, palettes are looked up, an alpha channel is dropped, and 16-bit
    greyscale is scaled from 0..65535 to 0..255 (16-bit colour is reduced to its high bytes by the decoder).

    Raises:
        InputError: naming the file, when it is missing, truncated, no image, or of 32-bit numbers.
    """
    with _readable(path), Image.open(path) as image:
        # 16 bits are "I" where a format has no wider integers
        sixteen = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
        if image.mode in ("I", "F") and not sixteen:
            raise InputError(f"{path}: 32-bit numbers have no agreed black and white; save it with 8 or 16 bits")
        if sixteen:
            wide = np.asarray(image, dtype=np.float64)
            return Image.fromarray(np.clip(np.rint(wide / 257.0), 0, 255).astype(np.uint8)).convert("RGB")
        return image.convert("RGB")


def size_of(path: Path) -> tuple[int, int]:
    """Width and height that an image file's header states; the image itself may still turn out to be damaged.

    Raises:
        InputError: naming the file, when it is missing or no image.
    """
    with _readable(path), Image.open(path) as image:
        return image.size


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image file") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image ({error}); replace or exclude it") from error


INTERPOLATION = "pil-bilinear-antialias"
"""What `resize` is called in records and exports."""


def resized_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Width and height after the protocol's resize: the short side to `short_side`, never larger than it was.

    The long side is int(short_side * long / short), as in the published DISTS protocol.
    """
    short, long = min(width, height), max(width, height)
    if short_side is None or short <= short_side:
        return width, height
    new_long = int(short_side * long / short)
    return (short_side, new_long) if width < height else (new_long, short_side)


def resize(image: Image.Image, short_side: int | None) -> Image.Image:
    """PIL bilinear (antialiased) resize to the protocol's size; the image itself where nothing changes."""
    size = resized_size(*image.size, short_side)
    return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)


def read_rgb(path: Path, short_side: int | None = None) -> Rgb:
    """Decode and resize an image file: uint8 array (height, width, 3), 0..255.

    Raises:
        InputError: naming the file, when it cannot be decoded.
    """
    return np.array(resize(open_rgb(path), short_side))
