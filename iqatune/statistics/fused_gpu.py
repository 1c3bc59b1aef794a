"""Moments on a GPU by two Triton kernels: each map is read twice, where the torch operations pass it a dozen times.

The first sums the maps, the second their centred products. A map's sums are taken in pieces of one size and the pieces
added up in float64, so they do not depend on how many images are measured together: identical maps have s = 1 exactly.
Triton compiles the kernels at first use (it needs a C compiler then) and keeps them in the user's cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 2048
"""Values that a program reads at once."""

STEPS = 32
"""Tiles that a program goes through: as many values are added up in float32 before float64 takes over."""

WIDEST = 64
"""Channels of a tile."""

ARITHMETIC = {"enable_fp_fusion": False}
"""As written: whether products are fused with sums differs between Triton's versions."""


@dataclass(frozen=True)
class Reference:
    """One stage of a reference image: its (H * W, C) map, and its (C,) float32 mean and population variance."""

    pixels: Tensor
    mean: Tensor
    variance: Tensor


def reference_of(maps: Sequence[Tensor]) -> list[Reference]:
    """What of a reference is needed to compare others with it, from its maps (1, C_i, H_i, W_i) of every stage."""
    return [_reference(_pixels(stage).clone()) for stage in maps]


def compared(references: Sequence[Reference], maps: Sequence[Tensor]) -> Tensor:
    """Moments of distorted images against their reference, (B, 5, C_all) float32 in the order of `moments.MOMENTS`.

    Args:
        references: of every stage.
        maps: (B, C_i, H_i, W_i) on the GPU, of float32, bfloat16 or float16; fastest in channels-last order.
    """
    return torch.cat([_compared(x, _pixels(stage)) for x, stage in zip(references, maps, strict=True)], dim=2)


def _compared(reference: Reference, pixels: Tensor) -> Tensor:
    mean = _mean(pixels)
    variance, covariance = _products(reference.pixels, reference.mean, pixels, mean)
    parts = (reference.mean.expand_as(mean), mean, reference.variance.expand_as(mean), variance, covariance)
    return torch.stack(parts, dim=1)


def _reference(pixels: Tensor) -> Reference:
    mean = _mean(pixels)
    # by the kernel that others are compared by: an image compared with itself then has s = 1 exactly
    variance, _ = _products(pixels[0], mean[0], pixels, mean)
    return Reference(pixels[0], mean[0], variance[0])


def _pixels(maps: Tensor) -> Tensor:
    """(B, H * W, C) of maps (B, C, H, W); a view where they are channels-last."""
    return maps.permute(0, 2, 3, 1).contiguous().flatten(1, 2)


def _mean(pixels: Tensor) -> Tensor:
    """(B, C) float32 means of (B, N, C) values."""
    grid, tile = _grid(pixels)
    pieces = pixels.new_empty((len(pixels), grid[0], pixels.shape[2]), dtype=torch.float32)
    with torch.cuda.device_of(pixels):  # type: ignore[no-untyped-call]  # Triton looks at the current device alone
        _sum_kernel[grid](pixels, pieces, *pixels.shape[1:], STEPS=STEPS, **tile)
    return _added_up(pieces, pixels.shape[1])


def _products(reference: Tensor, reference_mean: Tensor, pixels: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C) float32 variances of (B, N, C) values, and their covariances with the reference's (N, C)."""
    grid, tile = _grid(pixels)
    squares, products = pixels.new_empty((2, len(pixels), grid[0], pixels.shape[2]), dtype=torch.float32)
    with torch.cuda.device_of(pixels):  # type: ignore[no-untyped-call]
        _product_kernel[grid](
            reference, reference_mean, pixels, mean, squares, products, *pixels.shape[1:], STEPS=STEPS, **tile
        )
    return _added_up(squares, pixels.shape[1]), _added_up(products, pixels.shape[1])


def _grid(pixels: Tensor) -> tuple[tuple[int, int, int], dict[str, int]]:
    """Programs by piece of a map, by block of channels and by image, and the tile that each goes through it with."""
    images, count, channels = pixels.shape
    across = min(WIDEST, triton.next_power_of_2(channels))
    down = TILE // across
    grid = (triton.cdiv(count, down * STEPS), triton.cdiv(channels, across), images)
    return grid, {"DOWN": down, "ACROSS": across, **ARITHMETIC}


def _added_up(pieces: Tensor, count: int) -> Tensor:
    return (pieces.sum(dim=1, dtype=torch.float64) / count).float()


# Triton takes a kernel's arguments by place
@triton.jit(do_not_specialize=["count"])
def _sum_kernel(  # noqa: PLR0917
    values, pieces, count, channels, STEPS: tl.constexpr, DOWN: tl.constexpr, ACROSS: tl.constexpr
):
    """Sums of one piece of one image's (count, channels) values."""
    piece, image = tl.program_id(0), tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * ACROSS + tl.arange(0, ACROSS)
    values += image * count * channels
    total = tl.zeros((DOWN, ACROSS), tl.float32)
    for step in range(STEPS):
        row = (piece * STEPS + step).to(tl.int64) * DOWN + tl.arange(0, DOWN)
        inside = (row < count)[:, None] & (channel < channels)[None, :]
        total += tl.load(values + row[:, None] * channels + channel[None, :], mask=inside, other=0.0).to(tl.float32)
    place = (image * tl.num_programs(0) + piece) * channels + channel
    tl.store(pieces + place, tl.sum(total, axis=0), mask=channel < channels)


@triton.jit(do_not_specialize=["count"])
def _product_kernel(  # noqa: PLR0917
    reference,
    reference_mean,
    values,
    mean,
    squares,
    products,
    count,
    channels,
    STEPS: tl.constexpr,
    DOWN: tl.constexpr,
    ACROSS: tl.constexpr,
):
    """Sums of the centred squares of one piece of one image's values, and of their products with the reference's."""
    piece, image = tl.program_id(0), tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * ACROSS + tl.arange(0, ACROSS)
    values += image * count * channels
    centre = tl.load(mean + image * channels + channel, mask=channel < channels, other=0.0)[None, :]
    reference_centre = tl.load(reference_mean + channel, mask=channel < channels, other=0.0)[None, :]
    square = tl.zeros((DOWN, ACROSS), tl.float32)
    product = tl.zeros((DOWN, ACROSS), tl.float32)
    for step in range(STEPS):
        row = (piece * STEPS + step).to(tl.int64) * DOWN + tl.arange(0, DOWN)
        inside = (row < count)[:, None] & (channel < channels)[None, :]
        place = row[:, None] * channels + channel[None, :]
        own = tl.load(values + place, mask=inside, other=0.0).to(tl.float32) - centre
        other = tl.load(reference + place, mask=inside, other=0.0).to(tl.float32) - reference_centre
        own = tl.where(inside, own, 0.0)
        square += own * own
        product += own * other
    place = (image * tl.num_programs(0) + piece) * channels + channel
    tl.store(squares + place, tl.sum(square, axis=0), mask=channel < channels)
    tl.store(products + place, tl.sum(product, axis=0), mask=channel < channels)
