"""Searches of folds in processes of their own."""

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from iqatune.errors import InputError
from iqatune.evaluation.folds import Split, by_reference
from iqatune.metric.spaces import make_space
from iqatune.search.choice import best_trial
from iqatune.search.task import Task
from iqatune.tuning.folds import fold_searches


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A search whose folds are slow enough for processes of their own, as these go here."""
    monkeypatch.setattr("iqatune.tuning.folds.IN_PROCESS_S", 0.0)
    rng = np.random.default_rng(5)
    features = rng.random((90, 4))
    return Task(
        searcher="bayesopt",
        samples=14,
        seed=3,
        space=make_space("stage", (3, 4)),
        tables=(features,),
        quality=-features @ (0.5, 0.1, 0.3, 0.1) + rng.normal(0, 0.1, 90),
        reference_ids=tuple(f"reference {pair // 10}" for pair in range(90)),
    )


def _splits(task: Task, folds: int) -> tuple[Split, ...]:
    return by_reference(task.reference_ids, folds, task.seed)


def _kill(times: int) -> threading.Thread:
    """Kill so many of this process's children, one after the other, as soon as they are there."""

    def kill() -> None:
        killed: set[int] = set()
        deadline = time.monotonic() + 120
        while len(killed) < times and time.monotonic() < deadline:
            fresh = [child.pid for child in multiprocessing.active_children() if child.pid not in (None, *killed)]
            if fresh and fresh[0] is not None:
                killed.add(fresh[0])
                os.kill(fresh[0], signal.SIGKILL)
            time.sleep(0.05)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_killed_process_of_a_fold_is_replaced(task: Task) -> None:
    splits = _splits(task, 2)
    expected = [best_trial(task.of_rows(split.tuned).run()[1]) for split in splits]
    with fold_searches(task, splits, 2) as trials:
        _kill(1).join()
        found = trials()
    for one, other in zip(found, expected, strict=True):
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.parameters, other.parameters)
    assert not multiprocessing.active_children()


def test_an_interrupt_waits_for_no_fold_under_way_or_to_come(task: Task) -> None:
    slow = replace(task, samples=2000)

    def search() -> None:
        with fold_searches(slow, _splits(slow, 5), 2):
            while len(multiprocessing.active_children()) < 2:
                time.sleep(0.02)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search()
    assert not multiprocessing.active_children()


def test_a_fold_whose_processes_are_killed_again_and_again_is_an_error(task: Task) -> None:
    def search() -> None:
        with fold_searches(task, _splits(task, 2)[:1], 2) as trials:
            _kill(2).join()
            trials()

    with pytest.raises(InputError, match="killed twice"):
        search()
    assert not multiprocessing.active_children()
