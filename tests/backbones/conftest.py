"""Backbones with random parameters, each built once: building and not running them is what takes the time."""

import functools
from collections.abc import Callable

import pytest
import torch

from iqatune.backbones.network import Backbone, build_backbone


@pytest.fixture(scope="session")
def random_backbone() -> Callable[..., Backbone]:
    """build_backbone(name, "random", pooling), remembered for the session; nobody may change what it gives."""

    @functools.cache
    def build(name: str, pooling: str = "auto") -> Backbone:
        return build_backbone(name, "random", pooling)

    return build


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Two images of noise (2, 3, 64, 72): of different height and width, so that no axis can be mistaken."""
    return torch.rand(2, 3, 64, 72, generator=torch.Generator().manual_seed(5))
