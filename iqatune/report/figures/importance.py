"""What each number of a space was worth to a search."""

from typing import TYPE_CHECKING

from iqatune.report.figures.style import COLOURS, GREY, SMALL, WIDTH, styled
from iqatune.report.figures.text import legend_of, wrapped
from iqatune.search.importance import Importance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 20
"""Numbers that are drawn, the most important first."""


def importance_figure(importance: Importance) -> "Figure":
    """`draw_importance` on a figure of its own."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    draw_importance(figure, importance)
    return figure


@styled()
def draw_importance(figure: "Figure", importance: Importance) -> None:
    """A dot for each number's share, with what resamples make of it, beside what a number that does nothing reaches.

    Args:
        figure: without axes; its size is set by the numbers.
    """
    figure.set_size_inches(WIDTH, 0.7 + 0.24 * min(len(importance.numbers), MOST))
    axes = figure.add_subplot()
    _draw(axes, importance)
    legend_of(figure, axes, first=("mean of 8 resamples",))


def _draw(axes: "Axes", importance: Importance) -> None:
    shown = importance.numbers[:MOST]
    names = [wrapped(number.name, points=120.0, lines=1) for number in shown]
    for place, number in enumerate(shown):
        axes.hlines(
            place,
            number.low,
            number.high,
            color=COLOURS[0],
            linewidth=1.6,
            alpha=0.55,
            label="lowest to highest",
        )
        axes.plot([number.share], [place], "o", color=COLOURS[0], markersize=6, label="mean of 8 resamples", zorder=3)
        axes.annotate(
            f"{100 * number.share:.0f} %",
            (1.0, place),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
    axes.axvline(importance.noise, color=GREY, linestyle="--", linewidth=1.2, label="a number that does nothing")
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.set_xlabel("share of the order of the samples")
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
