"""The L2 pooling that DISTS puts in the place of max pooling."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class L2Pool2d(nn.Module):
    """Blurred L2 pooling: sqrt(blur(x^2) + 1e-12), each channel by itself.

    The blur is the 3 x 3 kernel [1 2 1] x [1 2 1] / 16 with zero padding 1. (B, C, H, W) -> (B, C, H', W').
    Source: Ding et al. 2020, 'Image Quality Assessment: Unifying Structure and Texture Similarity', equation 3, and
    the author's package DISTS-pytorch.
    """

    kernel: Tensor

    def __init__(self, stride: int | tuple[int, int] = 2) -> None:
        super().__init__()
        self.stride = stride
        binomial = torch.tensor([1.0, 2.0, 1.0])
        # not persistent: a constant is no parameter of the backbone and takes no part in its hash or its files
        self.register_buffer("kernel", torch.outer(binomial, binomial)[None, None] / 16, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        if torch.is_autocast_enabled(maps.device.type):
            with torch.autocast(maps.device.type, enabled=False):
                return self._pooled(maps)
        return self._pooled(maps)

    def _pooled(self, maps: Tensor) -> Tensor:
        # in float16 the square of a map over 255 is infinite and 1e-12 is 0, so that the root has no gradient at 0
        wide = maps.float() if maps.dtype == torch.float16 else maps
        channels = maps.shape[1]
        kernel = self.kernel.to(wide.dtype).expand(channels, 1, 3, 3)
        blurred = F.conv2d(wide.square(), kernel, stride=self.stride, padding=1, groups=channels)
        return (blurred + 1e-12).sqrt().to(maps.dtype)


def replace_max_pooling(module: nn.Module) -> int:
    """Put an L2Pool2d of the same stride in the place of every max pooling inside `module`; how many there were."""
    replaced = 0
    for name, child in module.named_children():
        if isinstance(child, nn.MaxPool2d):
            setattr(module, name, L2Pool2d(child.stride))
            replaced += 1
        else:
            replaced += replace_max_pooling(child)
    return replaced
