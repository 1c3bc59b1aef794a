"""The tuned metrics beside others: those measured on the same pairs, and, apart from them, published figures."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from iqatune.records.evaluation import Evaluated
from iqatune.records.labels import search_note
from iqatune.report.advice import best_per_backbone
from iqatune.report.context import SIMULATED, Context, interval_of
from iqatune.report.model import Cell, Column, Missing, Section, Table, interval, number, ranked, slug, spread, word
from iqatune.report.protocol import Marks, card
from iqatune.report.published.figures import STUDY_SOURCE, PublishedFigure, Training, searches, state_of_the_art
from iqatune.scoring.evaluate import verdict

TRAINED: Final[dict[Training, str]] = {
    "none": "not trained on human scores",
    "elsewhere": "trained elsewhere",
    "not stated": "whose training set is not stated",
    "on the set": "trained on the set itself",
}
"""The kinds that stand in tables of their own, as their titles say it."""

HAND_MADE: Final = "Constants that a metric's makers chose by looking at such sets do not count as training."

TRAINING_FREE: Final = "JLD"
"""The best of the metrics without training that were published since the study."""


def others_section(context: Context) -> Section | Missing:
    """The study's table 10: for each data set the tuned metrics beside those measured on the same pairs."""
    tables = []
    for dataset in context.found.datasets:
        if any(metric.kind in ("baseline", "scores") for metric in context.untuned(dataset)):
            tables.append(_measured(context, dataset))
        if (compared := _compared(context, dataset)) is not None:
            tables.append(compared)
    if not tables:
        return Missing("Other metrics on the same pairs", "give --score with --baseline psnr, fsim, lpips, ...")
    return Section("Beside other metrics", tables=tuple(tables))


def published_metrics(context: Context) -> tuple[tuple[str, ...], tuple[Table, ...]]:
    """Where the study's best stands among published metrics of the data sets of the report, in words; and those."""
    published = [figure for figure in state_of_the_art() if figure.dataset in context.found.datasets]
    tables = [
        _published(figures, kind)
        for kind in TRAINED
        if (figures := [figure for figure in published if figure.trained == kind])
    ]
    return _where_the_study_stands(published), tuple(tables)


def _where_the_study_stands(published: Sequence[PublishedFigure]) -> tuple[str, ...]:
    """In a line, the study's best beside training-free JLD and what is trained on each set; none where one lacks."""
    compared = []
    for dataset in dict.fromkeys(figure.dataset for figure in published):
        others = [each for each in published if each.dataset == dataset and not each.source.startswith(STUDY_SOURCE)]
        free = [figure for figure in others if figure.metric == TRAINING_FREE]
        trained = [figure for figure in others if figure.trained == "on the set"]
        if free and trained:
            study = [figure for figure in searches() if figure.dataset == dataset]
            compared.append((_highest(study), _highest(free), _highest(trained)))
    below = [row for row in compared if _srcc(row[0]) < _srcc(row[1])]
    above = [row for row in compared if row not in below]
    return tuple(
        f"The study's best ({_listed(best for best, _, _ in rows)}), tuned on the pairs that it is scored on, lies "
        f"{where} training-free {TRAINING_FREE} ({_listed(free for _, free, _ in rows)}) {far} what is trained per set "
        f"({_listed((trained for _, _, trained in rows), by_name=True)})."
        for rows, where, far in ((below, "below", "and far below"), (above, "above", "but far below"))
        if rows
    )


def _highest(figures: Sequence[PublishedFigure]) -> PublishedFigure:
    return max(figures, key=_srcc)


def _srcc(figure: PublishedFigure) -> float:
    return -1.0 if figure.srcc is None else figure.srcc


def _listed(figures: Iterable[PublishedFigure], *, by_name: bool = False) -> str:
    names = ((figure.metric + " " if by_name else "", figure) for figure in figures)
    return ", ".join(f"{name}{figure.srcc:.3f} on {figure.dataset}" for name, figure in names)


