"""Drawings of numbers alone, and the SVG documents that they make; the same numbers give the same bytes."""

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iqatune.escape import visible
from iqatune.evaluation.residuals import fitted_scores
from iqatune.metric.weights import Floats
from iqatune.records.frontier import Frontier
from iqatune.records.trial import Inner, Trial
from iqatune.records.vocabulary import Better, ChosenBy
from iqatune.search.choice import chosen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# colours that people with any colour vision tell apart (Okabe and Ito 2008), and line styles for print without colour
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""One more than there are colours: a marker and a colour come together again only after all pairs of them."""

COLOUR_OF: Final[Mapping[ChosenBy, str]] = {
    "random": COLOURS[0],
    "initial": COLOURS[4],
    "model": COLOURS[1],
    "local": COLOURS[2],
    "fit": COLOURS[3],
}
"""The same in every drawing of a search, whichever kinds of samples it has."""

LEGEND_INSIDE = 8
"""Most distortions whose legend may cover a part of the drawing; that of more stands beside it."""
LEGEND_ROWS = 13

MOST_VECTORS = 1000
"""Dots that are drawn one by one in SVG and PDF files; of more, dots and bars become a picture of 150 dots an inch."""

RASTER_DPI = 150

BEHIND = 1.2
"""The zorder of dots and bars: below curves and axes, which are never made pictures of."""

DISTANCE = "distance D (0: identical)"

SETTINGS: Any = {
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "svg.hashsalt": "iqatune",
    "font.size": 9,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


@contextmanager
def _style() -> Iterator[None]:
    """The report's settings; they count both while a figure is drawn and while it is written."""
    # matplotlib takes a second to import, and only drawings need it
    from matplotlib import rc_context

    with rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


