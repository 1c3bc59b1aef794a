"""(b) SRCC per distortion: where a metric is weak."""

from operator import attrgetter

from iqatune.records.evaluation import Evaluated
from iqatune.report.advice import best_per_backbone
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Section, Table, number, slug, word
from iqatune.report.protocol import Marks, card
from iqatune.report.published.figures import distortions
from iqatune.report.sections.published_table import published_table


def distortions_section(context: Context) -> Section:
    """The study's tables 7 and 8, for every data set that was evaluated by distortion."""
    tables = [table for dataset in context.found.datasets if (table := _measured(context, dataset)) is not None]
    text = (
        "The best setting of each backbone, as the advice chooses it. SRCC and KRCC over the pairs of one distortion; "
        "the weakest distortion stands first.",
    )
    if not tables:
        text = ("Missing: give --score, or keep 'iqatune evaluate --by distortion --format json' in the folder.",)
    for dataset in context.found.datasets:
        figures = [one for one in distortions() if one.dataset == dataset]
        if figures:
            name, title = f"published-distortions-{dataset}", f"{dataset} by distortion"
            by_distortion = ("distortion", attrgetter("distortion"))
            tables.append(published_table(name, title, figures, by_distortion, attrgetter("metric")))
    return Section("b", "Per distortion", text, tuple(tables))


def _measured(context: Context, dataset: str) -> Table | None:
    groups = [
        group
        for group in best_per_backbone(context, dataset)
        if (one := context.evaluated(group.middle, dataset)) is not None and one.groups
    ]
    columns: list[tuple[str, Evaluated]] = []
    marks = Marks()
    for group in groups:
        one = context.evaluated(group.middle, dataset)
        mark = marks.of(context.usual.differences(dataset, group.protocol))
        if one is not None:
            columns.append((f"{group.setting.backbone}{mark}", one))
        uniform = context.uniform(group)
        if uniform is not None and uniform.groups:
            columns.append((f"{group.setting.backbone}{mark} uniform", uniform))
    if not columns:
        return None
    columns += [(one.file, one) for one in context.untuned(dataset) if one.kind == "baseline" and one.groups]
    by_column = [{group.group: group for group in one.groups} for _, one in columns]
    # evaluations list the weakest first: the order of the first metric
    names = list(dict.fromkeys(name for groups_of in by_column for name in groups_of))
    rows = []
    for name in names:
        found = [groups_of.get(name) for groups_of in by_column]
        pairs = next(group.pairs for group in found if group is not None)
        cells = [word(name), number(pairs, 0)]
        for group_ in found:
            cells += [Cell(), Cell()] if group_ is None else [number(group_.srcc, 3), number(group_.krcc, 3)]
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