def _measured(context: Context, dataset: str) -> Table:
    groups = list(best_per_backbone(context, dataset))
    marks = Marks()
    baselines = [metric for metric in context.untuned(dataset) if metric.kind in ("baseline", "scores")]
    uniforms = {group.setting: metric for group in groups if (metric := context.uniform(group)) is not None}
    ties = context.ties(groups, [*uniforms.values(), *baselines])
    uniform_ties = dict(zip(uniforms, ties[len(groups) :], strict=False))
    names, tied, figures = [], [], []
    for group, is_tied in zip(groups, ties[: len(groups)], strict=True):
        mark = marks.of(context.usual.differences(dataset, group.protocol))
        space = f"{group.setting.space}{search_note(group.setting)}"
        names.append((f"{group.setting.backbone}{mark}", f"tuned, {group.setting.searcher} ({space})"))
        tied.append(is_tied)
        figures.append((spread(group.srcc), interval_of(group), spread(group.held_out), spread(group.krcc)))
        uniform = uniforms.get(group.setting)
        bounds = uniform.confidence.srcc if uniform is not None and uniform.confidence is not None else None
        agreement = group.runs[0].result.baselines.uniform
        names.append((f"{group.setting.backbone}{mark}", "uniform weights"))
        tied.append(uniform_ties.get(group.setting, False))
        held_out = spread(group.uniform_held_out)
        figures.append((number(agreement.srcc), interval(bounds), held_out, number(agreement.krcc)))
    for baseline, is_tied in zip(baselines, ties[len(groups) + len(uniforms) :], strict=True):
        mark = marks.of(_protocol_difference(context, baseline))
        names.append((f"{baseline.file}{mark}", "baseline" if baseline.kind == "baseline" else "file of scores"))
        tied.append(is_tied)
        bounds = baseline.confidence.srcc if baseline.confidence is not None else None
        figures.append((number(baseline.srcc), interval(bounds), Cell(), number(baseline.krcc)))
    srcc = ranked([row[0] for row in figures], tied)
    rows = tuple(
        (word(name), word(kind), first, *rest)
        for (name, kind), first, (_, *rest) in zip(names, srcc, figures, strict=True)
    )
    return Table(
        name=f"measured-{slug(dataset)}",
        title=f"Measured on {dataset}",
        columns=tuple(Column(name) for name in ("metric", "weights", "SRCC", "95 %", "held-out", "KRCC")),
        rows=rows,
        words=2,
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(
            context.tie_note(dataset),
            "A metric that is not tuned needs no held-out figure: it has seen none of these images.",
            "Held-out figures are means over folds of a few references each: compare them with those of the uniform "
            "weights, not with an SRCC over all pairs.",
            *context.ceiling_note(dataset),
            *((SIMULATED,) if context.found.simulated(dataset) else ()),
        ),
    )


def _compared(context: Context, dataset: str) -> Table | None:
    """Each metric of the measured table beside each; None where the data set was not scored for the report."""
    groups = list(best_per_backbone(context, dataset))
    uniforms = {group.setting: metric for group in groups if (metric := context.uniform(group)) is not None}
    others = [metric for metric in context.untuned(dataset) if metric.kind in ("baseline", "scores")]
    couples = context.couples(groups, [*uniforms.values(), *others])
    if couples is None:
        return None
    names = [f"{group.setting.backbone} tuned, {group.setting.searcher}" for group in groups]
    names += [f"{setting.backbone} uniform" for setting in uniforms]
    names += [metric.file for metric in others]
    rows = []
    for place, name in enumerate(names):
        cells = [
            Cell()
            if place == other
            else _verdict_cell(float(couples.difference[place, other]), float(couples.p_corrected[place, other]))
            for other in range(len(names))
        ]
        rows.append((word(name), *cells))
    return Table(
        name=f"compared-{slug(dataset)}",
        title=f"Each beside each on {dataset}",
        columns=(Column("metric"), *(Column(name) for name in names)),
        rows=tuple(rows),
        card=card(context.usual, groups),
        notes=(
            "The row's SRCC beside the column's: a paired bootstrap over references, p corrected by Holm over all "
            "couples, a tie from 0.05 on.",
            *((SIMULATED,) if context.found.simulated(dataset) else ()),
        ),
    )


def _verdict_cell(difference: float, p: float) -> Cell:
    if p != p:
        return Cell("not tested")
    shown = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return Cell(f"{verdict(difference, p)} ({shown})", p, more=(("difference", difference),))


def _protocol_difference(context: Context, baseline: Evaluated) -> str:
    if baseline.kind == "scores":
        return "scores made by others: their resize is not known"
    usual, resize = context.usual.method["resize"], baseline.protocol.resize
    return "" if resize == usual else f"resize {resize or 'none'} instead of {usual or 'none'}"


def _published(figures: Sequence[PublishedFigure], kind: Training) -> Table:
    datasets = sorted({figure.dataset for figure in figures})
    by_key: dict[tuple[str, ...], dict[str, PublishedFigure]] = defaultdict(dict)
    for each in figures:
        by_key[each.metric, each.source, each.protocol, each.training][each.dataset] = each
    rows = []
    for key, of_set in by_key.items():
        metric, *words = (word(part) for part in key)
        cells = [metric]
        for dataset in datasets:
            figure = of_set.get(dataset)
            cells += [number(figure.srcc if figure else None, 3), number(figure.krcc if figure else None, 3)]
        rows.append((*cells, *words))
    return Table(
        name=f"published-metrics-{slug(kind)}",
        title=f"Published, not measured here: metrics {TRAINED[kind]}",
        columns=(
            Column("metric"),
            *(Column(measure, dataset) for dataset in datasets for measure in ("SRCC", "KRCC")),
            *(Column(name) for name in ("source", "protocol", "training")),
        ),
        rows=tuple(rows),
        card=("Each row's protocol stands in it.",),
        notes=(HAND_MADE,) if kind == "none" else (),
        source="; ".join(dict.fromkeys(figure.source for figure in figures)),
    )
