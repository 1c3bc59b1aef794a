"""What moments on the CPU are made of, compiled by numba; import this only where moments are measured.

Every figure comes of the operations as they are written, in their order: neither the width of the processor's vectors
nor the number of threads changes it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload, register_jitable
from numpy.typing import NDArray

Pixels = NDArray[np.float32] | NDArray[np.uint16]
"""Values of maps: float32, or bfloat16 as the 16 bits that it is."""

Floats = NDArray[np.float32]
Sums = NDArray[np.float64]
Found = tuple[Floats, Floats, Floats]

ROWS = 64
"""Rows of a block: as many values are added up in float32 before float64 takes over."""

UNROLLED = 8
"""Rows whose values are added to a sum while it is in a register."""


def _value(pixel: Any) -> Any:
    """The float32 that a pixel stands for; what it is compiled to depends on the pixel's type."""
    return pixel


@overload(_value)
def _(pixel):  # type: ignore[no-untyped-def]  # numba compares its signature with those returned
    if pixel == types.uint16:
        # the upper half of the float32 that it stands for
        return lambda pixel: np.uint32(np.uint32(pixel) << np.uint32(16)).view(np.float32)
    return lambda pixel: pixel


def _set_means(block: Pixels, mean: Floats) -> None:
    """Of every column of a block (rows, width). By deviations from the first row: of equal values it is exact."""
    rows, width = block.shape
    mean[:] = 0
    # row by row: this pass is the one that waits for the memory, which is quickest in its order
    for row in range(1, rows):
        for place in range(width):
            mean[place] += _value(block[row, place]) - _value(block[0, place])
    for place in range(width):
        mean[place] = _value(block[0, place]) + mean[place] / np.float32(rows)


def _set_deviations(own: tuple[Pixels, Floats], other: tuple[Pixels, Floats], found: Floats) -> None:
    """Sums over the rows of a block of the deviations from its mean, of their squares, and of their products with
    another block's.

    Args:
        own, other: a block (rows, width) and its means.
        found: (3, width).
    """
    block, mean = own
    other_block, other_mean = other
    rows, width = block.shape
    found[:] = 0
    for row in range(0, rows - UNROLLED + 1, UNROLLED):
        for place in range(width):
            total, square, product = found[0, place], found[1, place], found[2, place]
            for step in range(UNROLLED):
                deviation = _value(block[row + step, place]) - mean[place]
                total += deviation
                square += deviation * deviation
                product += deviation * (_value(other_block[row + step, place]) - other_mean[place])
            found[0, place], found[1, place], found[2, place] = total, square, product
    for row in range(rows - rows % UNROLLED, rows):
        for place in range(width):
            deviation = _value(block[row, place]) - mean[place]
            found[0, place] += deviation
            found[1, place] += deviation * deviation
            found[2, place] += deviation * (_value(other_block[row, place]) - other_mean[place])


def _add(own: Found, other: Found, shape: tuple[int, int], totals: Sums) -> None:
    """Add a block's sums to those of its map, which are of deviations from the map's first pixel.

    Args:
        own, other: what was found of the block and of the other one, its mean, and its map's first pixel.
        shape: of both blocks.
        totals: (3, width).
    """
    found, mean, first = own
    other_found, other_mean, other_first = other
    rows, width = shape
    for place in range(width):
        away = np.float64(mean[place]) - np.float64(first[place])
        other_away = np.float64(other_mean[place]) - np.float64(other_first[place])
        # all but 0: what is left for the mean's having been rounded
        total, other_total = np.float64(found[0, place]), np.float64(other_found[0, place])
        totals[0, place] += total + rows * away
        totals[1, place] += np.float64(found[1, place]) + (away * total + away * total) + rows * (away * away)
        totals[2, place] += (
            np.float64(found[2, place]) + (away * other_total + other_away * total) + rows * (away * other_away)
        )


