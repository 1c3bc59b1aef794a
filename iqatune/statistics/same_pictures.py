"""References of different data sets that show the same picture: TID2013, TID2008 and LIVE all have Kodak's photographs.

Sets crop and resize: TID2013's references are 512x384 cut out of 768x512, so that files, names and whole thumbnails
differ (thumbnails of one picture correlate by .28 to .74 there, those of others by up to .48). The middle of each
picture is therefore looked for within the other one, at a low resolution and at many scales, by the normalised
correlation (Lewis 1995, 'Fast Normalized Cross-Correlation') of what is left without slow changes of brightness, which
skies and floors share. Pictures that are turned, mirrored or stretched are not found, nor parts of a fine texture
(gravel), of which nothing is left at a low resolution.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter

from iqatune.datasets.table import PairTable
from iqatune.images import open_rgb
from iqatune.progress import Progress
from iqatune.runtime.kept import keep_memo, read_json
from iqatune.statistics.pictures import reference_files
from iqatune.statistics.store import VERSION

Grey = NDArray[np.float64]

SAME = 0.7
"""Correlation from which two pictures are one. Of the couples of TID2013's 25 references, 8 of LIVE's and 8 photographs
of scikit-image the five that are Kodak's in both sets come to .82 and more, the 815 others to .57 at most; two parts of
one picture, cut out of opposite corners with 85 % of its sides each, to .86 and more."""

MIDDLE = 0.6
"""Share of a picture's sides that is looked for: small enough to be in both where sets cut out different parts."""

LONG_SIDE = 96
"""Of a picture as it is compared."""

STEP, LARGER, SMALLER = 1.04, 8, 17
"""Between scales; and how many there are above and below that at which one picture just fits into the other, which is
the true one where sets cut out the same size: from 1.37 times it, where each shows what the other does not, to .51."""

SLOW = 4.0
"""Standard deviation, in pixels, of the Gaussian that gives the slow changes of brightness."""

_OF = f"likeness of pictures {(MIDDLE, LONG_SIDE, STEP, LARGER, SMALLER, SLOW, VERSION)}"
_MEMO = TypeAdapter(dict[str, float])


@dataclass(frozen=True)
class Remembered:
    """What is known of pictures from earlier runs.

    Attributes:
        pictures: what tells the picture of every reference file.
        memo: a JSON file of couples that have been compared.
    """

    pictures: Mapping[Path, str]
    memo: Path

    def key(self, one: Path, other: Path) -> str:
        """What a couple is called."""
        return " ".join(sorted((self.pictures[one], self.pictures[other])))


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
        return _without_slow_changes(self.grey, self.size)

    @cached_property
    def middle(self) -> Image.Image:
        """What is looked for in others."""
        width, height = self.grey.size
        left, top = round(width * (1 - MIDDLE) / 2), round(height * (1 - MIDDLE) / 2)
        return self.grey.crop((left, top, max(left + 1, width - left), max(top + 1, height - top)))

    @cached_property
    def spectrum(self) -> NDArray[np.complex128]:
        return np.fft.rfft2(self.field)


def one_picture_a_group(
    tables: Sequence[PairTable], progress: Progress, remembered: Remembered | None = None
) -> dict[Path, Path]:
    """For every reference file of several data sets the first of those that show its picture.

    References of one set are not compared: what is the same there is the same file, or its pixels.

    Raises:
        InputError: naming a file that cannot be decoded.
    """
    files = [reference_files(table) for table in tables]
    group = {path: path for paths in files for path in paths}
    couples = [
        (one, other)
        for place, paths in enumerate(files)
        for others in files[place + 1 :]
        for one in paths
        for other in others
        if one != other
    ]
    found = _compared(couples, progress, remembered)
    for (one, other), like in zip(couples, found, strict=True):
        if like >= SAME:
            _unite(group, one, other)
    return {path: _first(group, path) for path in group}


def _compared(couples: Sequence[tuple[Path, Path]], progress: Progress, remembered: Remembered | None) -> list[float]:
    """The likeness of every couple."""
    known = {} if remembered is None else _known(remembered, progress)
    named = {couple: remembered.key(*couple) for couple in couples} if remembered is not None else {}
    new = [couple for couple in couples if named.get(couple) not in known]
    found: dict[tuple[Path, Path], float] = {}
    if new:
        paths = list(dict.fromkeys(path for couple in new for path in couple))
        with (
            progress.track("comparing references of data sets", len(new), "couples") as advance,
            ThreadPoolExecutor(thread_name_prefix="decode") as pool,
        ):
            pictures = dict(zip(paths, pool.map(_picture, paths), strict=True))
            compare = _Comparison()
            for one, other in new:
                found[one, other] = compare.likeness(pictures[one], pictures[other])
                advance(1)
    if remembered is not None and new:
        # another process may have written since
        fresh = {named[couple]: value for couple, value in found.items()}
        keep_memo(remembered.memo, _OF, _known(remembered, Progress()) | fresh, progress)
    return [found[couple] if couple in found else known[named[couple]] for couple in couples]


def _known(remembered: Remembered, progress: Progress) -> dict[str, float]:
    found: dict[str, float] | None = read_json(remembered.memo, _OF, _MEMO, progress)
    return found or {}


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
        """The highest correlation of the middle of `part` with what `whole` shows anywhere, at any of the scales."""
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
            templates = [_without_slow_changes(part.middle, scaled) for scaled in dict.fromkeys(_scaled(part, size))]
            centred = [template - template.mean() for template in templates]
            self._templates[key] = [(each, np.conj(np.fft.rfft2(each, (size[1], size[0])))) for each in centred]
        return self._templates[key]

    def _spread_of(self, whole: _Picture, shape: tuple[int, int]) -> Grey:
        key = whole, shape
        if key not in self._spread:
            total, squares = _window_sums(whole.field, shape), _window_sums(whole.field**2, shape)
            self._spread[key] = np.sqrt(np.maximum(squares - total**2 / (shape[0] * shape[1]), 0))
        return self._spread[key]


def _without_slow_changes(picture: Image.Image, size: tuple[int, int]) -> Grey:
    """(H, W) brightness of a picture at a width and height."""
    from scipy.ndimage import gaussian_filter

    grey = np.asarray(picture.resize(size, Image.Resampling.BOX), np.float64)
    return np.asarray(grey - gaussian_filter(grey, SLOW, mode="nearest"))


def _scaled(part: _Picture, whole: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Widths and heights of the middle of a part at every scale, each of which fits into the whole."""
    fits = min(whole[0] / part.grey.width, whole[1] / part.grey.height)
    for power in range(LARGER, -SMALLER - 1, -1):
        sides = zip(part.middle.size, whole, strict=True)
        width, height = (max(1, min(most, round(side * fits * STEP**power))) for side, most in sides)
        yield width, height


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
