"""Decoding and the protocol's resize."""

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tifffile import imwrite

from iqatune.errors import InputError
from iqatune.images import FORMATS, ORIENTATION, open_rgb, read_rgb, resized_size, size_of

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
    with pytest.raises(InputError, match=r"x\.tiff: 32-bit numbers of the kind \w+ have no agreed black and white"):
        read_rgb(tmp_path / "x.tiff")


def test_16_bit_formats_are_scaled(tmp_path: Path) -> None:
    for name in ("x.tiff", "x.pgm", "x.png"):
        Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / name)
        np.testing.assert_array_equal(read_rgb(tmp_path / name), np.dstack((RAMP,) * 3), err_msg=name)


COLOUR = np.stack((RAMP[:, :12], RAMP[::-1, :12], RAMP.T[:, :12]), axis=2)
"""16 rows, 12 columns."""

STORED = {
    1: COLOUR,
    2: COLOUR[:, ::-1],
    3: COLOUR[::-1, ::-1],
    4: COLOUR[::-1],
    5: COLOUR.swapaxes(0, 1),
    6: np.rot90(COLOUR),
    7: np.rot90(COLOUR, 2).swapaxes(0, 1),
    8: np.rot90(COLOUR, -1),
}
"""How a camera that states an orientation (EXIF 2.3, 4.6.4) writes that picture."""


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "avif", "jpg"])
def test_a_stated_orientation_is_applied(suffix: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation]))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(path, exif=exif, **{"lossless": True} if suffix == "webp" else {"quality": 100})
    # what the encoder lost is no matter of the orientation
    stored.save(tmp_path / f"bare.{suffix}", **{"lossless": True} if suffix == "webp" else {"quality": 100})
    lost = np.abs(read_rgb(tmp_path / f"bare.{suffix}").astype(int) - STORED[orientation]).max()
    assert size_of(path) == (12, 16)
    assert np.abs(read_rgb(path).astype(int) - COLOUR).max() <= lost
    assert open_rgb(path).getexif().get(ORIENTATION, 1) == 1


def test_a_png_that_states_its_orientation_at_its_end(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(np.ascontiguousarray(STORED[6])).save(tmp_path / "x.png", exif=exif)
    data = (tmp_path / "x.png").read_bytes()
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    assert start < data.index(b"IDAT")
    last = data.index(b"IEND") - 4
    (tmp_path / "x.png").write_bytes(data[:start] + data[end:last] + data[start:end] + data[last:])
    assert size_of(tmp_path / "x.png") == (12, 16)
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.png"), COLOUR)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_the_bits_of_a_tiff_are_counted(bits: int, photometric: str, tmp_path: Path) -> None:
    white = 2**bits - 1
    levels = np.random.default_rng(bits).integers(0, white + 1, (24, 32)).astype(np.uint8 if bits <= 8 else np.uint16)
    packed = levels.astype(bool) if bits == 1 else levels
    imwrite(tmp_path / "x.tif", packed, photometric=photometric, bitspersample=None if bits in (1, 8, 16) else bits)
    exact = levels.astype(int) if photometric == "minisblack" else white - levels.astype(int)
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.tif")[:, :, 0], np.rint(exact * 255 / white))


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("scale", [1, 257])
@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_planes_of_a_tiff(planes: str, scale: int, compression: str | None, tmp_path: Path) -> None:
    stored = COLOUR.astype(np.uint16) * scale if scale > 1 else COLOUR
    stored = np.moveaxis(stored, 2, 0) if planes == "separate" else stored
    imwrite(tmp_path / "x.tif", stored, photometric="rgb", planarconfig=planes, compression=compression)
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.tif"), COLOUR)


def test_a_tiff_in_jpeg_is_what_pillow_makes_of_it(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(COLOUR).resize((64, 48), Image.Resampling.BICUBIC))
    imwrite(tmp_path / "x.tif", smooth, photometric="rgb", compression="jpeg", compressionargs={"level": 95})
    with Image.open(tmp_path / "x.tif") as image:
        assert image.getexif()[262] == 6  # YCbCr
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.tif"), expected)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.float16, np.float32, np.uint32, np.complex64])
def test_numbers_without_an_agreed_white_are_refused(kind: type, tmp_path: Path) -> None:
    imwrite(tmp_path / "x.tif", RAMP.astype(kind), photometric="minisblack")
    with pytest.raises(InputError, match=r"x\.tif: \d+-bit numbers of the kind \w+ have no agreed black and white"):
        read_rgb(tmp_path / "x.tif")


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "tif"), ("CMYK", "jpg"), ("LAB", "tif"), ("YCbCr", "tif")])
def test_colours_without_an_agreed_rgb_are_refused(mode: str, suffix: str, tmp_path: Path) -> None:
    colour = Image.fromarray(COLOUR)
    stored = Image.merge("LAB", colour.split()) if mode == "LAB" else colour.convert(mode)
    stored.save(tmp_path / f"x.{suffix}")
    with pytest.raises(InputError, match=rf"x\.{suffix}: colours of the kind \w+ have no agreed RGB"):
        read_rgb(tmp_path / f"x.{suffix}")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_colours_of_a_png_are_rounded_not_cut(channels: int, tmp_path: Path) -> None:
    from imagecodecs import png_encode

    levels = np.random.default_rng(channels).integers(0, 2**16, (24, 32, channels)).astype(np.uint16)
    levels[:, :, -1] |= 0xFFFF if channels in (2, 4) else 0
    (tmp_path / "x.png").write_bytes(png_encode(levels[:, :, 0] if channels == 1 else levels))
    expected = np.rint(levels[:, :, : 1 if channels < 3 else 3] / 257.0)
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.png"), np.broadcast_to(expected, (24, 32, 3)))


