"""One search from options to record: `result.json` and `trials.jsonl`."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from iqatune.backbones.zoo import find as find_backbone
from iqatune.datasets.registry import load_pairs
from iqatune.errors import InputError
from iqatune.evaluation.agreement import confidence, correlation
from iqatune.metric.spaces import tilts_of
from iqatune.metric.weights import Floats, tuned_weights, uniform_weights
from iqatune.progress import Progress
from iqatune.records.environment import environment
from iqatune.records.options import Run
from iqatune.records.result import (
    RESULT_FILE,
    TRIALS_FILE,
    Baselines,
    Best,
    Protocol,
    Result,
    Strategy,
    Timing,
    read_result,
    write_result,
)
from iqatune.records.trial import Trial
from iqatune.records.trials import append_trial, read_trials
from iqatune.runtime.files import alone_in, check_writable
from iqatune.runtime.threads import processors
from iqatune.search.loop import OtherSearch, best_trial
from iqatune.search.searchers.base import Searcher
from iqatune.search.searchers.registry import find as find_searcher
from iqatune.search.task import Task
from iqatune.statistics.prepare import Prepared, prepare
from iqatune.tuning.folds import fold_searches, masks, possible_folds, summarise

# options that decide how a run is computed and not what it finds, so a change of them continues the same run; what
# files hold is in the protocol, by their hashes
INCIDENTAL = {"data_root", "pairs", "backbone_weights", "device", "address"}


def run_folder(output: Path, run: Run) -> Path:
    """Where a run's files go."""
    backbone = run.backbone.replace(":", "_").replace("/", "_")
    return output / run.dataset / backbone / f"{run.searcher}-{run.space}-s{run.seed}"


def check_run(run: Run) -> None:
    """Refuse what is known to be wrong before any work is done.

    Raises:
        InputError: for a name that is unknown or a number that is out of range.
    """
    find_searcher(run.searcher)
    find_backbone(run.backbone)
    tilts_of(run.space)
    if run.samples < 1:
        raise InputError(f"--samples {run.samples}: a search needs at least one sample")
    if run.seed < 0:
        raise InputError(f"--seed {run.seed}: must be 0 or more")
    if run.folds < 0 or run.folds == 1:
        raise InputError(f"--folds {run.folds}: give 0 for none, or 2 and more")
    if run.concurrency < 1:
        raise InputError(f"--concurrency {run.concurrency}: must be 1 or more")
    if run.engine == "local" and (run.address or run.concurrency > 1):
        raise InputError("--address and --concurrency are of --engine ray; leave them out, or add it")


def run_search(run: Run, output: Path, cache_dir: Path, progress: Progress, strict: bool = False) -> Result:
    """Search, score and record one run; goes on where an interrupted one stopped.

    A complete run of the same options is returned as it is recorded.

    Raises:
        InputError: for bad input, and under `strict` where the searcher could not act as its name says.
        KeyboardInterrupt: after what was done has been recorded.
    """
    check_run(run)
    folder = run_folder(output, run)
    check_writable(folder, "--output")
    table = load_pairs(run)
    prepared = prepare(run, run, run.structure, cache_dir, progress, table)
    return search_prepared(run, prepared, folder, progress, strict)


def search_prepared(
    run: Run,
    prepared: Prepared,
    folder: Path,
    progress: Progress,
    strict: bool = False,
    processes: int | None = None,
) -> Result:
    """`run_search` from statistics at hand; writes into `folder`.

    Args:
        processes: that the folds' searches may use, 1 for this process alone; by default the number of processors.
    """
    with alone_in(folder):
        return _search_alone(run, prepared, folder, progress, strict, processes or processors())


