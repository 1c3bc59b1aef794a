"""What a record says beside its figures, held against its trials, its options and the data."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from iqatune.errors import InputError
from iqatune.records.environment import Environment
from iqatune.records.options import Run
from iqatune.records.replay import Changed
from iqatune.records.result import Fold, HeldOut, Result, trials_beside, without_weights
from iqatune.records.trial import Trial
from iqatune.records.trials import TrialsRead, read_trials
from iqatune.search.choice import best_trial
from iqatune.search.objective import Figures
from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, Searcher, SearchExhausted
from iqatune.search.searchers.registry import find
from iqatune.search.task import Task
from iqatune.statistics.source import PreparedPairs
from iqatune.tuning.folds import folds_of
from iqatune.tuning.recorded import counts, split_seed
from iqatune.version import package_version

SECONDS: Final = 20.0
"""What may be searched again for a proof."""

SHOWN: Final = 5
"""Trials that are named one by one, where more differ."""

NEAR: Final = 1e-2
"""How far a fit's numbers and inner figures may be off on another processor."""

BLIND: Final = ("random", "initial")
"""How configurations are chosen that rest on no arithmetic with earlier results."""

Same = Callable[[float, float], bool]


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        changed: what is not as it should be.
        notes: what could not be proven, and why; what else there is to know.
    """

    changed: tuple[Changed, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(self.changed + other.changed, self.notes + other.notes)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A record, and what it is held against.

    Attributes:
        run: its options, with where things are now.
        same: whether two figures are.
    """

    file: Path
    result: Result
    run: Run
    prepared: PreparedPairs
    task: Task
    same: Same


def prove(subject: Subject) -> Findings:
    """Everything about a record but the figures that are recomputed from its weights.

    Trials are evaluated again and proposed again by the searcher: where a proposal rests on earlier results, as far as
    that takes seconds.
    """
    found = _seals(subject.result) + _folds(subject)
    trials = trials_beside(subject.file)
    if subject.result.best is None:
        found += Findings(notes=(without_weights(subject.result),))
    else:
        found += _weights(subject)
    if trials is None:
        return found + _not_proven("the samples: its trials.jsonl is not beside it")
    try:
        read = read_trials(trials, subject.task.space.names)
    except InputError as error:
        return found + _changed(trials.name, "trials of this run", error.line)
    return found + _unprotected(trials, read) + _trials(subject, read.trials)


def _changed(name: str, recorded: object, now: object) -> Findings:
    return Findings((Changed(name=name, recorded=str(recorded), now=str(now)),))


def _compared(name: str, recorded: object, now: object) -> Findings:
    return Findings() if recorded == now else _changed(name, recorded, now)


def _not_proven(what: str) -> Findings:
    return Findings(notes=(f"not proven: {what}",))


def _seals(result: Result) -> Findings:
    if result.seal is not None:
        return Findings()
    return _not_proven("times, environment and warnings: the record is of a release that sealed nothing")


def _unprotected(path: Path, read: TrialsRead) -> Findings:
    if not read.unprotected:
        return Findings()
    return _not_proven(f"the times in {path.name}: {read.unprotected} of its lines have no checksum")


def _weights(subject: Subject) -> Findings:
    """Alpha and beta are what the space makes of the parameters."""
    best, space = subject.result.best, subject.task.space
    if best is None:
        return Findings()
    if set(best.parameters) != set(space.names):
        return _changed("best.parameters", f"{len(best.parameters)} numbers", f"those of the space {space.name}")
    weights = subject.prepared.weights(space, np.array([best.parameters[name] for name in space.names]))
    found = Findings()
    for name, now in weights.items():
        if not _alike(getattr(best, name), now):
            found += _changed(f"best.{name}", "other weights", "what the space makes of best.parameters")
    return found


