"""One search from options to record: `result.json` and `trials.jsonl`."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iqatune.backbones.zoo import plugin_of
from iqatune.datasets.registry import DATASETS
from iqatune.errors import InputError, as_flags
from iqatune.evaluation.agreement import confidence
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.environment import environment
from iqatune.records.options import DataOptions, Run
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
from iqatune.records.scale import Scale
from iqatune.records.trial import Trial
from iqatune.runtime.files import UnwritableError, check_writable
from iqatune.runtime.threads import processors
from iqatune.search.choice import best_trial
from iqatune.search.loop import OtherSearch
from iqatune.search.on_ray import search_on_ray
from iqatune.search.searchers.base import Conduct, Searcher
from iqatune.search.searchers.registry import SEARCHERS
from iqatune.search.searchers.registry import find as find_searcher
from iqatune.search.task import Task
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import load_table
from iqatune.statistics.rates import SearchTime, keep_search_time
from iqatune.statistics.source import PreparedPairs, Source
from iqatune.tuning.beforehand import advise
from iqatune.tuning.checks import check_objective, check_stages, checked_run
from iqatune.tuning.folds import Folds, fold_searches, folds_of, held_out_of
from iqatune.tuning.recorded import baselines_of, best_figures, counts, set_results, split_seed, undefined_reason
from iqatune.tuning.resume import earlier_result
from iqatune.tuning.scales import scales_of
from iqatune.tuning.tracking import check_trackers, tracking


def run_search(
    run: Run,
    output: Path,
    *,
    cache: Cache,
    progress: Progress,
    name: str | None = None,
    strict: bool = False,
    track: Sequence[str] = (),
    command: str | None = None,
) -> tuple[Result, RunFolder]:
    """Search, score and record one run; goes on where an interrupted one stopped.

    A complete run of the same options is returned as it is recorded.

    Args:
        name: of the run's folder, in the place of what tells the options.
        track: trackers that are told of every trial (`TRACKERS`).
        command: the command line that was typed, for the record.

    Returns:
        the record, and the folder that it is in.

    Raises:
        InputError: for bad input; under `strict` where the searcher could not act as its name says, or the direction of
            the scores is probably wrong; and, once it is recorded, that no sample has a defined SRCC.
        KeyboardInterrupt: after what was done has been recorded.
    """
    run = checked_run(run)
    check_trackers(track)
    folder = RunFolder.of(output, run, name)
    check_writable(folder.path, option="output")
    source = Source.of(run)
    table = load_table(source.data, cache, progress)
    check_objective(run, table)
    folds_of(run, table)  # refused before anything is computed
    prepared = source.prepare(cache, progress, table)
    began = time.time_ns()
    result = search_prepared(run, prepared, folder, progress=progress, strict=strict, track=track, command=command)
    if folder.result_file.stat().st_mtime_ns >= began:  # it was searched now, and on this machine
        keep_search_time(cache, run, time_of(result))
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
    track: Sequence[str] = (),
    command: str | None = None,
) -> Result:
    """`run_search` from statistics at hand; writes into `folder`. A run without a defined SRCC is returned as well.

    Args:
        processes: that the folds' searches may use, 1 for this process alone; by default the number of processors.
        track: trackers that are told of every trial.
        command: the command line that was typed, for the record.
    """
    check_objective(run, prepared.table)
    check_stages(run, prepared.channels)
    with folder.locked() as folder:
        started = time.perf_counter()
        task = Task.of(run, prepared)
        uniform = prepared.uniform()
        warnings = advise(run, task, progress, strict=strict, uniform=uniform)
        folds = folds_of(run, prepared.table)
        for note in folds.notes:
            progress.warn(note)
        baselines = baselines_of(task, prepared)
        draft = _draft(
            run, prepared, folds=folds, baselines=baselines, warnings=(*warnings, *folds.notes), command=command
        )
        draft = draft.model_copy(update={"sets": set_results(task, prepared, uniform=uniform)})
        earlier = earlier_result(folder, draft.run, draft.protocol, progress)
        if earlier is not None and earlier.status == "complete":
            progress.say(f"{folder.result_file}: this run is complete; delete it to search again")
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
            track=tuple(track),
        )
        return _searched(work, progress)


def time_of(result: Result) -> SearchTime:
    """How long a complete search took, with its folds."""
    timing, held_out = result.timing, result.held_out
    return SearchTime(
        seconds=timing.search + (timing.folds or 0.0),
        samples=result.run.samples,
        folds=held_out.folds if held_out else 0,
        pairs=result.protocol.pairs,
    )


@dataclass(frozen=True, kw_only=True)
class _Work:
    """A run that is about to be searched.

    Attributes:
        draft: its record so far.
        uniform: (N,) distances under the uniform weights.
        processes: that the folds' searches may use.
        started: when the run began, by `time.perf_counter`.
        track: trackers that are told of every trial.
    """

    task: Task
    prepared: PreparedPairs
    draft: Result
    folder: RunFolder
    folds: Folds
    uniform: Floats
    processes: int
    started: float
    track: tuple[str, ...] = ()

    def timing(self, search: float, folds: float | None) -> Timing:
        """Where the time went, by now."""
        total = self.prepared.seconds + time.perf_counter() - self.started
        return self.draft.timing.model_copy(update={"search": search, "folds": folds, "total": total})


def _draft(
    run: Run,
    prepared: PreparedPairs,
    *,
    folds: Folds,
    baselines: Baselines,
    warnings: tuple[str, ...],
    command: str | None,
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
        environment=environment(prepared.device, _plugins(run), command=command),
    )


def _plugins(run: Run) -> dict[str, str]:
    """Versions of the packages that add what a run uses."""
    data = [DATASETS.plugin(each.dataset) for each in DataOptions.of(run).sets]
    names = [branch.backbone.backbone for branch in run.branches] or [run.backbone] if run.backbone else []
    used = (*data, *map(plugin_of, names), SEARCHERS.plugin(run.searcher))
    return {plugin.distribution: plugin.version for plugin in used if plugin is not None}


def _searched(work: _Work, progress: Progress) -> Result:
    """Search, and the folds beside it; the record is complete at the end."""
    task, run, folder = work.task, work.draft.run, work.folder
    names = task.space.names
    log = folder.log(names)
    recorded = tuple(log.trials)
    splits = work.folds.splits
    with (
        tracking(work.track, work.draft, folder, seen=recorded, progress=progress) as track,
        _recording_interrupts(work, log.trials),
        fold_searches(task, splits, work.processes) as fold_trials,
    ):
        before = time.perf_counter()
        seen = {trial.sample for trial in recorded}
        most = find_searcher(run.searcher).most_samples(task.problem())
        with progress.track(f"searching ({run.searcher})", most, "samples", done=len(seen)) as advance:

            def keep(trials: Sequence[Trial]) -> None:
                log.extend(trials)
                for trial in trials:
                    track.trial(trial)
                progress.note(_standing(track.best, work.draft))
                new = {trial.sample for trial in trials} - seen
                advance(len(new))
                seen.update(new)

            try:
                searcher, found = _run_engine(run, task, recorded, keep)
            except OtherSearch as error:
                raise InputError(f"{folder.trials_file}: {error}; delete the folder to search again") from error
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
                "scales": _scales(work, fold_parameters, best),
                "strategy": _strategy(searcher, found, work.draft.strategy.warnings),
                "timing": work.timing(search_seconds, fold_seconds),
                "trials_file": log.digest,
            }
        )
        track.end(complete)
        return folder.write(complete)


def _standing(best: Trial | None, draft: Result) -> str:
    """The best figure so far beside the uniform weights', for who waits."""
    name = "SRCC" if draft.baselines.uniform_value is None else str(draft.run.objective)
    uniform = draft.baselines.uniform.srcc if draft.baselines.uniform_value is None else draft.baselines.uniform_value
    return "" if best is None else f"best {name} {best.merit:.4f}, uniform weights {uniform:.4f}"