def _search_alone(
    run: Run, prepared: Prepared, folder: Path, progress: Progress, strict: bool, processes: int
) -> Result:
    started = time.perf_counter()
    space = prepared.space(run.space)
    table = prepared.table
    task = Task(
        run.searcher,
        run.samples,
        run.seed,
        space,
        prepared.features(space),
        table.quality,
        table.reference_ids,
    )
    warnings = _advise(run, task, progress, strict)
    folds = possible_folds(table.reference_ids, run.folds, run.seed)
    if folds != run.folds:
        line = (
            f"{len(table.references)} references of {len(table)} pairs allow {folds or 'no'} folds, not {run.folds}: "
            "a fold needs 3 pairs, and 2 references to tune on"
        )
        progress.warn(line)
        warnings = (*warnings, line)

    uniform = prepared.distances(uniform_weights(prepared.channels))
    result = Result(
        status="running",
        run=run,
        protocol=prepared.protocol.model_copy(update={"split_seed": run.seed if folds else None}),
        channels=prepared.channels,
        baselines=Baselines(uniform=correlation(table.quality, uniform)),
        strategy=Strategy(evaluations={}, warnings=warnings),
        timing=Timing(extraction=prepared.seconds, pairs_extracted=prepared.computed, search=0, total=0),
        environment=environment(prepared.device),
    )
    earlier = _earlier(folder, result, progress)
    if earlier is not None and earlier.status == "complete":
        progress.say(f"{folder / RESULT_FILE}: this run is complete; delete it to search anew")
        return earlier
    if earlier is not None:
        result = result.model_copy(update={"best": earlier.best})  # until a sample of this time is better
    write_result(folder / RESULT_FILE, result)
    return _searched(task, prepared, result, folds, uniform, folder, progress, started, processes)


def _advise(run: Run, task: Task, progress: Progress, strict: bool) -> tuple[str, ...]:
    """Say before the run what will keep the searcher from acting as its name says, and how long it will take."""
    searcher = find_searcher(run.searcher)
    problem = task.problem()
    warning = searcher.degenerate(problem)
    if warning is not None and strict:
        raise InputError(f"--strict: {warning}")
    if warning is not None:
        progress.warn(warning)
    caution = searcher.caution(problem)
    if caution is not None:
        progress.warn(caution)
    if run.concurrency > 1:
        progress.say(
            f"--concurrency {run.concurrency}: {run.searcher} decides with up to {run.concurrency - 1} results out, "
            "and another run may find other samples"
        )
    seconds = searcher.expected_seconds(problem)
    if seconds is not None:
        progress.say(f"{run.searcher}: about {_duration(seconds)} for {run.samples} samples, and as long for each fold")
    return tuple(line for line in (warning, caution) if line is not None)


def _earlier(folder: Path, result: Result, progress: Progress) -> Result | None:
    """The record of this very run from before; what another run left is put aside, and said so."""
    path = folder / RESULT_FILE
    if not path.exists():
        (folder / TRIALS_FILE).unlink(missing_ok=True)
        return None
    earlier = read_result(path)
    others = differences(earlier, result.run, result.protocol)
    if not others:
        return earlier
    put_aside(folder, others, progress)
    return None


def differences(earlier: Result, run: Run, protocol: Protocol) -> tuple[str, ...]:
    """Names of what makes a run another one than the recorded: options, and what the protocol says of data and CNN."""
    pairs = (
        (earlier.run.model_dump(exclude=INCIDENTAL), run.model_dump(exclude=INCIDENTAL)),
        # the seed of the split follows from the options and the data
        (earlier.protocol.model_dump(exclude={"split_seed"}), protocol.model_dump(exclude={"split_seed"})),
    )
    return tuple(dict.fromkeys(name for then, now in pairs for name, value in then.items() if value != now[name]))


def put_aside(folder: Path, others: Sequence[str], progress: Progress) -> None:
    """Give the files of another run names that nothing reads, so that this one has the folder and nothing is lost."""
    number = next(number for number in count(1) if not (folder / _numbered(RESULT_FILE, number)).exists())
    for name in (RESULT_FILE, TRIALS_FILE):
        if (folder / name).exists():
            (folder / name).replace(folder / _numbered(name, number))
    progress.warn(
        f"{folder}: held a run of other {', '.join(others)}, whose record is now {_numbered(RESULT_FILE, number)}"
    )


def _numbered(name: str, number: int) -> str:
    path = Path(name)
    return f"{path.stem}-{number}{path.suffix}"


