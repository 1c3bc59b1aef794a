"""What images go through before a CNN sees them, where a backbone's name says so: squeezenet~flip."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from iqatune.backbones.zoo import parsed
from iqatune.records.view import FLIP

Front = Callable[[Tensor], Tensor]

_COLUMNS: Final = (3,)


def front_of(name: str) -> Front | None:
    """What the images (B, 3, H, W) of the backbone of that name go through, differentiably; None for nothing."""
    front = parsed(name).front
    if not front:
        return None
    if front == FLIP:
        return partial(torch.flip, dims=_COLUMNS)
    return partial(shrunk, short_side=int(front.partition(":")[2]))


def shrunk(images: Tensor, short_side: int) -> Tensor:
    """Images (B, 3, H, W) of that short side at most, the long one in proportion; smaller ones as they are.

    The antialiased bilinear interpolation of torch, written as two products of matrices: so it is one program for
    every size, which an export has to be, and sums in one order on a GPU.
    """
    height, width = images.shape[-2:]
    short = torch.sym_min(height, width)
    new = torch.sym_min(short, short_side)
    rows, columns = (_taken(side, side * new // short, images) for side in (height, width))
    return rows @ images @ columns.T


def _taken(side: int | torch.SymInt, new: int | torch.SymInt, like: Tensor) -> Tensor:
    """(new, side) what each new pixel takes of each of the old ones along a side: a triangle as wide as two of it."""
    scale: Any = side / new  # in a traced program a symbol, which a tensor takes for a number
    old_centres, new_centres = (torch.arange(count, device=like.device) + 0.5 for count in (side, new))
    away: Tensor = (old_centres[None] - new_centres[:, None] * scale) / scale
    triangle = (1 - away.abs()).clamp(min=0)
    return (triangle / triangle.sum(dim=1, keepdim=True)).to(like.dtype)
