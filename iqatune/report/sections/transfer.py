"""Transfer: tuned on one data set, scored on another."""

from iqatune.report.advice import best_per_backbone
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Missing, Section, Table, interval, number, slug, word
from iqatune.report.protocol import Marks, card


def transfer_section(context: Context) -> Section | Missing:
    """A table for each backbone: a row for each data set that was tuned on, a column for each that was scored."""
    scored = sorted({evaluation.dataset for evaluation in context.evaluations} | set(context.found.datasets))
    backbones = sorted(
        {
            group.setting.backbone
            for group in context.found.groups
            for dataset in scored
            if dataset != group.setting.dataset and context.evaluated(group.middle, dataset) is not None
        }
    )
    if not backbones:
        how = "keep 'iqatune evaluate --dataset OTHER --format json' of another data set in the folder."
        return Missing("Transfer to other data sets", how)
    tables = [_table(context, backbone, scored) for backbone in backbones]
    text = (
        "SRCC of the weights tuned on the row's data set, scored on the column's. Where both are the same, "
        "the figure is of the pairs tuned on."
    )
    return Section("Transfer", (text,), tables=tuple(tables))


def _table(context: Context, backbone: str, scored: list[str]) -> Table:
    groups = [
        group
        for dataset in context.found.datasets
        for group in best_per_backbone(context, dataset)
        if group.setting.backbone == backbone
    ]
    marks = Marks()
    rows = []
    for group in groups:
        mark = marks.of(context.usual.differences(group.setting.dataset, group.protocol))
        cells = [word(f"{group.setting.dataset}{mark}"), word(group.setting.searcher)]
        for dataset in scored:
            scored_there = context.evaluated(group.middle, dataset)
            if scored_there is not None:
                confidence = scored_there.confidence
                cells += [number(scored_there.srcc), interval(confidence.srcc if confidence else None)]
            elif dataset == group.setting.dataset:
                confidence = group.middle.result.confidence
                cells += [number(group.middle.srcc), interval(confidence.srcc if confidence else None)]
            else:
                cells += [Cell(), Cell()]
        rows.append(tuple(cells))
    uniform = [word("(uniform weights)"), Cell()]
    for dataset in scored:
        known = [
            group
            for group in context.found.groups
            if group.setting.dataset == dataset and group.setting.backbone == backbone
        ]
        uniform += [number(known[0].runs[0].result.baselines.uniform.srcc if known else None), Cell()]
    return Table(
        name=f"transfer-{slug(backbone)}",
        title=f"{backbone}: tuned on, scored on",
        columns=(
            Column("tuned on"),
            Column("searcher"),
            *(Column(figure, dataset) for dataset in scored for figure in ("SRCC", "95 %")),
        ),
        rows=(*rows, tuple(uniform)),
        words=2,
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(SIMULATED,) if any(context.found.simulated(dataset) for dataset in scored) else (),
    )
