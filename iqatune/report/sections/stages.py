"""Where the weight sits: each stage's share of alpha and beta."""

from collections.abc import Sequence

import numpy as np

from iqatune.metric.weights import tuned_weights
from iqatune.report import figures
from iqatune.report.advice import best_per_backbone
from iqatune.report.collect import SettingRuns
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Figure, Section, Table, number, slug, word
from iqatune.report.protocol import Marks, card


def stages_section(context: Context) -> Section:
    """A table and a figure for each data set, of each backbone's best setting, averaged over seeds."""
    tables, drawings = [], []
    for dataset in context.found.datasets:
        groups = best_per_backbone(context, dataset)
        through_backbones = [group for group in groups if group.runs[0].result.channels]
        if through_backbones:
            table, drawing = _of_dataset(context, dataset, through_backbones)
            tables.append(table)
            drawings.append(drawing)
        tables += [_of_columns(context, dataset, group) for group in groups if not group.runs[0].result.channels]
    text = (
        "Share of the weight in each stage, alpha (texture, from the means) and beta (structure, from the covariance); "
        "stage 0 is the image itself. All shares of a row sum to 1; under uniform weights each is 1 / (2 x stages). "
        "Of a features file the columns have the shares, each at a standard deviation of 1. "
        "Shares that change much from seed to seed say that the data do not fix them.",
    )
    return Section("Where the weight sits", text, tables=tuple(tables), figures=tuple(drawings))


def _of_columns(context: Context, dataset: str, group: SettingRuns) -> Table:
    """The shares of a features file's columns, the largest first, and what the best of them does alone."""
    result = group.middle.result
    names = group.protocol.columns
    best = [run.result.best.columns for run in group.runs if run.result.best is not None]
    shares = np.array([[columns[name].weight for name in names] for columns in best])
    average, deviation = shares.mean(axis=0), shares.std(axis=0, ddof=1 if len(shares) > 1 else 0)
    rows = [
        (word(names[place]), word(best[0][names[place]].direction), _share(average[place], deviation[place], len(best)))
        for place in np.argsort(-average, kind="stable")
    ]
    column, held_out = result.baselines.best_column, result.held_out
    notes = [] if column is None else [f"The best column alone, {column.name}: SRCC {column.srcc:.4f}"]
    if column is not None and held_out is not None and held_out.best_column_srcc_mean is not None:
        notes[0] += f", held-out {held_out.best_column_srcc_mean:.4f} (that of each fold's training pairs)"
    return Table(
        name=f"columns-{slug(dataset)}",
        title=f"{dataset}, {group.setting.searcher}: share of each column",
        columns=(Column("column"), Column("direction"), Column("share")),
        rows=tuple(rows),
        words=2,
        card=card(context.usual, [group]),
        notes=tuple(f"{note}." for note in notes),
    )


def _of_dataset(context: Context, dataset: str, groups: Sequence[SettingRuns]) -> tuple[Table, Figure]:
    stages = max(len(group.runs[0].result.channels) for group in groups)
    marks = Marks()
    rows, shares = [], {}
    for group in groups:
        sums = np.array([tuned_weights(run.result).stage_sums() for run in group.runs])
        average, deviation = sums.mean(axis=0), sums.std(axis=0, ddof=1 if len(sums) > 1 else 0)
        name = f"{group.setting.backbone}{marks.of(context.usual.differences(dataset, group.protocol))}"
        cells = [word(name), word(group.setting.searcher)]
        for kind in range(2):
            for stage in range(stages):
                known = stage < average.shape[1]
                cells.append(_share(average[kind, stage], deviation[kind, stage], len(sums)) if known else Cell())
        even = number(0.5 / average.shape[1], 3)
        uniform = [even if stage < average.shape[1] else Cell() for stage in range(stages)]
        rows += [tuple(cells), (word(name), word("(uniform weights)"), *uniform, *uniform)]
        shares[group.setting.backbone] = average
    simulated = context.found.simulated(dataset)
    table = Table(
        name=f"stages-{slug(dataset)}",
        title=f"{dataset}: share of each stage",
        columns=(
            Column("backbone"),
            Column("searcher"),
            *(Column(str(stage), kind) for kind in ("alpha", "beta") for stage in range(stages)),
        ),
        rows=tuple(rows),
        words=2,
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(SIMULATED,) if simulated else (),
    )
    title = f"{dataset}{' (SIMULATED observers)' if simulated else ''}: share of each stage"
    return table, figures.drawn(table.name, title, figures.stage_shares(shares))


def _share(average: float, deviation: float, seeds: int) -> Cell:
    text = f"{average:.3f}" if seeds == 1 else f"{average:.3f} ± {deviation:.3f}"
    return Cell(text, float(average))
