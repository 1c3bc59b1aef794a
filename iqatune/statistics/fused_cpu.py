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
Kernel = Callable[[Floats, Floats, Pixels, Floats, Floats, Floats], None]

ROWS = 64
"""Pixels whose sums are taken in float32, before they are added up in float64."""

REORDERED = {"reassoc", "contract", "nsz"}
"""Sums may be taken in another order, and products fused with them; NaN and infinity keep their meaning."""


@dataclass(frozen=True)
class Reference:
    """One stage of a reference image: its (H * W, C) map, and its (C,) mean and population variance."""

    pixels: Floats
    mean: Floats
    variance: Floats


def reference_of(maps: Sequence[Tensor]) -> list[Reference]:
    """What of a reference is needed to compare others with it, from its maps (1, C_i, H_i, W_i) of every stage."""
    return [_reference(_pixels(stage.float())[0].copy()) for stage in maps]


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
            _kernel()(reference.pixels, reference.mean, _pixels(stage[image, None])[0], place[1], place[3], place[4])

    with ThreadPoolExecutor(threads or torch.get_num_threads()) as pool:
        list(pool.map(compare, range(len(moments))))
    return torch.from_numpy(moments)


def _reference(pixels: Floats) -> Reference:
    mean, variance, _ = (np.empty(pixels.shape[1], dtype=np.float32) for _ in range(3))
    # by the kernel that others are compared by: an image compared with itself then has s = 1 exactly
    _kernel()(pixels, mean, pixels, mean, variance, _)
    return Reference(pixels, mean, variance)


def _pixels(maps: Tensor) -> Pixels:
    """(B, H * W, C) of maps (B, C, H, W): float32, or the bits of bfloat16; a view where they are channels-last."""
    rows = maps.permute(0, 2, 3, 1).contiguous().flatten(1, 2)
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
    return kernel


def _value(pixel: Any) -> Any:
    """The float32 that a pixel stands for; what it is compiled to depends on the pixel's type."""
    return pixel


def _moments(
    reference: Floats, reference_mean: Floats, distorted: Pixels, mean: Floats, variance: Floats, covariance: Floats
) -> None:
    """Mean and variance of `distorted` (n, C) and its covariance with `reference` (n, C), written to the last three.

    `reference_mean` may be `mean` itself, which is set before it is used.
    """
    pixels, channels = distorted.shape
    first, second = np.zeros(channels, np.float64), np.zeros(channels, np.float64)
    short, other = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for start in range(0, pixels, ROWS):
        short[:] = 0
        for pixel in range(start, min(start + ROWS, pixels)):
            for channel in range(channels):
                short[channel] += _value(distorted[pixel, channel])
        for channel in range(channels):
            first[channel] += short[channel]
    for channel in range(channels):
        mean[channel] = first[channel] / pixels
    first[:] = 0
    for start in range(0, pixels, ROWS):
        short[:] = 0
        other[:] = 0
        for pixel in range(start, min(start + ROWS, pixels)):
            for channel in range(channels):
                centred = _value(distorted[pixel, channel]) - mean[channel]
                short[channel] += centred * centred
                other[channel] += centred * (reference[pixel, channel] - reference_mean[channel])
        for channel in range(channels):
            first[channel] += short[channel]
            second[channel] += other[channel]
    for channel in range(channels):
        variance[channel] = first[channel] / pixels
        covariance[channel] = second[channel] / pixels
