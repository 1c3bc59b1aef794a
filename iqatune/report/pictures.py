"""Small pictures of images, for the page."""

import io
from pathlib import Path

from PIL import Image

from iqatune.images import open_rgb, resize

SHORT_SIDE = 160
"""Of each image in the page, in pixels."""

GAP = 4
"""White pixels between images that stand on each other."""


def jpeg(*paths: Path) -> bytes:
    """One image, or several on top of each other in their order, made small, as a JPEG."""
    images = [resize(open_rgb(path), SHORT_SIDE) for path in paths]
    width, height = max(image.width for image in images), sum(image.height + GAP for image in images) - GAP
    stack = Image.new("RGB", (width, height), "white")
    top = 0
    for image in images:
        stack.paste(image, (0, top))
        top += image.height + GAP
    encoded = io.BytesIO()
    stack.save(encoded, "JPEG", quality=85)
    return encoded.getvalue()
