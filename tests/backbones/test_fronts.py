"""What images go through before a CNN, by a backbone's name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from iqatune.backbones.fronts import shrunk
from iqatune.backbones.zoo import find, parsed
from iqatune.images import resized_size


# of one row or column torch's own interpolation is wrong: it repeats the first of the others
@given(st.integers(2, 90), st.integers(2, 90), st.integers(2, 64))
@settings(max_examples=40, deadline=None)
def test_images_shrink_as_torch_and_the_protocol_do_it(height: int, width: int, side: int) -> None:
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    found = shrunk(images, side)
    columns, rows = resized_size(width, height, side)
    if (rows, columns) == (height, width):
        assert torch.equal(found, images)
        return
    expected = F.interpolate(images, (rows, columns), mode="bilinear", antialias=True)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-6


def test_a_flipped_view_is_the_cnn_of_the_flipped_image(backbone_of: Callable[..., Any]) -> None:
    plain, flipped = backbone_of(), backbone_of("squeezenet~flip")
    images = torch.rand(1, 3, 40, 50)
    for one, other in zip(plain(images.flip(3)), flipped(images), strict=True):
        assert torch.equal(one, other)
    assert plain.parameters_sha256 == flipped.parameters_sha256
    assert plain.identity != flipped.identity
    assert flipped.first_stages(2)(images)[1].equal(plain(images.flip(3))[1])


def test_a_smaller_view_is_the_cnn_of_the_smaller_image(backbone_of: Callable[..., Any]) -> None:
    images = torch.rand(2, 3, 60, 90, requires_grad=True)
    found = backbone_of("squeezenet~resize:32")(images)
    for one, other in zip(backbone_of()(shrunk(images, 32)), found, strict=True):
        assert torch.equal(one, other)
    found[-1].sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_taps_and_what_images_go_through_are_told_apart() -> None:
    named = parsed("squeezenet@features.1,features.4~resize:64")
    assert (named.cnn, named.taps, named.front) == ("squeezenet", ("features.1", "features.4"), "resize:64")
    assert find("squeezenet~flip") == find("squeezenet")
    assert parsed("timm:hf-hub:a/b~c").cnn == "timm:hf-hub:a/b~c"


@pytest.mark.parametrize("name", ["squeezenet~mirror", "squeezenet~flip~flip"])
def test_other_names_are_no_backbones(name: str) -> None:
    from iqatune.errors import InputError

    with pytest.raises(InputError, match="squeezenet"):
        find(name)
