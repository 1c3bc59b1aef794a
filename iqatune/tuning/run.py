"""One search from options to record: `result.json` and `trials.jsonl`."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from iqatune.backbones.zoo import find as find_backbone
from iqatune.backbones.zoo import plugin_of
from iqatune.datasets.pairs_csv import UNNAMED
from iqatune.datasets.registry import DATASETS
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, as_flags
from iqatune.evaluation.agreement import against_the_scores, confidence, correlation
from iqatune.metric.spaces import tilts_of
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.environment import environment
from iqatune.records.options import PAIRS_SET, DataOptions, Run
from iqatune.records.result import (
    Baselines,
    Best,
    Confidence,
    Correlation,
    HeldOut,
    Result,
    SetResult,
    Strategy,
    Timing,
    without_weights,
)
from iqatune.records.run_folder import RunFolder
from iqatune.records.trial import Trial
from iqatune.records.vocabulary import COLUMNS
from iqatune.runtime.files import UnwritableError, check_writable
from iqatune.runtime.threads import processors
from iqatune.search.choice import best_trial
from iqatune.search.loop import OtherSearch
from iqatune.search.objective import weighted_mean
from iqatune.search.on_ray import search_on_ray
from iqatune.search.searchers.base import Conduct, Searcher
from iqatune.search.searchers.registry import SEARCHERS
from iqatune.search.searchers.registry import find as find_searcher
from iqatune.search.stopping import first_look
from iqatune.search.task import Task
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import load_table
from iqatune.statistics.source import PreparedPairs, Source
from iqatune.tuning.folds import Folds, fold_searches, folds_of, held_out_by_set, held_out_of
from iqatune.tuning.resume import earlier_result

OF_A_BACKBONE = ("backbone_weights", "pooling", "resize", "precision", "structure", "c1", "c2")
"""Options that a features file makes no use of. A device may be that of a whole sweep."""


def checked_run(run: Run) -> Run:
    """The run with the name of its searcher as its library spells it; a `Run` itself keeps its numbers in range.

    Raises:
        InputError: for a name that is unknown, or options that do not go together: before any work is done.
    """
    searcher = find_searcher(run.searcher)
    if searcher.fits and run.stop is not None:
        raise InputError(
            f"`stop` {run.stop}: {searcher.name} draws no samples, and its path ends by itself; leave it out"
        )
    if run.features is None:
        _check_backbone(run)
    else:
        _check_features(run)
    if run.engine == "ray" and run.objective != "srcc":
        raise InputError(f"`objective` {run.objective}: `engine` ray maximises the SRCC alone; leave `engine` out")
    if run.engine == "local" and (run.address or run.concurrency > 1):
        raise InputError("`address` and `concurrency` are of `engine` ray; leave them out, or add it")
    _check_split(run)
    return run.model_copy(update={"searcher": searcher.name})


def _check_backbone(run: Run) -> None:
    if run.feature_columns:
        raise InputError("`feature_columns`: of no use without `features` FILE.csv; name the file")
    if not run.backbone:
        raise InputError("`backbone`: needed; name one, or give `features` FILE.csv in its place")
    find_backbone(run.backbone)
    tilts_of(run.space)


def _check_features(run: Run) -> None:
    """Refuse beside a features file what is of a backbone."""
    if run.backbone:
        raise InputError(f"`features` {run.features}: in the place of a backbone; leave out it or `backbone`")
    if run.space != COLUMNS:
        raise InputError(f"`space` {run.space}: of a backbone; `features` has the space columns alone, leave it out")
    for name in OF_A_BACKBONE:
        if getattr(run, name) != Run.model_fields[name].default:
            raise InputError(f"`{name}` {getattr(run, name)}: of a backbone, and `features` has none; leave it out")


def _check_split(run: Run) -> None:
    asked = [name for name in ("leave_one_set_out", "leave_one_distortion_out", "split_column") if getattr(run, name)]
    if asked and run.folds != Run.model_fields["folds"].default:
        raise InputError(f"`{asked[0]}` and `folds` {run.folds} both say what is held out; leave one out")
    if len(asked) > 1:
        raise InputError(f"`{asked[0]}` and `{asked[1]}` both say what is held out; leave one out")
    if run.leave_one_set_out and not run.datasets:
        raise InputError("`leave_one_set_out`: takes several data sets; name another `dataset`")
    if run.split_column is not None and run.dataset != PAIRS_SET:
        raise InputError(f"`split_column` {run.split_column}: is of `dataset` {PAIRS_SET} alone; leave it out")


def check_objective(run: Run, table: PairTable) -> None:
    """Refuse an objective that the pairs have no labels for.

    Raises:
        InputError: when `worst-distortion` meets pairs without distortions.
    """
    unlabelled = [each for each in table.sets or (table,) if {pair.distortion for pair in each.pairs} == {UNNAMED}]
    if run.objective == "worst-distortion" and unlabelled:
        raise InputError(
            "`objective` worst-distortion: the pairs have no distortion labels; add the column `distortion` to the CSV "
            "file, or take another objective"
        )


def value_of(task: Task, distances: Floats) -> float | None:
    """What a record says of an objective other than the SRCC; None where it is that.

    Args:
        distances: (N,) under some weights.
    """
    return None if task.objective_name == "srcc" else task.figure(distances)


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
    held_out: HeldOut | None = None,
    intervals: bool = False,
) -> dict[str, SetResult]:
    """What a record says of every one of several data sets; nothing of a single one.

    Args:
        uniform, tuned: (N,) distances under the uniform and the tuned weights.
        intervals: whether it says how sure the tuned figures are, as complete records do.
    """
    if not prepared.set_protocols:
        return {}
    of_folds = {} if held_out is None else held_out_by_set(held_out)
    found = {}
    for part in task.parts():
        mine, quality = part.task, part.task.quality
        best = None if tuned is None else correlation(quality, tuned[part.rows])
        found[part.name] = SetResult(
            weight=part.weight,
            protocol=prepared.set_protocols[part.name],
            uniform=correlation(quality, uniform[part.rows]),
            uniform_value=value_of(mine, uniform[part.rows]),
            best=best,
            best_value=None if tuned is None else value_of(mine, tuned[part.rows]),
            held_out=of_folds.get(part.name),
            confidence=confidence(quality, tuned[part.rows], mine.reference_ids)
            if tuned is not None and intervals
            else None,
        )
    return found


def run_search(
    run: Run, output: Path, *, cache: Cache, progress: Progress, strict: bool = False
) -> tuple[Result, RunFolder]:
    """Search, score and record one run; goes on where an interrupted one stopped.

    A complete run of the same options is returned as it is recorded.

    Returns:
        the record, and the folder that it is in.

    Raises:
        InputError: for bad input; under `strict` where the searcher could not act as its name says, or the direction of
            the scores is probably wrong; and, once it is recorded, that no sample has a defined SRCC.
        KeyboardInterrupt: after what was done has been recorded.
    """
    run = checked_run(run)
    folder = RunFolder.of(output, run)
    check_writable(folder.path, option="output")
    source = Source.of(run)
    table = load_table(source.data, cache, progress)
    check_objective(run, table)
    folds_of(run, table)  # refused before anything is computed
    prepared = source.prepare(cache, progress, table)
    result = search_prepared(run, prepared, folder, progress=progress, strict=strict)
    if result.best is None:
        raise InputError(f"{folder.result_file}: {without_weights(result)}")
    return result, folder


def search_prepared(
    run: Run,
    prepared: PreparedPairs,
    folder: RunFolder,
    *,
    progress: Progress,
    strict: bool = False,
    processes: int | None = None,
) -> Result:
    """`run_search` from statistics at hand; writes into `folder`. A run without a defined SRCC is returned as well.

    Args:
        processes: that the folds' searches may use, 1 for this process alone; by default the number of processors.
    """
    check_objective(run, prepared.table)
    with folder.locked() as folder:
        started = time.perf_counter()
        task = Task.of(run, prepared)
        uniform = prepared.uniform()
        warnings = _advise(run, task, progress, strict=strict, uniform=uniform)
        folds = folds_of(run, prepared.table)
        for note in folds.notes:
            progress.warn(note)
        baselines = Baselines(
            uniform=agreement(task, uniform),
            uniform_value=value_of(task, uniform),
            best_column=prepared.best_column(),
        )
        draft = _draft(run, prepared, folds=folds, baselines=baselines, warnings=(*warnings, *folds.notes))
        draft = draft.model_copy(update={"sets": set_results(task, prepared, uniform=uniform)})
        earlier = earlier_result(folder, draft.run, draft.protocol, progress)
        if earlier is not None and earlier.status == "complete":
            progress.say(f"{folder.result_file}: this run is complete; delete it to search anew")
            return earlier
        if earlier is not None:
            draft = draft.model_copy(
                update={"best": earlier.best, "sets": earlier.sets}
            )  # until a sample of this time is better
        folder.write(draft)
        work = _Work(
            task=task,
            prepared=prepared,
            draft=draft,
            folder=folder,
            folds=folds,
            uniform=uniform,
            processes=processes or processors(),
            started=started,
        )
        return _searched(work, progress)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """A run that is about to be searched.

    Attributes:
        draft: its record so far.
        uniform: (N,) distances under the uniform weights.
        processes: that the folds' searches may use.
        started: when the run began, by `time.perf_counter`.
    """

    task: Task
    prepared: PreparedPairs
    draft: Result
    folder: RunFolder
    folds: Folds
    uniform: Floats
    processes: int
    started: float

    def timing(self, search: float, folds: float | None) -> Timing:
        """Where the time went, by now."""
        total = self.prepared.seconds + time.perf_counter() - self.started
        return self.draft.timing.model_copy(update={"search": search, "folds": folds, "total": total})


def split_seed(run: Run, folds: Folds) -> int | None:
    """The seed that decides the folds; None where none does."""
    return run.seed if folds.splits and folds.kind == "references" else None


def _draft(
    run: Run, prepared: PreparedPairs, *, folds: Folds, baselines: Baselines, warnings: tuple[str, ...]
) -> Result:
    """The record of a run that begins."""
    return Result(
        status="running",
        run=run,
        protocol=prepared.protocol.model_copy(update={"split_seed": split_seed(run, folds)}),
        channels=prepared.channels,
        baselines=baselines,
        # a record speaks to the command line, as it always did
        strategy=Strategy(evaluations={}, warnings=tuple(map(as_flags, warnings))),
        timing=Timing(extraction=prepared.seconds, pairs_extracted=prepared.computed, search=0, total=0),
        environment=environment(prepared.device, _plugins(run)),
    )


def _plugins(run: Run) -> dict[str, str]:
    """Versions of the packages that add what a run uses."""
    data = [DATASETS.plugin(each.dataset) for each in DataOptions.of(run).sets]
    backbone = plugin_of(run.backbone) if run.backbone else None
    used = (*data, backbone, SEARCHERS.plugin(run.searcher))
    return {plugin.distribution: plugin.version for plugin in used if plugin is not None}


def _advise(run: Run, task: Task, progress: Progress, *, strict: bool, uniform: Floats) -> tuple[str, ...]:
    """Say before the run what is probably wrong with it, and how long it will take.

    Args:
        uniform: (N,) distances under the uniform weights.
    """
    searcher = find_searcher(run.searcher)
    problem = task.problem()
    degenerate = searcher.degenerate(problem)
    reversed_scores = [
        against_the_scores(
            f"uniform weights on {part.name}" if task.set_ids else "uniform weights",
            part.task.quality,
            uniform[part.rows],
            reference_ids=part.task.reference_ids,
        )
        for part in task.parts()
    ]
    warnings = [line for line in (degenerate, *reversed_scores) if line is not None]
    for warning in warnings:
        if strict:
            raise InputError(f"`strict`: {warning}")
        progress.warn(warning)
    caution = searcher.caution(problem)
    if caution is not None:
        progress.warn(caution)
    if run.concurrency > 1:
        progress.say(
            f"`concurrency` {run.concurrency}: {run.searcher} decides with up to {run.concurrency - 1} results out, "
            "and another run may find other samples"
        )
    for part in task.parts():
        left_out = _left_out(part.task, f" on {part.name}" if task.set_ids else "")
        if left_out is not None:
            progress.warn(left_out)
            warnings.append(left_out)
    if run.stop is not None and run.samples < (first := first_look(len(problem.names))):
        late = (
            f"`stop` {run.stop}: the first look is after {first} samples, 10 for each number of the space, so nothing "
            f"ends this search before its {run.samples}; use more `samples`, or a smaller `space`"
        )
        progress.warn(late)
        warnings.append(late)
    seconds = searcher.expected_seconds(problem)
    if seconds is not None:
        most = searcher.most_samples(problem)
        number = f"{most} samples" if run.stop is None else f"all {most} samples that there may be"
        progress.say(f"{run.searcher}: about {_duration(seconds)} for {number}, and as long for each fold")
    return (*warnings, caution) if caution is not None else tuple(warnings)


def _left_out(task: Task, where: str) -> str | None:
    """Which references or distortions the objective leaves out.

    Args:
        where: what follows the objective's name: which of several data sets.

    Raises:
        InputError: when it leaves out all.
    """
    measure = task.measure()
    if not measure.left_out:
        return None
    kind = "references" if task.objective_name == "reference-srcc" else "distortions"
    why = "they have fewer than 3 pairs, one score for all, or the same D for all whatever the weights"
    if not measure.groups:
        raise InputError(
            f"`objective` {task.objective_name}{where}: no SRCC within any of the {kind}: {why}; take another"
        )
    names = ", ".join(measure.left_out[:3]) + (", ..." if len(measure.left_out) > 3 else "")
    every = len(measure.left_out) + len(measure.groups)
    return (
        f"`objective` {task.objective_name}{where}: {len(measure.left_out)} of {every} {kind} left out ({names}): {why}"
    )


def _searched(work: _Work, progress: Progress) -> Result:
    """Search, and the folds beside it; the record is complete at the end."""
    task, run, folder = work.task, work.draft.run, work.folder
    names = task.space.names
    log = folder.log(names)
    recorded = tuple(log.trials)
    splits = work.folds.splits
    with _recording_interrupts(work, log.trials), fold_searches(task, splits, work.processes) as fold_trials:
        before = time.perf_counter()
        seen = {trial.sample for trial in recorded}
        most = find_searcher(run.searcher).most_samples(task.problem())
        with progress.track(f"searching ({run.searcher})", most, "samples", done=len(seen)) as advance:

            def keep(trial: Trial) -> None:
                log.append(trial)
                advance(int(trial.sample not in seen))
                seen.add(trial.sample)

            try:
                searcher, found = _run_engine(run, task, recorded, keep)
            except OtherSearch as error:
                raise InputError(f"{folder.trials_file}: {error}; delete the folder to search anew") from error
        if "stopped" in searcher.details:
            progress.say(f"{run.searcher}: stopped {searcher.details['stopped']}")
        search_seconds = time.perf_counter() - before + sum(trial.seconds for trial in recorded)
        before = time.perf_counter()
        fold_parameters = [None if trial is None else trial.parameters for trial in fold_trials()]
        fold_seconds = time.perf_counter() - before if splits else None
        best = _best(work, found)
        if log.settle():
            progress.warn(
                f"{log.path}: lines of it were lost or changed meanwhile; all {len(log.trials)} are there again"
            )
        held_out = _held_out(work, fold_parameters, best)
        complete = work.draft.model_copy(
            update={
                "status": "complete",
                "best": best,
                "undefined": None if best is not None else undefined_reason(task),
                "held_out": held_out,
                "confidence": _confidence(work, best),
                "sets": _sets(work, best, held_out, intervals=True),
                "strategy": _strategy(searcher, found, work.draft.strategy.warnings),
                "timing": work.timing(search_seconds, fold_seconds),
                "trials_file": log.digest,
            }
        )
        return folder.write(complete)


def undefined_reason(task: Task) -> str:
    """Why no sample of a search has a defined SRCC, from what its objective is made of; and what to look at."""
    reasons = [(part.name, _why_undefined(part.task)) for part in task.parts()]
    name, reason = next((found for found in reasons if found[1] is not None), ("", None))
    if reason is not None:
        return f"{name}: {reason}" if task.set_ids else reason
    if task.objective_name != "srcc":
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


def _run_engine(
    run: Run, task: Task, recorded: Sequence[Trial], keep: Callable[[Trial], None]
) -> tuple[Searcher | Conduct, list[Trial]]:
    if run.engine == "local":
        return task.run(recorded, keep)
    return search_on_ray(task, recorded, keep, address=run.address, concurrency=run.concurrency)


@contextmanager
def _recording_interrupts(work: _Work, trials: Sequence[Trial]) -> Iterator[None]:
    """Write down what was done when Ctrl-C comes, or a cluster is lost; `trials` grows while the search goes on."""
    try:
        yield
    except UnwritableError:
        raise  # there is no room for a record either; the trials so far are kept
    except (KeyboardInterrupt, InputError):
        strategy = work.draft.strategy.model_copy(update=counts(trials))
        best = _best(work, trials)
        sets = _sets(work, best, None, intervals=False)
        update = {"status": "interrupted", "best": best, "sets": sets, "strategy": strategy}
        work.folder.write(work.draft.model_copy(update=update))
        raise


def _best(work: _Work, trials: Sequence[Trial]) -> Best | None:
    trial = best_trial(trials)
    if trial is None:
        return None
    undefined = dict.fromkeys(Correlation.model_fields, float("nan"))
    best = Best(
        **undefined,
        sample=trial.sample,
        parameters=dict(zip(work.task.space.names, trial.parameters.tolist(), strict=True)),
        **work.prepared.weights(work.task.space, trial.parameters),
    )
    distances = work.prepared.distances_of(best)
    figures = agreement(work.task, distances).model_dump()
    return best.model_copy(update={**figures, "value": value_of(work.task, distances)})


def _held_out(work: _Work, parameters: Sequence[Floats | None], best: Best | None) -> HeldOut | None:
    if not work.folds.splits:
        return None
    tuned = None if best is None else np.array([best.parameters[name] for name in work.task.space.names])
    return held_out_of(work.task, work.folds, parameters, tuned=tuned, uniform=work.uniform)


def _confidence(work: _Work, best: Best | None) -> Confidence | None:
    """Of one data set; those of several have intervals of their own."""
    if best is None or work.prepared.set_protocols:
        return None
    return confidence(work.task.quality, work.prepared.distances_of(best), work.task.reference_ids)


def _sets(work: _Work, best: Best | None, held_out: HeldOut | None, *, intervals: bool) -> dict[str, SetResult]:
    tuned = None if best is None else work.prepared.distances_of(best)
    return set_results(
        work.task, work.prepared, uniform=work.uniform, tuned=tuned, held_out=held_out, intervals=intervals
    )


def _strategy(searcher: Searcher | Conduct, trials: Sequence[Trial], warnings: tuple[str, ...]) -> Strategy:
    return Strategy(**counts(trials), repeatable=searcher.repeatable, details=dict(searcher.details), warnings=warnings)


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


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
