"""Textures as pairs: two crops of one texture look alike to people, whatever their pixels are.

Layout: every texture is cut into quarters, each half as wide and half as high, which do not overlap (an odd last row or
column belongs to none), and each quarter is paired with each: CROP_PAIRS pairs of every texture, the same ones always.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Final

from PIL import Image

from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.images import size_of
from iqatune.records.vocabulary import TEXTURES

EMBEDDED_FILES: Final = ("brick.png", "grass.png", "gravel.png")
"""In the wheel of scikit-image, which iqatune needs anyway, so that nothing is downloaded: grey, 512 x 512, CC0."""

SMALLEST: Final = 256
"""The shortest side of a texture in pixels: in crops of fewer than 128 a backbone's last maps hold too few places."""

CROP_PAIRS: Final = 6
"""Of every texture: of four quarters each with each."""

LAYOUT: Final = "quarters, each with each"


@dataclass(frozen=True)
class TextureSource:
    """The textures of one folder.

    Attributes:
        name: of the folder, or `scikit-image`.
        table: the crop pairs, CROP_PAIRS of each texture one after the other; their scores are of no use.
        left_out: textures that are too small, by their names.
    """

    name: str
    table: PairTable
    left_out: tuple[str, ...] = ()

    @property
    def left_out_line(self) -> str | None:
        """What a user is told of the textures that are left out; None where none is."""
        if not self.left_out:
            return None
        shown = ", ".join(self.left_out[:3]) + (", ..." if len(self.left_out) > 3 else "")
        return f"`textures` {self.name}: {len(self.left_out)} left out, under {SMALLEST} pixels a side: {shown}"


def load_textures(given: str) -> TextureSource:
    """The crop pairs of the images in a folder and in its folders, in the order of their paths.

    Args:
        given: a folder, or `scikit-image`.

    Raises:
        InputError: for a folder that is missing or holds no image, an image that cannot be read, and where every one
            is too small.
    """
    is_embedded = given == TEXTURES
    name = TEXTURES if is_embedded else Path(given).absolute().name
    images = _embedded() if is_embedded else _images(given)
    sizes = {file: size_of(path) for file, path in images.items()}
    left_out = tuple(file for file, size in sizes.items() if min(size) < SMALLEST)
    if len(left_out) == len(images):
        width, height = sizes[left_out[0]]
        raise InputError(
            f"`textures` {given}: {left_out[0]} is {width} x {height}, and none has {SMALLEST} pixels a side; give "
            "larger images"
        )
    kept = [file for file in images if file not in left_out]
    table = PairTable(
        dataset="textures",
        pairs=tuple(pair for file in kept for pair in _crop_pairs(file, images[file], sizes[file])),
        label=LAYOUT,
        label_sha256=hashlib.sha256(LAYOUT.encode()).hexdigest(),
        better="higher",
    )
    return TextureSource(name, table, left_out)


def _embedded() -> dict[str, Path]:
    # imported packages lie unpacked on the disk, as Python itself needs them to
    folder = Path(str(files("skimage") / "data"))
    return {file: folder / file for file in EMBEDDED_FILES}


def _images(given: str) -> dict[str, Path]:
    folder = Path(given).absolute()
    if not folder.is_dir():
        raise InputError(f"`textures` {given}: no such folder; give a folder of images, or {TEXTURES}")
    suffixes = set(Image.registered_extensions())
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix.lower() in suffixes}
    images = {
        name: found[name]
        for name in sorted(found)
        if found[name].is_file() and not any(part.startswith(".") for part in Path(name).parts)
    }
    if not images:
        raise InputError(f"`textures` {given}: contains no image; give a folder of images, or {TEXTURES}")
    return images


def _crop_pairs(name: str, path: Path, size: tuple[int, int]) -> Iterator[Pair]:
    width, height = (side // 2 for side in size)
    quarters = [f"crop:{x},{y},{width},{height}" for y in (0, height) for x in (0, width)]
    for first, second in combinations(quarters, 2):
        yield Pair(
            path,
            path,
            name,
            "texture",
            level=None,
            score=0.0,
            quality=0.0,
            reference_transform=first,
            distorted_transform=second,
        )
