"""What a record says of how D becomes a score on the scale of people; search and replay share it."""

from collections.abc import Sequence

import numpy as np

from iqatune.datasets.adapter import Opinion
from iqatune.datasets.registry import DATASETS
from iqatune.datasets.table import PairTable
from iqatune.evaluation.scale import FEWEST_PAIRS, LEVEL, SAME_DISTANCE, Refit, fit_scale, leave_one_reference_out
from iqatune.metric.weights import Floats
from iqatune.records.options import PAIRS_SET
from iqatune.records.scale import Scale, ScaleInterval
from iqatune.search.objective import distances_of
from iqatune.search.task import Part, Task
from iqatune.tuning.folds import Folds

METHOD = "residuals of the folds, whose weights and curves have not seen those references"
METHOD_OF_CURVE = "residuals of curves that have not seen those references, under weights that have"


def scales_of(
    task: Task,
    table: PairTable,
    tuned: Floats,
    *,
    folds: Folds | None,
    parameters: Sequence[Floats | None],
    of_folds: Sequence[Task] = (),
) -> tuple[Scale, ...]:
    """The scale of every data set, as far as it has 6 pairs that D tells apart.

    Args:
        tuned: (N,) distances under the weights of the record.
        folds: those of the record; None where it has none.
        parameters: (P,) of every fold.
        of_folds: the search of each fold, on all pairs, where its columns are others than those of the main one.
    """
    refits = _refits(of_folds or [task] * len(parameters), folds, parameters)
    found = [
        _scale(part, each, tuned[part.rows], [refit.of_rows(part.rows) for refit in refits])
        for part, each in zip(task.parts(), table.sets or (table,), strict=True)
    ]
    return tuple(scale for scale in found if scale is not None)


def _refits(tasks: Sequence[Task], folds: Folds | None, parameters: Sequence[Floats | None]) -> list[Refit]:
    """What the folds say of the pairs that they hold out; nothing unless they are of references, and all have weights.

    Folds of data sets or distortions leave images of other kinds than they are tuned on, and no other references.
    """
    if folds is None or folds.kind != "references":
        return []
    refits = []
    for task, split, found in zip(tasks, folds.splits, parameters, strict=True):
        if found is None:
            return []
        distances = np.full(len(task.quality), np.nan)
        for rows, side in zip((split.tuned, split.held_out), task.split(split), strict=True):
            distances[rows] = distances_of(side.space, side.tables, found)
        refits.append(Refit(split, distances))
    return refits


def _scale(part: Part, table: PairTable, tuned: Floats, refits: Sequence[Refit]) -> Scale | None:
    quality, ids = part.task.quality, part.task.reference_ids
    if len(quality) < FEWEST_PAIRS or not np.isfinite(tuned).all() or np.ptp(tuned) <= SAME_DISTANCE:
        return None
    opinion = _opinion(table)
    limits = (-np.inf, np.inf) if opinion is None or opinion.limits is None else opinion.limits
    sign = 1.0 if table.better == "higher" else -1.0
    fit = fit_scale(
        tuned,
        quality,
        ids,
        refits=refits or leave_one_reference_out(tuned, ids),
        limits=(min(sign * limit for limit in limits), max(sign * limit for limit in limits)),
    )
    bounds = None
    if fit.low is not None and fit.high is not None:
        low, high = (fit.low, fit.high) if sign > 0 else (-fit.high, -fit.low)
        bounds = ScaleInterval(
            low=_numbers(low),
            high=_numbers(high),
            level=LEVEL,
            method=METHOD if refits else METHOD_OF_CURVE,
            references=len(set(ids)),
        )
    return Scale(
        dataset=table.dataset,
        name=_name(table, opinion),
        better=table.better,
        simulated=table.simulated,
        distances=_numbers(fit.curve.distances),
        scores=_numbers(sign * fit.curve.quality),
        interval=bounds,
    )


def _numbers(values: Floats) -> tuple[float, ...]:
    return tuple((values + 0.0).tolist())  # without -0


def _opinion(table: PairTable) -> Opinion | None:
    """What the set says of its scores; None where these are of another kind, such as 1 - DMOS."""
    info = DATASETS.find(table.dataset).info
    usual = info.published is None or table.values == info.published.values
    return info.opinion if usual else None


def _name(table: PairTable, opinion: Opinion | None) -> str:
    scores = [pair.score for pair in table.pairs]
    subject = table.label if table.dataset == PAIRS_SET else table.dataset
    name = f"{table.values or 'score'} of {subject}" if opinion is None else opinion.name
    low, high = (min(scores), max(scores)) if opinion is None or opinion.limits is None else opinion.limits
    return f"{name}, {low:.4g} to {high:.4g}"