def _run_engine(
    run: Run, task: Task, recorded: Sequence[Trial], keep: Callable[[Sequence[Trial]], None]
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
    return best.model_copy(update=best_figures(work.task, distances, _crops(work, best)))


def _crops(work: _Work, best: Best) -> Floats | None:
    """(M,) distances of the textures' crop pairs; None without textures."""
    return None if work.prepared.textures is None else work.prepared.textures.distances_of(best)


def _held_out(work: _Work, parameters: Sequence[Floats | None], best: Best | None) -> HeldOut | None:
    if not work.folds.splits:
        return None
    tuned = None if best is None else np.array([best.parameters[name] for name in work.task.space.names])
    crops = None if work.prepared.textures is None else work.prepared.textures.uniform()
    return held_out_of(work.task, work.folds, parameters, tuned=tuned, uniform=work.uniform, uniform_crops=crops)


def _confidence(work: _Work, best: Best | None) -> Confidence | None:
    """Of one data set; those of several have intervals of their own."""
    if best is None or work.prepared.set_protocols:
        return None
    return confidence(work.task.quality, work.prepared.distances_of(best), work.task.reference_ids)


def _sets(work: _Work, best: Best | None, held_out: HeldOut | None, *, intervals: bool) -> dict[str, SetResult]:
    tuned = None if best is None else work.prepared.distances_of(best)
    crops = None if best is None else _crops(work, best)
    return set_results(
        work.task,
        work.prepared,
        uniform=work.uniform,
        tuned=tuned,
        tuned_crops=crops,
        held_out=held_out,
        intervals=intervals,
    )


def _scales(work: _Work, parameters: Sequence[Floats | None], best: Best | None) -> tuple[Scale, ...]:
    if best is None:
        return ()
    tuned = work.prepared.distances_of(best)
    return scales_of(work.task, work.prepared.table, tuned, folds=work.folds, parameters=parameters)


def _strategy(searcher: Searcher | Conduct, trials: Sequence[Trial], warnings: tuple[str, ...]) -> Strategy:
    return Strategy(**counts(trials), repeatable=searcher.repeatable, details=dict(searcher.details), warnings=warnings)
