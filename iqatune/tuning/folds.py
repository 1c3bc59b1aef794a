"""SRCC on references never seen: the same search on each fold's other references, beside the main search.

Of the space `stage+K` the descriptors that its tilts are made of come from all references, images without scores.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.evaluation.correlation import srcc
from iqatune.evaluation.folds import reference_folds
from iqatune.evaluation.gain import gain_of
from iqatune.metric.spaces import ColumnSpace
from iqatune.metric.weights import Floats
from iqatune.records.result import BestColumn, Fold, FoldObjective, HeldOut, HeldOutObjective
from iqatune.records.trial import Trial
from iqatune.runtime.worker import Processes
from iqatune.search.choice import best_trial
from iqatune.search.objective import Objective
from iqatune.search.searchers.registry import find
from iqatune.search.task import Task
from iqatune.statistics.columns import best_column

IN_PROCESS_S = 5.0
"""A search expected to take less than this is over before a worker process has started."""

FoldTrials = Callable[[], list[Trial | None]]
"""Waits for the folds' searches: the best trial of each."""


def fold_masks(task: Task, folds: int) -> tuple[NDArray[np.bool_], ...]:
    """For every fold the (N,) mask of its held-out pairs; the split is the seed's."""
    return reference_folds(task.reference_ids, folds, task.seed)


@contextmanager
def fold_searches(task: Task, held_out: Sequence[NDArray[np.bool_]], processes: int) -> Iterator[FoldTrials]:
    """Start the folds' searches in worker processes.

    Quick ones, and all where there is to be one process, are done in this process when they are asked for.
    """
    tasks = [task.split(mask)[0] for mask in held_out]
    expected = find(task.searcher).expected_seconds(task.problem())
    if not tasks or processes == 1 or expected is None or expected < IN_PROCESS_S:
        yield lambda: [_best(fold) for fold in tasks]
        return
    with Processes(processes) as workers:
        futures = [workers.submit(_best, fold) for fold in tasks]
        try:
            yield lambda: [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise InputError(
                "a process that searched a fold was killed twice, such as for want of memory; run it again, with fewer "
                "`folds`"
            ) from error


def held_out_of(
    task: Task,
    held_out: Sequence[NDArray[np.bool_]],
    parameters: Sequence[Floats | None],
    *,
    tuned: Floats | None,
    uniform: Floats,
) -> HeldOut:
    """Score each fold's weights on its held-out pairs, and average: scores of different weights are never pooled.

    The optimism is what the weights tuned on all pairs reach on a fold's above those tuned without them, averaged: 0
    for weights that no score has moved.

    Args:
        parameters: (P,) of the best trial of every fold; None where a fold has none.
        tuned: (P,) of the main search's best trial; None where it has none.
        uniform: (N,) distances of all pairs under the uniform weights; those of columns, whose directions and scales
            are each fold's own, are made anew.
    """
    on_all = [_srcc(task.of_rows(mask), tuned) for mask in held_out]
    folds = tuple(
        _fold(task, mask, found, uniform=uniform[mask], tuned_on_all_srcc=figure)
        for mask, found, figure in zip(held_out, parameters, on_all, strict=True)
    )
    scored = HeldOut(
        folds=len(folds),
        srcc_mean=float(np.mean([fold.srcc for fold in folds])),
        srcc_std=float(np.std([fold.srcc for fold in folds], ddof=1)),
        per_fold=folds,
        uniform_srcc_mean=float(np.mean([fold.uniform_srcc for fold in folds])),
        objective=_mean_objective(folds),
        best_column_srcc_mean=_mean_best_column(folds),
        optimism=float(np.mean([high - fold.srcc for high, fold in zip(on_all, folds, strict=True)])),
    )
    gain = gain_of([scored])
    return scored.model_copy(update={"gain_error": gain.error, "verdict": gain.verdict})


def _fold(
    task: Task, mask: NDArray[np.bool_], parameters: Floats | None, *, uniform: Floats, tuned_on_all_srcc: float
) -> Fold:
    tuned_on, fold = task.split(mask)
    if task.columns is not None:
        uniform = np.vecdot(fold.tables[0], fold.space.uniform)
    return Fold(
        references=tuple(dict.fromkeys(fold.reference_ids)),
        pairs=len(fold.quality),
        parameters={} if parameters is None else dict(zip(task.space.names, parameters.tolist(), strict=True)),
        tuned_srcc=_srcc(tuned_on, parameters),
        srcc=_srcc(fold, parameters),
        uniform_srcc=srcc(fold.quality, -uniform),
        tuned_on_all_srcc=tuned_on_all_srcc,
        objective=_objective(tuned_on, fold, parameters, uniform),
        best_column=_best_column(tuned_on, fold),
    )


def _best_column(tuned_on: Task, held_out: Task) -> BestColumn | None:
    """The column that is best on the pairs tuned on, and how it does on the held-out ones; None of a backbone."""
    if not isinstance(tuned_on.space, ColumnSpace):
        return None
    place, _ = best_column(tuned_on.tables[0], tuned_on.quality)
    name = tuned_on.space.columns[place]
    return BestColumn(name=name, srcc=srcc(held_out.quality, -held_out.tables[0][:, place]))


def _mean_best_column(folds: Sequence[Fold]) -> float | None:
    found = [fold.best_column.srcc for fold in folds if fold.best_column is not None]
    return float(np.mean(found)) if found else None


def _objective(tuned: Task, held_out: Task, parameters: Floats | None, uniform: Floats) -> FoldObjective | None:
    if held_out.objective_name == "srcc":
        return None
    return FoldObjective(
        tuned=tuned.value(parameters), held_out=held_out.value(parameters), uniform=held_out.measure()(uniform)
    )


def _mean_objective(folds: Sequence[Fold]) -> HeldOutObjective | None:
    found = [fold.objective for fold in folds if fold.objective is not None]
    if not found:
        return None
    return HeldOutObjective(
        mean=float(np.mean([figures.held_out for figures in found])),
        uniform_mean=float(np.mean([figures.uniform for figures in found])),
    )


def _srcc(task: Task, parameters: Floats | None) -> float:
    if parameters is None:
        return float("nan")
    return Objective(task.space, task.tables, task.quality)(parameters)


def _best(task: Task) -> Trial | None:
    return best_trial(task.run()[1])
