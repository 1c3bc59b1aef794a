"""Moments that are more than memory should hold: read from the store, some references at a time, when they are needed.

A million pairs through SqueezeNet have 27 GB of moments. Features and distances need each pair's once, so whoever
computes them asks for blocks; all else that a search works on is a few numbers a pair.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iqatune.statistics.store import Moments

IN_MEMORY: Final = 2 << 30
"""Bytes of moments that memory holds at most; those of a larger set stay in the store."""

ROWS: Final = 512
"""Pairs of a block, at most: what is computed of a block in float64 is bounded, whatever the set's size."""

Rows = NDArray[np.intp]
Block = tuple[Rows, Moments]
"""Some rows of a table, and their (n, 5, C) moments."""


@dataclass(frozen=True, eq=False)
class MomentsByGroup:
    """The (N, 5, C) moments of a table's pairs, which are read anew each time they are asked for.

    As an array (`numpy.asarray`), and in another process, they are all of them, in memory.

    Attributes:
        shape: (N, 5, C).
        read: gives every row once, those of a reference together.
    """

    shape: tuple[int, int, int]
    read: Callable[[], Iterator[Block]]

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Moments:  # noqa: FBT001 NumPy calls it by place
        moments = np.empty(self.shape, np.float32)
        for rows, block in self.read():
            moments[rows] = block
        return moments if dtype is None else moments.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """Elsewhere there may be no store: who gets a copy gets the numbers."""
        return np.asarray, (np.asarray(self),)


AnyMoments = Moments | MomentsByGroup
"""(N, 5, C) moments, in memory or in the store."""


def is_too_large(shape: Sequence[int]) -> bool:
    """Whether moments of this shape should stay in the store."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(np.float32).itemsize > IN_MEMORY


def blocks(moments: AnyMoments) -> Iterator[Block]:
    """Every row once, in blocks of at most ROWS."""
    for rows, of_rows in _parts(moments):
        for start in range(0, len(rows), ROWS):
            yield rows[start : start + ROWS], of_rows[start : start + ROWS]


def taken(moments: AnyMoments, rows: Sequence[int]) -> Moments:
    """(n, 5, C) moments of some rows, in their order."""
    if not isinstance(moments, MomentsByGroup):
        return moments[list(rows)]
    place_of = {row: place for place, row in enumerate(rows)}
    found = np.empty((len(rows), *moments.shape[1:]), np.float32)
    for some, block in moments.read():
        for row, of_row in zip(some.tolist(), block, strict=True):
            if row in place_of:
                found[place_of[row]] = of_row
    return found


def one_after_the_other(parts: Sequence[AnyMoments]) -> AnyMoments:
    """The rows of several tables as those of one."""
    in_memory = [part for part in parts if not isinstance(part, MomentsByGroup)]
    if len(in_memory) == len(parts):
        return np.concatenate(in_memory)
    starts = np.cumsum([0, *map(len, parts)]).tolist()

    def read() -> Iterator[Block]:
        for start, part in zip(starts, parts, strict=False):
            yield from ((start + rows, block) for rows, block in _parts(part))

    return MomentsByGroup((starts[-1], parts[0].shape[1], parts[0].shape[2]), read)


def side_by_side(parts: Sequence[AnyMoments], channels: Sequence[slice]) -> AnyMoments:
    """Some channels of each of several moments of the same pairs, as the channels of one backbone."""

    def joined(found: Sequence[Moments]) -> Moments:
        return np.concatenate([each[:, :, some] for each, some in zip(found, channels, strict=True)], axis=2)

    in_memory = [part for part in parts if not isinstance(part, MomentsByGroup)]
    if len(in_memory) == len(parts):
        return joined(in_memory)

    def read() -> Iterator[Block]:
        # of one table, so that all come in the same groups
        away = [part.read() for part in parts if isinstance(part, MomentsByGroup)]
        for together in zip(*away, strict=True):
            rows, group = together[0][0], iter(together)
            yield rows, joined([next(group)[1] if isinstance(part, MomentsByGroup) else part[rows] for part in parts])

    count = sum(len(range(part.shape[2])[some]) for part, some in zip(parts, channels, strict=True))
    return MomentsByGroup((len(parts[0]), parts[0].shape[1], count), read)


def _parts(moments: AnyMoments) -> Iterator[Block]:
    if isinstance(moments, MomentsByGroup):
        return moments.read()
    return iter([(np.arange(len(moments)), moments)])
