"""Drawings of numbers alone, and the SVG documents that they make; the same numbers give the same bytes."""

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from iqatune.escape import visible
from iqatune.evaluation.correlation import logistic_fit
from iqatune.metric.weights import Floats
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

FEWEST_FITTED = 6
"""Pairs that a fit of five parameters takes: a curve through fewer says nothing."""

SETTINGS: Any = {
    "svg.fonttype": "path",
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
    figure.savefig(document, format="svg", metadata={"Date": None, "Creator": None})
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
    axes: "Axes", scores: ArrayLike, distances: ArrayLike, *, distortions: Sequence[str], better: Better
) -> None:
    """Human scores against a metric's distances, by distortion, and the fitted logistic through which PLCC is taken.

    Args:
        axes: to draw on.
        scores: (N,) human scores as published.
        distances: (N,) D, 0 for identical images.
        distortions: the N pairs' kinds of damage, which the legend lists in their order.
        better: which score is the better quality.

    Raises:
        ValueError: when the three are not as long as each other.
    """
    y, x, kinds = np.asarray(scores, dtype=np.float64), np.asarray(distances, dtype=np.float64), np.asarray(distortions)
    if not y.shape == x.shape == kinds.shape or y.ndim != 1:
        raise ValueError(f"scores, distances and distortions must be as long: {y.shape}, {x.shape}, {kinds.shape}")
    names = list(dict.fromkeys(distortions))
    for place, name in enumerate(names):
        rows = kinds == name
        marker = MARKERS[place % len(MARKERS)]
        axes.plot(x[rows], y[rows], marker, color=_colour(place), markersize=3.5, alpha=0.7, label=_label(name))
    fitted = _fitted(y, x, better=better)
    if fitted is not None:
        order = np.argsort(x, kind="stable")
        axes.plot(x[order], fitted[order], color=COLOURS[6], linewidth=1.6, label="logistic fit")
    axes.set_xlabel("distance D (0: identical)")
    axes.set_ylabel(f"human score ({better} is better)")
    _legend(axes, beside=len(names) > LEGEND_INSIDE)


def _fitted(scores: Floats, distances: Floats, *, better: Better) -> Floats | None:
    """(N,) scores that the 5-parameter logistic gives for the distances; None where it is not defined."""
    if scores.size < FEWEST_FITTED:
        return None
    sign = 1.0 if better == "higher" else -1.0
    try:
        return sign * logistic_fit(sign * scores, -distances)
    except ValueError:  # values that are constant, infinite or NaN, as those of a metric gone wrong
        return None


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
