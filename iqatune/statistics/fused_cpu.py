"""Moments on the CPU by a compiled kernel: each map is read from memory once, where the torch operations pass it nine
times.

A map is taken in blocks that stay in a processor's cache. Of each block the means are found first and then, in a second
pass through the cache, the sums of deviations from them, of their squares and of their products with the reference's.
Blocks are added up in float64, as deviations from the map's first pixel (Chan, Golub and LeVeque 1983, 'Algorithms for
computing the sample variance: analysis and recommendations', equation 1.5), which loses at most N of float64's 2^53
steps over N pixels. So the figures are as exact as those of maps that are centred first, whatever their means; a
constant map has variance and covariance 0, and an image compared with itself has s = 1, both exactly.

The kernel is numba's, compiled at first use (some seconds) and kept on disk after that, beside its file or in the
user's cache.
"""

from collections.abc import Callable, Sequence
from math import gcd

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from iqatune.runtime.torch_threads import share

Pixels = NDArray[np.float32] | NDArray[np.uint16]
"""Values of maps: float32, or bfloat16 as the 16 bits that it is."""

WIDTH = 512
"""Values of a row of a block, about: pixels of few channels share one, and their sums are taken side by side."""

LANES = 16
"""Values of a row are best a multiple of what the widest processors work on at once."""

PIECE = 2**18
"""Values of a map, about, that a thread takes at a time, of all images together."""


def reference_of(maps: Sequence[Tensor]) -> list[Tensor]:
    """What of a reference is needed to compare others with it, from its maps (1, C_i, H_i, W_i) of every stage."""
    # a copy: what is left of the batch's memory is free for the next one
    return [stage.clone() for stage in maps]


def compared(references: Sequence[Tensor], maps: Sequence[Tensor], threads: int | None = None) -> Tensor:
    """Moments of distorted images against their reference, (B, 5, C_all) float32 in the order of `moments.MOMENTS`.

    Args:
        references: of every stage.
        maps: (B, C_i, H_i, W_i) on the CPU, of any floating type, of every stage; fastest in channels-last order.
        threads: that share the work; by default as many as torch uses. The figures are the same with any number.
    """
    # here, not above: a search from the store computes no moments, and numba takes most of a second to import
    from iqatune.statistics.cpu_kernel import set_moments

    images, ends = len(maps[0]), np.cumsum([stage.shape[1] for stage in maps])
    moments = np.empty((images, 5, ends[-1]), dtype=np.float32)
    stages = [(_pixels(x)[0], _pixels(y)) for x, y in zip(references, maps, strict=True)]
    parted = [_pieces(*pixels, stage.shape[1]) for pixels, stage in zip(stages, maps, strict=True)]
    # the last map was made last, and may still be in the cache
    share([piece for _, pieces in reversed(parted) for piece in pieces], threads or torch.get_num_threads())
    for (reference, others), (sums, _), end in zip(stages, parted, ends, strict=True):
        set_moments(reference, others, sums, moments[:, :, end - sums.shape[3] : end])
    return torch.from_numpy(moments)


def _pieces(reference: Pixels, images: Pixels, channels: int) -> tuple[NDArray[np.float64], list[Callable[[], None]]]:
    """The sums (pieces, 1 + B, 3, C) of one stage, and the work that sets them, which can be done in any order."""
    from iqatune.statistics.cpu_kernel import ROWS, set_sums

    together = _together(channels)
    block = ROWS * together
    step = block * max(PIECE // (block * channels), 1)
    pixels = len(reference) // channels
    starts = range(0, pixels, step)
    sums = np.empty((len(starts), 1 + len(images), 3, channels))

    def piece(number: int, start: int) -> Callable[[], None]:
        place = (start, min(start + step, pixels), together)
        return lambda: set_sums(reference, images, place, sums[number])

    return sums, [piece(*each) for each in enumerate(starts)]


def _together(channels: int) -> int:
    """How many pixels share a row."""
    together = max(WIDTH // channels, 1)
    unit = LANES // gcd(channels, LANES)
    return together - together % unit if together > unit else together


def _pixels(maps: Tensor) -> Pixels:
    """(B, H * W * C) of maps (B, C, H, W): float32, or the bits of bfloat16; a view if they are channels-last."""
    flat = maps.permute(0, 2, 3, 1).contiguous().flatten(1)
    # numpy has no bfloat16, and a copy in float32 would cost as much as the moments
    pixels: Pixels = flat.view(torch.uint16).numpy() if flat.dtype == torch.bfloat16 else flat.float().numpy()
    return pixels
