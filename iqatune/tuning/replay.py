"""Recompute a record from its parameters, its trials and the data, and say what differs."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from iqatune.backbones.zoo import as_recorded
from iqatune.evaluation.agreement import confidence
from iqatune.evaluation.folds import Split
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.moved import check_all_there
from iqatune.records.options import Run
from iqatune.records.replay import Changed, Replay, Replayed
from iqatune.records.result import Best, Confidence, HeldOut, Protocol, Result, open_result
from iqatune.records.scale import Scale
from iqatune.search.task import Task
from iqatune.statistics.cache import Cache
from iqatune.statistics.source import PreparedPairs, Source
from iqatune.tuning.folds import Folds, folds_of, held_out_of
from iqatune.tuning.proof import Subject, prove
from iqatune.tuning.recorded import baselines_of, best_figures, set_results
from iqatune.tuning.scales import scales_of

TOLERANCE = 1e-6
"""Largest difference of a figure that counts as none; for figures of one machine it is 0."""

SCALE_TOLERANCE = 1e-4
"""The same of a scale's numbers, as a share of their range."""

OLDER_WITHOUT_SCALES = "scales: none, as the record is of an earlier release; search anew to have scores with intervals"

OLDER_OPTIMISM = (
    "held_out.optimism is that of an older release, best.srcc minus held_out.srcc_mean: figures of different pairs, "
    "which compare with no optimism of today"
)

NOT_RECOMPUTED: Final[dict[str, Any]] = {
    "split_seed": True,
    "backbone_weights": True,
    "textures": {"source"},
    "views": {"__all__": {"backbone_weights"}},
}
"""Of the protocol: the folds are read from the record, and a CNN's parameters, or textures, may lie under another
name."""


def replay(file: Path, where: Mapping[str, Any], *, cache: Cache, progress: Progress) -> Replay:
    """Prove a record: its seal, its figures (tuned, uniform, held-out, the intervals), its weights, trials and folds.

    No figure that is null is made up, and what cannot be proven, or takes more than seconds, is said.

    Every image file is read and hashed, whatever the cache remembers of it.

    Args:
        where: options of the run that say where things are now: data_root, pairs (of several data sets NAME=PATH each),
            features, textures, backbone_weights (see `BackboneOptions.with_weights`), unlabelled, device.

    Raises:
        InputError: for a file that is no record, and all that is wrong with the data or the backbone's parameters.
    """
    opened = open_result(file)
    result = opened.result
    run = _where_it_is_now(result.run, where)
    run = run.model_copy(update={"backbone": as_recorded(run.backbone, result.protocol.taps, result.channels)})
    check_all_there(file, run)
    source = Source.of(run)
    proving = replace(cache, hashes_anew=True)
    prepared = source.prepare(proving, progress)
    changed, renamed = _changed(result, prepared)
    if opened.fault is not None:
        changed = (Changed(name="seal", recorded="of what was written", now=opened.fault), *changed)
    if prepared.channels != result.channels:
        return Replay(file=str(file), changed=changed, figures=())
    try:
        again = _recomputed(result, run, prepared)
    except ValueError as error:
        # weights that are none, or parameters of another space: the record was altered
        altered = Changed(name="weights", recorded="not usable", now=str(error))
        return Replay(file=str(file), changed=(*changed, altered), figures=())
    task = Task.of(run, prepared)
    proof = prove(Subject(file=file, result=result, run=run, prepared=prepared, task=task, same=is_same))
    recorded, recomputed = figures(result), figures(again)
    compared = tuple(
        Replayed(
            name=name,
            recorded=value,
            recomputed=recomputed[name],
            same=is_same(value, recomputed[name], tolerance(name, result.scales)),
        )
        for name, value in recorded.items()
        if name in recomputed
    )
    names = {prepared.protocol.label: result.protocol.label} if renamed else {}
    names |= {now.label: result.sets[name].protocol.label for name, now in prepared.set_protocols.items() if renamed}
    changed = (*changed, *_of_another_kind(result, again, names), *proof.changed)
    older = (OLDER_OPTIMISM,) if result.held_out is not None and result.held_out.is_older else ()
    unscaled = (OLDER_WITHOUT_SCALES,) if again.scales and not result.scales else ()
    return Replay(file=str(file), changed=changed, figures=compared, notes=(*renamed, *proof.notes, *older, *unscaled))


def _where_it_is_now(run: Run, where: Mapping[str, Any]) -> Run:
    paths = {
        name: [where[name]] if isinstance(where[name], str) else where[name]
        for name in ("data_root", "pairs")
        if where.get(name)
    }
    others = {name: where[name] for name in where if name not in ("data_root", "pairs", "backbone_weights")}
    moved = run.moved(**paths).model_copy(update=others)
    return moved.with_weights(str(where["backbone_weights"])) if where.get("backbone_weights") else moved


def figures(result: Result) -> dict[str, float]:
    """Every figure of a record that can be recomputed, by its path in the file, as best.srcc."""
    content = result.model_dump(include={"best", "baselines", "held_out", "confidence", "sets", "scales"})
    return dict(flat(content, ""))


