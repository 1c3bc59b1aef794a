"""Which sizes of images a CNN takes, found by trying, and what images of others are padded to."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from iqatune.backbones.devices import DEVICE_ERRORS
from iqatune.records.padding import Padding

REFUSALS = (RuntimeError, AssertionError, LookupError, ValueError)
"""How CNNs refuse a size: maps that cannot be added, timm's assertions, tables of positions that end."""

MULTIPLES = (1, 2, 4, 7, 8, 12, 14, 16, 24, 28, 32, 48, 64, 96, 128)
"""Multiples that the sides of an image may have to be, in pixels: patches, windows, products of strides."""

SIDE = 224
"""Pixels, about, of the sides that are tried: CNNs are made for such, and many refuse only what is larger."""

_MORE = ((0, 1), (3, 2), (37, 21), (5, 70))
"""Pixels beyond `SIDE` of the heights and widths that are tried: odd and even, and of other numbers of patches."""


def takes(network: nn.Module, height: int, width: int, *, device: str = "cpu") -> bool:
    """Whether a network takes one float32 image of this size; on the device "meta" shapes alone are computed."""
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, height, width, device=device))
    except DEVICE_ERRORS:
        raise
    except REFUSALS:
        return False
    return True


def smallest_padding(
    tried: Callable[[int, int], bool], at_least: int = SIDE, multiples: Sequence[int] = MULTIPLES
) -> Padding | None:
    """The smallest padding under which a CNN takes every size that is tried; None where it takes them as they are.

    Args:
        tried: whether the CNN takes a size (height, width).
        at_least: pixels of the sides that are tried.
        multiples: of which one is to be found.

    Raises:
        LookupError: when it takes the multiples of no number.
    """
    sides = [(at_least + rows, at_least + columns) for rows, columns in _MORE]
    for multiple in multiples:
        padding = Padding(multiple=multiple)
        if all(tried(*padding.padded(*size)) for size in sides):
            return None if multiple == 1 else padding
    raise LookupError