def _searched(
    task: Task,
    prepared: Prepared,
    result: Result,
    folds: int,
    uniform: Floats,
    folder: Path,
    progress: Progress,
    started: float,
    processes: int,
) -> Result:
    path = folder / TRIALS_FILE
    names = task.space.names
    recorded = read_trials(path, names)
    trials = list(recorded)
    run = result.run

    def timing(search: float, fold_seconds: float | None) -> Timing:
        total = prepared.seconds + time.perf_counter() - started
        return result.timing.model_copy(update={"search": search, "folds": fold_seconds, "total": total})

    held_out_masks = masks(task, folds) if folds else ()
    with _recording_interrupts(task, prepared, result, trials, folder):
        with fold_searches(task, held_out_masks, processes) as fold_trials:
            before = time.perf_counter()
            seen = {trial.sample for trial in recorded}
            with progress.track(f"searching ({run.searcher})", run.samples, "samples", done=len(seen)) as advance:

                def keep(trial: Trial) -> None:
                    append_trial(path, names, trial)
                    trials.append(trial)
                    advance(int(trial.sample not in seen))
                    seen.add(trial.sample)

                try:
                    searcher, found = _run_engine(run, task, recorded, keep)
                except OtherSearch as error:
                    raise InputError(f"{path}: {error}; delete the folder to search anew") from error
            search_seconds = time.perf_counter() - before + sum(trial.seconds for trial in recorded)
            before = time.perf_counter()
            fold_best = fold_trials()
            fold_seconds = time.perf_counter() - before if folds else None
        best = _best(task, prepared, found)
        held_out = None
        if folds:
            tuned = best.srcc if best is not None else float("nan")
            fold_parameters = [trial.parameters if trial is not None else None for trial in fold_best]
            held_out = summarise(task, held_out_masks, fold_parameters, uniform, tuned)
        weights = tuned_weights(result.model_copy(update={"best": best})) if best is not None else None
        intervals = (
            confidence(task.quality, prepared.distances(weights), task.reference_ids) if weights is not None else None
        )
        complete = result.model_copy(
            update={
                "status": "complete",
                "best": best,
                "held_out": held_out,
                "confidence": intervals,
                "strategy": _strategy(searcher, found, result.strategy.warnings),
                "timing": timing(search_seconds, fold_seconds),
            }
        )
        write_result(folder / RESULT_FILE, complete)
    return complete


def _run_engine(
    run: Run, task: Task, recorded: Sequence[Trial], keep: Callable[[Trial], None]
) -> tuple[Searcher, list[Trial]]:
    if run.engine == "local":
        return task.run(recorded, keep)
    # here, not above: Ray takes seconds to import
    from iqatune.search.ray_engine import search_on_ray

    return search_on_ray(task, recorded, keep, run.address, run.concurrency)


@contextmanager
def _recording_interrupts(
    task: Task, prepared: Prepared, result: Result, trials: Sequence[Trial], folder: Path
) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        best = _best(task, prepared, trials)
        strategy = result.strategy.model_copy(update=_counts(trials))
        update = {"status": "interrupted", "best": best, "strategy": strategy}
        write_result(folder / RESULT_FILE, result.model_copy(update=update))
        raise


def _best(task: Task, prepared: Prepared, trials: Sequence[Trial]) -> Best | None:
    trial = best_trial(trials)
    if trial is None:
        return None
    weights = task.space.weights(trial.parameters)
    agreement = correlation(task.quality, prepared.distances(weights))
    return Best(
        **agreement.model_dump(),
        sample=trial.sample,
        parameters=dict(zip(task.space.names, trial.parameters.tolist(), strict=True)),
        alpha=tuple(weights.alpha.tolist()),
        beta=tuple(weights.beta.tolist()),
    )


def _strategy(searcher: Searcher, trials: Sequence[Trial], warnings: tuple[str, ...]) -> Strategy:
    return Strategy(
        **_counts(trials), repeatable=searcher.repeatable, details=dict(searcher.details), warnings=warnings
    )


def _counts(trials: Sequence[Trial]) -> dict[str, Any]:
    chosen = {trial.sample: trial.chosen_by for trial in trials}
    counts = Counter(chosen.values())
    first_model = next((place for place, sample in enumerate(chosen) if chosen[sample] == "model"), None)
    budgets = Counter(trial.budget for trial in trials)
    return {
        **{kind: counts[kind] for kind in ("random", "initial", "model", "local")},
        "samples_since_first_model": None if first_model is None else len(chosen) - first_model,
        "evaluations": {f"{budget:.6g}": budgets[budget] for budget in sorted(budgets)},
    }


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
