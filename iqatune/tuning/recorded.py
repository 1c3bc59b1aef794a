"""What a record says of weights and of trials, each a function of the task; search and replay share it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from iqatune.evaluation.agreement import confidence, correlation
from iqatune.metric.weights import Floats
from iqatune.records.options import Run
from iqatune.records.result import (
    Baselines,
    Correlation,
    HeldOut,
    SetResult,
)
from iqatune.records.trial import Trial
from iqatune.search.objective import weighted_mean
from iqatune.search.task import Task
from iqatune.statistics.source import PreparedPairs
from iqatune.tuning.folds import Folds, held_out_by_set


def value_of(task: Task, distances: Floats, crops: Floats | None = None) -> float | None:
    """What a record says of what was maximised, where that is not the SRCC; None where it is.

    Args:
        distances: (N,) under some weights.
        crops: (M,) of the textures' crop pairs under the same.
    """
    return None if task.maximises_srcc else task.figure(distances, crops)


def tolerance_of(task: Task, distances: Floats, crops: Floats | None) -> float | None:
    """The texture tolerance of weights; None without textures.

    Args:
        distances, crops: as of `value_of`.
    """
    return None if crops is None else task.tolerance(distances, crops)


def best_figures(task: Task, distances: Floats, crops: Floats | None) -> dict[str, float | None]:
    """Every figure that a record has of its best weights.

    Args:
        distances, crops: as of `value_of`.
    """
    return {
        **agreement(task, distances).model_dump(),
        "value": value_of(task, distances, crops),
        "texture_tolerance": tolerance_of(task, distances, crops),
    }


def baselines_of(task: Task, prepared: PreparedPairs) -> Baselines:
    """What a record says of what the tuned weights have to beat."""
    uniform = prepared.uniform()
    crops = None if prepared.textures is None else prepared.textures.uniform()
    return Baselines(
        uniform=agreement(task, uniform),
        uniform_value=value_of(task, uniform, crops),
        uniform_texture_tolerance=tolerance_of(task, uniform, crops),
        best_column=prepared.best_column(),
    )


def agreement(task: Task, distances: Floats) -> Correlation:
    """How well -D agrees with quality; of several data sets the weighted mean of how it does in each.

    Args:
        distances: (N,) under some weights.
    """
    parts = task.parts()
    found = [correlation(part.task.quality, distances[part.rows]) for part in parts]
    weights = [part.weight for part in parts]
    names = Correlation.model_fields
    return Correlation(**{name: weighted_mean([getattr(each, name) for each in found], weights) for name in names})


def set_results(
    task: Task,
    prepared: PreparedPairs,
    *,
    uniform: Floats,
    tuned: Floats | None = None,
    tuned_crops: Floats | None = None,
    held_out: HeldOut | None = None,
    intervals: bool = False,
) -> dict[str, SetResult]:
    """What a record says of every one of several data sets; nothing of a single one.

    Args:
        uniform, tuned: (N,) distances under the uniform and the tuned weights.
        tuned_crops: (M,) of the textures' crop pairs under the tuned weights.
        intervals: whether it says how sure the tuned figures are, as complete records do.
    """
    if not prepared.set_protocols:
        return {}
    uniform_crops = None if prepared.textures is None else prepared.textures.uniform()
    of_folds = {} if held_out is None else held_out_by_set(held_out)
    found = {}
    for part in task.parts():
        mine, quality = part.task, part.task.quality
        best = None if tuned is None else correlation(quality, tuned[part.rows])
        found[part.name] = SetResult(
            weight=part.weight,
            protocol=prepared.set_protocols[part.name],
            uniform=correlation(quality, uniform[part.rows]),
            uniform_value=value_of(mine, uniform[part.rows], uniform_crops),
            best=best,
            best_value=None if tuned is None else value_of(mine, tuned[part.rows], tuned_crops),
            held_out=of_folds.get(part.name),
            confidence=confidence(quality, tuned[part.rows], mine.reference_ids)
            if tuned is not None and intervals
            else None,
        )
    return found


def counts(trials: Sequence[Trial]) -> dict[str, Any]:
    """What a record's strategy says of trials: how many samples were chosen in which way, and evaluated where."""
    chosen = {trial.sample: trial.chosen_by for trial in trials}
    counts = Counter(chosen.values())
    first_model = next((place for place, sample in enumerate(chosen) if chosen[sample] == "model"), None)
    budgets = Counter(trial.budget for trial in trials)
    return {
        **{kind: counts[kind] for kind in ("random", "initial", "model", "local")},
        "fitted": counts["fit"],
        "samples_since_first_model": None if first_model is None else len(chosen) - first_model,
        "evaluations": {f"{budget:.6g}": budgets[budget] for budget in sorted(budgets)},
    }


def undefined_reason(task: Task) -> str:
    """Why no sample of a search has a defined SRCC, from what its objective is made of; and what to look at."""
    reasons = [(part.name, _why_undefined(part.task)) for part in task.parts()]
    name, reason = next((found for found in reasons if found[1] is not None), ("", None))
    if reason is not None:
        return f"{name}: {reason}" if task.set_ids else reason
    if not task.maximises_srcc:
        return f"{task.objective_name} is undefined under each of them; take more samples, or another objective"
    return "D was the same for every pair under each of them; check the images, or take more samples"


def _why_undefined(task: Task) -> str | None:
    """What leaves one data set without an SRCC whatever the weights; None where nothing does."""
    if np.ptp(task.quality) == 0:
        return "every pair has the same human score; check the score column"
    if task.columns is not None:
        return "D was the same for every pair under each of them; take more samples, or look at the columns"
    if not all(np.isfinite(table).all() for table in task.tables):
        return "D is not a finite number for some pair; check the images and the backbone's parameters"
    if not any(table.any() for table in task.tables):
        return "D is 0 for every pair, whatever the weights: every distorted image equals its reference"
    if all((table == table[0]).all() for table in task.tables):
        return "D is the same for every pair, whatever the weights; check that the pairs are of different images"
    return None


def split_seed(run: Run, folds: Folds) -> int | None:
    """The seed that decides the folds; None where none does."""
    return run.seed if folds.splits and folds.kind == "references" else None