def _alike(recorded: Any, now: Any) -> bool:
    """Whether weights are the same: of channels, or of columns with their directions and scales."""
    if recorded is None or now is None:
        return recorded is now
    if isinstance(now, float):
        return bool(recorded == now)
    if not isinstance(now, dict):
        # a machine may round otherwise, and a descriptor of `stage+K` comes from float32 moments
        return len(recorded) == len(now) and np.allclose(recorded, now, rtol=1e-6, atol=1e-12)
    if list(recorded) != list(now):
        return False
    return all(
        recorded[name].direction == column.direction
        and np.allclose(
            [recorded[name].weight, recorded[name].scale, recorded[name].origin],
            [column.weight, column.scale, column.origin],
            rtol=1e-6,
            atol=1e-12,
        )
        for name, column in now.items()
    )


def _folds(subject: Subject) -> Findings:
    """The split is the one that the options and the data give."""
    run, task, held_out = subject.run, subject.task, subject.result.held_out
    split = folds_of(run, subject.prepared.table)
    folds = len(split.splits)
    found = _compared("protocol.split_seed", subject.result.protocol.split_seed, split_seed(run, split))
    if held_out is None:
        # until it is complete a search has no held-out figures
        expected = folds if subject.result.status == "complete" else 0
        return found + _compared("held_out", "none", f"{expected} folds" if expected else "none")
    found += _compared("held_out.split", held_out.split, split.kind)
    if held_out.folds != folds:
        return found + _changed("held_out.folds", held_out.folds, folds)
    ids = np.array(task.reference_ids)
    for place, (fold, expected_fold) in enumerate(zip(held_out.per_fold, split.splits, strict=True)):
        mask = expected_fold.held_out
        found += _compared(f"held_out.per_fold[{place}].name", fold.name, expected_fold.name)
        references = sorted(set(ids[mask].tolist()))
        if sorted(fold.references) != references:
            found += _changed(
                f"held_out.per_fold[{place}].references", ", ".join(fold.references), ", ".join(references)
            )
        found += _compared(f"held_out.per_fold[{place}].pairs", fold.pairs, int(mask.sum()))
    return found


def _trials(subject: Subject, trials: Sequence[Trial]) -> Findings:
    result = subject.result
    found = Findings()
    if result.status == "complete":
        found += _of_complete(result, trials)
    started = time.perf_counter()
    found += _figures(subject, trials)
    seconds = time.perf_counter() - started
    found += _proposed(subject, trials)
    if result.held_out is not None:
        found += _fold_searches(subject, result.held_out, seconds * result.held_out.folds)
    return found


def _of_complete(result: Result, trials: Sequence[Trial]) -> Findings:
    """What a complete record says of its trials is what they say."""
    best, now = result.best, best_trial(trials)
    found = _compared("best.sample", "none" if best is None else best.sample, "none" if now is None else now.sample)
    if best is not None and now is not None and list(best.parameters.values()) != now.parameters.tolist():
        found += _changed("best.parameters", "other numbers", f"those of sample {now.sample} in the trials")
    recorded = result.strategy.model_dump()
    for name, value in counts(trials).items():
        found += _compared(f"strategy.{name}", recorded[name], value)
    return found


def _figures(subject: Subject, trials: Sequence[Trial]) -> Findings:
    """Every trial's SRCC, and other objective, is what its parameters give."""
    task = subject.task
    objective, budgets = task.maximised(), task.problem().budgets
    different, values = [], []
    for trial in trials:
        if trial.budget not in budgets:
            different.append((trial, f"no budget of {trial.budget:g}"))
            continue
        figures = objective(trial.parameters, budgets.index(trial.budget))
        srcc, value = figures if isinstance(figures, Figures) else (figures, None)
        if not subject.same(trial.srcc, srcc):
            different.append((trial, f"{srcc:.8f}"))
        elif not _same_value(trial.value, value, subject.same):
            values.append((trial, value))
    found = Findings()
    for trial, now in different[:SHOWN]:
        found += _changed(f"srcc of trial {trial.trial_id}", f"{trial.srcc:.8f}", now)
    if len(different) > SHOWN:
        found += _changed("srcc of trials", "as above", f"{len(different) - SHOWN} more differ")
    for trial, value in values[:SHOWN]:
        found += _changed(f"value of trial {trial.trial_id}", trial.value, value)
    if len(values) > SHOWN:
        found += _changed("value of trials", "as above", f"{len(values) - SHOWN} more differ")
    return found


