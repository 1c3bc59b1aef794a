"""Held-out SRCC against cost: a metric at every support of a penalised fit, from everything to the image alone.

The cost of a metric is decided by the last stage that has weight, and by that one's channels. So there are two paths:
that of the penalty, where a share of a stage costs its marginal time (see `iqatune.search.supports`), and the plain one
that allows the stages up to 0, 1, ..., all. Every point is a search by `fit`, with a record of its own.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from iqatune.errors import InputError, counted
from iqatune.evaluation.gain import estimate, test_to_train
from iqatune.images import read_rgb
from iqatune.metric.weights import Weights, tuned_weights
from iqatune.progress import Progress
from iqatune.records.base import ROUNDING
from iqatune.records.documents import broken_seal, parse_json, validated
from iqatune.records.environment import environment
from iqatune.records.frontier import (
    FRONTIER_FILE,
    FRONTIER_SCHEMA,
    Frontier,
    FrontierOptions,
    Point,
    StageCost,
    write_frontier,
)
from iqatune.records.options import Run
from iqatune.records.paths import options_path
from iqatune.records.result import HeldOut, Result, without_weights
from iqatune.records.run_folder import RESULT_FILE, RunFolder
from iqatune.runtime.files import check_writable
from iqatune.runtime.locks import locked
from iqatune.search.supports import path
from iqatune.search.task import Task
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import load_table
from iqatune.statistics.source import PreparedPairs, Source
from iqatune.tuning.checks import check_objective, checked_run
from iqatune.tuning.folds import folds_of
from iqatune.tuning.resume import INCIDENTAL
from iqatune.tuning.run import search_prepared

if TYPE_CHECKING:
    from iqatune.backbones.network import Backbone
    from iqatune.metric.module import Metric
    from iqatune.scoring.costs import Measured

UNPRUNED: Final = "unpruned"
"""What the metric of uniform weights on everything is called among those that are timed."""

DIGITS: Final = 4
"""Of a marginal cost: more are not measured, and it is an option of every point's run."""

LEAST: Final = 1e-3
"""What a stage costs at least, as a part of all: a shorter time than can be measured is not none."""


def run_frontier(
    options: FrontierOptions,
    output: Path,
    *,
    cache: Cache,
    progress: Progress,
    name: str | None = None,
    command: str | None = None,
) -> tuple[Frontier, Path]:
    """Find the frontier of a backbone on a data set; goes on where an interrupted one stopped.

    A complete one of the same options is returned as it is recorded.

    Args:
        name: of its folder, in the place of what tells the options.
        command: the command line that was typed, for the record.

    Returns:
        the record, and the folder that it and its points are in.

    Raises:
        InputError: for bad input.
        KeyboardInterrupt: the points that were finished are kept.
    """
    check_frontier(options)
    run = checked_run(options.run())
    folder = options.folder(output, name)
    check_writable(folder, option="output")
    source = Source.of(run)
    table = load_table(source.data, cache, progress)
    check_objective(run, table)
    if not folds_of(run, table).splits:
        raise InputError(
            "`folds`: a frontier compares held-out figures, and these pairs allow no folds; add references"
        )
    prepared = source.prepare(cache, progress, table)
    with locked(folder) as hold:
        draft = _earlier(folder, options, prepared, progress)
        if draft is not None and draft.status == "complete":
            progress.say(f"{folder / FRONTIER_FILE}: this frontier is complete; delete it to compute it again")
            return draft, folder
        backbone = _backbone(run)
        if draft is None:
            draft = _draft(options, prepared, backbone, progress)
            of_process = draft.environment.model_copy(update={"command": command})
            draft = write_frontier(folder, draft.model_copy(update={"environment": of_process}))
        results = _searched(draft, prepared, folder, progress)
        hold.check()
        return write_frontier(folder, _complete(draft, results, backbone, progress)), folder


def check_frontier(options: FrontierOptions) -> None:
    """Refuse what no frontier can be of.

    Raises:
        InputError: for a features file, and where nothing is held out.
    """
    if options.features is not None:
        raise InputError(f"`features` {options.features}: cost nothing to compute; name a `backbone` in their place")
    if options.folds == 0:
        raise InputError("`folds` 0: a frontier compares held-out figures; give 2 and more")


def _backbone(run: Run) -> "Backbone":
    from iqatune.backbones.network import build_backbone

    return build_backbone(run.backbone, run.backbone_weights, run.pooling)