def test_a_jpeg_2000_of_more_than_8_bits_is_refused(tmp_path: Path) -> None:
    from imagecodecs import jpeg2k_encode

    for bits in (8, 12, 16):
        levels = np.random.default_rng(0).integers(0, 2**bits, (32, 32, 3)).astype(np.uint8 if bits == 8 else np.uint16)
        path = tmp_path / f"{bits}.jp2"
        path.write_bytes(jpeg2k_encode(levels, level=0, bitspersample=bits, reversible=True))
        if bits == 8:
            np.testing.assert_array_equal(read_rgb(path), levels)
        else:
            with pytest.raises(InputError, match="JPEG 2000 of over 8 bits"):
                read_rgb(path)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "avif"])
def test_several_frames_are_refused(suffix: str, tmp_path: Path) -> None:
    first, second = Image.fromarray(COLOUR), Image.fromarray(np.ascontiguousarray(COLOUR[::-1]))
    first.save(tmp_path / f"x.{suffix}", save_all=True, append_images=[second])
    with pytest.raises(InputError, match=rf"x\.{suffix}: contains 2 frames or pages"):
        read_rgb(tmp_path / f"x.{suffix}")
    first.save(tmp_path / f"one.{suffix}")
    assert read_rgb(tmp_path / f"one.{suffix}").shape == COLOUR.shape


def test_a_thumbnail_beside_a_tiff_is_no_second_picture(tmp_path: Path) -> None:
    imwrite(tmp_path / "x.tif", COLOUR, photometric="rgb")
    imwrite(tmp_path / "x.tif", np.ascontiguousarray(COLOUR[::4, ::4]), photometric="rgb", append=True, subfiletype=1)
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.tif"), COLOUR)


def test_a_telephones_second_view_is_no_second_picture(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[Image.fromarray(COLOUR)])
    assert read_rgb(tmp_path / "x.jpg").shape == COLOUR.shape


def transparent_images() -> dict[str, Image.Image]:
    alpha = np.full(RAMP.shape, 255, np.uint8)
    alpha[3, 4] = 0
    colour = np.stack((RAMP, RAMP[::-1], RAMP.T), axis=2)
    palette = Image.fromarray(RAMP).convert("P")
    palette.info["transparency"] = bytes([*[255] * 100, 0])
    return {
        "rgba.png": Image.fromarray(np.dstack((colour, alpha))),
        "grey.png": Image.fromarray(np.dstack((RAMP, alpha)), "LA"),
        "rgba.tif": Image.fromarray(np.dstack((colour, alpha))),
        "palette.png": palette,
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", transparent_images())
def test_transparency_is_told(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    transparent_images()[name].save(tmp_path / name)
    read_rgb(tmp_path / name)
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / name}: transparent in places; the colours under it count as if they were seen"
    ]