@_style()
def as_svg(figure: "Figure") -> str:
    """A figure as an SVG document. It holds no date, so that a report can be made again byte for byte."""
    document = io.StringIO()
    figure.savefig(document, format="svg", dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    return document.getvalue()


@_style()
def as_pdf(figure: "Figure") -> bytes:
    """A figure as a PDF document, without a date as well."""
    document = io.BytesIO()
    figure.savefig(document, format="pdf", dpi=RASTER_DPI, metadata={"CreationDate": None, "Creator": None})
    return document.getvalue()


@_style()
def grouped_bars(labels: Sequence[str], rows: Mapping[str, Sequence[float | None]], *, y_name: str) -> "Figure":
    """Bars of each row (a colour each) at each label; the axis starts where differences can be seen, and says so."""
    figure, axes = _subplot(width=max(6.4, 1.2 + len(labels) * max(1.2, 0.55 * len(rows))), height=3.4)
    width = 0.8 / len(rows)
    present = [value for values in rows.values() for value in values if value is not None and np.isfinite(value)]
    low = _floor(present)
    for place, (row, values) in enumerate(rows.items()):
        heights = [np.nan if value is None else value for value in values]
        x = np.arange(len(labels)) + (place - (len(rows) - 1) / 2) * width
        axes.bar(x, np.array(heights) - low, width * 0.92, bottom=low, label=_label(row), color=_colour(place))
        for left, height in zip(x, heights, strict=True):
            if np.isfinite(height):
                turned = 90 if width < 0.18 else 0
                axes.annotate(
                    f"{height:.3f}",
                    (left, height),
                    (0, 2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize=7,
                    rotation=turned,
                )
    axes.set_xticks(np.arange(len(labels)), list(map(_label, labels)))
    axes.set_ylim(low, None)
    axes.margins(y=0.15)
    axes.set_ylabel(y_name if low == 0 else f"{y_name} (axis from {low:g})")
    axes.grid(axis="y", linewidth=0.4)
    figure.legend(frameon=False, ncols=min(len(rows), 3), loc="outside upper left")
    return figure


@_style()
def curves(rows: Mapping[str, Floats], *, x_name: str, y_name: str) -> "Figure":
    """A line for each row, from 1 on; NaN leaves a gap."""
    figure, axes = _subplot(width=6.4, height=3.6)
    for place, (row, values) in enumerate(rows.items()):
        x = np.arange(1, len(values) + 1)
        style = STYLES[place % len(STYLES)]
        axes.plot(x, values, style, color=_colour(place), label=_label(row), linewidth=1.6, drawstyle="steps-post")
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    axes.grid(linewidth=0.4)
    axes.legend(frameon=False)
    return figure


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


@_style()
def line_panels(panels: Mapping[str, Panel], *, y_name: str) -> "Figure":
    """A panel beside the other, on one scale: a line for each row with bars at its places, a legend for all."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    every = _grid(figure, len(panels), columns=min(2, len(panels)), size=(3.7, 2.8))
    present = [value for panel in panels.values() for line in panel.lines.values() for value in line]
    finite = [value for value in present if np.isfinite(value)]
    for axes, (title, panel) in zip(every, panels.items(), strict=True):
        count = len(panel.lines)
        for place, (row, values) in enumerate(panel.lines.items()):
            # side by side, or the bars would hide each other
            x = np.arange(len(values)) + 0.3 * ((place + 0.5) / count - 0.5)
            style, marker = STYLES[place % len(STYLES)], MARKERS[place % len(MARKERS)]
            axes.plot(x, values, style, marker=marker, markersize=3.5, color=_colour(place), linewidth=1.3)
            axes.vlines(x, *panel.bounds[row].T, color=_colour(place), alpha=0.35, linewidth=0.9)
        axes.set_xticks(range(len(panel.places)), list(map(_label, panel.places)))
        axes.set_xlabel(panel.x_name)
        axes.set_title(_label(title), fontsize=9)
        if finite:  # bars may be as wide as they like
            axes.set_ylim(min(0.0, *finite) - 0.05, max(1.0, *finite) + 0.05)
        axes.grid(linewidth=0.4)
    figure.supylabel(y_name, fontsize=9)
    defined = {row for panel in panels.values() for row, values in panel.lines.items() if np.isfinite(values).any()}
    names = [_label(row if row in defined else f"{row}: undefined") for row in next(iter(panels.values())).lines]
    figure.legend(every[0].get_lines(), names, frameon=False, ncols=2, fontsize=8, loc="outside upper left")
    return figure


@_style()
def fit_paths(rows: Mapping[str, Sequence[Inner]]) -> "Figure":
    """For each row what inner folds say along its shrinkages, from the uniform weights on; a star where it was chosen.

    Bars are standard errors of the gain over the uniform weights.
    """
    figure, axes = _subplot(width=6.4, height=3.6)
    shrinkages = sorted({inner.shrinkage for path in rows.values() for inner in path if inner.shrinkage is not None})
    ticks = ["uniform", *(f"{shrinkage:g}" for shrinkage in reversed(shrinkages))]
    for place, (row, path) in enumerate(rows.items()):
        x = [0 if inner.shrinkage is None else ticks.index(f"{inner.shrinkage:g}") for inner in path]
        y = [inner.mean for inner in path]
        errors = [0.0 if np.isnan(inner.error) else inner.error for inner in path]
        axes.errorbar(x, y, errors, color=_colour(place), label=_label(row), linewidth=1.6, elinewidth=0.8, capsize=2)
        taken = chosen(path)
        axes.plot([x[taken]], [y[taken]], "*", color=_colour(place), markersize=11, linestyle="none")
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlabel("shrinkage towards the uniform weights (star: chosen)")
    axes.set_ylabel("on references left out in inner folds")
    axes.grid(linewidth=0.4)
    axes.legend(frameon=False)
    return figure


@_style()
def points(rows: Mapping[str, Sequence[tuple[float, float]]], *, x_name: str, y_name: str) -> "Figure":
    """A marker and colour for each row's points, over a logarithmic axis."""
    figure, axes = _subplot(width=6.4, height=3.8)
    for place, (row, values) in enumerate(rows.items()):
        x, y = zip(*values, strict=True)
        axes.plot(x, y, MARKERS[place % len(MARKERS)], color=_colour(place), label=_label(row), linestyle="none")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    axes.grid(linewidth=0.4)
    figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    return figure


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """One point of a front.

    Attributes:
        reach: half of the interval of y; None for no bar.
        label: beside the point.
    """

    x: float
    y: float
    reach: float | None = None
    label: str = ""


@_style()
def front(rows: Mapping[str, Sequence[FrontPoint]], *, x_name: str, y_name: str) -> "Figure":
    """A line through each row's points in their order, a single one without a label a star; x is logarithmic."""
    from matplotlib.ticker import LogLocator, NullFormatter

    figure, axes = _subplot(width=6.4, height=4.0)
    for place, (row, points) in enumerate(rows.items()):
        x, y = [point.x for point in points], [point.y for point in points]
        single = len(points) == 1 and not points[0].label
        marker = "*" if single else MARKERS[place % len(MARKERS)]
        style = "none" if single else STYLES[place % len(STYLES)]
        bars = [0.0 if point.reach is None else point.reach for point in points]
        axes.errorbar(
            x,
            y,
            bars if any(bars) else None,
            color=_colour(place),
            marker=marker,
            markersize=11 if single else 4.5,
            linestyle=style,
            linewidth=0.9,
            elinewidth=0.7,
            capsize=2,
            label=_label(row),
        )
        for point in points:
            up = place % 2 == 0
            axes.annotate(
                point.label,
                (point.x, point.y),
                (2, 5 if up else -5),
                textcoords="offset points",
                fontsize=7,
                color=_colour(place),
                rotation=60,  # neighbours on the flat part of a front stand close
                va="bottom" if up else "top",
                ha="left" if up else "right",
            )
    axes.set_xscale("log")
    axes.margins(y=0.1)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    axes.grid(linewidth=0.4)
    axes.legend(frameon=False, fontsize=8)
    return figure


@_style()
def ranks(rows: Mapping[str, Floats]) -> "Figure":
    """The mean rank of each row with every single rank behind it, the best row on top."""
    ordered = sorted(rows, key=lambda row: float(np.mean(rows[row])), reverse=True)
    figure, axes = _subplot(width=6.4, height=1.0 + 0.5 * len(ordered))
    for place, row in enumerate(ordered):
        values = rows[row]
        shift = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
        axes.plot(values, place + shift, "o", color="#9DB7CC", markersize=4, linestyle="none")
        axes.plot([float(np.mean(values))], [place], "D", color=COLOURS[1], markersize=7)
        mean = float(np.mean(values))
        axes.annotate(f"{mean:.2f}", (mean, place), (9, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(ordered)), list(map(_label, ordered)))
    axes.set_ylim(-0.6, len(ordered) - 0.3)
    axes.set_xlim(0.7, len(ordered) + 0.3)
    axes.set_xticks(range(1, len(ordered) + 1))
    axes.set_xlabel("rank (diamond: mean; a dot for each case)")
    axes.grid(axis="x", linewidth=0.4)
    return figure


@_style()
def stage_shares(rows: Mapping[str, Floats]) -> "Figure":
    """Stacked bars: for each row the (2, S) shares of alpha and of beta in each stage."""
    stages = max(shares.shape[1] for shares in rows.values())
    figure, axes = _subplot(width=7.4, height=0.9 + 0.5 * len(rows))
    places = np.arange(len(rows))
    left = np.zeros(len(rows))
    for kind, hatch in ((0, ""), (1, "////")):
        for stage in range(stages):
            values = np.array([s[kind, stage] if stage < s.shape[1] else 0.0 for s in rows.values()])
            axes.barh(
                places,
                values,
                0.6,
                left=left,
                color=_colour(stage),
                hatch=hatch,
                edgecolor="white",
                linewidth=0.5,
                label=f"{'alpha' if kind == 0 else 'beta'} {stage}",
            )
            for place, value in enumerate(values):
                if value > 0.045:
                    middle = left[place] + value / 2
                    name = f"{'αβ'[kind]}{stage}"
                    axes.text(
                        middle,
                        place,
                        name,
                        ha="center",
                        va="center",
                        fontsize=8,
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
                    )
            left = left + values
    axes.set_yticks(places, list(map(_label, rows)))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    figure.supxlabel("share of the weight (plain: alpha, texture; hatched: beta, structure)", fontsize=9)
    return figure


@_style()
def frontier_figure(frontier: Frontier) -> "Figure":
    """Held-out SRCC and its 95 % interval at every point's cost, on a logarithmic axis; a star is the chosen point."""
    figure, axes = _subplot(width=6.8, height=4.0)
    by_time = frontier.options.by == "ms"
    for place, (label, points) in enumerate(
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
            color=_colour(place),
            elinewidth=0.8,
            capsize=2,
            markersize=4,
            label=f"{label} (bar: 95 % interval)",
        )
    chosen = frontier.point(frontier.chosen)
    if chosen is not None:
        cost = chosen.cost.milliseconds.median if by_time else chosen.cost.macs / 1e9
        label = f"chosen: {chosen.speedup:.2f} times as fast as the unpruned metric"
        axes.plot(cost, chosen.held_out_srcc, "*", color=COLOURS[6], markersize=13, label=label, zorder=4)
    if np.isfinite(frontier.uniform_held_out_srcc):
        label = "uniform weights, everything computed"
        axes.axhline(frontier.uniform_held_out_srcc, color=COLOURS[7], linewidth=1.2, linestyle="--", label=label)
    # on a logarithmic axis 0 has no place, and the image alone takes no multiply-accumulates
    if by_time:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=1e-2)
    axes.xaxis.set_major_formatter("{x:g}")  # what stands there by itself is mathematical text, which is not parsed
    axes.set_xlabel("milliseconds a pair" if by_time else "multiply-accumulates a pair (10^9)")
    axes.set_ylabel("held-out SRCC")
    axes.grid(linewidth=0.4)
    axes.legend(fontsize=7, framealpha=0.6)
    return figure


@_style()
def as_png(figure: "Figure") -> bytes:
    """A figure as a PNG picture."""
    document = io.BytesIO()
    figure.savefig(document, format="png", dpi=RASTER_DPI, metadata={"Software": None})
    return document.getvalue()


@_style()
def draw_search(axes: "Axes", trials: Sequence[Trial], *, uniform: float | None, objective: str = "SRCC") -> None:
    """The objective of every sample evaluated on all references, by how it was chosen, and the best so far.

    Args:
        axes: to draw on.
        trials: of one search, in any order; where it is undefined, and on a part of the references, left out.
        uniform: that of the uniform weights on the same pairs; None for no line.
        objective: what the axis calls it.
    """
    from matplotlib.ticker import MaxNLocator

    whole = sorted(
        (trial for trial in trials if trial.budget == 1 and np.isfinite(trial.merit)), key=lambda trial: trial.sample
    )
    for kind, colour in COLOUR_OF.items():
        of_kind = [trial for trial in whole if trial.chosen_by == kind]
        if of_kind:
            samples, values = [trial.sample for trial in of_kind], [trial.merit for trial in of_kind]
            axes.plot(samples, values, "o", color=colour, markersize=4, label=kind)
    fitted = [(trial.sample, trial.inner) for trial in whole if trial.inner is not None]
    if fitted:
        _draw_inner(axes, fitted)
    elif whole:
        best = np.maximum.accumulate([trial.merit for trial in whole])
        samples = [trial.sample for trial in whole]
        axes.plot(samples, best, color=COLOURS[6], linewidth=1.4, drawstyle="steps-post", label="best so far")
    if uniform is not None and np.isfinite(uniform):
        axes.axhline(uniform, color=COLOURS[7], linewidth=1.4, linestyle="--", label="uniform weights")
    axes.set_xlabel("sample")
    axes.set_ylabel(objective)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    _legend(axes)


def _draw_inner(axes: "Axes", path: Sequence[tuple[int, Inner]]) -> None:
    """What inner folds say of a fit's samples, and which of them it takes for that."""
    samples, figures = [sample for sample, _ in path], [inner for _, inner in path]
    axes.errorbar(
        samples,
        [inner.mean for inner in figures],
        [0.0 if np.isnan(inner.error) else inner.error for inner in figures],
        color=COLOURS[6],
        linewidth=1.4,
        elinewidth=0.8,
        capsize=2,
        label="left out in inner folds (bar: error of the gain)",
    )
    place = chosen(figures)
    axes.axvline(samples[place], color=COLOURS[6], linewidth=0.8, linestyle=":", label="chosen")


@_style()
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


@_style()
def scatter_figure(scatter: "Scatter", *, x_name: str = DISTANCE) -> "Figure":
    """`draw_scatter` as a figure, its legend beside it."""
    columns = math.ceil((len(scatter.names) + 1) / LEGEND_ROWS)
    figure, axes = _subplot(width=6.6 + 1.9 * columns, height=4.8)
    scatter.draw_all(axes)
    axes.set_xlabel(x_name)
    axes.set_ylabel(f"human score ({scatter.better} is better)")
    _legend(axes, beside=True)
    return figure


@_style()
def scatter_panels(panels: Mapping[str, "Scatter"]) -> "Figure":
    """A small scatter for each of several metrics on the same pairs, each with its own fit and its name above.

    Colours and markers are those of `scatter_figure`, whose legend is theirs as well.
    """
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    every = _grid(figure, len(panels), columns=min(3, len(panels)), size=(3.2, 2.6))
    for axes, (title, scatter) in zip(every, panels.items(), strict=True):
        scatter.draw_all(axes, size=2.6)
        axes.set_title(_label(title), fontsize=8)
    first = next(iter(panels.values()))
    figure.supxlabel("distance (higher is worse)", fontsize=9)
    figure.supylabel(f"human score ({first.better} is better)", fontsize=9)
    return figure


def scatter_by_distortion(scatter: "Scatter", *, x_name: str = DISTANCE) -> "Figure":
    """`draw_distortions` on a figure of its own."""
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    draw_distortions(figure, scatter, x_name=x_name)
    return figure


@_style()
def draw_distortions(figure: "Figure", scatter: "Scatter", *, x_name: str = DISTANCE) -> None:
    """A panel for each distortion: its pairs in its colour and marker, all others in grey behind, one fit for all.

    Args:
        figure: without axes; its size is set by the number of panels.
    """
    names = scatter.names
    columns = min(len(names), 3 if len(names) <= 6 else 4 if len(names) <= 12 else 6)
    size = (1.75, 1.6) if columns == 6 else (2.5, 2.1)
    every = _grid(figure, len(names), columns=columns, size=size, shared=True)
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
        axes.set_title(f"{_label(name)} ({int(rows.sum())})", fontsize=8)
        axes.tick_params(labelsize=7)
    figure.supxlabel(x_name, fontsize=9)
    figure.supylabel(f"human score ({scatter.better} is better)", fontsize=9)


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
            axes.vlines(x, y - half, y + half, color=_colour(place), alpha=0.35, linewidth=0.7, zorder=BEHIND)
        marker, name = MARKERS[place % len(MARKERS)], _label(name)
        axes.plot(x, y, marker, color=_colour(place), markersize=size, alpha=0.7, label=name, zorder=BEHIND)

    def draw_curve(self, axes: "Axes", *, linewidth: float = 1.6, most: int | None = None) -> None:
        """The fitted logistic, where there is one, through every distance or so many of them."""
        if self.curve is not None:
            order = np.argsort(self.distances, kind="stable")
            if most is not None and len(order) > most:
                order = order[np.linspace(0, len(order) - 1, most).round().astype(int)]
            x, y = self.distances[order], self.curve[order]
            axes.plot(x, y, color=COLOURS[6], linewidth=linewidth, label="logistic fit")


def _legend(axes: "Axes", *, beside: bool = False) -> None:
    """A legend of what the axes hold, if anything, in the drawing or to the right of it."""
    handles, names = axes.get_legend_handles_labels()
    if not handles:
        return
    if beside:
        columns = math.ceil(len(handles) / LEGEND_ROWS)
        place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "ncols": columns}
        axes.legend(handles, names, frameon=False, fontsize=8, **place)
    else:
        # small: it may have to stand on some of the dots
        axes.legend(handles, names, fontsize=7, labelspacing=0.25, borderpad=0.3, handletextpad=0.5, framealpha=0.6)


