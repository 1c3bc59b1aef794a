"""Where the weight sits: shares that sum to 1, as bars that begin at 0."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from iqatune.metric.weights import Floats
from iqatune.report.figures.style import SMALL, WIDTH, styled, subplot
from iqatune.report.figures.text import lines_for, width_of, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = 135.0
"""Points of the names at the left."""


@styled()
def stage_shares(rows: Mapping[str, Floats]) -> "Figure":
    """Stacked bars: for each row the (2, S) shares of alpha and of beta in each stage."""
    from matplotlib import colormaps

    stages = max(shares.shape[1] for shares in rows.values())
    names = [wrapped(row, points=NAMES, lines=lines_for(len(rows))) for row in rows]
    most = max(name.count("\n") + 1 for name in names)
    figure, axes = subplot(height=0.7 + max(0.28, 0.17 * most + 0.06) * len(rows))
    # of a share that a letter has no room in, none is written
    least = (width_of("β9", size=8) + 4) / (72 * WIDTH - NAMES - 25)
    left = np.zeros(len(rows))
    for kind, hatch in ((0, ""), (1, "////")):
        for stage in range(stages):
            values = np.array([s[kind, stage] if stage < s.shape[1] else 0.0 for s in rows.values()])
            axes.barh(
                np.arange(len(rows)),
                values,
                0.62,
                left=left,
                # stages have an order: from dark to light, for people with any colour vision and in grey
                color=colormaps["cividis"](stage / max(stages - 1, 1)),
                hatch=hatch,
                edgecolor="white",
                linewidth=0.5,
            )
            for place, value in enumerate(values):
                if value > least:
                    axes.text(
                        left[place] + value / 2,
                        place,
                        f"{'αβ'[kind]}{stage}",
                        ha="center",
                        va="center",
                        fontsize=8,
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
                    )
            left = left + values
    axes.set_yticks(range(len(rows)), names, fontsize=SMALL)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1)
    figure.supxlabel("share of the weight\n(plain: alpha, texture; hatched: beta, structure)", fontsize=SMALL)
    return figure
