"""Human scores against a metric's distances."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqatune.evaluation.residuals import fitted_scores
from iqatune.metric.weights import Floats
from iqatune.records.vocabulary import Better
from iqatune.report.figures.style import BEST, MARKERS, WIDE, WIDTH, colour, grid, page_height, styled, subplot
from iqatune.report.figures.text import label, legend_of, titled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_INSIDE: Final = 8
"""Most distortions whose legend may cover a part of the drawing; that of more stands beside it."""
LEGEND_ROWS: Final = 13

MOST_VECTORS: Final = 1000
"""Dots that are drawn one by one in SVG and PDF files; of more, dots and bars become a picture of 150 dots an inch."""

BEHIND: Final = 1.2
"""The zorder of dots and bars: below curves and axes, which are never made pictures of."""

DISTANCE: Final = "distance D (0: identical)"


@styled()
def draw_scatter(
    axes: "Axes",
    scores: ArrayLike,
    distances: ArrayLike,
    *,
    distortions: Sequence[str],
    better: Better,
    errors: ArrayLike | None = None,
) -> None:
    """Human scores against a metric's distances, by distortion, and the fitted logistic through which PLCC is taken.

    Args:
        axes: to draw on.
        scores: (N,) human scores as published.
        distances: (N,) D, 0 for identical images.
        distortions: the N pairs' kinds of damage, which the legend lists in their order.
        better: which score is the better quality.
        errors: (N,) standard errors of the scores, drawn as bars of 95 % (1.96 of them); None for none.

    Raises:
        ValueError: when these are not as long as each other.
    """
    scatter = Scatter.of(scores, distances, distortions=distortions, better=better, errors=errors)
    scatter.draw_all(axes)
    axes.set_xlabel(DISTANCE)
    axes.set_ylabel(f"human score ({better} is better)")
    _legend(axes, beside=len(scatter.names) > LEGEND_INSIDE)


@styled()
def scatter_figure(scatter: "Scatter", *, x_name: str = DISTANCE) -> "Figure":
    """`draw_scatter` as a figure, its legend above it."""
    figure, axes = subplot(height=4.2)
    scatter.draw_all(axes)
    axes.set_xlabel(x_name)
    axes.set_ylabel(f"human score ({scatter.better} is better)")
    legend_of(figure, axes)
    return figure


@styled()
def scatter_panels(panels: Mapping[str, "Scatter"]) -> "Figure":
    """A small scatter for each of several metrics on the same pairs, each with its own fit and its name above.

    Colours and markers are those of `scatter_figure`, whose legend is theirs as well.
    """
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    columns = min(2, len(panels))
    every = grid(figure, len(panels), columns=columns, size=(WIDTH / columns, page_height(len(panels), columns, 2.4)))
    for axes, (title, scatter) in zip(every, panels.items(), strict=True):
        scatter.draw_all(axes, size=2.6)
        titled(axes, title, width=WIDTH / columns)
    first = next(iter(panels.values()))
    figure.supxlabel("distance (higher is worse)", fontsize="medium")
    figure.supylabel(f"human score ({first.better} is better)", fontsize="medium")
    return figure


def scatter_by_distortion(scatter: "Scatter", *, x_name: str = DISTANCE) -> "Figure":
    """`draw_distortions` on a figure of its own."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    draw_distortions(figure, scatter, x_name=x_name)
    return figure


