"""Moments on the CPU by a compiled kernel: each map is read twice, where the torch operations pass it nine times.

The kernel is numba's, compiled at first use (a second or two) and kept on disk after that, beside this file or in the
user's cache.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Pixels = NDArray[np.float32] | NDArray[np.uint16]
"""Values of a map: float32, or bfloat16 as the 16 bits that it is."""
Kernel = Callable[[Pixels, Floats, Pixels, tuple[Floats, Floats, Floats]], None]

ROWS = 64
"""Rows whose sums are taken in float32, before they are added up in float64."""

WIDTH = 64
"""Values of a row where pixels of few channels share one: their sums are taken side by side."""

REORDERED = {"reassoc", "contract", "nsz"}
"""Sums may be taken in another order, and products fused with them; NaN and infinity keep their meaning."""


@dataclass(frozen=True)
class Reference:
    """One stage of a reference image: the `_rows` of its map, and its (C,) mean and population variance."""

    rows: Pixels
    mean: Floats
    variance: Floats


def reference_of(maps: Sequence[Tensor]) -> list[Reference]:
    """What of a reference is needed to compare others with it, from its maps (1, C_i, H_i, W_i) of every stage."""
    return [_reference(_rows(stage)[0].copy(), stage.shape[1]) for stage in maps]


def compared(references: Sequence[Reference], maps: Sequence[Tensor], threads: int | None = None) -> Tensor:
    """Moments of distorted images against their reference, (B, 5, C_all) float32 in the order of `moments.MOMENTS`.

    Args:
        references: of every stage.
        maps: (B, C_i, H_i, W_i) on the CPU, of any floating type, of every stage; fastest in channels-last order.
        threads: images that are worked on at a time; by default as many as torch uses.
    """
    widths = [len(reference.mean) for reference in references]
    moments = np.empty((len(maps[0]), 5, sum(widths)), dtype=np.float32)
    ends = np.cumsum(widths)

    def compare(image: int) -> None:
        for reference, stage, end, width in zip(references, maps, ends, widths, strict=True):
            place = moments[image, :, end - width : end]
            place[0], place[2] = reference.mean, reference.variance
            own = _rows(stage[image, None])[0]
            _kernel()(reference.rows, reference.mean, own, (place[1], place[3], place[4]))

    with ThreadPoolExecutor(threads or torch.get_num_threads()) as pool:
        list(pool.map(compare, range(len(moments))))
    return torch.from_numpy(moments)


def _reference(rows: Pixels, channels: int) -> Reference:
    mean, variance, _ = (np.empty(channels, dtype=np.float32) for _ in range(3))
    # by the kernel that others are compared by: an image compared with itself then has s = 1 exactly
    _kernel()(rows, mean, rows, (mean, variance, _))
    return Reference(rows, mean, variance)


def _rows(maps: Tensor) -> Pixels:
    """(B, H * W / n, n * C) of maps (B, C, H, W): float32, or the bits of bfloat16; a view if they are channels-last.

    n, at least 1, is the most pixels that fit in a row of WIDTH and leave no row short.
    """
    images, channels, height, width = maps.shape
    together = max(n for n in range(1, max(WIDTH // channels, 1) + 1) if height * width % n == 0)
    rows = maps.permute(0, 2, 3, 1).contiguous().view(images, -1, together * channels)
    # numpy has no bfloat16, and a copy in float32 would cost as much as the moments
    bits: Pixels = rows.view(torch.uint16).numpy() if rows.dtype == torch.bfloat16 else rows.float().numpy()
    return bits


@cache
def _kernel() -> Kernel:
    # here, not above: a search from the store computes no moments, and numba takes most of a second to import
    from numba import njit, types
    from numba.extending import overload

    @overload(_value)
    def _(pixel):  # type: ignore[no-untyped-def]  # numba compares its signature with those returned
        if pixel == types.uint16:
            # the upper half of the float32 that it stands for
            return lambda pixel: np.uint32(np.uint32(pixel) << np.uint32(16)).view(np.float32)
        return lambda pixel: pixel

    try:
        kernel: Kernel = njit(nogil=True, fastmath=REORDERED, cache=True)(_moments)
    except RuntimeError:  # numba found no folder that it could keep the compiled kernel in
        kernel = njit(nogil=True, fastmath=REORDERED)(_moments)

    def kept_or_not(*arguments: Any) -> None:
        try:
            kernel(*arguments)
        except OSError:  # the kernel is compiled, and its folder has no room for it; what it does is no file's
            kernel(*arguments)

    return kept_or_not


def _value(pixel: Any) -> Any:
    """The float32 that a pixel stands for; what it is compiled to depends on the pixel's type."""
    return pixel


def _moments(
    reference: Pixels, reference_mean: Floats, distorted: Pixels, found: tuple[Floats, Floats, Floats]
) -> None:
    """Mean and variance of `distorted` (rows, n * C) and its covariance with `reference` (rows, n * C).

    They are written to `found`, (C,) each. `reference_mean` (C,) may be that mean itself, which is set before it is
    used.
    """
    mean, variance, covariance = found
    (rows, width), channels = distorted.shape, len(mean)
    pixels = rows * width // channels
    first, second = np.zeros(width, np.float64), np.zeros(width, np.float64)
    short, other = np.empty(width, np.float32), np.empty(width, np.float32)
    for start in range(0, rows, ROWS):
        short[:] = 0
        for row in range(start, min(start + ROWS, rows)):
            for place in range(width):
                short[place] += _value(distorted[row, place])
        for place in range(width):
            first[place] += short[place]
    for channel in range(channels):
        mean[channel] = first[channel::channels].sum() / pixels
    means, reference_means = np.empty(width, np.float32), np.empty(width, np.float32)
    for place in range(width):
        means[place] = mean[place % channels]
        reference_means[place] = reference_mean[place % channels]
    first[:] = 0
    for start in range(0, rows, ROWS):
        short[:] = 0
        other[:] = 0
        for row in range(start, min(start + ROWS, rows)):
            for place in range(width):
                centred = _value(distorted[row, place]) - means[place]
                short[place] += centred * centred
                other[place] += centred * (_value(reference[row, place]) - reference_means[place])
        for place in range(width):
            first[place] += short[place]
            second[place] += other[place]
    for channel in range(channels):
        variance[channel] = first[channel::channels].sum() / pixels
        covariance[channel] = second[channel::channels].sum() / pixels