def is_same(recorded: float, recomputed: float, tolerance: float = TOLERANCE) -> bool:
    """Within the tolerance, or both undefined."""
    if math.isnan(recorded) or math.isnan(recomputed):
        return math.isnan(recorded) and math.isnan(recomputed)
    return abs(recorded - recomputed) <= tolerance


def tolerance(name: str, scales: Sequence[Scale]) -> float:
    """Largest difference of a figure that counts as none, by its path.

    Of a scale's numbers as a share of their range: D and the scores of people are in units of their own.
    """
    found = re.match(r"scales\[(\d+)\]\.(distances)?", name)
    if found is None:
        return TOLERANCE
    scale = scales[int(found[1])]
    values = scale.distances if found[2] else scale.scores
    return max(TOLERANCE, SCALE_TOLERANCE * (max(values) - min(values)))


def flat(content: Any, path: str) -> list[tuple[str, float]]:
    """The figures of a document's part, each by its path in the file."""
    if isinstance(content, dict):
        inputs = {"parameters", "alpha", "beta", "columns", "sample", "protocol"}
        parts = [(f"{path}.{name}" if path else name, part) for name, part in content.items() if name not in inputs]
    elif isinstance(content, list | tuple):
        parts = [(f"{path}[{place}]", part) for place, part in enumerate(content)]
    else:
        return [(path, float(content))] if isinstance(content, int | float) else []
    return [figure for name, part in parts for figure in flat(part, name)]


def _of_another_kind(result: Result, again: Result, renamed: Mapping[str, str]) -> tuple[Changed, ...]:
    """How the intervals of a complete record were made, and the verdict: recomputed with the figures, and none.

    Args:
        renamed: what files of the same content are called now, and were called then.
    """
    if result.status != "complete":
        return ()
    words: dict[str, tuple[Any, Any]] = {
        "confidence.method": (_method(result.confidence), _method(again.confidence)),
        "baselines.best_column.name": (_best_columns(result)[:1], _best_columns(again)[:1]),
    }
    if result.scales and (again.held_out is None) == (result.held_out is None):
        words["scales"] = (_scales_in_words(result, {}), _scales_in_words(again, renamed))
    for name, part in result.sets.items():
        if name in again.sets:
            words[f"sets.{name}.confidence.method"] = (_method(part.confidence), _method(again.sets[name].confidence))
    if again.held_out is not None:  # otherwise it has been named already what it could not be recomputed from
        words["held_out.verdict"] = (_verdict(result), _verdict(again))
        words["held_out.per_fold.best_column.name"] = (_best_columns(result)[1:], _best_columns(again)[1:])
    return tuple(
        Changed(name=name, recorded=str(old), now=str(new)) for name, (old, new) in words.items() if old != new
    )


def _method(intervals: Confidence | None) -> str | None:
    return None if intervals is None else intervals.method


def _scales_in_words(result: Result, renamed: Mapping[str, str]) -> str:
    """What a record says of its scales but for their figures."""
    said = "; ".join(
        f"{scale.described} of {scale.dataset}, {len(scale.distances)} knots, "
        f"{'no interval' if scale.interval is None else scale.interval.method}"
        for scale in result.scales
    )
    for now, then in renamed.items():
        said = said.replace(now, then)
    return said


def _verdict(result: Result) -> str | None:
    return None if result.held_out is None else result.held_out.verdict


def _best_columns(result: Result) -> tuple[str, ...]:
    """Names of the best column of all pairs, and of those of the folds; none through a backbone."""
    folds = () if result.held_out is None else result.held_out.per_fold
    found = (result.baselines.best_column, *(fold.best_column for fold in folds))
    return tuple(column.name for column in found if column is not None)


def protocol_changes(recorded: Protocol, now: Protocol, before: str = "") -> tuple[list[Changed], list[str]]:
    """In what a protocol differs from a record's; a file of other name and the same content is a note, and so are
    moments that are measured in another way.

    Args:
        before: what stands before the names of keys.
    """
    then, today = (protocol.model_dump(exclude=NOT_RECOMPUTED) for protocol in _both(recorded, now))
    names = [name for name, value in then.items() if value != today[name]]
    notes = []
    if "label" in names and recorded.dataset_sha256 == now.dataset_sha256:
        names.remove("label")
        notes.append(f"{before}label: {recorded.label} is now called {now.label}, with the same pairs and scores")
    if recorded.statistics != now.statistics and not before:  # of every set it is the same
        its = "an earlier one" if recorded.statistics is None else str(recorded.statistics)
        notes.append(
            f"statistics: moments are measured by version {now.statistics} now, in the record by {its}; "
            "pairs that are all but tied may have changed places"
        )
    changes = [Changed(name=before + name, recorded=str(then[name]), now=str(today[name])) for name in names]
    return changes, notes