def _same_value(recorded: float | None, now: float | None, same: Same) -> bool:
    return recorded is now if recorded is None or now is None else same(recorded, now)


def _proposed(subject: Subject, trials: Sequence[Trial]) -> Findings:
    """The searcher, its seed and its number of samples give these trials."""
    task, result = subject.task, subject.result
    other = _other_versions(result.environment)
    kind, searcher = find(task.searcher), task.make_searcher()
    if subject.run.concurrency > 1 and not searcher.needs_no_results:
        return _not_proven(f"that {task.searcher} proposes these samples: several were under way at once")
    if not searcher.repeatable:
        return _compared("strategy.repeatable", result.strategy.repeatable, searcher.repeatable) + _not_proven(
            f"that {task.searcher} proposes these samples: they depend on the clock"
        )
    expected = kind.expected_seconds(_tried(task.problem(), result))
    is_quick = expected is None or expected <= SECONDS
    blind = next((place for place, trial in enumerate(trials) if trial.chosen_by not in BLIND), len(trials))
    again = trials if is_quick else trials[:blind]
    proposals = _in_any_order(searcher, again) if searcher.needs_no_results else _in_order(searcher, again)
    for place, (trial, proposal) in enumerate(proposals):
        if proposal is not None and _is_same(trial, proposal, searcher):
            continue
        what = f"trial {trial.trial_id}"
        if other:
            return _not_proven(f"that {task.searcher} proposes {what} and those after it: {other}")
        if kind.fits and (proposal is None or not _is_near(trial, proposal)):
            return _changed(what, "recorded", f"{task.searcher} comes to others, or to none")
        # the first rests on no results, whatever it is called
        if place > 0 and proposal is not None and proposal.chosen_by not in BLIND:
            return _not_proven(
                f"that {task.searcher} proposes {what} and those after it: here it proposes another, as another "
                "processor may"
            )
        return _changed(what, "recorded", f"{task.searcher} with seed {task.seed} proposes another, or none")
    if not is_quick and len(again) < len(trials):
        return _not_proven(
            f"that {task.searcher} proposes trial {trials[blind].trial_id} and those after it: that takes about "
            f"{expected:.0f} s"
        )
    return _at_the_end(searcher, subject, other) if result.status == "complete" else Findings()


def _tried(problem: Problem, result: Result) -> Problem:
    """The problem with as many samples as were tried, where a rule may have stopped the search."""
    strategy = result.strategy
    tried = strategy.random + strategy.initial + strategy.model + strategy.local
    return problem if result.run.stop is None or tried == 0 else replace(problem, samples=tried)


def _at_the_end(searcher: Searcher, subject: Subject, other: str) -> Findings:
    """There are no further samples, and the record says of the searcher what it says now."""
    strategy = subject.result.strategy
    try:
        proposal = searcher.propose()
    except SearchExhausted:
        found = _details(strategy.details, searcher.details)
        found += _compared("strategy.repeatable", strategy.repeatable, searcher.repeatable)
        return _not_proven(f"strategy: {other}") if other and found.changed else found
    if other and subject.run.stop is not None:
        return _not_proven(f"that the search stops where it did: {other}")
    return _changed("trials", "all of them", f"trial {proposal.trial_id} is missing")


def _details(recorded: Mapping[str, str], now: Mapping[str, str]) -> Findings:
    """What the record says of the searcher is what it says now; figures of a rule may be rounded otherwise."""
    stopped, again = recorded.get("stopped"), now.get("stopped")
    if stopped != again and _without_figures(stopped) == _without_figures(again):
        found = _compared("strategy.details", {**recorded, "stopped": again}, dict(now))
        return (
            found
            if found.changed
            else _not_proven(f"strategy.details.stopped: here it is '{again}', as on another processor")
        )
    return _compared("strategy.details", recorded, now)


