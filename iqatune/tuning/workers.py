"""Whole runs side by side: in processes of this machine, or in tasks of a Ray cluster."""

import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import Run
from iqatune.records.result import Result
from iqatune.records.run_folder import RunFolder
from iqatune.runtime.cluster import cluster
from iqatune.runtime.files import UnwritableError, scratch_folder, writing
from iqatune.runtime.threads import processors
from iqatune.runtime.worker import worker_pool
from iqatune.statistics.prepare import Prepared
from iqatune.tuning.run import search_prepared

ATTEMPTS = 2
"""How often a run is begun whose process was killed; more on a cluster, where nodes come and go."""
RAY_RETRIES = 3

SHARED = ".shared-"


@dataclass(frozen=True)
class Job:
    """One run to do: its options, the folder of its files, and what to do where its searcher cannot act its part."""

    run: Run
    folder: RunFolder
    strict: bool


@dataclass(frozen=True)
class Ended:
    """A job that is over: its files are written and `result` is its record, or `error` says in a line why not."""

    job: Job
    error: str | None = None
    result: Result | None = None


class Workers(Protocol):
    """Does jobs side by side."""

    count: int
    """How many at a time."""

    def share(self, prepared: Prepared) -> Any:
        """Put statistics where every worker can read them; what comes back stands for them."""

    def drop(self, shared: Any) -> None:
        """The statistics are needed no longer."""

    def start(self, job: Job, shared: Any) -> None:
        """Begin a job; at most `count` may be under way."""

    def next(self) -> list[Ended]:
        """Wait until a job is over.

        Raises:
            UnwritableError: when its files cannot be written, and so no other job's.
        """


def remove_left(place: Path) -> None:
    """Remove the shared statistics that a killed sweep has left in `place`, which this process has to itself."""
    for left in place.glob(f"{SHARED}*"):
        shutil.rmtree(left)


@contextmanager
def local_workers(count: int | None, place: Path) -> Iterator["LocalWorkers"]:
    """Processes of this machine, by default as many as there are processors; shared statistics are files in `place`."""
    with (
        tempfile.TemporaryDirectory(dir=place, prefix=SHARED) as folder,
        LocalWorkers(count or processors(), Path(folder)) as workers,
    ):
        yield workers


@contextmanager
def ray_workers(address: str, count: int | None) -> Iterator["RayWorkers"]:
    """Tasks of the cluster at `address`, by default as many as it has processors.

    Raises:
        InputError: no cluster answers at the address.
    """
    with cluster(address, 1), ExitStack() as folders:
        yield RayWorkers(count, folders)


@dataclass
class LocalWorkers:
    """Every process does one job at a time and has one thread; it ends with this process, however that ends."""

    count: int
    folder: Path
    _free: list[ProcessPoolExecutor] = field(default_factory=list)
    _busy: dict[Future[Result], tuple[ProcessPoolExecutor, Job, Any, int]] = field(default_factory=dict)
    _shared: int = 0

    def __enter__(self) -> "LocalWorkers":
        return self

    def __exit__(self, *error: object) -> None:
        # an interrupt leaves jobs under way; what they have done is in their folders
        for process in multiprocessing.active_children() if self._busy else ():
            process.terminate()
        for executor in [*self._free, *(busy[0] for busy in self._busy.values())]:
            executor.shutdown(wait=True, cancel_futures=True)

    def share(self, prepared: Prepared) -> "_Mapped":
        """Write the moments to a file, which all processes map: memory holds them once."""
        self._shared += 1
        path = self.folder / f"{self._shared}.npy"
        _save(path, prepared.moments)
        return _Mapped(replace(prepared, moments=np.empty((0, 0, 0), np.float32)), path)

    def drop(self, shared: "_Mapped") -> None:
        """Delete the file."""
        shared.path.unlink()

    def start(self, job: Job, shared: "_Mapped") -> None:
        """Give the job to an idle process, or to a new one."""
        self._start(job, shared, attempt=1)

    def _start(self, job: Job, shared: "_Mapped", attempt: int) -> None:
        executor = self._free.pop() if self._free else worker_pool(1)
        try:
            future = executor.submit(_run_mapped, job, shared)
        except BrokenProcessPool:  # its process was killed while it had nothing to do
            executor.shutdown()
            executor = worker_pool(1)
            future = executor.submit(_run_mapped, job, shared)
        self._busy[future] = (executor, job, shared, attempt)

    def next(self) -> list[Ended]:
        """Wait until a job is over; one whose process was killed is begun again, once."""
        ended: list[Ended] = []
        while not ended:
            done, _ = wait(self._busy, return_when=FIRST_COMPLETED)
            ended = [job for future in done if (job := self._ended(future)) is not None]
        return ended

    def _ended(self, future: Future[Result]) -> Ended | None:
        """The job's end, or None where it has been begun again."""
        executor, job, shared, attempt = self._busy.pop(future)
        error = future.exception()
        if not isinstance(error, BrokenProcessPool):
            self._free.append(executor)
            if isinstance(error, UnwritableError):
                raise error
            return Ended(job, result=future.result()) if error is None else Ended(job, reason(error))
        executor.shutdown()
        if attempt == ATTEMPTS:
            return Ended(job, "its process was killed, such as for want of memory; try fewer `jobs`")
        self._start(job, shared, attempt + 1)
        return None


