"""Image files to 8-bit RGB arrays, and the protocol's resize. What cannot be read exactly is refused in a line."""

import logging
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from iqatune.errors import InputError

if TYPE_CHECKING:
    from tifffile import TiffPage

Rgb = NDArray[np.uint8]

LOGGER = logging.getLogger("iqatune.images")

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what is wrong with a file is said once, by us

MAX_PIXELS: Final = "IQATUNE_MAX_PIXELS"
"""The environment variable that raises, or lowers, the limit below."""

MOST_PIXELS: Final = 2**27
"""Of the largest picture that is decoded: 400 MB in RGB."""

FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "JPEG2000", "PPM", "AVIF", "DIB", "QOI", "TGA")
"""Besides TIFF. Pillow opens more, but runs programs for some (EPS) and guesses which picture is meant for others."""

SEVERAL_VIEWS: Final = {"MPO"}
"""Formats whose further frames belong to the first, as the previews and depths that telephones write."""

MODES: Final = {"1", "L", "P", "RGB", "LA", "PA", "RGBA", "RGBX"}
"""Pillow's for samples of up to 8 bits whose black and white are agreed on."""

ORIENTATION: Final = 0x0112
"""The tag of EXIF and TIFF that says how a picture is to be turned."""
ON_ITS_SIDE: Final = {5, 6, 7, 8}

_PNG: Final = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PLAIN_PNG: Final = {(8, 0), (8, 2)}
"""Bits and kind of colours: grey and RGB."""
_BMP: Final = struct.Struct("<IIiiHHI")
"""From byte 10: where the pixels begin, size of the header, width, height, planes, bits, compression."""
_BMP_HEADER: Final = 54
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAY_TURN_A_PNG: Final = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
_NOT_PLAIN: Final = {b"eXIf", b"tRNS", b"acTL"}
_TEXTS: Final = {b"tEXt", b"zTXt", b"iTXt"}

_DAMAGED: Final = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
)
"""What the decoders raise for files that are not what they say."""

_opening = threading.Lock()


def open_rgb(path: Path) -> Image.Image:
    """Decode an image file to 8-bit RGB, upright.

    Greyscale is repeated in the three channels, palettes are looked up, samples of b bits are scaled from 0..2^b - 1
    to 0..255, and an orientation that the file states (EXIF, TIFF) is applied. An alpha channel is dropped, with a
    warning where anything is transparent. Colour profiles are not applied.

    Raises:
        InputError: naming the file, when it is missing, damaged, no image, over the limit of pixels, or cannot be read
            exactly: several frames or pages, numbers that are signed or of 32 bits, colours for print.
    """
    return Image.fromarray(_decoded(path))


def _decoded(path: Path) -> Rgb:
    """(height, width, 3), as of `open_rgb`."""
    with _readable(path):
        content = path.read_bytes()
        plain = _plain(path, content)
        if plain is not None:
            return plain
        if content.startswith(_TIFF):
            return np.array(_of_tiff(path))
        with _opened(path) as image:
            _check_frames(path, getattr(image, "n_frames", 1), image.format)
            rgb = _of_pillow(path, image)
            return np.array(_upright(rgb, image.getexif().get(ORIENTATION, 1)))


def _plain(path: Path, content: bytes) -> Rgb | None:
    """What most data sets hold, decoded in half of Pillow's time and to the same bits; None for all other files.

    That is PNG of 8-bit RGB or grey without transparency, frames or orientation, and BMP of 24-bit RGB as it is mostly
    written. Pillow has the word on everything else, damaged files among them.
    """
    import imagecodecs

    if content.startswith(_PNG) and len(content) > len(_PNG) + 10:
        width, height, bits, colours = struct.unpack_from(">IIBB", content, 16)
        if (bits, colours) not in _PLAIN_PNG or not _has_plain_chunks(content):
            return None
        _check_size(path, width, height)
        with suppress(imagecodecs.SpngError):
            pixels: Rgb = imagecodecs.spng_decode(content)
            return pixels if pixels.ndim == 3 else np.dstack((pixels,) * 3)
    elif content.startswith(b"BM") and len(content) > _BMP_HEADER:
        offset, header, width, height, planes, bits, packed = _BMP.unpack_from(content, 10)
        # all of it, and that it is all there: the decoder believes what a header says
        usual = (offset, header, planes, bits, packed) == (_BMP_HEADER, 40, 1, 24, 0) and width > 0 and height > 0
        if usual and len(content) >= _BMP_HEADER + (3 * width + 3) // 4 * 4 * height:
            _check_size(path, width, height)
            bmp: Rgb = imagecodecs.bmp_decode(content)
            return bmp
    return None


