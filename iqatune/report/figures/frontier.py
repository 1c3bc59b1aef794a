"""Agreement against cost, as of `iqatune frontier`."""

from typing import TYPE_CHECKING

import numpy as np

from iqatune.records.frontier import Frontier
from iqatune.report.figures.point_clouds import logarithmic
from iqatune.report.figures.style import BEST, GREY, MARKERS, colour, styled, subplot
from iqatune.report.figures.text import legend_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled()
def frontier_figure(frontier: Frontier) -> "Figure":
    """Held-out SRCC and its 95 % interval at every point's cost, on a logarithmic axis; a star is the chosen point."""
    figure, axes = subplot(height=3.6)
    by_time = frontier.options.by == "ms"
    for place, (kind, points) in enumerate(
        (
            ("stages up to one", [point for point in frontier.points if point.penalty == 0]),
            ("penalised", [point for point in frontier.points if point.penalty > 0]),
        )
    ):
        costs = [point.cost.milliseconds.median if by_time else point.cost.macs / 1e9 for point in points]
        figures = np.array([point.held_out_srcc for point in points])
        reach = np.array([point.interval[1] - point.held_out_srcc for point in points])
        axes.errorbar(
            costs,
            figures,
            np.nan_to_num(reach),
            fmt=MARKERS[place],
            color=colour(place),
            elinewidth=0.8,
            capsize=2,
            markersize=4.5,
            label=f"{kind} (bar: 95 % interval)",
        )
    chosen = frontier.point(frontier.chosen)
    if chosen is not None:
        cost = chosen.cost.milliseconds.median if by_time else chosen.cost.macs / 1e9
        text = f"chosen: {chosen.speedup:.2f} times as fast as the unpruned metric"
        axes.plot(
            [cost], [chosen.held_out_srcc], "*", color=BEST, markersize=13, label=text, zorder=4, linestyle="none"
        )
    if np.isfinite(frontier.uniform_held_out_srcc):
        text = "uniform weights, everything computed"
        axes.axhline(frontier.uniform_held_out_srcc, color=GREY, linewidth=1.2, linestyle="--", label=text)
    # on a logarithmic axis 0 has no place, and the image alone takes no multiply-accumulates
    if by_time:
        logarithmic(axes)
    else:
        axes.set_xscale("symlog", linthresh=1e-2)
        axes.xaxis.set_major_formatter("{x:g}")  # what stands there by itself is mathematical text, which is not parsed
    axes.set_xlabel("milliseconds a pair" if by_time else "multiply-accumulates a pair (10^9)")
    axes.set_ylabel("held-out SRCC")
    axes.grid()
    legend_of(figure, axes)
    return figure
