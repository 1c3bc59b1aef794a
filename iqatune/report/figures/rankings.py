"""Ranks of searchers over many cases."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from iqatune.metric.weights import Floats
from iqatune.report.figures.looks import look
from iqatune.report.figures.style import SMALL, styled, subplot
from iqatune.report.figures.text import lines_for, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled()
def ranks(rows: Mapping[str, Floats]) -> "Figure":
    """The mean rank of each searcher with every single rank behind it, the best on top."""
    ordered = sorted(rows, key=lambda row: float(np.mean(rows[row])))
    lines = min(2, lines_for(len(ordered)))
    names = [wrapped(row, points=120.0, lines=lines) for row in ordered]
    figure, axes = subplot(height=0.8 + 0.1 * len(ordered) + 0.15 * lines * len(ordered))
    for place, row in enumerate(ordered):
        shown, values = look(row), rows[row]
        shift = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
        axes.plot(values, place + shift, "o", color=shown.colour, alpha=0.5, markersize=5, markeredgewidth=0)
        mean = float(np.mean(values))
        axes.plot([mean], [place], linestyle="none", markersize=8, **{**shown.of_marker, "markeredgecolor": "black"})
        axes.annotate(
            f"{mean:.2f}", (1.0, place), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center", fontsize=SMALL,
        )  # fmt: skip
    axes.set_yticks(range(len(ordered)), names)
    axes.set_ylim(len(ordered) - 0.4, -0.6)
    axes.set_xlim(0.7, len(ordered) + 0.3)
    axes.set_xticks(range(1, len(ordered) + 1, max(1, len(ordered) // 10)))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("rank (large: mean, also at the right; small: each case)")
    axes.grid(axis="x")
    return figure
