"""Nevergrad: NGOpt, Meta's portfolio that picks an algorithm by dimension and number of samples."""

import threading
import time
import warnings
from abc import abstractmethod
from typing import Any

import numpy as np

from iqatune.records.vocabulary import ChosenBy
from iqatune.search.searchers.base import METRIC, MODE, AwaitingResults, Problem, Proposal, TuneSearcher
from iqatune.search.searchers.compat import numbers_of_arrays
from iqatune.search.searchers.quiet import quiet

with quiet():
    import nevergrad as ng
    from nevergrad.common.errors import FinishedUnderlyingOptimizerWarning
    from nevergrad.optimization import optimizerlib
    from nevergrad.optimization.recaster import _MessagingThread
    from ray.tune.search.nevergrad import NevergradSearch


class OfNevergrad(TuneSearcher):
    """ray.tune's NevergradSearch with one of nevergrad's algorithms on one array of all parameters."""

    def _build(self) -> NevergradSearch:
        self._optimizer: Any = self._make()
        self._converged = False
        self._threads: set[threading.Thread] = set()
        return NevergradSearch(optimizer=self._optimizer, space=list(self.problem.names), metric=METRIC, mode=MODE)

    @abstractmethod
    def _make(self) -> Any:
        """Nevergrad's optimiser for `self.problem`."""

    @abstractmethod
    def _one_at_a_time(self) -> bool:
        """Whether it must know the result of a configuration before it proposes the next."""

    @property
    def is_ahead(self) -> bool:
        """Whether the rest of a population is left to be proposed."""
        return _has_drawn(self._optimizer)

    def _suggest(self, trial_id: str) -> dict[str, float]:
        if self._out and self._one_at_a_time() and not self.is_ahead:
            raise AwaitingResults(f"{self.name} proposes one configuration at a time")
        before = set(threading.enumerate())
        with warnings.catch_warnings(record=True) as caught, numbers_of_arrays():
            warnings.simplefilter("always")
            config: dict[str, float] = _in_daemon_thread(super()._suggest, trial_id)
        self._converged = any(issubclass(warning.category, FinishedUnderlyingOptimizerWarning) for warning in caught)
        started = set(threading.enumerate()) - before
        self._threads = {thread for thread in self._threads | started if isinstance(thread, _MessagingThread)}
        return config

    def _complete(self, proposal: Proposal, result: dict[str, Any]) -> None:
        with numbers_of_arrays():
            super()._complete(proposal, result)
            self._settle()

    def _settle(self) -> None:
        """Wait until the algorithms' own threads have computed their next points, so that they do so isolated too."""
        while any(map(_is_at_work, self._threads)):
            time.sleep(1e-4)


class Nevergrad(OfNevergrad):
    """NGOpt, started from the centre of the cube.

    `details["algorithm"]` names what NGOpt picked. Up to 50 samples a parameter that is Cobyla, which draws nothing
    at random: every seed gives the same samples.
    """

    name = "nevergrad"

    def _make(self) -> Any:
        optimizer = _optimizer(self.problem)
        self.details["algorithm"] = optimizer.optim.name
        self.repeatable = _is_repeatable(optimizer)
        return optimizer

    def _one_at_a_time(self) -> bool:
        return bool(self._optimizer.optim.no_parallelization)

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        algorithm = self.details["algorithm"]
        if self._converged:
            return "random"
        if algorithm == "Cobyla":
            return "initial" if self._samples <= len(self.problem.names) else "local"
        if self._samples == 0:
            return "initial"
        return "local" if "OnePlusOne" in algorithm else "model"

    @classmethod
    def caution(cls, problem: Problem) -> str | None:
        optimizer = _optimizer(problem)
        if _is_repeatable(optimizer):
            return None
        return (
            f"nevergrad's NGOpt becomes {optimizer.optim.name} here, whose samples depend on the clock: interrupted, "
            f"this search cannot be continued; with `samples` {50 * len(problem.names)} or fewer it can"
        )

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        dimension = len(problem.names)
        if _optimizer(problem).optim.name == "Cobyla" and problem.samples <= dimension + 1:
            return (
                f"nevergrad's NGOpt becomes Cobyla here, whose first {dimension + 1} samples move one parameter at a "
                f"time, so {problem.samples} samples never reach its first step; use `samples` {2 * dimension} or "
                "more, or a smaller `space`"
            )
        return None


def array_of(problem: Problem) -> Any:
    """What nevergrad's optimisers search: an array of all parameters with the problem's seed."""
    parameters = ng.p.Array(shape=(len(problem.names),), lower=0.0, upper=1.0)
    parameters.random_state = np.random.RandomState(problem.seed % 2**32)
    return parameters


def _optimizer(problem: Problem) -> Any:
    return ng.optimizers.NGOpt(array_of(problem), budget=problem.samples)


def _is_repeatable(optimizer: Any) -> bool:
    # CMA by cma.fmin seeds itself from the clock, and the metamodel's own search is limited by it
    return "Fmin2" not in optimizer.optim.name and "MetaModel" not in optimizer.optim.name


def _has_drawn(optimizer: Any) -> bool:
    """Whether the next points are drawn already: CMA draws a population at a time, and learns from all of it."""
    while isinstance(optimizer, optimizerlib.ChoiceBase):
        optimizer = optimizer.optim
    return isinstance(optimizer, optimizerlib._CMA) and bool(optimizer._to_be_asked)


def _is_at_work(thread: Any) -> bool:
    """Whether a thread computes: it neither has ended nor waits for the result of its last point."""
    queue = thread.messages_tell
    return thread.is_alive() and not (queue.empty() and queue.not_empty._waiters)


def _in_daemon_thread(function: Any, *arguments: Any) -> Any:
    """What `function` returns, called in a daemon thread.

    The algorithms that are not ask-and-tell by nature live in a thread of their own, which waits for results. Started
    from a daemon thread it is one too, and cannot keep the process from ending when a search stops early.
    """
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def call() -> None:
        try:
            outcome.append(function(*arguments))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            failure.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
