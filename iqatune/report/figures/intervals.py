"""Figures with intervals: a dot and a line each. The axis need not start at 0, as one of bars would have to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iqatune.report.figures.style import COLOURS, GREY, SMALL, WIDTH, styled
from iqatune.report.figures.text import legend_of, lines_for, titled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = 135.0
"""Points of the names at the left."""


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A row of a panel.

    Attributes:
        value: NaN where undefined.
        interval: lower and upper end; None for none.
        uniform: the uniform weights' on the same pairs; None where not known.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    uniform: float | None = None


@styled()
def dots(panels: Mapping[str, Sequence[Dot]], *, x_name: str) -> "Figure":
    """A panel below the other on one scale, a row for each dot, and its value in figures at the right."""
    from matplotlib.figure import Figure

    lines = lines_for(sum(map(len, panels.values())))
    names = {title: [wrapped(dot.name, points=NAMES, lines=lines) for dot in rows] for title, rows in panels.items()}
    heights = [
        sum((name.count("\n") + 1) * 1.2 * SMALL / 72 + 0.12 for name in of_panel) + 0.1 for of_panel in names.values()
    ]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.35 * len(panels) + 0.55), layout="constrained")
    every = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights).ravel().tolist()
    for axes, (title, rows) in zip(every, panels.items(), strict=True):
        _draw(axes, rows, names[title])
        titled(axes, title, width=WIDTH - 1.0)
    every[-1].set_xlabel(x_name)
    legend_of(figure, *every, first=("tuned", "95 % interval"))
    return figure


def _draw(axes: "Axes", rows: Sequence[Dot], names: Sequence[str]) -> None:
    places = _places(names)
    for place, dot in zip(places, rows, strict=True):
        if dot.interval is not None:
            axes.hlines(place, *dot.interval, color=COLOURS[0], linewidth=1.6, alpha=0.55, label="95 % interval")
        if dot.uniform is not None and np.isfinite(dot.uniform):
            axes.plot([dot.uniform], [place], "d", color=GREY, markerfacecolor="white", ms=6, label="uniform weights")
        if np.isfinite(dot.value):
            axes.plot([dot.value], [place], "o", color=COLOURS[0], ms=6, label="tuned", zorder=3)
        text = f"{dot.value:.3f}" if np.isfinite(dot.value) else "undefined"
        axes.annotate(
            text, (1.0, place), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
            fontsize=SMALL,
        )  # fmt: skip
    axes.set_yticks(places, names)
    axes.set_ylim(places[-1] + _half(names[-1]), places[0] - _half(names[0]))
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.06)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)


def _half(name: str) -> float:
    return (name.count("\n") + 1) / 2 + 0.4


def _places(names: Sequence[str]) -> list[float]:
    """The middle of every row, in lines of text from the top."""
    ends = np.cumsum([2 * _half(name) for name in names])
    return [float(end - _half(name)) for end, name in zip(ends, names, strict=True)]
