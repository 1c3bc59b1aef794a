"""Lines over the same few named places, as of `iqatune robust`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iqatune.metric.weights import Floats
from iqatune.report.figures.style import MARKERS, STYLES, WIDTH, colour, grid, styled
from iqatune.report.figures.text import legend_above, thinned, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Lines over the same few named places.

    Attributes:
        places: their names, (K,).
        lines: of each row K values; NaN leaves a gap.
        bounds: of each row (K, 2) where the values may lie; NaN for no bar.
        x_name: what the places are.
    """

    places: Sequence[str]
    lines: Mapping[str, Floats]
    bounds: Mapping[str, Floats]
    x_name: str


@styled()
def line_panels(panels: Mapping[str, Panel], *, y_name: str) -> "Figure":
    """A panel beside the other, on one scale: a line for each row with bars at its places, a legend for all."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    columns = min(2, len(panels))
    every = grid(figure, len(panels), columns=columns, size=(WIDTH / columns, 2.6))
    present = [value for panel in panels.values() for line in panel.lines.values() for value in line]
    finite = [value for value in present if np.isfinite(value)]
    for axes, (title, panel) in zip(every, panels.items(), strict=True):
        count = len(panel.lines)
        for place, (row, values) in enumerate(panel.lines.items()):
            # side by side, or the bars would hide each other
            x = np.arange(len(values)) + 0.3 * ((place + 0.5) / count - 0.5)
            style, marker = STYLES[place % len(STYLES)], MARKERS[place % len(MARKERS)]
            axes.plot(x, values, style, marker=marker, markersize=3.5, color=colour(place), linewidth=1.3)
            axes.vlines(x, *panel.bounds[row].T, color=colour(place), alpha=0.35, linewidth=0.9)
        axes.set_xticks(range(len(panel.places)), thinned(panel.places, points=72 * WIDTH / columns - 35))
        axes.set_xlabel(panel.x_name)
        titled(axes, title, width=WIDTH / columns)
        if finite:  # bars may be as wide as they like
            axes.set_ylim(min(0.0, *finite) - 0.05, max(1.0, *finite) + 0.05)
        axes.grid()
    figure.supylabel(y_name, fontsize="medium")
    defined = {row for panel in panels.values() for row, values in panel.lines.items() if np.isfinite(values).any()}
    names = [row if row in defined else f"{row}: undefined" for row in next(iter(panels.values())).lines]
    legend_above(figure, every[0].get_lines(), names)
    return figure
