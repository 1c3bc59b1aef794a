"""The CNN of the backbone `edges`, and what builds it."""

from pathlib import Path

import torch
from torch import Tensor, nn

from iqatune.backbones.parameters import fit, initialise, read_state_dict
from iqatune.backbones.sources import Cnn
from iqatune.backbones.zoo import IMAGENET_MEAN, IMAGENET_STD, BackboneInfo
from iqatune.errors import InputError


class Edges(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1)
            for before, after, stride in ((3, 8, 1), (8, 12, 2), (12, 16, 2))
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        stages = []
        for layer in self.layers:
            images = layer(images).relu()
            stages.append(images)
        return stages


def build(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    if weights == "pretrained":
        raise InputError(f"`backbone` {info.name}: nobody has trained it; give `backbone_weights` random or FILE")
    with torch.device("meta"):  # parameters without values, which come in a moment
        network = Edges()
    if weights == "random":
        initialise(network, seed)
    else:
        state = read_state_dict(Path(weights))
        fit(network, state, network.state_dict().keys(), f"`backbone_weights` {weights}")
    return Cnn(network, info.channels, IMAGENET_MEAN, IMAGENET_STD)
