"""SRCC per distortion: where a metric is weak."""

from operator import attrgetter

from iqatune.records.evaluation import Evaluated
from iqatune.report.advice import best_per_backbone
from iqatune.report.context import SIMULATED, Context, is_of_several
from iqatune.report.model import Cell, Column, Missing, Section, Table, number, slug, word
from iqatune.report.protocol import Marks, card
from iqatune.report.published.figures import distortions
from iqatune.report.sections.published_table import published_table


def distortions_section(context: Context) -> Section | Missing:
    """The study's tables 7 and 8, for every data set that was evaluated by distortion."""
    tables = [table for dataset in context.found.datasets if (table := _measured(context, dataset)) is not None]
    if not tables:
        how = "give --score, or keep 'iqatune evaluate --by distortion --format json' in the folder."
        if context.found.groups and all(map(is_of_several, context.found.groups)):
            how = "of several data sets at once 'iqatune evaluate --by distortion' has it set by set."
        return Missing("SRCC per distortion", how)
    text = (
        "The best setting of each backbone by held-out SRCC. SRCC and KRCC over the pairs of one distortion, on "
        "which it was tuned; the weakest distortion stands first."
    )
    return Section("Per distortion", (text,), tables=tuple(tables))


def published_distortions(context: Context) -> tuple[Table, ...]:
    """The study's figures of the data sets of the report."""
    found = {
        dataset: [figure for figure in distortions() if figure.dataset == dataset] for dataset in context.found.datasets
    }
    return tuple(
        published_table(
            figures,
            name=f"published-distortions-{dataset}",
            title=f"{dataset} by distortion",
            row=("distortion", attrgetter("distortion")),
            column=attrgetter("metric"),
        )
        for dataset, figures in found.items()
        if figures
    )


def _measured(context: Context, dataset: str) -> Table | None:
    groups = [
        group
        for group in best_per_backbone(context, dataset)
        if (tuned := context.evaluated(group.middle, dataset)) is not None and tuned.groups
    ]
    columns: list[tuple[str, Evaluated]] = []
    marks = Marks()
    for group in groups:
        tuned = context.evaluated(group.middle, dataset)
        mark = marks.of(context.usual.differences(dataset, group.protocol))
        if tuned is not None:
            columns.append((f"{group.setting.backbone}{mark}", tuned))
        uniform = context.uniform(group)
        if uniform is not None and uniform.groups:
            columns.append((f"{group.setting.backbone}{mark} uniform", uniform))
    if not columns:
        return None
    columns += [
        (metric.file, metric)
        for metric in context.untuned(dataset)
        if metric.kind in ("baseline", "scores") and metric.groups
    ]
    by_column = [{agreement.group: agreement for agreement in metric.groups} for _, metric in columns]
    # evaluations list the weakest first: the order of the first metric
    names = list(dict.fromkeys(name for by_distortion in by_column for name in by_distortion))
    rows = []
    for name in names:
        found = [by_distortion.get(name) for by_distortion in by_column]
        pairs = next(agreement.pairs for agreement in found if agreement is not None)
        cells = [word(name), number(pairs, 0)]
        for agreement in found:
            cells += [Cell(), Cell()] if agreement is None else [number(agreement.srcc, 3), number(agreement.krcc, 3)]
        rows.append(tuple(cells))
    return Table(
        name=f"distortions-{slug(dataset)}",
        title=f"{dataset} by distortion",
        columns=(
            Column("distortion"),
            Column("pairs"),
            *(Column(figure, title) for title, _ in columns for figure in ("SRCC", "KRCC")),
        ),
        rows=tuple(rows),
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(SIMULATED,) if context.found.simulated(dataset) else (),
    )
