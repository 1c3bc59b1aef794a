"""Searchers in drawings: their best so far, their figures against their time, their ranks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from iqatune.metric.weights import Floats
from iqatune.records.prior import DEFAULT_PRIOR
from iqatune.records.trial import Trial
from iqatune.report import figures
from iqatune.report.advice import mean
from iqatune.report.collect import SettingRuns
from iqatune.report.context import SIMULATED, Context
from iqatune.report.figures import Look, Progressed, look
from iqatune.report.model import Figure, slug

PANELS = 6
"""Cases in a figure, which has to fit on a page."""
MOST_FIGURES = 4
"""Of a data set."""


def anytime_figures(context: Context, groups: Sequence[SettingRuns]) -> list[Figure]:
    """For each data set a panel for each case (backbone, space, prior, objective, samples, protocol).

    Data sets are never averaged, nor cases: a band is over seeds alone.
    """
    found: dict[str, dict[tuple[object, ...], list[SettingRuns]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        setting = group.setting
        if not any(trial.inner is not None for run in group.runs for trial in run.trials):
            objective = "" if setting.maximised == "srcc" else setting.maximised
            words = (setting.backbone, f"{setting.space} space", setting.prior, objective, setting.effort)
            found[setting.dataset][*words, setting.protocol].append(group)
    return [figure for dataset, cases in found.items() for figure in _of_dataset(context, dataset, cases)]


def _of_dataset(
    context: Context, dataset: str, cases: Mapping[tuple[object, ...], Sequence[SettingRuns]]
) -> list[Figure]:
    shown = dict(list(cases.items())[: PANELS * MOST_FIGURES])
    # what all cases share is said once, in the caption
    columns = [[str(part) for part in column] for column in zip(*(key[:-1] for key in shown), strict=True)]
    shared = [column[0] for column in columns if len(set(column)) == 1 and column[0]]
    apart = [column for column in columns if len(set(column)) > 1]
    titles = [", ".join(column[place] for column in apart if column[place]) for place in range(len(shown))]
    # cases that differ in their protocol alone
    titles = [f"{title} ({titles[:place].count(title) + 1})" if titles.count(title) > 1 else title
              for place, title in enumerate(titles)]  # fmt: skip
    panels = {title: _progressed(of_case) for title, of_case in zip(titles, shown.values(), strict=True)}
    left_out = f"{len(cases) - len(shown)} more cases are not drawn." if len(cases) > len(shown) else ""
    notes = (
        "On the pairs that are tuned on. Lines: mean over seeds. Bands: from the lowest to the highest seed. What the "
        "first few samples reach may lie below a drawing.",
        *([left_out] if left_out else []),
        *((SIMULATED,) if context.found.simulated(dataset) else ()),
    )
    title = ", ".join([dataset, *shared]) + ": best tuned SRCC so far, by samples"
    rows = {row for panel in panels.values() for row in panel.rows}
    return [
        figures.drawn(
            f"searchers-anytime-{slug(dataset)}" + (f"-{start // PANELS + 1}" if start else ""),
            f"{title}{', continued' if start else ''}",
            figures.curves(
                {name: panels[name] for name in titles[start : start + PANELS]},
                {row: look(row) for row in rows},
                x_name="samples",
                y_name="best SRCC so far",
            ),
            notes,
        )
        for start in range(0, len(titles), PANELS)
    ]


def _progressed(groups: Sequence[SettingRuns]) -> Progressed:
    rows = {}
    for group in groups:
        runs = [run for run in group.runs if run.trials]
        if runs:
            samples = min(max(trial.sample for trial in run.trials) + 1 for run in runs)
            rows[group.setting.searcher] = np.array([running_best(run.trials, samples) for run in runs])
    return Progressed(rows=rows, uniform=groups[0].runs[0].result.baselines.uniform.srcc)


def running_best(trials: Sequence[Trial], samples: int) -> Floats:
    """(samples,) the SRCC of the best after so many samples; NaN while none has one on all references."""
    best: Trial | None = None
    of_sample: dict[int, Trial] = {}
    for trial in trials:
        if trial.budget == 1 and np.isfinite(trial.merit) and trial.sample < samples:
            of_sample.setdefault(trial.sample, trial)
    found = []
    for sample in range(samples):
        own = of_sample.get(sample)
        best = own if own is not None and (best is None or own.merit > best.merit) else best
        found.append(np.nan if best is None else best.srcc)
    return np.array(found)


def time_figures(groups: Sequence[SettingRuns]) -> list[Figure]:
    """One for each data set and backbone: what a search takes, and what comes of it on references left out."""
    places: dict[tuple[str, str], dict[tuple[str, str], list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for group in groups:
        setting, seconds = group.setting, mean([run.result.timing.search for run in group.runs])
        if group.held_out and seconds:
            point = (seconds, float(np.mean(group.held_out)))
            places[setting.dataset, setting.backbone][setting.searcher, setting.prior].append(point)
    return [_time_figure(*place, rows) for place, rows in places.items() if len(rows) > 1]


def _time_figure(dataset: str, backbone: str, rows: Mapping[tuple[str, str], Sequence[tuple[float, float]]]) -> Figure:
    priors = sorted({prior for _, prior in rows}, key=lambda prior: (prior != DEFAULT_PRIOR, prior))
    names = {key: key[0] if key[1] == DEFAULT_PRIOR else f"{key[0]}, {key[1]}" for key in rows}
    looks: dict[str, Look] = {names[key]: look(key[0], priors.index(key[1])) for key in rows}
    return figures.drawn(
        f"searchers-time-{slug(dataset)}-{slug(backbone)}",
        f"{dataset}, {backbone}: held-out SRCC against seconds of search (means over seeds, a point a space)",
        figures.points(
            {names[key]: points for key, points in rows.items()},
            looks,
            x_name="seconds of search",
            y_name="held-out SRCC (mean over folds, seeds)",
        ),
    )


def rank_figure(rows: Mapping[str, Floats], title: str) -> Figure:
    """Of each searcher its ranks in every case."""
    return figures.drawn("searchers-ranks", title, figures.ranks(rows))