def _without_figures(stopped: str | None) -> str:
    """What a search says of where it stopped, without the figures that a processor rounds."""
    return re.sub(r"\d+\.\d+(e[+-]\d+)?", "", stopped or "")


def _in_order(searcher: Searcher, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Proposal | None]]:
    """Each trial and what the searcher, told the recorded SRCC, proposes in its place: None where nothing."""
    for trial in trials:
        try:
            proposal = searcher.propose()
        except (SearchExhausted, AwaitingResults):
            yield trial, None
            return
        yield trial, proposal
        searcher.observe(proposal, trial.merit)


def _in_any_order(searcher: Searcher, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Proposal | None]]:
    """The same of a searcher that needs no results: the trials may have ended in another order."""
    proposed: dict[str, Proposal] = {}
    for _ in trials:
        try:
            proposal = searcher.propose()
        except SearchExhausted:
            break
        proposed[proposal.trial_id] = proposal
    for trial in trials:
        yield trial, proposed.pop(trial.trial_id, None)


def _is_same(trial: Trial, proposal: Proposal, searcher: Searcher) -> bool:
    return (
        (proposal.trial_id, proposal.sample, proposal.chosen_by) == (trial.trial_id, trial.sample, trial.chosen_by)
        and searcher.problem.budgets[proposal.budget] == trial.budget
        and np.array_equal(proposal.parameters, trial.parameters)
        and proposal.inner == trial.inner
    )


def _is_near(trial: Trial, proposal: Proposal) -> bool:
    """Whether a fit came to the same, but for what another processor may round."""
    then, now = trial.inner, proposal.inner
    return (
        then is not None
        and now is not None
        and then.shrinkage == now.shrinkage
        and np.allclose(trial.parameters, proposal.parameters, rtol=0, atol=NEAR)
        and np.allclose((then.mean, then.error), (now.mean, now.error), rtol=0, atol=NEAR, equal_nan=True)
    )


def _fold_searches(subject: Subject, held_out: HeldOut, seconds: float) -> Findings:
    """The same search on the other references gives each fold's parameters.

    Args:
        seconds: about what evaluating the folds' trials takes.
    """
    task = subject.task
    expected = find(task.searcher).expected_seconds(_tried(task.problem(), subject.result))
    if seconds + (expected or 0.0) * held_out.folds > SECONDS:
        return _not_proven(f"that the folds' searches find their parameters: it takes over {SECONDS:.0f} s")
    splits = folds_of(subject.run, subject.prepared.table).splits
    if len(splits) != held_out.folds:
        return Findings()  # named already
    names = task.space.names
    for place, (fold, split) in enumerate(zip(held_out.per_fold, splits, strict=True)):
        best = best_trial(task.split(split)[0].run()[1])
        recorded = [fold.parameters.get(name) for name in names] if fold.parameters else None
        if recorded == (None if best is None else best.parameters.tolist()):
            continue
        if recorded is not None and best is not None and subject.same(_merit(fold), best.merit):
            return _not_proven(f"that the search on fold {place} finds its parameters: here others are as good")
        other = _other_versions(subject.result.environment)
        if other or not task.make_searcher().needs_no_results:
            reason = other or "here it finds others, as another processor may"
            return _not_proven(f"that the search on fold {place} finds its parameters: {reason}")
        return _changed(f"held_out.per_fold[{place}].parameters", "recorded", "the search finds others")
    return Findings()


def _merit(fold: Fold) -> float:
    return fold.tuned_srcc if fold.objective is None else fold.objective.tuned


def _other_versions(environment: Environment) -> str:
    """Packages whose versions were others, in words; empty where there are none. iqatune's own is no excuse."""
    others = [
        f"{package} {version}, now {now}"
        for package, version in environment.versions.items()
        if package not in ("iqatune", "python") and (now := package_version(package)) is not None and now != version
    ]
    return f"it was searched with {', '.join(others)}" if others else ""