def _changed(result: Result, prepared: PreparedPairs) -> tuple[tuple[Changed, ...], tuple[str, ...]]:
    """What is not as recorded, and what is no harm."""
    found, notes = protocol_changes(result.protocol, prepared.protocol)
    changes: list[tuple[str, object, object]] = []
    if set(result.sets) != set(prepared.set_protocols):
        changes.append(("sets", ", ".join(result.sets), ", ".join(prepared.set_protocols)))
    else:
        for of_set, part in result.sets.items():
            of_part, said = protocol_changes(part.protocol, prepared.set_protocols[of_set], f"sets.{of_set}.")
            found, notes = found + of_part, notes + said
    if result.held_out is not None and not _keeps_parameters(result.held_out):
        changes.append(("parameters of the folds", "none", "needed for the held-out figures; search anew"))
    if result.held_out is not None and _folds_to_score(result.held_out, result.run, prepared) is None:
        changes.append(("references of the folds", "those of the record", "not those of the data"))
    if result.channels != prepared.channels:
        changes.append(("channels", result.channels, prepared.channels))
    found += [Changed(name=name, recorded=str(old), now=str(new)) for name, old, new in changes]
    return tuple(found), tuple(notes)


def _both(recorded: Protocol, now: Protocol) -> tuple[Protocol, Protocol]:
    return recorded, recorded.as_made(now)


def _recomputed(result: Result, run: Run, prepared: PreparedPairs) -> Result:
    uniform = prepared.uniform()
    task = Task.of(run, prepared)
    best, tuned, crops, intervals = None, None, None, None
    if result.best is not None:
        tuned = prepared.distances_of(result.best)
        crops = None if prepared.textures is None else prepared.textures.distances_of(result.best)
        best = Best(**{**result.best.model_dump(), **best_figures(task, tuned, crops)})
        if not prepared.set_protocols:
            intervals = confidence(task.quality, tuned, task.reference_ids)
    held_out = None
    held = result.held_out
    folds = None if held is None else _folds_to_score(held, run, prepared)
    fold_parameters: list[Floats | None] = []
    if held is not None and folds is not None and _keeps_parameters(held):
        fold_parameters = [_vector(fold.parameters, task.space.names) for fold in held.per_fold]
        held_out = _held_out(held, best, task, folds=folds, prepared=prepared)
    scales: tuple[Scale, ...] = ()
    if tuned is not None and result.status == "complete" and (held is None or fold_parameters):
        of_folds = folds if fold_parameters else None
        scales = scales_of(task, prepared.table, tuned, folds=of_folds, parameters=fold_parameters)
    sets = set_results(
        task,
        prepared,
        uniform=uniform,
        tuned=tuned,
        tuned_crops=crops,
        held_out=held_out,
        intervals=result.status == "complete",
    )
    update = {
        "best": best,
        "baselines": baselines_of(task, prepared),
        "held_out": held_out,
        "confidence": intervals,
        "sets": sets,
        "scales": scales,
    }
    return result.model_copy(update=update)


def _keeps_parameters(held_out: HeldOut) -> bool:
    """Whether every fold with figures has the parameters that they came from; the first records had none."""
    return all(fold.parameters or math.isnan(fold.srcc) for fold in held_out.per_fold)


def _folds_to_score(held_out: HeldOut, run: Run, prepared: PreparedPairs) -> Folds | None:
    """The folds that a record's figures are of; None where they are not of this data.

    Those by reference are the record's own, whatever this release would choose.
    """
    table = prepared.table
    if held_out.split == "references":
        folds = [reference for fold in held_out.per_fold for reference in fold.references]
        if sorted(folds) != sorted(table.references):
            return None
        ids = np.array(table.reference_ids)
        masks = [np.isin(ids, fold.references) for fold in held_out.per_fold]
        return Folds("references", tuple(Split(mask, ~mask) for mask in masks))
    if held_out.split != run.split:
        return None
    found = folds_of(run, table)
    names = [split.name for split in found.splits]
    return found if names == [fold.name for fold in held_out.per_fold] else None


def _held_out(recorded: HeldOut, best: Best | None, task: Task, *, folds: Folds, prepared: PreparedPairs) -> HeldOut:
    parameters = [_vector(fold.parameters, task.space.names) for fold in recorded.per_fold]
    tuned = None if best is None or recorded.is_older else _vector(best.parameters, task.space.names)
    crops = None if prepared.textures is None else prepared.textures.uniform()
    uniform = prepared.uniform()
    found = held_out_of(task, folds, parameters, tuned=tuned, uniform=uniform, uniform_crops=crops)
    return _as_older(found, math.nan if best is None else best.srcc) if recorded.is_older else found


def _as_older(found: HeldOut, tuned_srcc: float) -> HeldOut:
    """The figures that older records have, with their optimism: of all pairs minus the mean of the folds'."""
    folds = tuple(fold.model_copy(update={"tuned_on_all_srcc": None}) for fold in found.per_fold)
    lacking = {"per_fold": folds, "gain_error": None, "verdict": None}
    return found.model_copy(update={**lacking, "optimism": tuned_srcc - found.srcc_mean})


def _vector(parameters: dict[str, float], names: tuple[str, ...]) -> Floats | None:
    if not parameters:
        return None
    if set(parameters) != set(names):
        raise ValueError("a fold's parameters are not those of the space")
    return np.array([parameters[name] for name in names])
