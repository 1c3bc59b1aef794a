"""What inner folds say along the shrinkages of a fit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from iqatune.records.trial import Inner
from iqatune.report.figures.looks import Look
from iqatune.report.figures.style import WIDTH, styled, subplot
from iqatune.report.figures.text import legend_above, thinned
from iqatune.search.choice import chosen

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled()
def fit_paths(rows: Mapping[str, Sequence[Inner]], looks: Mapping[str, Look]) -> "Figure":
    """For each row what inner folds say along its shrinkages, from the uniform weights on; a star where it was chosen.

    Bars are standard errors of the gain over the uniform weights.
    """
    figure, axes = subplot(height=3.4)
    shrinkages = sorted({inner.shrinkage for path in rows.values() for inner in path if inner.shrinkage is not None})
    ticks = ["uniform", *(f"{shrinkage:g}" for shrinkage in reversed(shrinkages))]
    handles = []
    for place, (row, path) in enumerate(rows.items()):
        shown = looks[row]
        # side by side, or the bars would hide each other
        shift = 0.4 * ((place + 0.5) / len(rows) - 0.5)
        where = [0 if inner.shrinkage is None else ticks.index(f"{inner.shrinkage:g}") for inner in path]
        x, y = [each + shift for each in where], [inner.mean for inner in path]
        errors = [0.0 if np.isnan(inner.error) else inner.error for inner in path]
        drawn = axes.errorbar(
            x, y, errors, linestyle=shown.line, markersize=4, linewidth=1.4, elinewidth=0.8, capsize=2,
            **shown.of_marker,
        )  # fmt: skip
        handles.append(drawn)
        taken = chosen(path)
        axes.plot(
            [x[taken]],
            [y[taken]],
            "*",
            color=shown.colour,
            markerfacecolor="white",
            markersize=14,
            linestyle="none",
            zorder=3,
        )
    axes.set_xticks(range(len(ticks)), thinned(ticks, points=72 * WIDTH - 50))
    axes.set_xlabel("shrinkage towards the uniform weights (star: chosen)")
    axes.set_ylabel("on references left out in inner folds")
    axes.grid()
    legend_above(figure, handles, list(rows))
    return figure
