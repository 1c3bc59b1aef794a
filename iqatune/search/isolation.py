"""A quiet room for a searcher: one BLAS thread, random generators of its own.

Search libraries draw from the global generators of numpy, Python and torch, and their Gaussian processes change in the
last bits with the number of BLAS threads. Both would make a run depend on what else the process does.
"""

import random
import sys
from types import TracebackType
from typing import Any

import numpy as np

from iqatune.runtime.threads import SEARCHER_THREADS, ThreadPools


class Isolation:
    """A re-enterable context in which the global random generators are this object's own.

    On entry the process's generators (numpy, Python, and torch where it is already imported) are put aside and this
    object's are put in their place, seeded the first time; on exit they change places again. So two entries with
    anything in between continue one sequence, and nothing of it is seen outside. BLAS and OpenMP, and torch where it
    is imported, run on one thread inside.

    Args:
        seed: any integer; its remainder by 2**32 seeds each generator.

    Not safe for two threads at once, as the generators and the thread pools belong to the whole process.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed % 2**32
        self._own: dict[str, Any] = {}
        self._outer: list[tuple[dict[str, Any], Any, int | None]] = []
        self._pools = ThreadPools()

    def __enter__(self) -> None:
        torch = sys.modules.get("torch")
        torch_threads = None if torch is None else torch.get_num_threads()  # before its OpenMP is limited
        limiter = self._pools.limit(SEARCHER_THREADS)
        if torch is not None:
            torch.set_num_threads(SEARCHER_THREADS)
        self._outer.append((_states(), limiter, torch_threads))
        _restore(_seeded(self._seed) | self._own)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own = _states()
        outer, limiter, torch_threads = self._outer.pop()
        _restore(outer)
        limiter.restore_original_limits()
        if torch_threads is not None:
            sys.modules["torch"].set_num_threads(torch_threads)


def _states() -> dict[str, Any]:
    states: dict[str, Any] = {"numpy": np.random.get_state(), "python": random.getstate()}
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state()
    return states


def _seeded(seed: int) -> dict[str, Any]:
    states: dict[str, Any] = {
        "numpy": np.random.RandomState(seed).get_state(),
        "python": random.Random(seed).getstate(),
    }
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].Generator().manual_seed(seed).get_state()
    return states


def _restore(states: dict[str, Any]) -> None:
    np.random.set_state(states["numpy"])
    random.setstate(states["python"])
    if "torch" in states:
        sys.modules["torch"].set_rng_state(states["torch"])
