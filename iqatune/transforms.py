"""Pictures changed on purpose: damage of a known kind and strength, shifts and crops, by names such as `jpeg:30`.

A transform is text, so that a pair can carry it, a cache file can be named by it, and another process can apply it. It
takes the picture as it is decoded, before the protocol's resize: a file that holds the transformed picture gives the
same numbers.

    side:S        brought down to a short side of S pixels (Pillow, bilinear), and back to its size
    jpeg:Q        stored as JPEG of quality Q, 1 to 100 (4:2:0)
    blur:SIGMA    Gaussian, SIGMA pixels
    noise:SIGMA   Gaussian noise, SIGMA in units of the range; drawn by the picture itself: the same one, the same noise
    shift:N       N pixels to the right, or to the left where N is negative, edges repeated
    crop:X,Y,W,H  the part W wide and H high whose corner is X to the right and Y down
"""

import hashlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iqatune.errors import InputError, did_you_mean
from iqatune.images import Rgb, read_rgb, resize, resized_size

Transform = Callable[[Rgb], Rgb]


def transform_of(text: str) -> Transform:
    """What a transform's name does: a picture (H, W, 3), 8 bits, to another. The empty name does nothing.

    Raises:
        InputError: when it names no transform, or with numbers that it does not take.
    """
    if not text:
        return lambda picture: picture
    name, _, numbers = text.partition(":")
    if name not in _MAKERS:
        raise InputError(f"transform {text}: unknown transform; {did_you_mean(name, tuple(_MAKERS))}")
    try:
        return _MAKERS[name](*(float(number) for number in numbers.split(",")))
    except (TypeError, ValueError) as error:
        raise InputError(f"transform {text}: {_WANTED[name]}") from error


def read_transformed(path: Path, transform: str, short_side: int | None = None) -> Rgb:
    """Decode, transform and resize an image file: uint8 array (height, width, 3), 0..255.

    Raises:
        InputError: naming the file, when it cannot be decoded or transformed; and for no transform.
    """
    if not transform:
        return read_rgb(path, short_side)
    change = transform_of(transform)
    try:
        changed = change(read_rgb(path))
    except _NotInside as error:
        raise InputError(f"{path}: {error}") from error
    return np.array(resize(Image.fromarray(changed), short_side))


class _NotInside(ValueError):
    """A crop that is not inside the picture."""


def _smaller_and_back(picture: Rgb, side: int) -> Rgb:
    image = Image.fromarray(picture)
    small = image.resize(resized_size(*image.size, side), Image.Resampling.BILINEAR)
    return np.array(small if small.size == image.size else small.resize(image.size, Image.Resampling.BILINEAR))


def _through_jpeg(picture: Rgb, quality: int) -> Rgb:
    stored = io.BytesIO()
    Image.fromarray(picture).save(stored, format="JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(stored) as image:
        return np.array(image.convert("RGB"))


def _blurred(picture: Rgb, sigma: float) -> Rgb:
    from scipy.ndimage import gaussian_filter  # takes a moment to import

    return _as_picture(gaussian_filter(picture.astype(np.float64), (sigma, sigma, 0), mode="nearest"))


def _noisy(picture: Rgb, sigma: float) -> Rgb:
    # seeded by the picture: two pictures have noise of their own, and two copies of one stay copies
    digest = hashlib.sha256(np.ascontiguousarray(picture).data).digest()
    noise = np.random.default_rng(int.from_bytes(digest[:8])).normal(0, 255 * sigma, picture.shape)
    return _as_picture(picture + noise)


def _shifted(picture: Rgb, columns: int) -> Rgb:
    width = picture.shape[1]
    return picture[:, np.clip(np.arange(width) - columns, 0, width - 1)]


def _cropped(picture: Rgb, x: int, y: int, size: tuple[int, int]) -> Rgb:
    (width, height), (rows, columns) = size, picture.shape[:2]
    if x + width > columns or y + height > rows:
        raise _NotInside(f"{width}x{height} at {x}, {y} is not inside its {columns}x{rows} pixels")
    return picture[y : y + height, x : x + width]


def _as_picture(values: NDArray[np.float64]) -> Rgb:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _whole(number: float, least: float = -np.inf, most: float = np.inf) -> int:
    if not number.is_integer() or not least <= number <= most:
        raise ValueError(number)
    return int(number)


def _above_0(number: float) -> float:
    if not 0 < number < np.inf:
        raise ValueError(number)
    return number


def _crop(x: float, y: float, width: float, height: float) -> Transform:
    return partial(_cropped, x=_whole(x, 0), y=_whole(y, 0), size=(_whole(width, 1), _whole(height, 1)))


_MAKERS: Final[dict[str, Callable[..., Transform]]] = {
    "side": lambda side: partial(_smaller_and_back, side=_whole(side, 1)),
    "jpeg": lambda quality: partial(_through_jpeg, quality=_whole(quality, 1, 100)),
    "blur": lambda sigma: partial(_blurred, sigma=_above_0(sigma)),
    "noise": lambda sigma: partial(_noisy, sigma=_above_0(sigma)),
    "shift": lambda columns: partial(_shifted, columns=_whole(columns)),
    "crop": _crop,
}

_WANTED: Final = {
    "side": "give the short side in pixels, as side:112",
    "jpeg": "give a quality from 1 to 100, as jpeg:30",
    "blur": "give a sigma above 0 in pixels, as blur:2",
    "noise": "give a sigma above 0 in units of the range, as noise:0.1",
    "shift": "give a whole number of pixels, as shift:1",
    "crop": "give the corner and the size in pixels, as crop:0,0,64,64",
}
