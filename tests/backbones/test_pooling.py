"""L2 pooling against its definition, written out in float64 NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from iqatune.backbones.network import Backbone, build_backbone
from iqatune.backbones.pooling import L2Pool2d, replace_max_pooling
from iqatune.errors import InputError


def _by_definition(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    padded = np.pad(maps**2, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = (maps.shape[2] + 1) // 2, (maps.shape[3] + 1) // 2
    pooled = np.empty((*maps.shape[:2], rows, columns))
    for row in range(rows):
        for column in range(columns):
            window = padded[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            pooled[:, :, row, column] = (window * kernel).sum(axis=(2, 3))
    return np.sqrt(pooled + 1e-12)


@settings(deadline=None, max_examples=30)
@given(
    channels=st.integers(1, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    scale=st.sampled_from([0.0, 1e-5, 1.0, 100.0]),
    seed=st.integers(0, 1000),
)
def test_l2_pooling_is_its_definition(channels: int, height: int, width: int, scale: float, seed: int) -> None:
    maps = np.random.default_rng(seed).normal(size=(2, channels, height, width)) * scale
    pooled = L2Pool2d()(torch.tensor(maps, dtype=torch.float32))
    np.testing.assert_allclose(pooled.numpy(), _by_definition(maps), rtol=2e-5)


def test_every_max_pooling_is_replaced_and_keeps_its_stride() -> None:
    inner = nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, stride=1, padding=1))
    network = nn.Sequential(nn.MaxPool2d(2), inner, nn.AvgPool2d(2))
    assert replace_max_pooling(network) == 2
    assert isinstance(network[0], L2Pool2d)
    assert isinstance(network[2], nn.AvgPool2d)
    assert network(torch.rand(1, 2, 8, 8)).shape == (1, 2, 2, 2)


@pytest.mark.parametrize("name", ["alexnet", "squeezenet", "resnet50", "xception"])
def test_l2_pooling_changes_what_follows_the_first_max_pooling(
    name: str, random_backbone: Callable[..., Backbone], images: torch.Tensor
) -> None:
    native, l2 = random_backbone(name, "native"), random_backbone(name, "l2")
    assert native.parameters_sha256 == l2.parameters_sha256
    assert (native.pooling, l2.pooling) == ("native", "l2")
    with torch.no_grad():
        before, after = native(images), l2(images)
    torch.testing.assert_close(before[1], after[1])
    assert not torch.allclose(before[2].mean(), after[2].mean(), rtol=1e-3, atol=0)


def test_l2_pooling_of_a_backbone_without_max_pooling_is_refused() -> None:
    with pytest.raises(InputError, match=r"pooling=l2: timm:convnext_atto has no max pooling.*native"):
        build_backbone("timm:convnext_atto", "random", pooling="l2")


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(InputError, match=r"pooling=max: unknown pooling; give auto, native or l2"):
        build_backbone("squeezenet", "random", pooling="max")