def _repeat(pixel: Pixels, row: Floats) -> None:
    """Fill a row with the values (C,) of one pixel."""
    for start in range(0, len(row), len(pixel)):
        for channel in range(len(pixel)):
            row[start + channel] = _value(pixel[channel])


def _set_sums(reference: Pixels, images: Pixels, place: tuple[int, int, int], sums: Sums) -> None:
    """Sums over some pixels of a reference's map (H * W * C,) and of others (B, H * W * C).

    Args:
        place: the first pixel, the last plus 1, and how many pixels share a row.
        sums: (1 + B, 3, C), the reference's first: of deviations from the map's first pixel, of their squares, and of
            their products with the reference's.
    """
    start, end, together = place
    channels = sums.shape[2]
    width = together * channels
    totals = np.zeros((len(sums), 3, width), np.float64)
    first = np.empty((len(sums), width), np.float32)
    _repeat(reference[:channels], first[0])
    for image in range(len(images)):
        _repeat(images[image, :channels], first[1 + image])
    mean, own_mean = np.empty(width, np.float32), np.empty(width, np.float32)
    found, own_found = np.empty((3, width), np.float32), np.empty((3, width), np.float32)
    while start < end:
        shape = (min(ROWS, (end - start) // together), width)
        if shape[0] == 0:  # fewer pixels are left than share a row
            shape = (1, (end - start) * channels)
        low, high = start * channels, start * channels + shape[0] * shape[1]
        block = reference[low:high].reshape(shape)
        _set_means(block, mean)
        _set_deviations((block, mean), (block, mean), found)
        its = (found, mean, first[0])
        _add(its, its, shape, totals[0])
        for image in range(len(images)):
            own = images[image, low:high].reshape(shape)
            _set_means(own, own_mean)
            _set_deviations((own, own_mean), (block, mean), own_found)
            _add((own_found, own_mean, first[1 + image]), its, shape, totals[1 + image])
        start += shape[0] * shape[1] // channels
    sums[:] = 0
    for image in range(len(sums)):
        for kind in range(3):
            for pixel in range(together):
                for channel in range(channels):
                    sums[image, kind, channel] += totals[image, kind, pixel * channels + channel]


def _set_moments(reference: Pixels, images: Pixels, sums: Sums, moments: Floats) -> None:
    """The moments (B, 5, C) of maps from the sums over each of their pieces (pieces, 1 + B, 3, C).

    Args:
        reference, images: the maps, as of `_set_sums`.
    """
    channels = sums.shape[3]
    pixels = len(reference) // channels
    for channel in range(channels):
        away, square = 0.0, 0.0
        for piece in range(len(sums)):
            away += sums[piece, 0, 0, channel]
            square += sums[piece, 0, 1, channel]
        away /= pixels
        variance = square / pixels - away * away
        mean = np.float64(_value(reference[channel])) + away
        for image in range(len(images)):
            own_away, square, product = 0.0, 0.0, 0.0
            for piece in range(len(sums)):
                own_away += sums[piece, 1 + image, 0, channel]
                square += sums[piece, 1 + image, 1, channel]
                product += sums[piece, 1 + image, 2, channel]
            own_away /= pixels
            moments[image, 0, channel] = mean
            moments[image, 1, channel] = np.float64(_value(images[image, channel])) + own_away
            moments[image, 2, channel] = variance
            moments[image, 3, channel] = square / pixels - own_away * own_away
            moments[image, 4, channel] = product / pixels - own_away * away


for _function in (_set_means, _set_deviations, _add, _repeat):
    register_jitable(_function)


def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    try:
        kernel: Callable[..., None] = njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no folder that it could keep the compiled kernel in
        kernel = njit(nogil=True)(function)

    def kept_or_not(*arguments: Any) -> None:
        try:
            kernel(*arguments)
        except OSError:  # the kernel is compiled, and its folder has no room for it; what it does is no file's
            kernel(*arguments)

    return kept_or_not


set_sums = _compiled(_set_sums)
set_moments = _compiled(_set_moments)
