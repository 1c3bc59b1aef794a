"""References of different data sets that show the same picture: TID2013, TID2008 and LIVE all have Kodak's photographs.

Sets crop and resize: TID2013's references are 512x384 cut out of 768x512, so that files, names and whole thumbnails
differ (thumbnails of one picture correlate by .28 to .74 there, those of others by up to .48). Each picture is
therefore looked for within the other one, at a low resolution and at every scale down to half of what would fill it,
by the normalised correlation (Lewis 1995, 'Fast Normalized Cross-Correlation') of what is left without slow changes of
brightness, which skies and floors share.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iqatune.datasets.table import PairTable
from iqatune.images import open_rgb
from iqatune.progress import Progress
from iqatune.statistics.pictures import reference_files

Grey = NDArray[np.float64]

SAME = 0.7
"""Correlation from which two pictures are one. Of the couples of 25 references of TID2013 and 8 of LIVE the five that
are Kodak's in both come to .89 to .96, the 523 others to .48 at most."""

LONG_SIDE = 64
"""Of a picture as it is compared."""

STEP, SMALLEST = 1.03, 0.5
"""Between scales; and the smallest, as a share of the largest at which one picture fits into the other."""

SLOW = 3.0
"""Standard deviation, in pixels, of the Gaussian that gives the slow changes of brightness."""


@dataclass(frozen=True, eq=False)  # a picture is a key by itself, not by its pixels
class _Picture:
    """A picture as others are looked for in it, and as it is looked for in them.

    Attributes:
        grey: (H, W), somewhat larger than it is compared.
    """

    grey: Image.Image

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height at which others are looked for in it."""
        ratio = LONG_SIDE / max(self.grey.size)
        return max(1, round(self.grey.width * ratio)), max(1, round(self.grey.height * ratio))

    @cached_property
    def field(self) -> Grey:
        """What others are looked for in."""
        return self.at(*self.size)

    @cached_property
    def spectrum(self) -> NDArray[np.complex128]:
        return np.fft.rfft2(self.field)

    def at(self, width: int, height: int) -> Grey:
        """(height, width) brightness without its slow changes."""
        from scipy.ndimage import gaussian_filter

        grey = np.asarray(self.grey.resize((width, height), Image.Resampling.BOX), np.float64)
        return np.asarray(grey - gaussian_filter(grey, SLOW, mode="nearest"))


def one_picture_a_group(tables: Sequence[PairTable], progress: Progress) -> dict[Path, Path]:
    """For every reference file of several data sets the first of those that show its picture.

    References of one set are not compared: what is the same there is the same file, or its pixels.

    Raises:
        InputError: naming a file that cannot be decoded.
    """
    files = [reference_files(table) for table in tables]
    every = list(dict.fromkeys(path for paths in files for path in paths))
    group = {path: path for path in every}
    couples = [
        (one, other)
        for place, paths in enumerate(files)
        for others in files[place + 1 :]
        for one in paths
        for other in others
    ]
    with (
        progress.track("comparing references of data sets", len(couples), "couples") as advance,
        ThreadPoolExecutor(thread_name_prefix="compare") as pool,
    ):
        pictures = dict(zip(every, pool.map(_picture, every), strict=True))
        compare = _Comparison()
        for one, other in couples:
            if one == other or compare.likeness(pictures[one], pictures[other]) >= SAME:
                _unite(group, one, other)
            advance(1)
    return {path: _first(group, path) for path in every}


def likeness(one: Path, other: Path) -> float:
    """The correlation by which two image files are judged to show one picture, in [-1, 1]; see `SAME`.

    Raises:
        InputError: naming a file that cannot be decoded.
    """
    return _Comparison().likeness(_picture(one), _picture(other))


def shared_line(groups: Mapping[Path, Path]) -> str | None:
    """What a user is told of pictures that several data sets have; None where there are none."""
    files: dict[Path, list[Path]] = {}
    for path, first in groups.items():
        files.setdefault(first, []).append(path)
    shared = [paths for paths in files.values() if len(paths) > 1]
    if not shared:
        return None
    names = "; ".join(" = ".join(path.name for path in paths) for paths in shared[:3])
    more = "; ..." if len(shared) > 3 else ""
    pictures = "1 picture is" if len(shared) == 1 else f"{len(shared)} pictures are"
    return f"{pictures} a reference in several data sets ({names}{more}): never on both sides of a fold"


def _picture(path: Path) -> _Picture:
    grey = open_rgb(path).convert("L")
    # all that is needed of it, and quick to bring to many sizes
    grey.thumbnail((4 * LONG_SIDE, 4 * LONG_SIDE), Image.Resampling.BOX)
    return _Picture(grey)


class _Comparison:
    """Compares pictures, and keeps what several comparisons need."""

    def __init__(self) -> None:
        self._templates: dict[tuple[_Picture, tuple[int, int]], list[tuple[Grey, NDArray[np.complex128]]]] = {}
        self._spread: dict[tuple[_Picture, tuple[int, int]], Grey] = {}

    def likeness(self, one: _Picture, other: _Picture) -> float:
        return max(self._inside(one, other), self._inside(other, one))

    def _inside(self, whole: _Picture, part: _Picture) -> float:
        """The highest correlation of `part` with what `whole` shows anywhere, at any of the scales."""
        best = -1.0
        for template, spectrum in self._templates_of(part, whole.size):
            height, width = template.shape
            field = whole.field
            found = np.fft.irfft2(whole.spectrum * spectrum, field.shape)
            found = found[: field.shape[0] - height + 1, : field.shape[1] - width + 1]
            spread = self._spread_of(whole, (height, width))
            scale = spread * np.sqrt(np.sum(template**2))
            # where nothing varies there is nothing to be found
            best = max(best, float(np.divide(found, scale, out=np.full_like(found, -1.0), where=scale > 1e-6).max()))
        return best

    def _templates_of(self, part: _Picture, size: tuple[int, int]) -> list[tuple[Grey, NDArray[np.complex128]]]:
        key = part, size
        if key not in self._templates:
            shapes = dict.fromkeys(_scaled(part.grey.size, size))
            templates = [part.at(*shape) for shape in shapes]
            centred = [template - template.mean() for template in templates]
            self._templates[key] = [(each, np.conj(np.fft.rfft2(each, (size[1], size[0])))) for each in centred]
        return self._templates[key]

    def _spread_of(self, whole: _Picture, shape: tuple[int, int]) -> Grey:
        key = whole, shape
        if key not in self._spread:
            total, squares = _window_sums(whole.field, shape), _window_sums(whole.field**2, shape)
            self._spread[key] = np.sqrt(np.maximum(squares - total**2 / (shape[0] * shape[1]), 0))
        return self._spread[key]


def _scaled(part: tuple[int, int], whole: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Widths and heights of a part at every scale, the largest one that just fits into the whole."""
    scale = fits = min(whole[0] / part[0], whole[1] / part[1])
    while scale >= SMALLEST * fits:
        width, height = (max(1, min(most, round(side * scale))) for side, most in zip(part, whole, strict=True))
        yield width, height
        scale /= STEP


def _window_sums(values: Grey, shape: tuple[int, int]) -> Grey:
    """Sums over every window of a shape, from the sums of all that lies above and to the left."""
    sums = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    height, width = shape
    return np.asarray(sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width])


def _first(group: dict[Path, Path], path: Path) -> Path:
    while group[path] != path:
        path = group[path]
    return path


def _unite(group: dict[Path, Path], one: Path, other: Path) -> None:
    group[_first(group, other)] = _first(group, one)
