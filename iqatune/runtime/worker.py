"""Worker processes, and what each does first. Imports nothing that has threads: their number can still be set."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from iqatune.runtime.python_warnings import plain_warnings

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

ATTEMPTS = 2
"""How often work is begun whose process is killed."""


class WorkerPool(ProcessPoolExecutor):
    """Up to so many processes, each of which ends with this one, however that ends.

    They are fresh ones and import nothing of the program that runs, so a script needs no `if __name__ == "__main__"`.
    An error or an interrupt that leaves the `with` block ends them at once; nobody waits for what they do.

    Args:
        processes: how many.
        first: what each does first.
    """

    def __init__(self, processes: int, first: Callable[[], None] | None = None) -> None:
        self._context = FreshContext()
        super().__init__(processes, self._context, initializer=first or prepare_worker)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.terminate()
        self.shutdown(wait=True, cancel_futures=True)

    def terminate(self) -> None:
        """End the processes, whatever they do."""
        for process in self._context.started:
            if process.pid is not None:
                process.terminate()


class Processes:
    """Work in up to `count` processes, one piece at a time in each; what a killed process did is begun again, once.

    A process that is killed takes no other work along.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._pools: list[WorkerPool] = []
        self._begun: list[Future[Any]] = []
        self._over = False

    def submit(
        self, work: Callable[Arguments, Returned], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Future[Returned]:
        """Begin a call as soon as a process is free.

        The future's error is BrokenProcessPool where the process was killed the second time, too.
        """
        begun = self._threads.submit(partial(self._done, work, *arguments, **named))
        self._begun.append(begun)
        return begun

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._over = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        while error is not None and not all(begun.done() for begun in self._begun):
            for pool in self._pools:
                pool.terminate()
            # and once more if need be: a process may be about to start just now
            time.sleep(0.05)
        self._threads.shutdown(wait=True)
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def _done(
        self, work: Callable[Arguments, Returned], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Returned:
        for _ in range(ATTEMPTS - 1):
            try:
                return self._pool().submit(work, *arguments, **named).result()
            except BrokenProcessPool:
                self._own.pool = None
        return self._pool().submit(work, *arguments, **named).result()

    def _pool(self) -> WorkerPool:
        """The calling thread's own process, a new one where the last was killed."""
        pool: WorkerPool | None = getattr(self._own, "pool", None)
        if pool is None:
            with self._lock:
                if self._over:
                    raise BrokenProcessPool("nobody waits for it any more")
                pool = self._own.pool = WorkerPool(1)
                self._pools.append(pool)
        return pool


_STARTING = threading.Lock()
"""Held while the program's name is hidden: threads may start processes at the same time."""


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - multiprocessing's name
        with _STARTING, _nameless_program():
            return SpawnProcess._Popen(process_obj)


class FreshContext(SpawnContext):
    """Starts such processes, and knows them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []
        _start_resource_tracker()

    def Process(self, *arguments: Any, **named: Any) -> SpawnProcess:  # type: ignore[override] # noqa: N802
        self.started.append(_Process(*arguments, **named))
        return self.started[-1]


def _start_resource_tracker() -> None:
    """Start multiprocessing's own process so that the end of a terminal leaves it alone: it ends with this one.

    It would be started anew, with a warning, by a program that is about to end.
    """
    hang_up = {getattr(signal, "SIGHUP", signal.SIGINT)}  # Windows has none, and no such process either
    before = signal.pthread_sigmask(signal.SIG_BLOCK, hang_up)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
    """One thread, warnings as plain lines, and what `follow_parent` does."""
    plain_warnings()
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    follow_parent()


def follow_parent() -> None:
    """No Ctrl-C of its own, and no life after its parent's.

    Ctrl-C and the end of a terminal reach the whole process group, and the parent ends its workers itself. A pool's
    processes would otherwise outlive a parent that was killed, and go on writing where its successor writes.
    """
    for number in (signal.SIGINT, getattr(signal, "SIGHUP", None)):
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
    # by which the parent ends it; whoever ignores a signal passes that on to the processes that he starts
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
