"""Channels without weight are cut from the last layers, and the maps of the others stay what they are."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from iqatune.backbones.cutting import traced, with_last_channels
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.metric.module import Metric, distance
from iqatune.metric.weights import Weights

CUT = ("vgg16", "alexnet", "squeezenet", "resnet50", "timm:mobilenetv2_100", "timm:resnet18", "timm:densenet121")


def _weights(channels: tuple[int, ...], last: int, kept: list[int]) -> Weights:
    """Random ones up to a stage, of which these channels alone have any."""
    values = np.random.default_rng(0).random((2, sum(channels)))
    start = sum(channels[:last])
    values[:, start + channels[last] :] = 0
    values[:, [start + channel for channel in range(channels[last]) if channel not in kept]] = 0
    values /= values.sum()
    return Weights(channels, values[0], values[1])


def _images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 3, 96, 107, generator=generator)
    return x, (x + 0.3 * torch.rand(x.shape, generator=generator)).clamp(0, 1)


def _parameters(backbone: Backbone) -> int:
    return sum(tensor.numel() for tensor in backbone.parameters())


@pytest.mark.parametrize("name", CUT)
def test_a_cut_metric_gives_the_distances_of_the_whole_one(name: str) -> None:
    backbone = build_backbone(name, "random")
    x, y = _images()
    for last in (len(backbone.channels) - 1, 2):
        kept = np.random.default_rng(last).permutation(backbone.channels[last])[: backbone.channels[last] // 2]
        weights = _weights(backbone.channels, last, sorted(kept.tolist()))
        metric = Metric(backbone, weights)
        assert metric.cut_channels == backbone.channels[last] - len(kept)
        # the whole CNN, every channel of it compared, zeros among the weights
        expected = distance(x, y, backbone=backbone, weights=weights)
        np.testing.assert_allclose(metric(x, y).numpy(), expected.numpy(), rtol=0, atol=1e-6)
        assert _parameters(metric.backbone) < _parameters(backbone.first_stages(last + 1))
        assert len(backbone(x)) == len(backbone.channels)  # the whole one is left as it was
        assert backbone(x)[last].shape[1] == backbone.channels[last]


@pytest.mark.parametrize("name", ["xception", "timm:convnext_tiny"])
def test_what_is_not_known_stays_whole(name: str) -> None:
    """The maps of one are not in its graph; the last block of the other ends in a scale of its own."""
    backbone = build_backbone(name, "random")
    last = len(backbone.channels) - 1
    weights = _weights(backbone.channels, last, [0, 1, 2])
    metric = Metric(backbone, weights)
    assert metric.cut_channels == 0
    x, y = _images()
    expected = distance(x, y, backbone=backbone, weights=weights)
    np.testing.assert_allclose(metric(x, y).numpy(), expected.numpy(), rtol=0, atol=1e-6)


def test_one_channel_of_one_branch_is_enough() -> None:
    """Fire modules put two branches side by side: a branch of which nothing is kept is not computed."""
    backbone = build_backbone("squeezenet", "random")
    metric = Metric(backbone, _weights(backbone.channels, 5, [3]))
    assert not any("expand3x3" in name for name in metric.backbone.state_dict() if "12." in name)
    x, y = _images()
    expected = distance(x, y, backbone=backbone, weights=metric.weights)
    np.testing.assert_allclose(metric(x, y).numpy(), expected.numpy(), rtol=0, atol=1e-6)


def test_a_tap_inside_the_cut_part_keeps_its_channels() -> None:
    """The block before the last one is a tap, and is added to what the last one makes."""
    backbone = build_backbone("resnet50@relu,layer1.1,layer1", "random")
    metric = Metric(backbone, _weights(backbone.channels, 3, [5, 7]))
    x, y = _images()
    assert [maps.shape[1] for maps in metric.backbone(x)] == [3, 64, 256, 2]
    expected = distance(x, y, backbone=backbone, weights=metric.weights)
    np.testing.assert_allclose(metric(x, y).numpy(), expected.numpy(), rtol=0, atol=1e-6)


def test_a_backbone_cut_to_other_channels_is_refused() -> None:
    backbone = build_backbone("alexnet", "random")
    cut = backbone.with_last_channels((0, 1))
    assert cut is not None
    with pytest.raises(ValueError, match="cut to other channels of stage 5"):
        Metric(cut, _weights(backbone.channels, 5, [0, 2]))


class _Mixing(nn.Module):
    """A network whose last layer mixes channels, after a convolution that could be cut."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3), nn.Softmax(dim=1)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [self.last(self.first(images))]


class _Shared(_Mixing):
    """A convolution that is called twice: cut, it would no longer fit its own input."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(8, 8, 1)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [self.twice(self.twice(self.first(images)))]


class _BySize(_Mixing):
    """What it does depends on the size of the image, which no graph of it can know."""

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [self.first(images) if images.shape[-1] > 80 else self.first(2 * images)]


@pytest.mark.parametrize("kind", [_Mixing, _Shared])
def test_layers_that_would_give_something_else_are_not_cut(kind: Any) -> None:
    graph = traced(kind().eval())
    assert graph is not None
    assert with_last_channels(graph, (0, 3), (32, 32)) is None


def test_a_network_whose_graph_depends_on_sizes_has_none() -> None:
    assert traced(_BySize().eval()) is None
