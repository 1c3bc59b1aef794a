"""Names from outside in a drawing: as they are written, in as many lines as they need, and never on each other."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from iqatune.escape import visible
from iqatune.report.figures.style import SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES: Final = 3
"""Most lines of a name; of a longer one the middle is left out, for names mostly differ at their ends."""

ELLIPSIS: Final = "…"

_WORDS = re.compile(r"\S+\s*|\s+")
"""After which a line may end."""
_PARTS = re.compile(r"[^/_,:;.@+)-]*[/_,:;.@+)-]*\s*")
"""After which it may end in a word that is longer than a line."""


def label(name: str) -> str:
    """A name from outside as matplotlib draws it: it stops at half characters, and leaves _names out of legends."""
    return visible(f" {name}" if name.startswith("_") else name)


@cache
def width_of(text: str, *, size: float = SMALL) -> float:
    """Of one line, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return 1.1 * float(width)  # hinting on a screen makes letters up to a tenth wider


def wrapped(name: str, *, points: float, size: float = SMALL, lines: int = LINES) -> str:
    """A name from outside in lines of so many points at most; of more lines than these the middle is left out.

    A line ends after a blank; in a word that is longer than a line after a mark of punctuation, or else within.
    """
    found = _broken(label(name), points, size)
    if len(found) > lines == 1:
        half = (points - width_of(ELLIPSIS, size=size)) / 2
        found = [
            label(name)[: max(1, _fitting(label(name), half, size))].rstrip() + ELLIPSIS + _end(label(name), half, size)
        ]
    elif len(found) > lines:
        first = found[: lines - 1]
        found = [*first[:-1], _cut(first[-1] + ELLIPSIS, points, size), _end(label(name), points, size)]
    return "\n".join(found)


def _broken(text: str, points: float, size: float) -> list[str]:
    lines = [""]
    for word in _WORDS.findall(text):
        whole = width_of(word.rstrip(), size=size) <= points
        for part in [word] if whole else _PARTS.findall(word):
            piece = part
            if lines[-1] and width_of((lines[-1] + piece).rstrip(), size=size) > points:
                lines.append("")
            while len(piece) > 1 and width_of(piece.rstrip(), size=size) > points:
                fits = max(1, _fitting(piece, points, size))
                lines[-1], piece = piece[:fits], piece[fits:]
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines if line.rstrip()] or [text]


def _cut(line: str, points: float, size: float) -> str:
    """A line that ends with an ellipsis, without as many letters before that as it takes to fit."""
    while width_of(line, size=size) > points and len(line) > 1:
        line = line[:-2] + ELLIPSIS
    return line


def _end(text: str, points: float, size: float) -> str:
    """The last letters of a name that fit into a line."""
    return text[-max(1, _fitting(text[::-1], points, size)) :].lstrip()


def _fitting(text: str, points: float, size: float) -> int:
    """How many letters from the start of a text fit into a line."""
    return bisect_right(range(1, len(text) + 1), points, key=lambda count: width_of(text[:count], size=size))


def thinned(labels: Sequence[str], *, points: float, size: float = SMALL) -> list[str]:
    """Labels of places beside each other on so many points: the first, and of the others as many as there is room for.

    Those between are left empty.
    """
    room, kept, free = points / max(len(labels), 1), [], -points
    for place, each in enumerate(labels):
        half = width_of(each, size=size) / 2 + size / 3
        fits = place * room - half >= free
        kept.append(each if fits else "")
        free = place * room + half if fits else free
    return kept


def lines_for(count: int) -> int:
    """How many lines each of so many names may take, so that a drawing fits on a page."""
    return LINES if count <= 12 else 2 if count <= 20 else 1


def titled(axes: "Axes", title: str, *, width: float, size: float = SMALL) -> None:
    """A title above a panel of so many inches, of which numbers at its left take some, in as many lines as it needs."""
    axes.set_title(wrapped(title, points=72.0 * width - 60.0, size=size, lines=LINES + 1), fontsize=size)


def legend_above(figure: "Figure", handles: Sequence[Any], names: Sequence[str], *, size: float = SMALL) -> None:
    """A legend above everything, in as many columns as fit; the figure becomes as much higher as the legend is."""
    if not handles:
        return
    room = 72.0 * figure.get_figwidth() - 2 * size
    handle, between = 2.9 * size, 1.5 * size
    lines = LINES if len(names) <= 8 else 1
    texts = [wrapped(name, points=room - handle, size=size, lines=lines) for name in names]
    widest = max(width_of(line, size=size) for text in texts for line in text.split("\n")) + handle
    columns = max(1, min(len(texts), int((room + between) // (widest + between))))
    rows = -(-len(texts) // columns)
    most = max(text.count("\n") + 1 for text in texts)
    figure.set_figheight(figure.get_figheight() + (rows * (1.2 * most + 0.35) + 1.0) * size / 72.0)
    figure.legend(
        handles,
        texts,
        ncols=columns,
        fontsize=size,
        frameon=False,
        loc="outside upper left",
        borderpad=0.2,
        labelspacing=0.35,
        columnspacing=1.5,
        handlelength=2.0,
        handletextpad=0.7,
    )


def legend_of(figure: "Figure", *panels: "Axes", first: Sequence[str] = ()) -> None:
    """`legend_above` of what these panels show, each name once; these names come first, in their order."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    names = [*(name for name in first if name in found), *(name for name in found if name not in first)]
    legend_above(figure, [found[name] for name in names], names)
