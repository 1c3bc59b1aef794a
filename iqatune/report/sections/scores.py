"""Backbones and searchers: a matrix of held-out figures for each data set, and all figures of each search."""

from collections.abc import Sequence
from operator import attrgetter

from iqatune.records.prior import DEFAULT_PRIOR
from iqatune.report.collect import Setting, SettingRuns
from iqatune.report.context import SIMULATED, Context, interval_of
from iqatune.report.model import Cell, Column, Section, Table, interval, number, ranked, slug, spread, word
from iqatune.report.protocol import Marks, card
from iqatune.report.published.figures import searches
from iqatune.report.sections.agreement import agreement_figures
from iqatune.report.sections.matrix import gains, matrix
from iqatune.report.sections.published_table import published_table

FIGURES = ("held-out", "SRCC", "95 %", "KRCC")

HELD_OUT_FIGURES = (
    "Held-out is the mean SRCC over folds, each of references that its weights were not tuned on, and over seeds: the "
    "figure to quote."
)
ON_ALL = (
    "SRCC and KRCC are of all pairs, on which the weights were tuned: they rise with every sample that is tried, and "
    "do not compare with held-out figures. Seeds are averaged (± standard deviation). Intervals of SRCC resample the "
    "references and are those of the seed with the median SRCC."
)


def scores_section(context: Context) -> Section:
    """A matrix for each data set; under it the study's tables 1 to 6."""
    tables = []
    for dataset in context.found.datasets:
        of_searchers = matrix(context, dataset)
        tables += [gains(context, dataset), *([] if of_searchers is None else [of_searchers])]
    for search in sorted({_search(group) for group in context.found.groups}):
        tables.append(_measured(context, [group for group in context.found.groups if _search(group) == search]))
    return Section(
        "Backbones and searchers", (HELD_OUT_FIGURES,), tables=tuple(tables), figures=agreement_figures(context)
    )


def published_searches(context: Context) -> tuple[Table, ...]:
    """The study's figures of the searchers and data sets of the report."""
    datasets: dict[str, set[str]] = {}
    for group in context.found.agreement_groups:
        datasets.setdefault(group.setting.searcher, set()).add(group.setting.dataset)
    found = [_published(searcher, of_searcher) for searcher, of_searcher in sorted(datasets.items())]
    return tuple(table for table in found if table is not None)


def _search(group: SettingRuns) -> tuple[str, str, str, str, int, str]:
    setting = group.setting
    return setting.searcher, setting.space, setting.prior, setting.maximised, setting.samples, setting.stop or ""


def _name_of(setting: Setting) -> str:
    others = [
        slug(part) for part, usual in ((setting.prior, DEFAULT_PRIOR), (setting.maximised, "srcc")) if part != usual
    ]
    stop = () if setting.stop is None else ("stop", setting.stop)
    return "-".join(("scores", slug(setting.searcher), setting.space, *others, *stop, str(setting.samples)))


def _measured(context: Context, groups: Sequence[SettingRuns]) -> Table:
    setting = groups[0].setting
    datasets = sorted({group.setting.dataset for group in groups})
    deviation = {group.setting: context.usual.differences(group.setting.dataset, group.protocol) for group in groups}
    keys = sorted({(group.setting.backbone, deviation[group.setting]) for group in groups})
    marks = Marks()
    tuned_columns: list[list[Cell]] = []
    uniform_columns: list[list[Cell]] = []
    for dataset in datasets:
        found = {
            (group.setting.backbone, deviation[group.setting]): group
            for group in groups
            if group.setting.dataset == dataset
        }
        untuned = {key: metric for key, group in found.items() if (metric := context.uniform(group)) is not None}
        ties = context.ties(list(found.values()), list(untuned.values()))
        tuned_ties = dict(zip(found, ties[: len(found)], strict=True))
        uniform_ties = dict(zip(untuned, ties[len(found) :], strict=True))
        tuned = [_tuned(found.get(key)) for key in keys]
        uniform = [_uniform(context, found.get(key)) for key in keys]
        for name, of_tuned, of_uniform in zip(
            FIGURES, zip(*tuned, strict=True), zip(*uniform, strict=True), strict=True
        ):
            column = [*of_tuned, *of_uniform]
            if name == "SRCC":
                tied = [tuned_ties.get(key, False) for key in keys] + [uniform_ties.get(key, False) for key in keys]
                column = ranked(column, tied)
            tuned_columns.append(column[: len(keys)])
            uniform_columns.append(column[len(keys) :])
    rows = []
    for place, (backbone, deviating) in enumerate(keys):
        mark = marks.of(deviating)
        rows.append((word(backbone + mark), word("tuned"), *(column[place] for column in tuned_columns)))
        rows.append((word(backbone + mark), word("uniform"), *(column[place] for column in uniform_columns)))
    seeds = sorted({len(group.runs) for group in groups})
    simulated = [SIMULATED] if any(context.found.simulated(dataset) for dataset in datasets) else []
    return Table(
        name=_name_of(setting),
        title=f"{setting.how} ({_count(seeds)})",
        columns=(
            Column("backbone"),
            Column("weights"),
            *(Column(figure, dataset) for dataset in datasets for figure in FIGURES),
        ),
        rows=tuple(rows),
        words=2,
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(ON_ALL, *dict.fromkeys(context.tie_note(dataset) for dataset in datasets), *simulated),
        detail=True,
    )


def _tuned(group: SettingRuns | None) -> tuple[Cell, ...]:
    if group is None:
        return (Cell(),) * len(FIGURES)
    return spread(group.held_out), spread(group.srcc), interval_of(group), spread(group.krcc)


def _uniform(context: Context, group: SettingRuns | None) -> tuple[Cell, ...]:
    if group is None:
        return (Cell(),) * len(FIGURES)
    uniform = group.runs[0].result.baselines.uniform
    evaluated = context.uniform(group)
    bounds = evaluated.confidence.srcc if evaluated is not None and evaluated.confidence is not None else None
    return spread(group.uniform_held_out), number(uniform.srcc), interval(bounds), number(uniform.krcc)


def _published(searcher: str, datasets: set[str]) -> Table | None:
    figures = [figure for figure in searches() if figure.searcher == searcher]
    if not figures or not datasets & {figure.dataset for figure in figures}:
        return None
    return published_table(
        figures,
        name=f"published-{searcher}",
        title=searcher,
        row=("backbone", attrgetter("metric")),
        column=attrgetter("dataset"),
    )


def _count(seeds: Sequence[int]) -> str:
    numbers = " to ".join(str(count) for count in dict.fromkeys((seeds[0], seeds[-1])))
    return f"{numbers} seed{'' if seeds[-1] == 1 else 's'} a figure"
