"""Decoding and the protocol's resize."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from iqatune.errors import InputError
from iqatune.images import read_rgb, resized_size

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_every_kind_of_image_becomes_rgb(tmp_path: Path) -> None:
    colour = np.stack((RAMP, RAMP[::-1], RAMP.T), axis=2)
    rgb = Image.fromarray(colour)
    alpha = Image.fromarray(np.dstack((colour, RAMP)))
    grey16 = Image.fromarray(RAMP.astype(np.uint16) * 257)
    images = {"rgb": rgb, "alpha": alpha, "grey": Image.fromarray(RAMP), "grey16": grey16}
    images["palette"] = Image.fromarray(RAMP).convert("P")
    for name, image in images.items():
        image.save(tmp_path / f"{name}.png")
        found = read_rgb(tmp_path / f"{name}.png")
        assert found.shape == (16, 16, 3)
        assert found.dtype == np.uint8
        expected = colour if name in ("rgb", "alpha") else np.dstack((RAMP,) * 3)
        np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.png"):
        read_rgb(path)
    with pytest.raises(InputError, match="no such image"):
        read_rgb(tmp_path / "absent.png")


@given(width=st.integers(1, 3000), height=st.integers(1, 3000), short=st.integers(1, 600))
def test_resize_keeps_the_short_side_and_never_enlarges(width: int, height: int, short: int) -> None:
    new_width, new_height = resized_size(width, height, short)
    assert new_width <= width
    assert new_height <= height
    assert min(new_width, new_height) == min(short, width, height)
    assert resized_size(width, height, None) == (width, height)
    if min(width, height) > short:
        assert max(new_width, new_height) == int(short * max(width, height) / min(width, height))


def test_the_protocols_sizes() -> None:
    assert resized_size(512, 384, 256) == (341, 256)
    assert resized_size(384, 512, 256) == (256, 341)
    assert resized_size(300, 200, 256) == (300, 200)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_32_bit_numbers_are_refused(kind: type, tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(kind)).save(tmp_path / "x.tiff")
    with pytest.raises(InputError, match=r"x\.tiff: 32-bit numbers have no agreed black and white"):
        read_rgb(tmp_path / "x.tiff")


def test_16_bit_formats_are_scaled(tmp_path: Path) -> None:
    for name in ("x.tiff", "x.pgm", "x.png"):
        Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / name)
        np.testing.assert_array_equal(read_rgb(tmp_path / name), np.dstack((RAMP,) * 3), err_msg=name)
