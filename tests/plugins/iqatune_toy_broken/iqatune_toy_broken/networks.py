"""What builds the broken backbones."""

import torch
from torch import Tensor, nn

from iqatune.backbones.sources import Cnn
from iqatune.backbones.zoo import IMAGENET_MEAN, IMAGENET_STD, BackboneInfo


class _OneMap(nn.Module):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [images]


class _FlatMap(nn.Module):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [torch.flatten(images, 2)]


def wrong_channels(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    return Cnn(_OneMap(), info.channels, IMAGENET_MEAN, IMAGENET_STD)


def flat_maps(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    return Cnn(_FlatMap(), (3,), IMAGENET_MEAN, IMAGENET_STD)