def _earlier(folder: Path, options: FrontierOptions, prepared: PreparedPairs, progress: Progress) -> Frontier | None:
    """What an earlier call left of this very frontier.

    Raises:
        InputError: when the folder holds another one, or its record is not what was written.
    """
    file = folder / FRONTIER_FILE
    if not file.exists():
        return None
    content = file.read_bytes()
    found = validated(file, content, Frontier, f"a document of {FRONTIER_SCHEMA}")
    fault = broken_seal(parse_json(file, content))
    if fault is not None:
        raise InputError(f"{file}: {fault}; restore it, or delete it and compute the frontier again")
    then, now = (_compared(each) for each in (found.options, options))
    others = [name for name, value in now.items() if value != then[name]]
    protocol = prepared.protocol
    if found.dataset_sha256 != protocol.dataset_sha256:
        others.append("the images or scores")
    if found.backbone_sha256 != protocol.backbone_sha256:
        others.append("the CNN's parameters")
    if others:
        raise InputError(f"{file}: is of another frontier ({', '.join(others)}); delete it, or give another `name`")
    if found.status == "running":
        progress.say(f"{file}: goes on with the costs that were measured at its start")
    return found


def _compared(options: FrontierOptions) -> dict[str, object]:
    content: dict[str, object] = options.model_dump(exclude=INCIDENTAL - {"address"})
    content["datasets"] = [
        each.model_dump(exclude={"data_root", "pairs"}) for each in options.datasets
    ]  # where they are is incidental, too
    return content


def _draft(options: FrontierOptions, prepared: PreparedPairs, backbone: "Backbone", progress: Progress) -> Frontier:
    """The record of a frontier that begins: what stages cost, and which points there are to be."""
    from iqatune.backbones.devices import device_name, resolve_device
    from iqatune.scoring.costs import ROUNDS

    height, width = read_rgb(prepared.table.pairs[0].reference, options.resize).shape[:2]
    progress.say(f"measuring what each stage of {backbone.name} costs ({width}x{height})")
    stages = _stage_costs(options, backbone, (height, width))
    costs = tuple(stage.marginal for stage in stages)
    task = Task.of(options.run(), prepared)
    return Frontier(
        status="running",
        options=options,
        dataset_sha256=prepared.protocol.dataset_sha256,
        backbone_sha256=prepared.protocol.backbone_sha256,
        simulated=prepared.protocol.simulated,
        image=(width, height),
        rounds=ROUNDS,
        stages=stages,
        planned=tuple(_planned(task, costs)),
        environment=environment(device_name(resolve_device(options.device))),
    )


def _stage_costs(options: FrontierOptions, backbone: "Backbone", size: tuple[int, int]) -> tuple[StageCost, ...]:
    """What a metric of the stages up to each one costs; both kinds, and the marginal one that was asked for."""
    from iqatune.backbones.devices import resolve_device
    from iqatune.metric.module import Metric
    from iqatune.scoring.costs import measured

    channels = backbone.channels
    metrics = {str(stage): Metric(backbone, _up_to(channels, stage)) for stage in range(len(channels))}
    found = measured(metrics, size, resolve_device(options.device))
    costs = [each.cost for each in found.values()]
    amounts = [cost.milliseconds.median if options.by == "ms" else float(cost.macs) for cost in costs]
    least = LEAST * max(max(amounts) - amounts[0], ROUNDING)
    marginal = [0.0, *(max(after - before, least) for before, after in pairwise(amounts))]
    return tuple(
        StageCost(stage=stage, channels=channels[stage], up_to=cost, marginal=float(f"{extra:.{DIGITS}g}"))
        for stage, (cost, extra) in enumerate(zip(costs, marginal, strict=True))
    )


def _up_to(channels: Sequence[int], stage: int) -> Weights:
    """Uniform weights on every channel of the stages up to one."""
    used = np.zeros(sum(channels))
    start = 0
    for count in channels[: stage + 1]:
        used[start : start + count] = 0.5 / (stage + 1) / count
        start += count
    return Weights(tuple(channels), used, used.copy())


def _planned(task: Task, costs: tuple[float, ...]) -> list[tuple[float, int | None]]:
    """Penalty and last stage of every point: the stages up to each one, and every support along the penalty."""
    nested = [(0.0, stage) for stage in reversed(range(len(costs)))]
    return [*nested, *((support.penalty, None) for support in path(task, costs))]


def _searched(draft: Frontier, prepared: PreparedPairs, folder: Path, progress: Progress) -> dict[str, Result]:
    """The record of every point, by its folder's name; those that there are, are read."""
    costs = tuple(stage.marginal for stage in draft.stages)
    results: dict[str, Result] = {}
    silent = Progress()
    with progress.track("finding the frontier", len(draft.planned), "points") as advance:
        for penalty, last in draft.planned:
            run = draft.options.run(
                **({"penalty": penalty, "stage_costs": costs} if penalty > 0 else {"last_stage": last})
            )
            place = RunFolder(folder / options_path(run).name)
            result = search_prepared(checked_run(run), prepared, place, progress=silent)
            if result.best is None:
                raise InputError(f"{place.result_file}: {without_weights(result)}")
            results[place.path.name] = result
            advance(1)
    return results


