"""The search under Ray Tune, in a process that is connected to Ray; `on_ray.py` is what others call."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune
from ray.tune.search import Searcher as RaySearcher

from iqatune.errors import InputError
from iqatune.records.trial import Trial
from iqatune.runtime.cluster import environment
from iqatune.runtime.driver import Desk
from iqatune.search.loop import OtherSearch
from iqatune.search.objective import JointObjective, Objective
from iqatune.search.searchers.base import AwaitingResults, Conduct, Proposal, Searcher, SearchExhausted
from iqatune.search.task import Task

RETRIES = 3
"""How often an evaluation whose worker was lost is begun again."""

SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "1000000000",
}
"""What makes Tune cheap and quiet, and lets Ctrl-C through: trials.jsonl is this search's log and checkpoint."""


def search_connected(
    desk: Desk, task: Task, recorded: Sequence[Trial], concurrency: int
) -> tuple[Conduct, list[Trial]]:
    """`on_ray.search_on_ray` in a process that is connected to Ray; every new trial is told."""
    searcher = task.make_searcher()
    searcher.repeatable = searcher.repeatable and concurrency == 1
    conversation = Conversation(searcher, concurrency, desk.tell)
    conversation.replay(recorded)
    if conversation.waiting:
        with environment(SETTINGS), _silence():
            _fit(conversation, task.objective(), desk.folder)
    return Conduct(searcher.repeatable, dict(searcher.details)), conversation.trials


@contextmanager
def _silence() -> Iterator[None]:
    """Let Tune not log the trials that were lost: whether that matters is said in a line of this package's."""
    logger = logging.getLogger("ray.tune")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _fit(conversation: "Conversation", objective: Objective | JointObjective, folder: Path) -> None:
    adapter = Adapter(conversation)
    results = tune.Tuner(
        tune.with_parameters(_Evaluation, objective=objective),
        tune_config=tune.TuneConfig(
            search_alg=adapter,
            num_samples=-1,
            max_concurrent_trials=conversation.concurrency,
            reuse_actors=True,
            trial_name_creator=str,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=str(folder / "tune"),
            # the adapter begins again what failed: Tune itself does so only once an evaluation has started, not when
            # the worker is lost that was about to take it up
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=None, checkpoint_frequency=0, checkpoint_at_end=False),
            verbose=0,
        ),
    ).fit()
    if adapter.failed is not None:
        raise InputError(
            f"`engine` ray: evaluation {adapter.failed} failed {RETRIES + 1} times, at last because: "
            f"{_reason(results.errors[-1])}; see that this version of iqatune is installed on every node, with enough "
            "memory"
        )


def _reason(error: Exception) -> str:
    """The last line of what Tune tells of an error, which is the error of the worker."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


class Conversation:
    """Talks to a searcher so that the order of results alone decides what it proposes.

    As many proposals as may be under way are asked for at the beginning, and after every result again. So results told
    in the recorded order bring a searcher back to where it was, whatever the timing of the workers.

    Args:
        searcher: a fresh one.
        concurrency: proposals without a result at a time.
        keep: called with every trial that is not replayed.
    """

    def __init__(self, searcher: Searcher, concurrency: int, keep: Callable[[Trial], None]) -> None:
        self.searcher = searcher
        self.concurrency = concurrency
        self.trials: list[Trial] = []
        self.exhausted = False
        self._keep = keep
        self._out: dict[str, _Asked] = {}
        self._refill()

    @property
    def waiting(self) -> list[Proposal]:
        """The proposals without a result, in the order in which they were made."""
        return [asked.proposal for asked in self._out.values()]

    def replay(self, recorded: Sequence[Trial]) -> None:
        """Tell recorded trials.

        Raises:
            OtherSearch: one of them is not what the searcher proposes.
        """
        for trial in recorded:
            asked = self._out.get(trial.trial_id)
            if asked is None or not self._is(asked.proposal, trial):
                raise OtherSearch(f"recorded sample {trial.sample} is not what this search proposes")
            self._observe(asked, trial)

    def tell(self, trial_id: str, srcc: float) -> None:
        """Tell the SRCC of a waiting proposal, and keep the trial."""
        asked = self._out[trial_id]
        proposal = asked.proposal
        trial = Trial(
            sample=proposal.sample,
            trial_id=trial_id,
            parameters=proposal.parameters,
            srcc=srcc,
            budget=self.searcher.problem.budgets[proposal.budget],
            chosen_by=proposal.chosen_by,
            seconds=time.perf_counter() - asked.started,
            inner=proposal.inner,
        )
        self._observe(asked, trial)
        self._keep(trial)

    def _observe(self, asked: "_Asked", trial: Trial) -> None:
        self.searcher.observe(asked.proposal, trial.srcc)
        del self._out[trial.trial_id]
        self.trials.append(trial)
        self._refill()

    def _refill(self) -> None:
        while len(self._out) < self.concurrency and not self.exhausted:
            started = time.perf_counter()
            try:
                proposal = self.searcher.propose()
            except AwaitingResults:
                return
            except SearchExhausted:
                self.exhausted = True
                return
            self._out[proposal.trial_id] = _Asked(proposal, started)

    def _is(self, proposal: Proposal, trial: Trial) -> bool:
        same_budget = self.searcher.problem.budgets[proposal.budget] == trial.budget
        return same_budget and np.array_equal(proposal.parameters, trial.parameters)


@dataclass(frozen=True)
class _Asked:
    proposal: Proposal
    started: float


class Adapter(RaySearcher):
    """Hands a conversation's proposals to Tune as trials of its own, one for every evaluation."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__()
        self._conversation = conversation
        self._running: dict[str, str] = {}
        self._failures: Counter[str] = Counter()
        self.failed: str | None = None

    # Ray's own searchers return FINISHED, a str, beside its annotation
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        running = self._running.values()
        waiting = [proposal for proposal in self._conversation.waiting if proposal.trial_id not in running]
        if self.failed is not None or (self._conversation.exhausted and not waiting):
            return str(RaySearcher.FINISHED)
        if not waiting:
            return None
        self._running[trial_id] = waiting[0].trial_id
        return {"parameters": waiting[0].parameters, "budget": waiting[0].budget}

    # Tune calls it, by place
    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        evaluation = self._running.pop(trial_id)
        if error or result is None:
            # it waits still, and is suggested again as another trial of Tune's
            self._failures[evaluation] += 1
            if self._failures[evaluation] > RETRIES:
                self.failed = self.failed or evaluation
        else:
            self._conversation.tell(evaluation, result["srcc"])

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the search is kept trial by trial, and Tune never restores it."""

    def __getstate__(self) -> dict[str, Any]:
        """Nothing, for the same reason: Tune writes down what it was given, and not every searcher can be pickled."""
        return {}


class _Evaluation(tune.Trainable):
    """One SRCC a step, and a single step; the worker goes on with the next configuration."""

    # `objective` is what with_parameters adds
    def setup(self, config: dict[str, Any], objective: Objective) -> None:  # type: ignore[override]
        self._objective = objective
        self._asked = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._asked = new_config
        return True

    def step(self) -> dict[str, Any]:
        return {"srcc": self._objective(self._asked["parameters"], self._asked["budget"]), "done": True}
