"""How a searcher looks: the same colour, marker and line in every figure of every report."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from iqatune.report.figures.style import COLOURS, MARKERS, STYLES

MORE_COLOURS: Final = ("#882255", "#332288", "#999933", "#8C510A")
"""Further ones for people with any colour vision, from the muted scheme of Tol (2021) and a brown; darker than Okabe
and Ito's of their hue."""

OTHER_MARKERS: Final = ("<", ">", "p", "h", "*", "8", "d")
"""Of searchers without a look of their own: none of theirs."""


@dataclass(frozen=True)
class Look:
    """A colour, and a marker and a line style, which print in grey tells apart.

    Attributes:
        hollow: the marker is an outline.
    """

    colour: str
    marker: str
    line: str
    hollow: bool = False

    def tints(self, count: int) -> "list[Look]":
        """So many looks of one colour, from itself on ever lighter, with other markers and lines."""
        return [
            Look(
                _lighter(self.colour, 0.65 * place / count), MARKERS[place % len(MARKERS)], STYLES[place % len(STYLES)]
            )
            for place in range(count)
        ]

    @property
    def of_marker(self) -> dict[str, Any]:
        """What `Axes.plot` is told of the marker."""
        face = "white" if self.hollow else self.colour
        return {"marker": self.marker, "color": self.colour, "markerfacecolor": face, "markeredgecolor": self.colour}


LOOKS: Final = {
    "random": Look(COLOURS[0], "o", "-"),
    "bohb": Look(COLOURS[1], "s", "--"),
    "ax": Look(COLOURS[2], "^", "-."),
    "bayesopt": Look(COLOURS[3], "D", "-"),
    "nevergrad": Look(COLOURS[4], "v", "--"),
    "blendsearch": Look(COLOURS[5], "P", "-."),
    "fit": Look(COLOURS[6], "X", "-"),
    "mutual": Look(MORE_COLOURS[0], "X", "--"),
    "optuna:tpe": Look(MORE_COLOURS[1], "o", ":"),
    "optuna:gp": Look(MORE_COLOURS[2], "P", "-"),
    "optuna:cmaes": Look(MORE_COLOURS[3], "^", "--"),
    "optuna:nsga2": Look(MORE_COLOURS[1], "D", "-."),
}
"""Of the searchers that come with iqatune. A look is never given to another name: reports are laid side by side."""


def look(searcher: str, variant: int = 0) -> Look:
    """How a searcher looks.

    One that is not in `LOOKS`, a plug-in or one of nevergrad's many, has a look that its name alone decides, in every
    process the same; its marker is none of those in `LOOKS`.

    Args:
        variant: tells apart what one figure has of the same searcher, as its priors; the colour stays, and the marker
            is an outline at every second.
    """
    found = LOOKS.get(searcher)
    if found is None:
        number = int.from_bytes(sha256(searcher.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        colours = (*COLOURS[:6], *MORE_COLOURS)
        number, place = divmod(number, len(colours))
        number, marker = divmod(number, len(OTHER_MARKERS))
        found = Look(colours[place], OTHER_MARKERS[marker], STYLES[number % len(STYLES)])
    style = STYLES[(STYLES.index(found.line) + variant) % len(STYLES)]
    return Look(found.colour, found.marker, style, hollow=variant % 2 == 1)


def looks_of(searchers: Mapping[str, str]) -> dict[str, Look]:
    """The looks of rows, each by its searcher; several rows of one searcher are tints of its colour."""
    rows: dict[str, list[str]] = {}
    for row, searcher in searchers.items():
        rows.setdefault(searcher, []).append(row)
    return {
        row: shown
        for searcher, names in rows.items()
        for row, shown in zip(
            names, [look(searcher)] if len(names) == 1 else look(searcher).tints(len(names)), strict=True
        )
    }


def _lighter(colour: str, share: float) -> str:
    """So much of the way from a colour to white."""
    parts = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return "#" + "".join(f"{round(part + (255 - part) * share):02X}" for part in parts)