def test_what_is_opaque_everywhere_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(COLOUR).convert("RGBA").save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.png"), COLOUR)
    assert not caplog.records


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_limit_of_pixels(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = tmp_path / f"x.{suffix}"
    Image.new("1", (20_000, 9_500)).save(huge, **{"compression": "group4"} if suffix == "tif" else {})
    for read in (open_rgb, size_of):
        with pytest.raises(InputError, match=r"20000x9500 is over the limit of \d+ pixels; .*IQATUNE_MAX_PIXELS"):
            read(huge)
    monkeypatch.setenv("IQATUNE_MAX_PIXELS", "190000000")
    limit = Image.MAX_IMAGE_PIXELS
    assert size_of(huge) == (20_000, 9_500)
    assert open_rgb(huge).size == (20_000, 9_500)
    assert limit == Image.MAX_IMAGE_PIXELS
    for wrong in ("1e9", "0", "-4", "many", "1_000"):
        monkeypatch.setenv("IQATUNE_MAX_PIXELS", wrong)
        with pytest.raises(InputError, match=f"IQATUNE_MAX_PIXELS {wrong}: give a number"):
            size_of(huge)


def test_formats_that_run_programs_are_not_opened(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "x.eps")
    with pytest.raises(InputError, match=rf"x\.eps: not a readable image \(of none of the formats TIFF, {FORMATS[0]}"):
        read_rgb(tmp_path / "x.eps")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "bmp", "jp2", "avif"])
def test_damage_is_one_line_or_a_picture(suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(COLOUR).save(tmp_path / f"x.{suffix}")
    data = (tmp_path / f"x.{suffix}").read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for place in generator.integers(0, len(data), 3):
            damaged[place] ^= 1 << generator.integers(8)
        (tmp_path / "y").write_bytes(damaged[: generator.integers(1, len(data) + 1)])
        for read in (open_rgb, size_of):
            with suppress(InputError):  # which is one line
                read(tmp_path / "y")
    assert not capfd.readouterr().err


PILLOW_SAVES = {
    "rgb.png": "RGB",
    "grey.png": "L",
    "text.png": "RGB",
    "rgb.bmp": "RGB",
    "grey.bmp": "L",
    "bits.bmp": "1",
}
"""Files with the mode that their pictures have."""


REFUSED = (OSError, SyntaxError, ValueError, OverflowError, struct.error, Image.DecompressionBombError)
"""What Pillow raises for damaged files, and for headers that promise too much."""


def _of_pillow_alone(content: bytes) -> np.ndarray | None:
    """What Pillow makes of a PNG or BMP; None where it refuses."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "BMP")) as image:
            return np.array(image.convert("RGB"))
    except REFUSED:
        return None


def _stored(name: str, size: tuple[int, int]) -> bytes:
    picture = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    text = PngInfo()
    text.add_text("Software", "a camera")
    options = {"pnginfo": text} if name == "txt.png" else {}
    stored = io.BytesIO()
    Image.fromarray(picture).convert(PILLOW_SAVES[name]).save(stored, name.partition(".")[2].upper(), **options)
    return stored.getvalue()


@pytest.mark.parametrize("name", PILLOW_SAVES)
@given(width=st.integers(1, 13), height=st.integers(1, 13))
@settings(max_examples=25, deadline=None)
def test_the_quick_decoders_give_pillows_bits(
    tmp_path_factory: pytest.TempPathFactory, name: str, width: int, height: int
) -> None:
    path = tmp_path_factory.mktemp("images") / name
    path.write_bytes(_stored(name, (width, height)))
    np.testing.assert_array_equal(read_rgb(path), _of_pillow_alone(path.read_bytes()))


@pytest.mark.parametrize("name", ["rgb.png", "grey.png", "rgb.bmp"])
def test_the_quick_decoders_take_no_damaged_file_that_pillow_refuses(name: str, tmp_path: Path) -> None:
    """Nor do they come to another picture, or end the process, whatever bit of the file is wrong."""
    random = np.random.default_rng(0)
    whole = _stored(name, (9, 7))
    path = tmp_path / name
    for damaged in _damaged(whole, random):
        path.write_bytes(damaged)
        expected = _of_pillow_alone(damaged)
        try:
            found = read_rgb(path)
        except InputError:
            found = None
        if found is not None and expected is not None:
            np.testing.assert_array_equal(found, expected)
        assert found is None or expected is not None, f"taken: {damaged!r}"


def _damaged(whole: bytes, random: np.random.Generator) -> Iterator[bytes]:
    """Every bit of the header turned, some of the others, and the file cut off."""
    places = [*range(8 * min(60, len(whole))), *random.integers(0, 8 * len(whole), 200).tolist()]
    for place in places:
        turned = bytearray(whole)
        turned[place // 8] ^= 1 << place % 8
        yield bytes(turned)
    yield from (whole[:length] for length in random.integers(0, len(whole), 40).tolist())


def test_the_quick_decoders_give_pillows_bits_on_real_images(test_data: Path) -> None:
    images = sorted((test_data / "live_r2").rglob("*.png"))
    for path in images[:: len(images) // 10]:
        np.testing.assert_array_equal(read_rgb(path), _of_pillow_alone(path.read_bytes()))
