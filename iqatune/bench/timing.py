"""Rates measured side by side: a machine that slows down does so for every candidate."""

import time
from collections.abc import Callable, Mapping
from statistics import median

from iqatune.records.bench import Spread

Work = Callable[[], int]
"""Does a piece of work, and says how many items of it there were."""


def rates(work: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """Items a second of every candidate in every round. Each runs once untimed, then all take turns."""
    return {name: [items / duration for items, duration in of] for name, of in _by_turns(work, rounds).items()}


def seconds_by_turns(work: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """Seconds of every candidate in every round, in turns as `rates` has them."""
    return {name: [duration for _, duration in of] for name, of in _by_turns(work, rounds).items()}


def _by_turns(work: Mapping[str, Work], rounds: int) -> dict[str, list[tuple[int, float]]]:
    """Items and seconds."""
    for candidate in work.values():
        candidate()
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in work}
    for number in range(rounds):
        # every other round backwards, so that nobody always runs in the wake of the same neighbour
        for name in list(work) if number % 2 == 0 else list(work)[::-1]:
            started = time.perf_counter()
            items = work[name]()
            found[name].append((items, time.perf_counter() - started))
    return found


def seconds(work: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of every round, after one that is not timed."""
    work()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return found


def spread(values: list[float]) -> Spread:
    """Median, lowest and highest."""
    return Spread(median=median(values), low=min(values), high=max(values))


def ratio(values: list[float], to: list[float]) -> float:
    """Median over the rounds of one candidate's rate over another's."""
    return median(value / base for value, base in zip(values, to, strict=True))
