"""Worker processes, and what each does first. Imports nothing that has threads: their number can still be set."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from iqatune.runtime.python_warnings import plain_warnings

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def worker_pool(processes: int) -> ProcessPoolExecutor:
    """A pool of up to so many processes, each of which ends with this one.

    They are fresh ones and import nothing of the program that runs, so a script needs no `if __name__ == "__main__"`.
    """
    return ProcessPoolExecutor(processes, _Context(), initializer=prepare_worker)


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - multiprocessing's name
        with _nameless_program():
            return SpawnProcess._Popen(process_obj)


class _Context(SpawnContext):
    Process = _Process


@contextmanager
def _nameless_program() -> Iterator[None]:
    """Let a process that is started here not run the program's own file: all that it works on is in this package."""
    program = sys.modules["__main__"]
    hidden: dict[str, Any] = {name: vars(program)[name] for name in ("__spec__", "__file__") if name in vars(program)}
    vars(program).update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        vars(program).update(hidden)


def prepare_worker() -> None:
    """One thread, no Ctrl-C of its own, and no life after its parent's.

    Ctrl-C reaches the whole process group, and the parent ends its workers itself. A pool's processes would otherwise
    outlive a parent that was killed, and go on writing where its successor writes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plain_warnings()
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
