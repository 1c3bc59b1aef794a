"""Human scores against metrics: what they allow, what each metric misses of them, and which images it misses most."""

from collections.abc import Sequence

from iqatune.records.evaluation import Evaluated, Evaluation
from iqatune.report import figures
from iqatune.report.advice import best_per_backbone, merit
from iqatune.report.collect import SettingRuns
from iqatune.report.context import SIMULATED, Context
from iqatune.report.figures import DISTANCE, Scatter
from iqatune.report.model import Cell, Column, Figure, Gallery, Missing, Picture, Section, Table, number, slug, word
from iqatune.report.pictures import jpeg
from iqatune.report.protocol import Marks, card
from iqatune.scoring.evaluate import ScoredMetric, ScoredSet
from iqatune.scoring.human_scores import FIGURES, Residual, ceiling_line, couples_line, has_figures, residuals

HEADS = ("RMSE", "outlier ratio", "different AUC", "better AUC", "better right", "resolving power")
"""Of `FIGURES`, in their order."""

WORST = 10
"""Residuals in the table."""

MOST_PANELS = 9
"""Metrics beside the best one that are drawn."""


def human_scores_section(context: Context, *, with_images: bool) -> Section | Missing:
    """For every data set a table of what was evaluated; of the sets that were scored also drawings and residuals."""
    evaluations = {each.dataset: each for each in context.evaluations if has_figures(each)}
    tables, drawings, galleries = [], [], []
    for dataset, evaluation in sorted(evaluations.items()):
        tables.append(_figures_table(context, evaluation))
        scores = context.scores_of(dataset)
        metrics = [] if scores is None else _metrics(context, scores)
        if scores is None or not metrics:
            continue
        drawings += _drawings(scores, metrics)
        worst = residuals(scores.table, metrics[0][1].distances)[:WORST]
        tables.append(_residuals_table(scores, metrics[0][0], worst))
        # of a features file there are no images
        if (with_images or scores.table.simulated) and not scores.table.columns and worst:
            galleries.append(_gallery(scores, worst))
    if not evaluations:
        how = "give --score, or keep 'iqatune evaluate --format json' in the folder."
        return Missing("Scatter plots, residuals and the noise ceiling", how)
    text: tuple[str, ...] = (
        "RMSE, outlier ratio and resolving power are of the metric after the logistic fit through which PLCC is taken, "
        "on the scale of the human scores; the others are of the metric as it is.",
    )
    if not drawings:
        text += ("Scatter plots are missing: give --score, so that the pairs are read.",)
    return Section(
        "Beside the human scores",
        text,
        tables=tuple(tables),
        figures=tuple(drawings),
        galleries=tuple(galleries),
    )


def _groups(context: Context, dataset: str) -> list[SettingRuns]:
    """The best setting of each backbone, the best of all first; of all data sets where none was tuned on this one."""
    datasets = [dataset] if dataset in context.found.datasets else context.found.datasets
    groups = [group for each in datasets for group in best_per_backbone(context, each)]
    return sorted(groups, key=merit, reverse=True)


def _title(group: SettingRuns, dataset: str, mark: str = "") -> str:
    elsewhere = "" if group.setting.dataset == dataset else f" of {group.setting.dataset}"
    return f"{group.setting.backbone}{mark}, {group.setting.searcher}{elsewhere}"


def _figures_table(context: Context, evaluation: Evaluation) -> Table:
    dataset, marks = evaluation.dataset, Marks()
    groups, rows = _groups(context, dataset), []
    with_errors = evaluation.human_scores is not None
    for group in groups:
        tuned = context.evaluated(group.middle, dataset)
        if tuned is not None:
            mark = marks.of(context.usual.differences(group.setting.dataset, group.protocol))
            rows.append(_row(_title(group, dataset, mark), tuned, with_errors=with_errors))
    rows += [_row(metric.file, metric, with_errors=with_errors) for metric in context.untuned(dataset)]
    of_couples = () if evaluation.human_scores is None else (couples_line(evaluation.human_scores),)
    return Table(
        name=f"human-scores-{slug(dataset)}",
        title=f"{dataset}: beside the human scores",
        columns=tuple(map(Column, ("metric", "SRCC", *HEADS[: len(FIGURES) if with_errors else 1]))),
        rows=tuple(rows),
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(ceiling_line(evaluation), *of_couples, *((SIMULATED,) if evaluation.simulated else ())),
    )


def _row(title: str, metric: Evaluated, *, with_errors: bool) -> tuple[Cell, ...]:
    names = FIGURES if with_errors else FIGURES[:1]
    return (word(title), number(metric.srcc), *(_number(getattr(metric, name)) for name in names))