class RayWorkers:
    """Every task does one job in a folder of its own, and this process writes the files: no disk need be shared."""

    def __init__(self, count: int | None, folders: ExitStack) -> None:
        import ray

        self._ray = ray
        self.count = count or max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]
        self._task = ray.remote(num_cpus=1, max_retries=RAY_RETRIES)(_run_apart)
        self._folders = folders
        self._busy: dict[Any, _Sent] = {}
        self._refused: list[Ended] = []

    def share(self, prepared: Prepared) -> Any:
        """Put the statistics into the object store."""
        return self._ray.put(prepared)

    def drop(self, shared: Any) -> None:
        """Nothing: Ray frees an object when nobody refers to it."""

    def start(self, job: Job, shared: Any) -> None:
        """Send the job out with the files it has so far; nobody else works in its folder until it is over."""
        lock = self._folders.enter_context(ExitStack())
        try:
            folder = lock.enter_context(job.folder.locked())
        except InputError as error:
            self._refused.append(Ended(job, reason(error)))
            return
        reference = self._task.remote(_Order(job.run, folder.content(), job.strict), shared)
        self._busy[reference] = _Sent(job, folder, lock)

    def next(self) -> list[Ended]:
        """Wait until a job is over, and write its files."""
        if self._refused:
            return [self._refused.pop()]
        done, _ = self._ray.wait(list(self._busy), num_returns=1)
        return [self._ended(self._busy.pop(reference), reference) for reference in done]

    def _ended(self, sent: "_Sent", reference: Any) -> Ended:
        with sent.lock:
            try:
                files = self._ray.get(reference)
            except self._ray.exceptions.RayTaskError as error:
                return Ended(sent.job, reason(error.cause))
            except self._ray.exceptions.RayError as error:
                return Ended(sent.job, reason(error))
            sent.folder.write_content(files)
            return Ended(sent.job, result=sent.folder.result())


@dataclass(frozen=True)
class _Sent:
    """A job that a task does, and its folder, which is locked here until the task's files are written."""

    job: Job
    folder: RunFolder
    lock: ExitStack


@dataclass(frozen=True)
class _Order:
    """A job for a machine that does not have its folder: the files so far travel along."""

    run: Run
    content: Mapping[str, bytes]
    strict: bool


@dataclass(frozen=True)
class _Mapped:
    """Statistics whose moments are in a file."""

    prepared: Prepared
    path: Path

    def load(self) -> Prepared:
        # mapped, but an ordinary array to whoever uses it
        return replace(self.prepared, moments=np.asarray(np.load(self.path, mmap_mode="r")))


def _save(path: Path, array: NDArray[np.float32]) -> None:
    """`numpy.save`, which does not say why where a disk is full."""
    array = np.ascontiguousarray(array)
    with writing(path), path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


def _run_mapped(job: Job, shared: _Mapped) -> Result:
    return search_prepared(job.run, shared.load(), job.folder, progress=Progress(), strict=job.strict, processes=1)


def _run_apart(order: _Order, prepared: Prepared) -> dict[str, bytes]:
    with scratch_folder() as place:
        folder = RunFolder(place)
        folder.write_content(order.content)
        search_prepared(order.run, prepared, folder, progress=Progress(), strict=order.strict, processes=1)
        return folder.content()


def reason(error: BaseException) -> str:
    """Why something failed, in a line; the kind of error too where it is not one that was foreseen."""
    if isinstance(error, InputError):
        return error.command_line
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
