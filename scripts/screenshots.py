#!/usr/bin/env python
"""Pictures of a report's page: on a desktop, on a phone, and the first page of it printed on A4.

    python scripts/screenshots.py results/tid2013_part/report docs/report

Writes desktop.png, phone.png and print.png into the second folder. It needs playwright and a Chromium on PATH.
"""

import io
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from PIL import Image

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

SCREENS: Final = {"desktop": (1280, 960), "phone": (390, 844)}
"""Width and height in pixels."""

SHEET, MARGINS = (794, 1123), (49, 53)
"""An A4 page and its margins in pixels, 96 to the inch, as the page's style has them."""

COLOURS: Final = 256
"""Of a picture, so that each is smaller than 300 kB."""

END_OF_PAGE = """
(height) => {
  // what would begin on the next page, or be cut at the end of this one
  for (const one of document.querySelectorAll("h2, h3, p, li, tr, figure, summary, dl, nav"))
    if (one.getBoundingClientRect().bottom > height) one.style.visibility = "hidden";
}
"""


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python scripts/screenshots.py REPORT_FOLDER OUTPUT_FOLDER")
    page, output = Path(sys.argv[1], "report.html"), Path(sys.argv[2])
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if not page.is_file():
        sys.exit(f"{page}: no such file; name the folder that iqatune report wrote")
    if found is None:
        sys.exit(f"no browser on PATH: {', '.join(BROWSERS)}")
    output.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures(page, found).items():
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(output / f"{name}.png", optimize=True)
        print(output / f"{name}.png")


def pictures(page: Path, browser: str) -> dict[str, Image.Image]:
    """The page as each screen shows it, and as it is printed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        instance = playwright.chromium.launch(executable_path=browser, args=arguments, timeout=120_000)
        tab = instance.new_page()
        tab.goto(page.resolve().as_uri(), wait_until="load", timeout=120_000)
        found = {name: _shot(tab, size) for name, size in SCREENS.items()}
        found["print"] = _printed(tab)
        instance.close()
    return found


def _shot(tab: Any, size: tuple[int, int]) -> Image.Image:
    tab.set_viewport_size({"width": size[0], "height": size[1]})
    return Image.open(io.BytesIO(tab.screenshot())).convert("RGB")


def _printed(tab: Any) -> Image.Image:
    """The first sheet: browsers make PDF documents of pages, and no pictures of these."""
    tab.emulate_media(media="print")
    width, height = (whole - 2 * margin for whole, margin in zip(SHEET, MARGINS, strict=True))
    tab.set_viewport_size({"width": width, "height": height})
    tab.evaluate(END_OF_PAGE, height)
    sheet = Image.new("RGB", SHEET, "white")
    sheet.paste(_shot(tab, (width, height)), MARGINS)
    return sheet


if __name__ == "__main__":
    main()
