"""Fronts: one figure against another, a point for each step of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from iqatune.report.figures.looks import Look
from iqatune.report.figures.point_clouds import logarithmic
from iqatune.report.figures.style import MARKERS, STYLES, colour, styled, subplot
from iqatune.report.figures.text import label, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

PLACES: Final = ((4, 4), (4, -11), (-4, 4), (-4, -11), (0, 9), (0, -17), (10, -3), (-10, -3), (0, 18), (0, -26))
"""Where a label may stand from its point, in points, the best first; at the left of it where the first is negative."""


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """One point of a front.

    Attributes:
        reach: half of the interval of y; None for no bar.
        label: beside the point, where it stands on no other label.
    """

    x: float
    y: float
    reach: float | None = None
    label: str = ""


@styled()
def front(rows: Mapping[str, Sequence[FrontPoint]], looks: Mapping[str, Look], *, x_name: str, y_name: str) -> "Figure":
    """A line through each row's points in their order, a single one without a label a star; x is logarithmic.

    Args:
        looks: of the rows that are of a searcher; the others' follow from their places.
    """
    figure, axes = subplot(height=3.8)
    handles = []
    shown = {row: looks.get(row, Look(colour(place), MARKERS[place % len(MARKERS)], STYLES[place % len(STYLES)]))
             for place, row in enumerate(rows)}  # fmt: skip
    for row, points in rows.items():
        single = len(points) == 1 and not points[0].label
        bars = [0.0 if point.reach is None else point.reach for point in points]
        drawn = axes.errorbar(
            [point.x for point in points],
            [point.y for point in points],
            bars if any(bars) else None,
            color=shown[row].colour,
            marker="*" if single else shown[row].marker,
            markersize=11 if single else 4.5,
            linestyle="none" if single else shown[row].line,
            linewidth=0.9,
            elinewidth=0.7,
            capsize=2,
        )
        handles.append(drawn)
    logarithmic(axes)
    axes.margins(y=0.1)
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    axes.grid()
    legend_above(figure, handles, list(rows))
    _label_points(axes, rows, shown)
    return figure


def _label_points(axes: "Axes", rows: Mapping[str, Sequence[FrontPoint]], looks: Mapping[str, Look]) -> None:
    """The points' labels, each at the first of `PLACES` that is inside and on no other; else none.

    A front is crowded where it is flat. What finds no room is in the report's table.
    """
    from matplotlib.patheffects import withStroke

    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()  # from now on points have their places
    taken: list[Bbox] = []
    frame = axes.get_window_extent()
    for row, points in rows.items():
        for point in points:
            for right, up in PLACES if point.label else ():
                text = axes.annotate(
                    label(point.label),
                    (point.x, point.y),
                    (right, up),
                    textcoords="offset points",
                    fontsize=8,
                    color=looks[row].colour,
                    path_effects=[withStroke(linewidth=2.0, foreground="white")],  # legible on a line
                    ha="center" if right == 0 else "left" if right > 0 else "right",
                )
                text.set_in_layout(False)
                box = text.get_window_extent().padded(1.0)
                inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
                if inside and not any(box.overlaps(other) for other in taken):
                    taken.append(box)
                    break
                text.remove()
