"""Work on the threads that torch's own operations run on.

Between two operations these threads wait awake for the next, each on a processor of its own. Threads of another pool
have to share the processors with them: right after a CNN, moments took 1.7 times as long that way.
"""

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch

_Task = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_TORCH = ("libtorch_cpu.so", "libtorch_cpu.dylib")
"""torch's library on Linux and on macOS."""


def share(work: Sequence[Callable[[], None]], threads: int) -> None:
    """Do all of it in so many threads, this one among them, in any order.

    They are OpenMP's, as torch has it on Linux and macOS; where torch was built with another library, threads are
    started for it.

    Raises:
        BaseException: the first that a piece of the work raised.
    """
    left = iter(work)  # of a list or tuple, which threads may take from at once
    raised: list[BaseException] = []

    def take(_: object = None) -> None:
        try:
            for piece in left:
                piece()
        except BaseException as error:  # noqa: BLE001 - raised below: OpenMP's threads have nobody to raise it to
            raised.append(error)

    threads = min(threads, len(work))
    parallel = _parallel() if threads > 1 else None
    if parallel is not None:
        parallel(_Task(take), None, threads, 0)
    elif threads > 1:
        with ThreadPoolExecutor(threads - 1) as pool:  # which waits for all of them at its end
            for _ in range(threads - 1):
                pool.submit(take)
            take()
    else:
        take()
    if raised:
        raise raised[0]


@cache
def _parallel() -> Any:
    """GOMP_parallel of the OpenMP that torch itself uses: gcc's interface for `#pragma omp parallel`, which LLVM's and
    Intel's libraries have too. None where there is none."""
    folder = Path(torch.__file__).parent / "lib"
    # looked up in this library and in those that it was linked with, of which a process may hold several copies
    library = next((path for path in map(folder.joinpath, _TORCH) if path.exists()), None)
    function = None if library is None else getattr(ctypes.CDLL(str(library)), "GOMP_parallel", None)
    if function is not None:
        function.restype = None
        function.argtypes = [_Task, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    return function
