"""SRCC on pairs never seen: the same search on each fold's other references, beside the main search; or on the other
data sets, or distortions.

Of the space `stage+K` the descriptors that its tilts are made of come from all references, images without scores.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from iqatune.datasets.pairs_csv import UNNAMED
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.evaluation.correlation import srcc
from iqatune.evaluation.folds import (
    Split,
    by_column,
    by_distortion,
    by_reference,
    by_set,
    on_both_sides,
    possible_folds,
)
from iqatune.evaluation.gain import gain_of
from iqatune.metric.spaces import ColumnSpace
from iqatune.metric.weights import Floats
from iqatune.records.options import Run
from iqatune.records.result import BestColumn, Fold, FoldObjective, FoldSet, HeldOut, HeldOutObjective, HeldOutSet
from iqatune.records.textures import HeldOutTolerance
from iqatune.records.trial import Trial
from iqatune.records.vocabulary import Split as SplitName
from iqatune.runtime.worker import Processes
from iqatune.search.choice import best_trial
from iqatune.search.searchers.registry import find
from iqatune.search.task import Task
from iqatune.statistics.columns import best_column

IN_PROCESS_S = 5.0
"""A search expected to take less than this is over before a worker process has started."""

FoldTrials = Callable[[], list[Trial | None]]
"""Waits for the folds' searches: the best trial of each."""


@dataclass(frozen=True)
class Folds:
    """The folds of a run.

    Attributes:
        kind: what a fold holds out.
        splits: one for each fold; none where nothing is held out.
        notes: what the user has to know of them.
    """

    kind: SplitName
    splits: tuple[Split, ...]
    notes: tuple[str, ...] = ()


def folds_of(run: Run, table: PairTable) -> Folds:
    """The folds that a run asks for, on its pairs; those by reference are the seed's, and as many as can be had.

    Raises:
        InputError: when there is nothing to hold out, or too little to tune on.
    """
    match run.split:
        case "sets":
            return Folds("sets", by_set(table.groups, table.set_ids))
        case "distortions":
            return _by_distortion(table)
        case "column":
            return _by_column(table, str(run.split_column))
        case _:
            return _by_reference(run, table)


def _by_reference(run: Run, table: PairTable) -> Folds:
    found = possible_folds(table.groups, run.folds, run.seed, table.set_ids)
    splits = by_reference(table.groups, found, run.seed, table.set_ids) if found else ()
    if found == run.folds:
        return Folds("references", splits)
    of_each = " of each data set" if table.sets else ""
    note = (
        f"{len(table.references)} references of {len(table)} pairs allow {found or 'no'} folds, not {run.folds}: "
        f"a fold needs 3 pairs, and 2 references to tune on{of_each}"
    )
    return Folds("references", splits, (note,))


def _by_distortion(table: PairTable) -> Folds:
    names = [pair.distortion for pair in table.pairs]
    if any({pair.distortion for pair in each.pairs} == {UNNAMED} for each in table.sets or (table,)):
        raise InputError(
            "`leave_one_distortion_out`: the pairs of the CSV file have no distortion labels; add the column "
            "`distortion` to it"
        )
    splits, left_out = by_distortion(names, table.quality, table.set_ids)
    if not left_out:
        return Folds("distortions", splits)
    shown = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
    note = (
        f"`leave_one_distortion_out`: {shown} held out by no fold, with fewer than 3 pairs or one score for all; they "
        "are tuned on"
    )
    return Folds("distortions", splits, (note,))


def _by_column(table: PairTable, column: str) -> Folds:
    splits = by_column([pair.split for pair in table.pairs], column)
    both = on_both_sides(splits, table.groups)
    if both is None:
        return Folds("column", splits)
    note = (
        f"`split_column` {column}: {both} and perhaps other references are tuned on and held out; the held-out figures "
        "then say little of other pictures"
    )
    return Folds("column", splits, (note,))


