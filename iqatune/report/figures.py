"""Drawings as SVG documents. Functions of numbers alone; the same numbers give the same bytes."""

import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from iqatune.metric.weights import Floats

# colours that people with any colour vision tell apart (Okabe and Ito 2008), and line styles for print without colour
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
STYLES = ("-", "--", "-.", ":")

SETTINGS: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "iqatune",
    "font.size": 9,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


def grouped_bars(labels: Sequence[str], rows: Mapping[str, Sequence[float | None]], name: str) -> str:
    """Bars of each row (a colour each) at each label; the axis starts where differences can be seen, and says so."""

    def draw(axes: Any) -> None:
        width = 0.8 / len(rows)
        present = [value for values in rows.values() for value in values if value is not None and np.isfinite(value)]
        low = _floor(present)
        for place, (row, values) in enumerate(rows.items()):
            heights = [np.nan if value is None else value for value in values]
            x = np.arange(len(labels)) + (place - (len(rows) - 1) / 2) * width
            axes.bar(x, np.array(heights) - low, width * 0.92, bottom=low, label=row, color=_colour(place))
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
        axes.set_xticks(np.arange(len(labels)), labels)
        axes.set_ylim(low, None)
        axes.margins(y=0.15)
        axes.set_ylabel(name if low == 0 else f"{name} (axis from {low:g})")
        axes.grid(axis="y", linewidth=0.4)
        axes.figure.legend(frameon=False, ncols=min(len(rows), 3), loc="outside upper left")

    return _drawn(draw, width=max(6.4, 1.2 + len(labels) * max(1.2, 0.55 * len(rows))), height=3.4)


def curves(rows: Mapping[str, Floats], x_name: str, y_name: str) -> str:
    """A line for each row, from 1 on; NaN leaves a gap."""

    def draw(axes: Any) -> None:
        for place, (row, values) in enumerate(rows.items()):
            x = np.arange(1, len(values) + 1)
            style = STYLES[place % len(STYLES)]
            axes.plot(x, values, style, color=_colour(place), label=row, linewidth=1.6, drawstyle="steps-post")
        axes.set_xlabel(x_name)
        axes.set_ylabel(y_name)
        axes.grid(linewidth=0.4)
        axes.legend(frameon=False)

    return _drawn(draw, width=6.4, height=3.6)


def ranks(rows: Mapping[str, Floats]) -> str:
    """The mean rank of each row with every single rank behind it, the best row on top."""
    ordered = sorted(rows, key=lambda row: float(np.mean(rows[row])), reverse=True)

    def draw(axes: Any) -> None:
        for place, row in enumerate(ordered):
            values = rows[row]
            shift = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
            axes.plot(values, place + shift, "o", color="#9DB7CC", markersize=4, linestyle="none")
            axes.plot([float(np.mean(values))], [place], "D", color=COLOURS[1], markersize=7)
            mean = float(np.mean(values))
            axes.annotate(f"{mean:.2f}", (mean, place), (9, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(range(len(ordered)), ordered)
        axes.set_ylim(-0.6, len(ordered) - 0.3)
        axes.set_xlim(0.7, len(ordered) + 0.3)
        axes.set_xticks(range(1, len(ordered) + 1))
        axes.set_xlabel("rank (diamond: mean; a dot for each case)")
        axes.grid(axis="x", linewidth=0.4)

    return _drawn(draw, width=6.4, height=1.0 + 0.5 * len(ordered))


def stage_shares(rows: Mapping[str, Floats]) -> str:
    """Stacked bars: for each row the (2, S) shares of alpha and of beta in each stage."""
    stages = max(shares.shape[1] for shares in rows.values())

    def draw(axes: Any) -> None:
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
        axes.set_yticks(places, list(rows))
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.figure.supxlabel("share of the weight (plain: alpha, texture; hatched: beta, structure)", fontsize=9)

    return _drawn(draw, width=7.4, height=0.9 + 0.5 * len(rows))


def _drawn(draw: Callable[[Any], None], width: float, height: float) -> str:
    # matplotlib takes a second to import, and only a report needs it; pyplot's global figures are not used
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        document = io.StringIO()
        figure.savefig(document, format="svg", metadata={"Date": None, "Creator": None})
    return document.getvalue()


def _floor(values: Sequence[float]) -> float:
    """Where an axis of correlations starts: at 0, or at a round number below the lowest when all are high."""
    if not values or min(values) < 0.5:
        return min(0.0, *values) if values else 0.0
    return max(0.0, math.floor((min(values) - 0.1) * 10) / 10)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
