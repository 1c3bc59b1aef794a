"""What a searcher is told when several evaluations are under way, without any Ray running."""

from collections.abc import Callable

import numpy as np
import pytest

from iqatune.records.trial import Trial
from iqatune.search.loop import OtherSearch
from iqatune.search.ray_engine import Conversation
from iqatune.search.searchers.registry import make_searcher
from iqatune.search.task import Task

SEARCHERS = ("random", "blendsearch", "bohb", "nevergrad")


def _talk(task: Task, concurrency: int, recorded: list[Trial], order: int, results: int = 1000) -> Conversation:
    """Evaluate up to `results` proposals, each time one picked by `order` among those that wait."""
    objective = task.objective()
    conversation = Conversation(make_searcher(task.searcher, task.problem()), concurrency, lambda trial: None)
    conversation.replay(recorded)
    for step in range(len(recorded), results):
        waiting = conversation.waiting
        if not waiting:
            break
        proposal = waiting[(order * step) % len(waiting)]
        conversation.tell(proposal.trial_id, objective(proposal.parameters, proposal.budget))
    return conversation


def _timeless(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [
        (trial.sample, trial.trial_id, tuple(trial.parameters), trial.srcc, trial.budget, trial.chosen_by)
        for trial in trials
    ]


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_one_at_a_time_is_the_local_search(searcher: str, make_task: Callable[..., Task]) -> None:
    task = make_task(searcher)
    assert _timeless(_talk(task, 1, [], 0).trials) == _timeless(task.run()[1])


@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("concurrency", [2, 5])
def test_results_in_any_order_end_in_all_samples_and_replay_to_the_same(
    searcher: str, concurrency: int, make_task: Callable[..., Task]
) -> None:
    task = make_task(searcher)
    whole = _talk(task, concurrency, [], 3)
    assert {trial.sample for trial in whole.trials} == set(range(12))
    assert len({trial.trial_id for trial in whole.trials}) == len(whole.trials)
    half = _talk(task, concurrency, [], 3, results=7)
    assert len(half.trials) == 7
    assert 0 < len(half.waiting) <= concurrency
    resumed = _talk(task, concurrency, half.trials, 3)
    assert _timeless(resumed.trials) == _timeless(whole.trials)


def test_a_record_of_another_search_is_refused(make_task: Callable[..., Task]) -> None:
    task = make_task("random")
    recorded = task.run()[1][:2]
    other = Conversation(make_searcher("random", make_task("random", seed=4).problem()), 1, lambda trial: None)
    with pytest.raises(OtherSearch, match="sample 0"):
        other.replay(recorded)


def test_only_new_trials_are_kept(make_task: Callable[..., Task]) -> None:
    task = make_task("random")
    recorded = task.run()[1][:5]
    kept: list[Trial] = []
    conversation = Conversation(make_searcher("random", task.problem()), 1, kept.append)
    conversation.replay(recorded)
    conversation.tell(conversation.waiting[0].trial_id, float("nan"))
    assert [trial.sample for trial in kept] == [5]
    assert np.isnan(kept[0].srcc)
    assert len(conversation.trials) == 6