@contextmanager
def fold_searches(task: Task, splits: Sequence[Split], processes: int) -> Iterator[FoldTrials]:
    """Start the folds' searches in worker processes.

    Quick ones, and all where there is to be one process, are done in this process when they are asked for.
    """
    with searches_beside([partial(tuned_on, task, split) for split in splits], processes) as trials:
        yield trials


def tuned_on(task: Task, split: Split) -> Task:
    """The search on the pairs that a fold does not hold out."""
    return task.split(split)[0]


@contextmanager
def searches_beside(tasks: Sequence[Callable[[], Task]], processes: int) -> Iterator[FoldTrials]:
    """Start searches of one searcher in worker processes, as `fold_searches` does those of the folds.

    Args:
        tasks: what makes each: in this process one at a time, for each has features of its own.
    """
    expected = _expected_seconds(tasks[0]()) if tasks else None
    if processes == 1 or expected is None or expected < IN_PROCESS_S:
        yield lambda: [_best(make()) for make in tasks]
        return
    with Processes(processes) as workers:
        futures = [workers.submit(_best, make()) for make in tasks]
        try:
            yield lambda: [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise InputError(
                "a process that searched a fold was killed twice, for example because memory ran out; run it again, "
                "with fewer `folds`"
            ) from error


def held_out_of(
    task: Task,
    folds: Folds,
    parameters: Sequence[Floats | None],
    *,
    tuned: Floats | None,
    uniform: Floats,
    of_folds: Sequence[Task] = (),
    uniform_crops: Floats | None = None,
) -> HeldOut:
    """Score each fold's weights on its held-out pairs, and average: scores of different weights are never pooled.

    The optimism is what the weights tuned on all pairs reach on a fold's above those tuned without them, averaged: 0
    for weights that no score has moved.

    Args:
        parameters: (P,) of the best trial of every fold; None where a fold has none.
        tuned: (P,) of the main search's best trial; None where it has none.
        uniform: (N,) distances of all pairs under the uniform weights; those of columns, whose directions and scales
            are each fold's own, are made anew.
        of_folds: the search of each fold, on all pairs, where its columns are others than those of the main one.
        uniform_crops: (M,) of the textures' crop pairs under the uniform weights.
    """
    per_fold = tuple(
        _fold(of_fold, split, found, uniform=_Uniform(uniform[split.held_out], uniform_crops), tuned_on_all=tuned)
        for split, found, of_fold in zip(folds.splits, parameters, of_folds or [task] * len(parameters), strict=True)
    )
    on_all = [task.of_rows(split.held_out).srcc(tuned) for split in folds.splits]
    figures = [fold.srcc for fold in per_fold]
    scored = HeldOut(
        folds=len(per_fold),
        split=folds.kind,
        srcc_mean=float(np.mean(figures)),
        srcc_std=float(np.std(figures, ddof=1)) if len(figures) > 1 else float("nan"),
        per_fold=per_fold,
        uniform_srcc_mean=float(np.mean([fold.uniform_srcc for fold in per_fold])),
        objective=_mean_objective(per_fold),
        texture_tolerance=_mean_tolerance(per_fold),
        best_column_srcc_mean=_mean_best_column(per_fold),
        optimism=float(np.mean([high - fold.srcc for high, fold in zip(on_all, per_fold, strict=True)])),
    )
    gain = gain_of([scored])
    return scored.model_copy(update={"gain_error": gain.error, "verdict": gain.verdict})


def held_out_by_set(held_out: HeldOut) -> dict[str, HeldOutSet]:
    """The held-out figures of every one of several data sets: means over the folds that hold out some of it."""
    names = dict.fromkeys(name for fold in held_out.per_fold for name in fold.sets)
    return {name: _of_set([fold.sets[name] for fold in held_out.per_fold if name in fold.sets]) for name in names}


def _of_set(folds: Sequence[FoldSet]) -> HeldOutSet:
    return HeldOutSet(
        folds=len(folds),
        srcc_mean=float(np.mean([fold.srcc for fold in folds])),
        uniform_srcc_mean=float(np.mean([fold.uniform_srcc for fold in folds])),
        objective=_mean_objective(folds),
    )


class _Uniform(NamedTuple):
    """Distances under the uniform weights: (N,) of held-out pairs, and (M,) of crop pairs where there are textures."""

    pairs: Floats
    crops: Floats | None


def _fold(
    task: Task, split: Split, parameters: Floats | None, *, uniform: _Uniform, tuned_on_all: Floats | None
) -> Fold:
    tuned, fold = task.split(split)
    if task.columns is not None:
        uniform = _Uniform(np.vecdot(fold.tables[0], fold.space.uniform), None)
    return Fold(
        references=tuple(dict.fromkeys(fold.reference_ids)),
        pairs=len(fold.quality),
        parameters={} if parameters is None else dict(zip(task.space.names, parameters.tolist(), strict=True)),
        tuned_srcc=tuned.srcc(parameters),
        srcc=fold.srcc(parameters),
        uniform_srcc=fold.mean_of(lambda part: srcc(part.task.quality, -uniform.pairs[part.rows])),
        tuned_on_all_srcc=fold.srcc(tuned_on_all),
        objective=_objective(tuned, fold, parameters, uniform),
        texture_tolerance=_tolerance(fold, parameters, uniform),
        best_column=_best_column(tuned, fold),
        name=split.name,
        sets=_fold_sets(tuned, fold, parameters, uniform=uniform, tuned_on_all=tuned_on_all),
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


def _fold_sets(
    tuned: Task, held_out: Task, parameters: Floats | None, *, uniform: _Uniform, tuned_on_all: Floats | None
) -> dict[str, FoldSet]:
    """The figures of every one of several data sets that a fold holds out."""
    tuned_on = {part.name: part.task for part in tuned.parts()}
    return {
        part.name: FoldSet(
            pairs=len(part.rows),
            tuned_srcc=tuned_on[part.name].srcc(parameters) if part.name in tuned_on else float("nan"),
            srcc=part.task.srcc(parameters),
            uniform_srcc=srcc(part.task.quality, -uniform.pairs[part.rows]),
            tuned_on_all_srcc=part.task.srcc(tuned_on_all),
            objective=_objective(
                tuned_on.get(part.name), part.task, parameters, _Uniform(uniform.pairs[part.rows], uniform.crops)
            ),
        )
        for part in held_out.parts()
        if part.name
    }


def _objective(
    tuned: Task | None, held_out: Task, parameters: Floats | None, uniform: _Uniform
) -> FoldObjective | None:
    if held_out.maximises_srcc:
        return None
    return FoldObjective(
        tuned=float("nan") if tuned is None else tuned.value(parameters),
        held_out=held_out.value(parameters),
        uniform=held_out.figure(*uniform),
    )


def _tolerance(held_out: Task, parameters: Floats | None, uniform: _Uniform) -> HeldOutTolerance | None:
    """On a fold's held-out pairs; of textures none are held out. None without textures."""
    if uniform.crops is None:
        return None
    return HeldOutTolerance(tuned=held_out.tolerance_of(parameters), uniform=held_out.tolerance(*uniform))


def _mean_tolerance(folds: Sequence[Fold]) -> HeldOutTolerance | None:
    found = [fold.texture_tolerance for fold in folds if fold.texture_tolerance is not None]
    if not found:
        return None
    return HeldOutTolerance(
        tuned=float(np.mean([figures.tuned for figures in found])),
        uniform=float(np.mean([figures.uniform for figures in found])),
    )


def _mean_objective(folds: Sequence[Fold] | Sequence[FoldSet]) -> HeldOutObjective | None:
    found = [fold.objective for fold in folds if fold.objective is not None]
    if not found:
        return None
    return HeldOutObjective(
        mean=float(np.mean([figures.held_out for figures in found])),
        uniform_mean=float(np.mean([figures.uniform for figures in found])),
    )


def _expected_seconds(task: Task) -> float | None:
    return find(task.searcher).expected_seconds(task.problem())


def _best(task: Task) -> Trial | None:
    return best_trial(task.run()[1])