@styled()
def draw_distortions(figure: "Figure", scatter: "Scatter", *, x_name: str = DISTANCE) -> None:
    """A panel for each distortion: its pairs in its colour and marker, all others in grey behind, one fit for all.

    Args:
        figure: without axes; its size is set by the number of panels.
    """
    names = scatter.names
    columns = min(len(names), 2 if len(names) <= 6 else 4)
    width = (WIDTH if columns <= 2 else WIDE) / columns
    every = grid(
        figure, len(names), columns=columns, size=(width, page_height(len(names), columns, 0.8 * width)), shared=True
    )
    for place, (axes, name) in enumerate(zip(every, names, strict=True)):
        rows = scatter.kinds == name
        axes.plot(
            scatter.distances[~rows],
            scatter.scores[~rows],
            "o",
            color="#C8CDD3",
            markersize=2.2,
            markeredgewidth=0,
            zorder=BEHIND,
        )
        scatter.draw(axes, rows, place, size=2.6)
        scatter.draw_curve(axes, linewidth=1.0, most=200)
        _as_pictures(axes, dots=len(scatter.scores) * len(names))
        titled(axes, f"{name} ({int(rows.sum())})", width=width + 0.25)
        axes.tick_params(labelsize=8)
        axes.locator_params(nbins=4)
    figure.supxlabel(x_name, fontsize="medium")
    figure.supylabel(f"human score ({scatter.better} is better)", fontsize="medium")


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Human scores and a metric's distances of the same pairs, as `draw_scatter` takes them.

    Attributes:
        scores, distances, kinds: (N,); kinds are the names of the distortions.
        errors: (N,) standard errors of the scores; None where not known.
        curve: (N,) scores that the fitted logistic gives for the distances; None where it is not defined.
    """

    scores: Floats
    distances: Floats
    kinds: NDArray[np.str_]
    better: Better
    errors: Floats | None
    curve: Floats | None

    @classmethod
    def of(
        cls,
        scores: ArrayLike,
        distances: ArrayLike,
        *,
        distortions: Sequence[str],
        better: Better,
        errors: ArrayLike | None = None,
    ) -> "Scatter":
        """With the fit; arguments and errors as of `draw_scatter`."""
        y, x = np.asarray(scores, dtype=np.float64), np.asarray(distances, dtype=np.float64)
        kinds = np.asarray(distortions)
        bars = None if errors is None else np.asarray(errors, dtype=np.float64)
        if not y.shape == x.shape == kinds.shape or y.ndim != 1:
            raise ValueError(f"scores, distances and distortions must be as long: {y.shape}, {x.shape}, {kinds.shape}")
        if bars is not None and bars.shape != y.shape:
            raise ValueError(f"scores and errors must be as long: {y.shape}, {bars.shape}")
        sign = 1.0 if better == "higher" else -1.0
        fitted = fitted_scores(sign * y, -x)
        curve = None if fitted is None else sign * fitted
        return cls(scores=y, distances=x, kinds=kinds, better=better, errors=bars, curve=curve)

    @property
    def names(self) -> list[str]:
        """The distortions in the order in which they first appear."""
        return list(dict.fromkeys(self.kinds.tolist()))

    def draw_all(self, axes: "Axes", *, size: float = 3.5) -> None:
        """Every distortion's dots, and the fit."""
        for place, name in enumerate(self.names):
            self.draw(axes, self.kinds == name, place, size=size)
        self.draw_curve(axes)
        _as_pictures(axes, dots=len(self.scores))

    def draw(self, axes: "Axes", rows: NDArray[np.bool_], place: int, *, size: float = 3.5) -> None:
        """The dots of some pairs, of the distortion at that place, with bars where there are errors."""
        x, y, name = self.distances[rows], self.scores[rows], self.names[place]
        if self.errors is not None:
            half = 1.96 * self.errors[rows]
            axes.vlines(x, y - half, y + half, color=colour(place), alpha=0.35, linewidth=0.7, zorder=BEHIND)
        marker, name = MARKERS[place % len(MARKERS)], label(name)
        axes.plot(x, y, marker, color=colour(place), markersize=size, alpha=0.7, label=name, zorder=BEHIND)

    def draw_curve(self, axes: "Axes", *, linewidth: float = 1.6, most: int | None = None) -> None:
        """The fitted logistic, where there is one, through every distance or so many of them."""
        if self.curve is not None:
            order = np.argsort(self.distances, kind="stable")
            if most is not None and len(order) > most:
                order = order[np.linspace(0, len(order) - 1, most).round().astype(int)]
            x, y = self.distances[order], self.curve[order]
            axes.plot(x, y, color=BEST, linewidth=linewidth, label="logistic fit")


def _legend(axes: "Axes", *, beside: bool = False) -> None:
    """A legend of what the axes hold, if anything, in the drawing or to the right of it."""
    handles, names = axes.get_legend_handles_labels()
    names = [wrapped(name, points=160.0) for name in names]
    if not handles:
        return
    if beside:
        columns = math.ceil(len(handles) / LEGEND_ROWS)
        place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "ncols": columns}
        axes.legend(handles, names, frameon=False, fontsize=8, **place)
    else:
        # small: it may have to stand on some of the dots
        axes.legend(handles, names, fontsize=7, labelspacing=0.25, borderpad=0.3, handletextpad=0.5, framealpha=0.6)


def _as_pictures(axes: "Axes", *, dots: int) -> None:
    """Make one picture of what lies `BEHIND` where a drawing has too many dots to be written one by one."""
    if dots > MOST_VECTORS:
        axes.set_axisbelow("line")  # ticks and their numbers stay letters
        axes.set_rasterization_zorder(BEHIND + 0.1)
