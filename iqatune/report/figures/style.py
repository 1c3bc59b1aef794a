"""What all drawings share: settings, sizes, colours, and the SVG, PDF and PNG documents that they become.

The same numbers give the same bytes, whatever matplotlib is set to elsewhere.
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from iqatune.report.model import Figure as Drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colours that people with any colour vision tell apart (Okabe and Ito 2008); line styles and markers for print in grey
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
STYLES: Final = ("-", "--", "-.", ":")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""One more than there are colours: a marker and a colour come together again only after all pairs of them."""

BEST: Final = COLOURS[6]
GREY: Final = "#6B6B6B"
"""The uniform weights', in every drawing: grey and dashed, or a hollow marker."""

WIDTH: Final = 5.2
"""Inches of most drawings: letters stay readable where a phone of 390 pixels shows them at two thirds of that."""
WIDE: Final = 7.2
"""Inches of drawings with many panels: the text width of A4."""

HIGH: Final = 9.6
"""Inches that fit on a page of A4 with a caption; what is drawn of many records is made lower, so that none is cut."""

LETTERS: Final = 10.0
SMALL: Final = 9.0
"""Points of axis names, and of legends, ticks and labels in a drawing."""

RASTER_DPI: Final = 150

SETTINGS: Any = {
    # letters as paths look the same in every browser, whichever fonts it has
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "svg.hashsalt": "iqatune",
    "font.size": LETTERS,
    "axes.titlesize": LETTERS,
    "axes.labelsize": LETTERS,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    # white whatever page it stands on
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """The report's settings over matplotlib's own defaults; they count while a figure is drawn and while it is written.

    A user's settings (a dark style, other fonts) are not seen.
    """
    # matplotlib takes a second to import, and only drawings need it
    from matplotlib import style

    with style.context(["default", SETTINGS]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


@styled()
def as_svg(figure: "Figure") -> str:
    """A figure as an SVG document. It holds no date, so that a report can be made again byte for byte."""
    document = io.StringIO()
    figure.savefig(document, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    return document.getvalue()


@styled()
def as_pdf(figure: "Figure") -> bytes:
    """A figure as a PDF document, without a date as well."""
    document = io.BytesIO()
    figure.savefig(document, format="pdf", dpi=RASTER_DPI, metadata={"CreationDate": None, "Creator": None})
    return document.getvalue()


@styled()
def as_png(figure: "Figure") -> bytes:
    """A figure as a PNG picture."""
    document = io.BytesIO()
    figure.savefig(document, format="png", dpi=RASTER_DPI, metadata={"Software": None})
    return document.getvalue()


def drawn(name: str, title: str, figure: "Figure", notes: tuple[str, ...] = ()) -> Drawn:
    """A figure as the report has it, as SVG and PDF.

    Args:
        name: of its files.
        title, notes: what the caption says.
    """
    return Drawn(name, title, as_svg(figure), notes, pdf=as_pdf(figure))


def colour(place: int) -> str:
    """The colour of what stands at a place, where it is no searcher."""
    return COLOURS[place % len(COLOURS)]


def page_height(panels: int, columns: int, height: float) -> float:
    """The height in inches of each of so many panels: so many inches, or fewer where they would not fit on a page."""
    return min(height, (HIGH - 0.8) / math.ceil(panels / columns))


def subplot(*, width: float = WIDTH, height: float) -> "tuple[Figure, Axes]":
    """An empty figure of that size in inches, and its axes; pyplot's global figures are not used."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def grid(
    figure: "Figure", count: int, *, columns: int, size: tuple[float, float], shared: bool = False
) -> "list[Axes]":
    """So many panels of that size in inches on an empty figure, row by row; shared: with one scale for all of them."""
    rows = math.ceil(count / columns)
    figure.set_size_inches(size[0] * columns, size[1] * rows + 0.3)
    every: list[Axes] = figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False).ravel().tolist()
    for axes in every[count:]:
        axes.set_visible(False)
    for axes in every[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)  # where the last row is not full, under the panels above its gap as well
    return every[:count]


ALONE = 3.3
"""Inches that a panel is high that is alone in its figure."""


def two_columns(figure: "Figure", panels: int, height: float, *, shared: bool = False) -> tuple[list["Axes"], float]:
    """A `grid` of panels in at most two columns, each so high where a page has room for it; and a panel's width."""
    columns = min(2, panels)
    width = WIDTH / columns
    size = (width, ALONE if columns == 1 else page_height(panels, columns, height))
    return grid(figure, panels, columns=columns, size=size, shared=shared), width
