"""The best so far of several searchers, with what their seeds reach around it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iqatune.metric.weights import Floats
from iqatune.report.figures.looks import Look
from iqatune.report.figures.style import GREY, styled, two_columns
from iqatune.report.figures.text import legend_of, titled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """What a panel shows.

    Attributes:
        rows: of each searcher (seeds, K) values after 1 to K samples; NaN where there is none yet.
        uniform: the uniform weights'; None for no line.
    """

    rows: Mapping[str, Floats]
    uniform: float | None = None


@styled()
def curves(panels: Mapping[str, Progressed], looks: Mapping[str, Look], *, x_name: str, y_name: str) -> "Figure":
    """For each searcher the mean over its seeds as a line, and from the lowest to the highest seed a band.

    There is neither before every seed has a value. An axis starts where the differences are that matter, and what the
    first few samples reach may lie below it.
    """
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    every, width = two_columns(figure, len(panels), 2.5)
    for axes, (title, panel) in zip(every, panels.items(), strict=True):
        for place, (row, values) in enumerate(panel.rows.items()):
            shown, x = looks[row], np.arange(1, values.shape[1] + 1)
            low, high = values.min(axis=0), values.max(axis=0)
            if len(values) > 1:
                axes.fill_between(x, low, high, step="post", color=shown.colour, alpha=0.18, linewidth=0)
            # markers of neighbours at different places
            every_so_many = max(1, len(x) // 5)
            start = place * every_so_many // max(len(panel.rows), 1)
            axes.plot(
                x,
                values.mean(axis=0),
                linestyle=shown.line,
                label=row,
                linewidth=1.5,
                markersize=4.5,
                markevery=(start, every_so_many),
                drawstyle="steps-post",
                **shown.of_marker,
            )
        if panel.uniform is not None and np.isfinite(panel.uniform):
            axes.axhline(panel.uniform, color=GREY, linewidth=1.2, linestyle=(0, (6, 2)), label="uniform weights")
        low = _floor(panel)
        if low is not None:
            axes.set_ylim(bottom=low)
        axes.grid()
        if len(panels) > 1 or title:
            titled(axes, title, width=width)
    figure.supxlabel(x_name, fontsize="medium")
    figure.supylabel(y_name, fontsize="medium")
    legend_of(figure, *every)
    return figure


def _floor(panel: Progressed) -> float | None:
    """A little below the lowest seed after a tenth of the samples, and below the uniform weights; None for no floor."""
    values = [
        value
        for row in panel.rows.values()
        for value in row[:, max(2, row.shape[1] // 10) :].ravel().tolist()
        if np.isfinite(value)
    ]
    if not values:
        return None
    if panel.uniform is not None and np.isfinite(panel.uniform):
        values.append(panel.uniform)
    room = max(values) - min(values)
    return min(values) - 0.08 * room if room > 0 else None