def _number(value: float | None) -> Cell:
    """Scales of human scores reach from 1 to 100."""
    return number(value, text=None if value is None else f"{value:.4g}")


def _metrics(context: Context, scores: ScoredSet) -> list[tuple[str, ScoredMetric]]:
    """What is drawn, with its title: the best tuned metric, other backbones', uniform weights, baselines."""
    dataset = scores.table.dataset
    by_file = {metric.file: metric for metric in scores.metrics if metric.kind == "tuned"}
    tuned = [
        (_title(group, dataset), by_file[str(group.middle.path)])
        for group in _groups(context, dataset)
        if str(group.middle.path) in by_file
    ]
    return [*tuned, *((metric.file, metric) for metric in scores.metrics if metric.kind != "tuned")]


def _scatter(scores: ScoredSet, metric: ScoredMetric) -> Scatter:
    table = scores.table
    return Scatter.of(
        [pair.score for pair in table.pairs],
        metric.distances,
        distortions=[pair.distortion for pair in table.pairs],
        better=table.better,
        errors=table.errors,
    )


def _drawings(scores: ScoredSet, metrics: Sequence[tuple[str, ScoredMetric]]) -> list[Figure]:
    dataset, (title, best) = scores.table.dataset, metrics[0]
    scatter, name = _scatter(scores, best), slug(dataset)
    x_name = DISTANCE if best.kind in ("tuned", "uniform") else "distance (higher is worse)"
    bars = "Bars: 95 % of each human score (1.96 standard errors)." if scatter.errors is not None else ""
    notes = tuple(note for note in (bars, SIMULATED if scores.table.simulated else "") if note)
    drawings = [
        figures.drawn(f"scatter-{name}", f"{dataset}: {title}", figures.scatter_figure(scatter, x_name=x_name), notes)
    ]
    if len(scatter.names) > 1:
        drawn = figures.scatter_by_distortion(scatter, x_name=x_name)
        one = "One distortion a panel, with its number of pairs; all others in grey. The curve is that of all pairs."
        drawings.append(
            figures.drawn(f"scatter-distortions-{name}", f"{dataset}: {title}, by distortion", drawn, (one, *notes))
        )
    others = metrics[1 : 1 + MOST_PANELS]
    if others:
        drawn = figures.scatter_panels({other: _scatter(scores, metric) for other, metric in others})
        left_out = f"{len(metrics) - 1 - len(others)} more are not drawn." if len(metrics) - 1 > len(others) else ""
        same = "Colours and markers as above; each has its own fit."
        notes = tuple(note for note in (same, left_out, *notes) if note)
        drawings.append(figures.drawn(f"scatter-others-{name}", f"{dataset}: the other metrics", drawn, notes))
    return drawings


def _residuals_table(scores: ScoredSet, title: str, worst: Sequence[Residual]) -> Table:
    table = scores.table
    with_errors = table.errors is not None
    rows = []
    for found in worst:
        pair = found.pair
        level = number(pair.level, 0) if pair.level is not None else Cell()
        cells = [word(pair.distorted.name), _number(found.residual), _number(found.score), _number(found.fitted)]
        cells += [number(found.in_errors, 1)] if with_errors else []
        rows.append((*cells, word(pair.reference_id), word(pair.distortion), level))
    return Table(
        name=f"residuals-{slug(table.dataset)}",
        title=f"{table.dataset}: the largest residuals of {title}",
        columns=tuple(
            map(
                Column,
                (
                    *("distorted", "residual", "human score", "fitted score"),
                    *(("in standard errors",) if with_errors else ()),
                    *("reference", "distortion", "level"),
                ),
            )
        ),
        rows=tuple(rows),
        notes=(
            f"Human score less fitted score, on the data set's scale ({table.better} is better).",
            *((SIMULATED,) if table.simulated else ()),
        ),
    )


def _gallery(scores: ScoredSet, worst: Sequence[Residual]) -> Gallery:
    dataset = scores.table.dataset
    pictures = [
        Picture(
            jpeg(found.pair.reference, found.pair.distorted),
            (
                found.pair.distorted.name,
                f"{found.pair.distortion}{'' if found.pair.level is None else f' {found.pair.level}'}",
                f"human score {found.score:.4g}, fitted {found.fitted:.4g}",
                "reference above, distorted below",
            ),
        )
        for found in worst
    ]
    return Gallery(f"residuals-{slug(dataset)}", f"{dataset}: the largest residuals", tuple(pictures))
