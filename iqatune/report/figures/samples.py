"""Every sample of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from iqatune.records.trial import Inner, Trial
from iqatune.records.vocabulary import ChosenBy
from iqatune.report.figures.style import BEST, COLOURS, GREY, MARKERS, styled, two_columns
from iqatune.report.figures.text import legend_of, titled
from iqatune.search.choice import chosen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOUR_OF: Final[Mapping[ChosenBy, str]] = {
    "random": COLOURS[0],
    "initial": COLOURS[4],
    "model": COLOURS[1],
    "local": COLOURS[2],
    "fit": COLOURS[3],
}
"""The same in every drawing of a search, whichever kinds of samples it has."""

MARKER_OF: Final[Mapping[ChosenBy, str]] = dict(zip(COLOUR_OF, MARKERS, strict=False))


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A search as `history` draws it; attributes as the arguments of `draw_search`."""

    trials: Sequence[Trial]
    uniform: float | None


@styled()
def draw_search(axes: "Axes", trials: Sequence[Trial], *, uniform: float | None, objective: str = "SRCC") -> None:
    """The objective of every sample evaluated on all references, by how it was chosen, and the best so far.

    Args:
        axes: to draw on.
        trials: of one search, in any order; where it is undefined, and on a part of the references, left out.
        uniform: that of the uniform weights on the same pairs; None for no line.
        objective: what the axis calls it.
    """
    _draw(axes, trials, uniform)
    axes.set_xlabel("sample")
    axes.set_ylabel(objective)
    if axes.get_legend_handles_labels()[0]:
        # small: it may have to stand on some of the dots
        axes.legend(fontsize=7, labelspacing=0.25, borderpad=0.3, handletextpad=0.5, framealpha=0.6)


@styled()
def history(panels: Mapping[str, Searched], *, objective: str = "SRCC") -> "Figure":
    """`draw_search` of several searches, a panel each, on one scale.

    Few samples that are far worse than all others would press these together: they are drawn as hollow marks on the
    lower edge.
    """
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    every, width = two_columns(figure, len(panels), 1.9, shared=True)
    floor = _floor([trial.merit for panel in panels.values() for trial in _whole(panel.trials)])
    for axes, (title, panel) in zip(every, panels.items(), strict=True):
        _draw(axes, panel.trials, panel.uniform, size=4.0 if len(panels) == 1 else 3.2, floor=floor)
        if floor is not None:
            axes.set_ylim(bottom=floor)
        axes.grid()
        titled(axes, title, width=width)
    figure.supxlabel("sample", fontsize="medium")
    figure.supylabel(objective, fontsize="medium")
    legend_of(figure, *every)
    return figure


def _whole(trials: Sequence[Trial]) -> list[Trial]:
    """What was evaluated on all references and is defined, by sample."""
    whole = (trial for trial in trials if trial.budget == 1 and np.isfinite(trial.merit))
    return sorted(whole, key=lambda trial: trial.sample)


def _floor(merits: Sequence[float]) -> float | None:
    """Where an axis starts that leaves out the few worst; None where they are no further off than the others."""
    if not merits:
        return None
    best, low = max(merits), float(np.quantile(merits, 0.05))
    floor = best - 1.25 * (best - low)
    return floor if min(merits) < best - 1.5 * (best - low) < best else None


def _draw(
    axes: "Axes", trials: Sequence[Trial], uniform: float | None, *, size: float = 4.0, floor: float | None = None
) -> None:
    from matplotlib.ticker import MaxNLocator

    whole = _whole(trials)
    for kind, colour in COLOUR_OF.items():
        of_kind = [trial for trial in whole if trial.chosen_by == kind]
        if of_kind:
            samples, values = [trial.sample for trial in of_kind], [trial.merit for trial in of_kind]
            axes.plot(samples, values, MARKER_OF[kind], color=colour, markersize=size, alpha=0.85, label=kind)
            below = [] if floor is None else [trial.sample for trial in of_kind if trial.merit < floor]
            if floor is not None and below:
                axes.plot(
                    below,
                    [floor] * len(below),
                    MARKER_OF[kind],
                    color=colour,
                    markerfacecolor="white",
                    markersize=size + 1,
                    clip_on=False,
                    zorder=3,
                )
    fitted = [(trial.sample, trial.inner) for trial in whole if trial.inner is not None]
    if fitted:
        _draw_inner(axes, fitted)
    elif whole:
        best = np.maximum.accumulate([trial.merit for trial in whole])
        samples = [trial.sample for trial in whole]
        axes.plot(samples, best, color=BEST, linewidth=1.4, drawstyle="steps-post", label="best so far")
    if uniform is not None and np.isfinite(uniform):
        axes.axhline(uniform, color=GREY, linewidth=1.4, linestyle="--", label="uniform weights")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))


def _draw_inner(axes: "Axes", path: Sequence[tuple[int, Inner]]) -> None:
    """What inner folds say of a fit's samples, and which of them it takes for that."""
    samples, figures = [sample for sample, _ in path], [inner for _, inner in path]
    axes.errorbar(
        samples,
        [inner.mean for inner in figures],
        [0.0 if np.isnan(inner.error) else inner.error for inner in figures],
        color=BEST,
        linewidth=1.4,
        elinewidth=0.8,
        capsize=2,
        label="left out in inner folds (bar: error of the gain)",
    )
    place = chosen(figures)
    axes.axvline(samples[place], color=BEST, linewidth=0.8, linestyle=":", label="chosen")