def _has_plain_chunks(png: bytes) -> bool:
    """Whether none of a PNG's chunks says more of the picture than its pixels do."""
    place = 8
    while place + 8 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        start = png[place + 8 : place + 8 + 32]
        if kind in _NOT_PLAIN or (kind in _TEXTS and start.startswith(_MAY_TURN_A_PNG)):
            return False
        place += 12 + length
    return True


def size_of(path: Path) -> tuple[int, int]:
    """Width and height, upright, that an image file's header states; the image may still turn out to be damaged.

    Raises:
        InputError: naming the file, when it is missing, no image, or over the limit of pixels.
    """
    with _readable(path):
        if _is_tiff(path):
            with _page(path) as page:
                width, height, turn = page.imagewidth, page.imagelength, _orientation(page)
        else:
            with _opened(path) as image:
                (width, height), turn = image.size, 1
                # a PNG may say so at its end, for which Pillow decodes it; most say nothing
                if image.format != "PNG" or _may_turn(path.read_bytes()):
                    turn = image.getexif().get(ORIENTATION, 1)
        return (height, width) if turn in ON_ITS_SIDE else (width, height)


def _may_turn(png: bytes) -> bool:
    return any(mark in png for mark in _MAY_TURN_A_PNG)


def max_pixels() -> int:
    """The largest picture that is decoded, in pixels.

    Raises:
        InputError: when IQATUNE_MAX_PIXELS is no number of pixels.
    """
    text = os.environ.get(MAX_PIXELS, "")
    if not text:
        return MOST_PIXELS
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise InputError(f"{MAX_PIXELS} {text}: give a number of pixels, as {MOST_PIXELS}")
    return int(text)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image file") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path}: not a readable image (of none of the formats TIFF, {', '.join(FORMATS)}); replace or exclude it"
        ) from error
    except _DAMAGED as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise InputError(f"{path}: not a readable image ({reason}); replace or exclude it") from error


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in _TIFF


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with _opening:  # Pillow's own limit is one for the whole process: it is put aside while a header is read
        pillows, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(path, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = pillows
    with image:
        _check_size(path, *image.size)
        yield image


@contextmanager
def _page(path: Path) -> Iterator["TiffPage"]:
    """A TIFF's only picture; thumbnails and masks beside it do not count."""
    from tifffile import FILETYPE, TiffFile  # here: few images need it

    with TiffFile(path) as file:
        pages = [page.aspage() for page in file.pages]
        pictures = [page for page in pages if not page.subfiletype & (FILETYPE.REDUCEDIMAGE | FILETYPE.MASK)]
        _check_frames(path, len(pictures), "TIFF")
        page = (pictures or pages)[0]
        _check_size(path, page.imagewidth, page.imagelength)
        yield page


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > max_pixels():
        raise InputError(
            f"{path}: {width}x{height} is over the limit of {max_pixels()} pixels; --max-pixels or {MAX_PIXELS} sets it"
        )


def _check_frames(path: Path, frames: int, format: str | None) -> None:
    if frames > 1 and format not in SEVERAL_VIEWS:
        raise InputError(f"{path}: contains {frames} frames or pages, and not which one is meant; save that one alone")


def _orientation(page: "TiffPage") -> int:
    tag = page.tags.get(ORIENTATION)
    return 1 if tag is None else int(tag.value)


def _upright(rgb: Image.Image, orientation: int) -> Image.Image:
    rgb.getexif()[ORIENTATION] = orientation
    ImageOps.exif_transpose(rgb, in_place=True)
    return rgb


def _of_pillow(path: Path, image: Image.Image) -> Image.Image:
    if image.format == "PNG" and _bits_of_png(path) > 8:
        from imagecodecs import png_decode  # Pillow cuts 16-bit colours off

        return _of_samples(path, png_decode(path.read_bytes()), 16)
    if image.format == "JPEG2000" and _bits_of_jpeg2000(path) > 8:
        raise InputError(f"{path}: a JPEG 2000 of over 8 bits a sample; save it as PNG or TIFF")
    if image.format == "PPM" and image.mode == "I":  # samples of over 8 bits, which Pillow has scaled to 16
        return _of_samples(path, np.asarray(image), 16)
    if image.mode in ("I", "F"):
        raise InputError(f"{path}: 32-bit numbers have no agreed black and white; save it with 8 or 16 bits")
    if image.mode not in MODES:
        raise InputError(f"{path}: colours of the kind {image.mode} have no agreed RGB; save it as RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        _look_at_alpha(path, np.asarray(image.getchannel("A")), 255)
    return image.convert("RGB")


def _bits_of_png(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(25)[-1]  # the header comes first; bits a sample follow width and height


def _bits_of_jpeg2000(path: Path) -> int:
    codestream = path.read_bytes().partition(b"\xff\x4f\xff\x51")[2]
    components = int.from_bytes(codestream[36:38], "big")
    return max((precision & 127) + 1 for precision in codestream[38 : 38 + 3 * components : 3])


def _of_tiff(path: Path) -> Image.Image:
    """By its tags, which say what the samples are: Pillow opens more TIFFs than it reads right."""
    from tifffile import COMPRESSION, PHOTOMETRIC, PLANARCONFIG, SAMPLEFORMAT

    with _page(path) as page:
        bits, photometric = page.bitspersample, page.photometric
        if page.sampleformat != SAMPLEFORMAT.UINT or bits > 16:
            numbers = f"{bits}-bit numbers of the kind {SAMPLEFORMAT(page.sampleformat).name}"
            raise InputError(f"{path}: {numbers} have no agreed black and white; save it with 8 or 16 bits")
        samples = page.asarray()
        if samples.ndim == 3 and page.planarconfig == PLANARCONFIG.SEPARATE:
            samples = np.moveaxis(samples, 0, 2)
        colours = page.samplesperpixel - len(page.extrasamples)
        if photometric == PHOTOMETRIC.PALETTE and colours == 1:
            # writers disagree whether a level l is stored as 257 l or 256 l: the high byte is l in both
            rgb = _of_samples(path, np.moveaxis(np.asarray(page.colormap)[:, samples] >> 8, 0, -1), 8)
        elif photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE) and colours == 1:
            if photometric == PHOTOMETRIC.MINISWHITE:
                samples = ((1 << bits) - 1) - samples.astype(np.int64)
            rgb = _of_samples(path, samples, bits)
        elif photometric == PHOTOMETRIC.RGB or (photometric, page.compression) == (PHOTOMETRIC.YCBCR, COMPRESSION.JPEG):
            rgb = _of_samples(path, samples, bits)  # the JPEG decoder has made RGB of YCbCr
        else:
            raise InputError(
                f"{path}: colours of the kind {PHOTOMETRIC(photometric).name} have no agreed RGB; save it as RGB"
            )
        return _upright(rgb, _orientation(page))


def _of_samples(path: Path, samples: NDArray[Any], bits: int) -> Image.Image:
    """Samples of 0..2^bits - 1, (H, W) or (H, W, channels): grey or RGB, and perhaps alpha after them."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if channels not in (1, 2, 3, 4):
        raise InputError(f"{path}: {channels} channels have no agreed RGB; save it as RGB")
    samples = samples.reshape(*samples.shape[:2], channels)
    white = (1 << bits) - 1
    if channels in (2, 4):
        _look_at_alpha(path, samples[:, :, -1], white)
    colours = samples[:, :, : 3 if channels > 2 else 1]
    if bits != 8:
        colours = np.rint(colours * (255.0 / white))
    return Image.fromarray(np.broadcast_to(colours, (*samples.shape[:2], 3)).astype(np.uint8))


def _look_at_alpha(path: Path, alpha: NDArray[Any], opaque: int) -> None:
    if alpha.min() < opaque:
        LOGGER.warning("%s: transparent in places; the colours under it count as if they were seen", path)


INTERPOLATION = "pil-bilinear-antialias"
"""What `resize` is called in records and exports."""


def resized_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Width and height after the protocol's resize: the short side to `short_side`, never larger than it was.

    The long side is int(short_side * long / short), as in the published DISTS protocol.
    """
    short, long = min(width, height), max(width, height)
    if short_side is None or short <= short_side:
        return width, height
    new_long = int(short_side * long / short)
    return (short_side, new_long) if width < height else (new_long, short_side)


def resize(image: Image.Image, short_side: int | None) -> Image.Image:
    """PIL bilinear (antialiased) resize to the protocol's size; the image itself where nothing changes."""
    size = resized_size(*image.size, short_side)
    return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)


def read_rgb(path: Path, short_side: int | None = None) -> Rgb:
    """Decode and resize an image file: uint8 array (height, width, 3), 0..255.

    Raises:
        InputError: naming the file, when it cannot be decoded.
    """
    rgb = _decoded(path)
    height, width = rgb.shape[:2]
    if resized_size(width, height, short_side) == (width, height):
        return rgb
    return np.array(resize(Image.fromarray(rgb), short_side))
