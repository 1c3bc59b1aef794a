"""Textures as pairs of crops."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iqatune.datasets.textures import CROP_PAIRS, EMBEDDED_FILES, load_textures
from iqatune.errors import InputError
from iqatune.images import read_rgb
from iqatune.transforms import read_transformed


def _texture(path: Path, width: int, height: int, mode: str = "RGB") -> None:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


def test_those_of_scikit_image_are_in_its_wheel() -> None:
    source = load_textures("scikit-image")
    assert source.name == "scikit-image"
    assert source.table.references == EMBEDDED_FILES
    assert len(source.table) == 3 * CROP_PAIRS
    assert source.left_out_line is None
    for pair in source.table.pairs:
        crop = read_transformed(pair.reference, pair.reference_transform)
        assert crop.shape == (256, 256, 3)


def test_crops_are_the_quarters_and_do_not_overlap(tmp_path: Path) -> None:
    _texture(tmp_path / "odd.png", 301, 257)
    table = load_textures(str(tmp_path)).table
    crops = {pair.reference_transform for pair in table.pairs} | {pair.distorted_transform for pair in table.pairs}
    assert len(crops) == 4
    seen = np.zeros((257, 301), dtype=int)
    for crop in crops:
        x, y, width, height = map(int, crop.removeprefix("crop:").split(","))
        seen[y : y + height, x : x + width] += 1
    assert seen.max() == 1
    assert seen[:256, :300].all()
    assert {frozenset((pair.reference_transform, pair.distorted_transform)) for pair in table.pairs} == {
        frozenset((first, second)) for first in crops for second in crops if first != second
    }
    assert read_transformed(table.pairs[0].reference, table.pairs[0].reference_transform).shape == (128, 150, 3)


def test_the_same_folder_gives_the_same_pairs(tmp_path: Path) -> None:
    for name in ("b.png", "deeper/a.png", "c.png"):
        _texture(tmp_path / name, 256, 256)
    _texture(tmp_path / ".hidden" / "d.png", 256, 256)
    (tmp_path / "read.me").write_text("no image")
    first, second = load_textures(str(tmp_path)), load_textures(str(tmp_path))
    assert first == second
    assert first.table.references == ("b.png", "c.png", "deeper/a.png")


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_grey_textures_and_palettes_are_read(mode: str, tmp_path: Path) -> None:
    _texture(tmp_path / "grey.png", 256, 260, mode)
    (pair, *_) = load_textures(str(tmp_path)).table.pairs
    np.testing.assert_array_equal(
        read_transformed(pair.reference, pair.reference_transform), read_rgb(tmp_path / "grey.png")[:130, :128]
    )


def test_one_that_is_too_small_is_left_out_and_said(tmp_path: Path) -> None:
    _texture(tmp_path / "large.png", 256, 256)
    _texture(tmp_path / "small.png", 255, 400)
    source = load_textures(str(tmp_path))
    assert source.table.references == ("large.png",)
    assert source.left_out == ("small.png",)
    line = str(source.left_out_line)
    assert "small.png" in line
    assert "256 pixels" in line


def test_a_folder_of_no_use_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_textures(str(tmp_path / "none"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="contains no image"):
        load_textures(str(empty))
    _texture(tmp_path / "small" / "one.png", 100, 300)
    with pytest.raises(InputError, match=r"one\.png is 100 x 300"):
        load_textures(str(tmp_path / "small"))
    (empty / "broken.png").write_text("not an image")
    with pytest.raises(InputError, match=r"broken\.png: not a readable image"):
        load_textures(str(empty))
