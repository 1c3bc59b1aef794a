"""Where the weight sits: each stage's share of alpha and beta."""

import numpy as np

from iqatune.metric.weights import tuned_weights
from iqatune.report import figures
from iqatune.report.advice import best_per_backbone
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Figure, Section, Table, number, slug, word
from iqatune.report.protocol import Marks, card


def stages_section(context: Context) -> Section:
    """A table and a figure for each data set, of each backbone's best setting, averaged over seeds."""
    tables, drawings = [], []
    for dataset in context.found.datasets:
        table, drawing = _of_dataset(context, dataset)
        tables.append(table)
        drawings.append(drawing)
    text = (
        "Share of the weight in each stage, alpha (texture, from the means) and beta (structure, from the covariance); "
        "stage 0 is the image itself. All shares of a row sum to 1; under uniform weights each is 1 / (2 x stages). "
        "Shares that change much from seed to seed say that the data do not fix them.",
    )
    return Section("Where the weight sits", text, tables=tuple(tables), figures=tuple(drawings))


def _of_dataset(context: Context, dataset: str) -> tuple[Table, Figure]:
    groups = best_per_backbone(context, dataset)
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
    return table, Figure(table.name, title, figures.as_svg(figures.stage_shares(shares)))


def _share(average: float, deviation: float, seeds: int) -> Cell:
    text = f"{average:.3f}" if seeds == 1 else f"{average:.3f} ± {deviation:.3f}"
    return Cell(text, float(average))