def _subplot(*, width: float, height: float) -> "tuple[Figure, Axes]":
    """An empty figure of that size in inches, and its axes; pyplot's global figures are not used."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _grid(
    figure: "Figure", count: int, *, columns: int, size: tuple[float, float], shared: bool = False
) -> "list[Axes]":
    """So many panels of that size in inches on an empty figure, row by row; shared: with one scale for all of them."""
    rows = math.ceil(count / columns)
    figure.set_size_inches(size[0] * columns + 0.4, size[1] * rows + 0.3)
    every: list[Axes] = figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False).ravel().tolist()
    for axes in every[count:]:
        axes.set_visible(False)
    for axes in every[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)  # where the last row is not full, under the panels above its gap as well
    return every[:count]


def _as_pictures(axes: "Axes", *, dots: int) -> None:
    """Make one picture of what lies `BEHIND` where a drawing has too many dots to be written one by one."""
    if dots > MOST_VECTORS:
        axes.set_axisbelow("line")  # ticks and their numbers stay letters
        axes.set_rasterization_zorder(BEHIND + 0.1)


def _floor(values: Sequence[float]) -> float:
    """Where an axis of correlations starts: at 0, or at a round number below the lowest when all are high."""
    if not values or min(values) < 0.5:
        return min(0.0, *values) if values else 0.0
    return max(0.0, math.floor((min(values) - 0.1) * 10) / 10)


def _label(name: str) -> str:
    """A name from outside as matplotlib draws it: it stops at half characters, and leaves _names out of legends."""
    return visible(f" {name}" if name.startswith("_") else name)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
