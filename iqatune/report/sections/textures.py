"""Texture tolerance: held-out SRCC against it, a point for each weight of the term."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from iqatune.evaluation.gain import gain_of
from iqatune.records.evaluation import Evaluated
from iqatune.records.textures import Textures
from iqatune.report import figures
from iqatune.report.collect import SettingRuns
from iqatune.report.context import SIMULATED, Context
from iqatune.report.figures import FrontPoint, Look, looks_of
from iqatune.report.model import Cell, Column, Figure, Section, Table, interval, number, slug, spread, word
from iqatune.report.protocol import card

UNIFORM = "uniform weights"


def textures_section(context: Context) -> Section | None:
    """None where no run looked at textures."""
    groups = [group for group in context.found.groups if group.protocol.textures is not None]
    if not groups:
        return None
    text = (
        "Texture tolerance is mean D of two crops of one texture over mean D of the data set's pairs: smaller is more "
        "tolerant. Held-out figures are of pairs that the weights were not tuned on; of textures none is held out. "
        "Bars are 95 % intervals of the difference from the uniform weights on the same folds."
    )
    fronts = [_front(context, front) for front in _fronts(groups)]
    return Section(
        "Texture tolerance",
        (text,),
        tables=tuple(table for table, _ in fronts),
        figures=tuple(figure for _, figure in fronts if figure is not None),
    )


def _fronts(groups: Sequence[SettingRuns]) -> list[list[SettingRuns]]:
    """Groups of one data set, backbone and textures."""
    found: dict[tuple[object, ...], list[SettingRuns]] = {}
    for group in groups:
        setting = group.setting
        found.setdefault((setting.dataset, setting.backbone, group.protocol.textures), []).append(group)
    return list(found.values())


def _front(context: Context, groups: Sequence[SettingRuns]) -> tuple[Table, Figure | None]:
    setting, textures = groups[0].setting, groups[0].protocol.textures
    simulated = context.found.simulated(setting.dataset)
    others = [] if textures is None else list(_evaluated(context, setting.dataset, textures))
    rows = [_row(group) for group in groups]
    rows.append(_uniform_row(groups[0]))
    rows += [_other_row(metric) for metric in others]
    table = Table(
        name=f"textures-{slug(setting.dataset)}-{slug(setting.backbone)}",
        title=f"{setting.dataset}, {setting.backbone}: agreement and texture tolerance ({_named(textures)})",
        columns=(
            *(Column(name) for name in ("weights", "space", "texture weight")),
            *(Column(name, "SRCC") for name in ("all pairs", "held-out", "less uniform", "95 %")),
            *(Column(name, "tolerance") for name in ("all pairs", "held-out")),
        ),
        rows=tuple(rows),
        words=2,
        card=card(context.usual, groups),
        notes=(SIMULATED,) if simulated else (),
    )
    points, searchers = _points(groups)
    if not points:
        return table, None
    run = groups[0].runs[0].result.run
    points |= {
        f"{metric.file} (SRCC of all pairs)": [FrontPoint(x=metric.texture_tolerance.value, y=metric.srcc)]
        for metric in others
        # of another backbone its tolerance may lie anywhere
        if metric.backbone == run.backbone and metric.texture_tolerance is not None
    }
    title = f"{setting.dataset}{' (SIMULATED observers)' if simulated else ''}, {setting.backbone}: {_named(textures)}"
    looks = {**looks_of(searchers), UNIFORM: Look(figures.GREY, "*", "-")}
    drawing = figures.front(
        points, looks, x_name="texture tolerance T, held-out pairs (smaller: more tolerant)", y_name="held-out SRCC"
    )
    notes = (
        "A number beside a point is the weight of the textures in what was maximised; those of close points are in "
        "the table.",
    )
    return table, figures.drawn(table.name, title, drawing, notes)


def _row(group: SettingRuns) -> tuple[Cell, ...]:
    setting = group.setting
    bests = [run.result.best for run in group.runs if run.result.best is not None]
    folds = [run.result.held_out for run in group.runs if run.result.held_out is not None]
    gain = gain_of(folds) if folds else None
    reach = _reach(group)
    return (
        word(setting.searcher),
        word(f"{setting.space}, {setting.prior}"),
        number(setting.texture_weight, text=f"{setting.texture_weight:g}"),
        spread([best.srcc for best in bests]),
        spread([held_out.srcc_mean for held_out in folds]),
        Cell() if gain is None else number(gain.mean, text=f"{gain.mean:+z.4f}"),
        interval(None if gain is None or reach is None else (gain.mean - reach, gain.mean + reach)),
        spread([best.texture_tolerance for best in bests if best.texture_tolerance is not None], 3),
        spread([held_out.texture_tolerance.tuned for held_out in folds if held_out.texture_tolerance is not None], 3),
    )


def _uniform_row(group: SettingRuns) -> tuple[Cell, ...]:
    result = group.runs[0].result
    held_out, baselines = result.held_out, result.baselines
    of_folds = None if held_out is None else held_out.texture_tolerance
    return (
        word(f"({UNIFORM})"),
        Cell(),
        Cell(),
        number(baselines.uniform.srcc),
        number(None if held_out is None else held_out.uniform_srcc_mean),
        Cell(),
        Cell(),
        number(baselines.uniform_texture_tolerance, 3),
        number(None if of_folds is None else of_folds.uniform, 3),
    )


def _other_row(metric: Evaluated) -> tuple[Cell, ...]:
    found = metric.texture_tolerance
    value = number(None if found is None else found.value, 3)
    return (word(metric.file), Cell(), Cell(), number(metric.srcc), Cell(), Cell(), Cell(), value, Cell())


def _points(groups: Sequence[SettingRuns]) -> tuple[dict[str, list[FrontPoint]], dict[str, str]]:
    """For each search its points in the order of the weights, at the end the uniform weights; and its searcher."""
    found: dict[str, list[FrontPoint]] = {}
    searchers: dict[str, str] = {}
    uniform: FrontPoint | None = None
    for group in groups:
        setting = group.setting
        folds = [run.result.held_out for run in group.runs if run.result.held_out is not None]
        tolerances = [each.texture_tolerance for each in folds if each.texture_tolerance is not None]
        if not tolerances:
            continue
        name = f"{setting.searcher}, {setting.space}"
        name += "" if setting.objective == "srcc" else f", {setting.objective}"
        point = FrontPoint(
            x=fmean(each.tuned for each in tolerances),
            y=fmean(each.srcc_mean for each in folds),
            reach=_reach(group),
            label=f"{setting.texture_weight:g}",
        )
        _append(found.setdefault(name, []), point)
        searchers[name] = setting.searcher
        uniform = uniform or FrontPoint(
            x=fmean(each.uniform for each in tolerances), y=fmean(each.uniform_srcc_mean for each in folds)
        )
    return (found if uniform is None else {**found, UNIFORM: [uniform]}), searchers


def _append(points: list[FrontPoint], point: FrontPoint) -> None:
    """One more point; where a larger weight finds the same weights it shares the point of the one before."""
    last = points[-1] if points else None
    if last is not None and (last.x, last.y) == (point.x, point.y):
        points[-1] = replace(last, label=f"{last.label.split(' to ')[0]} to {point.label}")
    else:
        points.append(point)


def _reach(group: SettingRuns) -> float | None:
    """Half of the 95 % interval of the held-out gain over the uniform weights; None where there is none."""
    folds = [run.result.held_out for run in group.runs if run.result.held_out is not None]
    if not folds:
        return None
    gain = gain_of(folds)
    return None if math.isnan(gain.high) else gain.high - gain.mean


def _evaluated(context: Context, dataset: str, textures: Textures) -> Iterator[Evaluated]:
    """Other metrics whose tolerance of the same textures was evaluated on the data set: exports, DISTS, baselines."""
    for evaluation in context.evaluations:
        looked_at = evaluation.textures
        if evaluation.dataset != dataset or looked_at is None or looked_at.sha256 != textures.sha256:
            continue
        for metric in evaluation.results:
            is_of_a_record = metric.kind == "uniform" or bool(metric.searcher)
            if metric.texture_tolerance is not None and not is_of_a_record:
                yield metric


def _named(textures: Textures | None) -> str:
    return "" if textures is None else f"{textures.textures} textures of {textures.source}"