def _complete(draft: Frontier, results: Mapping[str, Result], backbone: "Backbone", progress: Progress) -> Frontier:
    from iqatune.backbones.devices import resolve_device
    from iqatune.metric.module import Metric
    from iqatune.metric.similarity import Similarity
    from iqatune.scoring.costs import measured

    distinct = _distinct(results)
    weights = {name: tuned_weights(result) for name, result in distinct.items()}
    metrics = {
        name: Metric(backbone, each, similarity=Similarity.tuned(distinct[name])) for name, each in weights.items()
    }
    whole = Metric(backbone, _up_to(backbone.channels, len(backbone.channels) - 1))
    width, height = draft.image
    # those that compute the same part of the CNN cost the same, however the clock runs: one of them is timed
    alike = {name: (len(metric.backbone.channels), metric.backbone.kept_last) for name, metric in metrics.items()}
    timed = {of_all: name for name, of_all in alike.items()}
    progress.say(f"timing {counted(len(timed), 'metric')} and the unpruned one")
    found = measured(
        {**{name: metrics[name] for name in timed.values()}, UNPRUNED: whole},
        (height, width),
        resolve_device(draft.options.device),
        draft.rounds,
    )
    costs = {UNPRUNED: found[UNPRUNED], **{name: found[timed[of_all]] for name, of_all in alike.items()}}
    held_out = {name: _held_out(result) for name, result in distinct.items()}
    best = max(held_out, key=lambda name: held_out[name].srcc_mean)
    points = [
        _point(
            result,
            name,
            metrics=metrics,
            costs=costs,
            against=held_out[best],
        )
        for name, result in distinct.items()
    ]
    by = draft.options.by
    points.sort(key=lambda point: (_amount(point, by), -point.held_out_srcc))
    chosen = next(point for point in points if point.within)
    return draft.model_copy(
        update={
            "status": "complete",
            "unpruned": costs[UNPRUNED].cost,
            "uniform_held_out_srcc": held_out[best].uniform_srcc_mean,
            "points": tuple(points),
            "best": best,
            "chosen": chosen.name,
        }
    )


def _distinct(results: Mapping[str, Result]) -> dict[str, Result]:
    """Without points whose weights, and those of every fold, another one has."""
    found: dict[tuple[object, ...], str] = {}
    for name, result in results.items():
        if result.best is not None:
            folds = tuple(tuple(fold.parameters.values()) for fold in _held_out(result).per_fold)
            found.setdefault((result.best.alpha, result.best.beta, folds), name)
    return {name: results[name] for name in found.values()}


def _held_out(result: Result) -> HeldOut:
    if result.held_out is None:
        raise ValueError("a point of a frontier has folds")
    return result.held_out


def _amount(point: Point, by: str) -> float:
    return point.cost.milliseconds.median if by == "ms" else float(point.cost.macs)


def _point(
    result: Result, name: str, *, metrics: Mapping[str, "Metric"], costs: Mapping[str, "Measured"], against: HeldOut
) -> Point:
    held_out, weights = _held_out(result), tuned_weights(result)
    figures = np.array([fold.srcc for fold in held_out.per_fold])
    share = test_to_train([held_out])
    found, loss = (
        estimate(values, share) for values in (figures, np.array([fold.srcc for fold in against.per_fold]) - figures)
    )
    alpha, beta = weights.stage_sums()
    best = result.best
    return Point(
        name=name,
        penalty=result.run.penalty,
        last_stage=result.run.last_stage,
        result=f"{name}/{RESULT_FILE}",
        stages=tuple(np.flatnonzero(alpha + beta > 0).tolist()),
        channels=int(((weights.alpha > 0) | (weights.beta > 0)).sum()),
        cut_channels=metrics[name].cut_channels,
        cost=costs[name].cost,
        speedup=costs[name].times_as_fast_as(costs[UNPRUNED]),
        srcc=float("nan") if best is None else best.srcc,
        held_out_srcc=found.mean,
        held_out_error=found.error,
        interval=(float(np.maximum(found.low, -1)), float(np.minimum(found.high, 1))),
        loss=loss.mean,
        loss_error=loss.error,
        # NaN is within nothing
        within=bool(loss.mean <= loss.error + ROUNDING),
    )
