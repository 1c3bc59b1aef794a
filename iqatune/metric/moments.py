"""Centred spatial moments of feature maps.

The covariance is computed from centred maps: the one-pass form E[xy] - mx my cancels in float32 and is wrong by up to
0.24 for a flat image compared with itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MOMENTS = ("mean_x", "mean_y", "var_x", "var_y", "cov")
"""The order of the moments in every array of them."""


@dataclass(frozen=True)
class Centred:
    """Maps less their spatial means: what of a reference is needed to compare others with it.

    Attributes:
        mean: (B, C) spatial means.
        maps: (B, C, H, W) float32, each channel with mean 0.
        variance: (B, C) population variances.
    """

    mean: Tensor
    maps: Tensor
    variance: Tensor


def centre(maps: Tensor) -> Centred:
    """Centre (B, C, H, W) maps of any floating type, in float32 (float64 maps in float64)."""
    # a mean of low precision, and a difference with it, in float32 at once: a copy of the maps would cost as much again
    mean = maps.mean(dim=(2, 3), dtype=torch.promote_types(maps.dtype, torch.float32))
    centred = maps - mean[:, :, None, None]
    return Centred(mean, centred, _mean_product(centred, centred))


def moments(reference: Centred, distorted: Centred) -> Tensor:
    """Moments of the distorted maps (B, C, H, W) against the reference's (1 or B, C, H, W): (B, 5, C) float32."""
    covariance = _mean_product(reference.maps, distorted.maps)
    size = distorted.mean.shape
    return torch.stack(
        (
            reference.mean.expand(size),
            distorted.mean,
            reference.variance.expand(size),
            distorted.variance,
            covariance,
        ),
        dim=1,
    )


def reference_of(maps: Sequence[Tensor]) -> list[Centred]:
    """What of a reference is needed to compare others with it, from its maps (1, C_i, H_i, W_i) of every stage."""
    return [centre(stage) for stage in maps]


def compared(references: Sequence[Centred], maps: Sequence[Tensor]) -> Tensor:
    """Moments of distorted images' maps (B, C_i, H_i, W_i) against their reference, over all stages: (B, 5, C_all)."""
    return torch.cat([moments(x, centre(y)) for x, y in zip(references, maps, strict=True)], dim=2)


def _mean_product(first: Tensor, second: Tensor) -> Tensor:
    # one function for variance and covariance, that rounds both alike: s(x, x) is 1 but for a GPU's other order of sums
    return (first * second).mean(dim=(2, 3))
