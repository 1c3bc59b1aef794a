"""The search itself: ask a searcher, evaluate, tell it; and replay what an interrupted search had done."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from iqatune.records.trial import Trial
from iqatune.search.objective import Figures
from iqatune.search.searchers.base import Proposal, Searcher, SearchExhausted


class Objective(Protocol):
    """What is maximised: the SRCC of parameters (P,) on the references of a budget (an index); NaN if undefined."""

    def __call__(self, parameters: NDArray[np.float64], budget: int) -> float: ...


class ValueObjective(Protocol):
    """The same where another figure is maximised: that and the SRCC."""

    def __call__(self, parameters: NDArray[np.float64], budget: int) -> Figures: ...


@runtime_checkable
class BatchObjective(Protocol):
    """An objective that also takes (K, P) parameters on all references, and gives their K figures sooner."""

    def batch(self, parameters: NDArray[np.float64]) -> NDArray[np.float64]: ...


AHEAD = 1024
"""Configurations evaluated together at most, where the searcher does not need their results: all that it draws at
random, or a population."""

FIRST = 32
"""Configurations of the first batch."""

BATCH_S = 0.25
"""Seconds that a batch should take: so much is lost when the process is killed."""

TINY_S = 1e-9
"""A clock may stand still between two looks."""


class OtherSearch(Exception):
    """Recorded trials are not those of this search: other arguments, or another version of a library."""


def search(
    searcher: Searcher,
    objective: Objective | ValueObjective,
    recorded: Sequence[Trial] = (),
    keep: Callable[[Sequence[Trial]], object] = lambda trials: None,
) -> list[Trial]:
    """Run a searcher to its end, or on from where an interrupted search stopped.

    Recorded trials are proposed by the searcher again and observed as they were recorded, without evaluating them,
    which puts it into the state it had; the result is that of an uninterrupted search. An undefined SRCC (NaN) is
    recorded as such, told to the searcher as the worst seen so far (-1 if it is the first), and never wins.

    Args:
        searcher: a fresh one.
        objective: evaluates parameters at a budget.
        recorded: the trials of an interrupted search, in order.
        keep: called with new trials as soon as they are known, such as to write them down.

    Returns:
        every trial, recorded and new, in order.

    Raises:
        OtherSearch: the searcher proposes something else than was recorded.
    """
    trials: list[Trial] = []
    for trial in recorded:
        searcher.observe(_proposed_again(searcher, trial), trial.merit)
        trials.append(trial)
    ahead = AHEAD if isinstance(objective, BatchObjective) else 1
    together = min(FIRST, ahead)
    while True:
        started = time.perf_counter()
        proposals = _proposed(searcher, together)
        if not proposals:
            return trials
        found = _evaluated(objective, proposals)
        seconds = (time.perf_counter() - started) / len(proposals)
        new = []
        for proposal, figures in zip(proposals, found, strict=True):
            srcc, value = figures if isinstance(figures, Figures) else (figures, None)
            started = time.perf_counter()
            searcher.observe(proposal, srcc if value is None else value)
            new.append(
                Trial(
                    sample=proposal.sample,
                    trial_id=proposal.trial_id,
                    parameters=proposal.parameters,
                    srcc=srcc,
                    budget=searcher.problem.budgets[proposal.budget],
                    chosen_by=proposal.chosen_by,
                    seconds=seconds + time.perf_counter() - started,
                    value=value,
                    inner=proposal.inner,
                )
            )
        trials.extend(new)
        keep(new)
        together = min(ahead, max(1, round(BATCH_S / max(seconds, TINY_S))))


def _proposed(searcher: Searcher, count: int) -> list[Proposal]:
    """The next `count` proposals, fewer at the end of the search, and where further ones need results of these."""
    proposals: list[Proposal] = []
    with suppress(SearchExhausted):
        while not proposals or (len(proposals) < count and searcher.is_ahead):
            proposals.append(searcher.propose())
    return proposals


def _evaluated(objective: Objective | ValueObjective, proposals: Sequence[Proposal]) -> Sequence[float | Figures]:
    if len(proposals) > 1 and isinstance(objective, BatchObjective):
        found: list[float] = objective.batch(np.stack([proposal.parameters for proposal in proposals])).tolist()
        return found
    return [objective(proposal.parameters, proposal.budget) for proposal in proposals]


def _proposed_again(searcher: Searcher, trial: Trial) -> Proposal:
    try:
        proposal = searcher.propose()
    except SearchExhausted as exhausted:
        raise OtherSearch(f"sample {trial.sample} is recorded, but this search ends before it: {exhausted}") from None
    same = (
        proposal.trial_id == trial.trial_id
        and searcher.problem.budgets[proposal.budget] == trial.budget
        and np.array_equal(proposal.parameters, trial.parameters)
    )
    if not same:
        raise OtherSearch(f"recorded sample {trial.sample} is not what this search proposes (as {proposal.trial_id})")
    return proposal
