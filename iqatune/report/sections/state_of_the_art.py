"""The tuned metrics beside others: those measured on the same pairs, and, apart from them, published figures."""

from iqatune.records.evaluation import Evaluated
from iqatune.records.labels import search_note
from iqatune.report.advice import best_per_backbone
from iqatune.report.context import SIMULATED, Context, interval_of
from iqatune.report.model import Cell, Column, Section, Table, interval, number, ranked, slug, spread, word
from iqatune.report.protocol import Marks, card
from iqatune.report.published.figures import PublishedFigure, state_of_the_art
from iqatune.scoring.evaluate import verdict


def state_of_the_art_section(context: Context) -> Section:
    """The study's table 10: a measured table for each data set, and the published figures of the same sets."""
    tables = []
    for dataset in context.found.datasets:
        tables.append(_measured(context, dataset))
        if (compared := _compared(context, dataset)) is not None:
            tables.append(compared)
    published = [figure for figure in state_of_the_art() if figure.dataset in context.found.datasets]
    text = "Published figures stand in a table of their own: their pairs, labels and resize differ or are not known."
    if not published:
        text = "No published figures are kept for these data sets."
    if published:
        tables.append(_published(published))
    return Section("State of the art", (text,), tables=tuple(tables))


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


def _published(figures: list[PublishedFigure]) -> Table:
    datasets = sorted({figure.dataset for figure in figures})
    keys = list(dict.fromkeys((figure.metric, figure.source, figure.protocol) for figure in figures))
    by_key = {(figure.metric, figure.source, figure.protocol, figure.dataset): figure for figure in figures}
    rows = []
    for key in keys:
        cells = [word(part) for part in key]
        for dataset in datasets:
            figure = by_key.get((*key, dataset))
            cells += [number(figure.srcc if figure else None, 3), number(figure.krcc if figure else None, 3)]
        rows.append(tuple(cells))
    return Table(
        name="published-metrics",
        title="Published, not measured here: common metrics",
        columns=(
            *(Column(name) for name in ("metric", "source", "protocol")),
            *(Column(measure, dataset) for dataset in datasets for measure in ("SRCC", "KRCC")),
        ),
        rows=tuple(rows),
        words=3,
        card=("Each row's protocol stands in it.",),
        source="; ".join(dict.fromkeys(figure.source for figure in figures)),
    )
