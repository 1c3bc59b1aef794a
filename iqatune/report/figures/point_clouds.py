"""Points over a logarithmic axis, as of figures against seconds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from iqatune.report.figures.looks import Look
from iqatune.report.figures.style import styled, subplot
from iqatune.report.figures.text import legend_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled()
def points(
    rows: Mapping[str, Sequence[tuple[float, float]]], looks: Mapping[str, Look], *, x_name: str, y_name: str
) -> "Figure":
    """Each row's points, over a logarithmic axis."""
    figure, axes = subplot(height=3.4)
    for row, values in rows.items():
        x, y = zip(*values, strict=True)
        axes.plot(x, y, label=row, linestyle="none", markersize=6, **looks[row].of_marker)
    logarithmic(axes)
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    axes.grid()
    legend_of(figure, axes)
    return figure


def logarithmic(axes: "Axes") -> None:
    """A logarithmic horizontal axis with plain numbers, as many as have room."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    decades = high / low
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 200 else (1,)))
    axes.xaxis.set_major_formatter("{x:g}")  # what stands there by itself is mathematical text, which is not parsed
    axes.xaxis.set_minor_formatter(NullFormatter())
    if decades < 200:
        axes.xaxis.set_minor_locator(NullLocator())
