"""Golden images, which a formula makes: by what it gives them an export proves that it scores as it did."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from iqatune.errors import InputError
from iqatune.records.export import Golden

SIDE = 64
"""Of the golden images in pixels, unless the metric needs larger ones."""

TOLERANCE = 1e-5
"""Convolutions of different machines and releases agree to about 1e-6 in D."""

Score = Callable[[Tensor, Tensor], Tensor]
"""(B, 3, H, W) references and distorted images to (B,) distances."""


def golden_images(side: int) -> tuple[Tensor, Tensor]:
    """A reference and its three distorted versions, made by integers alone so that every machine makes the same.

    Returns:
        (3, 3, side, side) float32 each: the reference three times; quantised, dimmed and blurred.
    """
    row, column = np.mgrid[:side, :side]
    reference = np.stack([(row * (k + 2) + column * (3 * k + 1) + row * column // 8) % 256 for k in range(3)])
    quantised = reference // 32 * 32
    dimmed = reference * 3 // 4 + 40
    blurred = sum(np.roll(reference, shift, axis=(1, 2)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1))) // 4
    distorted = np.stack((quantised, dimmed, blurred))
    first, second = (torch.from_numpy(images.astype(np.float32) / 255) for images in (reference, distorted))
    return first.expand(3, -1, -1, -1), second


def golden_scores(score: Score, side: int) -> Golden:
    """The distances of the golden images of that side, on the CPU."""
    with torch.inference_mode():
        first, second, third = score(*golden_images(side)).tolist()
    return Golden(side=side, scores=(first, second, third))


def check_golden(path: Path, golden: Golden, score: Score) -> None:
    """Compute the golden scores of a file anew.

    Raises:
        InputError: naming the file, when they are not what it says.
    """
    found = golden_scores(score, golden.side)
    if not np.allclose(found.scores, golden.scores, rtol=0, atol=TOLERANCE):
        expected, got = (", ".join(f"{value:.6f}" for value in of.scores) for of in (golden, found))
        raise InputError(f"{path}: scores its golden images {got}, not {expected}; do not use it here")
