"""How many processors there are, and how many threads BLAS and OpenMP run on."""

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

SPINS = "GOMP_SPINCOUNT"
"""The variable that says how often a waiting thread of OpenMP (libgomp, as torch has it on Linux) looks for work before
it sleeps."""

_FEW = "30000"
"""A tenth of libgomp's own number: longer than the time between two layers of a CNN, and shorter than decoding, in
which threads that wait would take a processor from those that work."""

SEARCHER_THREADS = 1
"""Of BLAS, OpenMP and torch while a searcher runs: Gaussian processes come out otherwise on another number."""


def prepare_threads() -> None:
    """Have OpenMP's threads sleep soon while others work; before torch is imported, unless variables say otherwise."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(SPINS, _FEW)


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ThreadPools:
    """The thread pools of BLAS and OpenMP in this process.

    Looking for them takes a millisecond or more, and only a new import can bring one, so they are looked for again
    after an import alone.
    """

    def __init__(self) -> None:
        self._controller: ThreadpoolController | None = None
        self._modules = 0

    def limit(self, threads: int) -> Any:
        """Run them on so many threads until the result's `restore_original_limits`, or to the end of a `with` block."""
        from threadpoolctl import ThreadpoolController  # here: the command line imports this module at its start

        if self._controller is None or self._modules != len(sys.modules):
            self._controller, self._modules = ThreadpoolController(), len(sys.modules)
        return self._controller.limit(limits=threads)

    def __getstate__(self) -> dict[str, Any]:
        return ThreadPools().__dict__  # another process has pools of its own
