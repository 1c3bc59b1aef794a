"""Whole runs side by side: in processes of this machine, or in tasks of a Ray cluster."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import Run
from iqatune.records.result import Result
from iqatune.records.run_folder import RunFolder
from iqatune.runtime.driver import Desk, Here, There, connection
from iqatune.runtime.files import UnwritableError, scratch_folder, writing
from iqatune.runtime.threads import processors
from iqatune.runtime.worker import Processes
from iqatune.statistics.by_group import AnyMoments, blocks
from iqatune.statistics.prepare import Prepared
from iqatune.statistics.source import PreparedPairs
from iqatune.tuning.run import search_prepared

RAY_RETRIES = 3
"""How often a run is begun again on a cluster, where nodes come and go."""

SHARED = ".shared-"


@dataclass(frozen=True)
class Job:
    """One run to do: its options, the folder of its files, and what to do where its searcher cannot act its part.

    Attributes:
        command: the command line that was typed, for the record.
    """

    run: Run
    folder: RunFolder
    strict: bool
    command: str | None = None


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

    def share(self, prepared: PreparedPairs) -> Any:
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
    count = count or processors()
    with tempfile.TemporaryDirectory(dir=place, prefix=SHARED) as folder, Processes(count) as processes:
        yield LocalWorkers(count, Path(folder), processes)


@contextmanager
def ray_workers(address: str, count: int | None) -> Iterator["RayWorkers"]:
    """Tasks of the cluster at `address`, by default as many as it has processors.

    Raises:
        InputError: no cluster answers at the address.
    """
    with connection(address, 1) as ray, ExitStack() as folders:
        yield RayWorkers(ray, count, folders)


class LocalWorkers:
    """Every process does one job at a time and has one thread; it ends with this process, however that ends."""

    def __init__(self, count: int, folder: Path, processes: Processes) -> None:
        self.count = count
        self._folder = folder
        self._processes = processes
        self._busy: dict[Future[Result], Job] = {}
        self._shared = 0

    def share(self, prepared: PreparedPairs) -> "_Mapped | _Carried":
        """Write the moments to a file, which all processes map: memory holds them once. Columns are small."""
        return self._mapped(prepared) if isinstance(prepared, Prepared) else _Carried(prepared)

    def _mapped(self, prepared: Prepared) -> "_Mapped":
        self._shared += 1
        path = self._folder / f"{self._shared}.npy"
        _save(path, prepared.moments)
        textures = None if prepared.textures is None else self._mapped(prepared.textures)
        return _Mapped(replace(prepared, moments=np.empty((0, 0, 0), np.float32), textures=None), path, textures)

    def drop(self, shared: "_Mapped | _Carried") -> None:
        """Delete the file."""
        if isinstance(shared, _Mapped):
            shared.path.unlink()
            if shared.textures is not None:
                self.drop(shared.textures)

    def start(self, job: Job, shared: "_Mapped | _Carried") -> None:
        """Give the job to an idle process, or to a new one."""
        self._busy[self._processes.submit(_run_mapped, job, shared)] = job

    def next(self) -> list[Ended]:
        """Wait until a job is over; one whose process was killed is begun again before, once."""
        done, _ = wait(self._busy, return_when=FIRST_COMPLETED)
        return [_ended(self._busy.pop(future), future) for future in done]


def _ended(job: Job, future: Future[Result]) -> Ended:
    error = future.exception()
    if isinstance(error, UnwritableError):
        raise error
    if isinstance(error, BrokenProcessPool):
        return Ended(job, "its process was killed, for example because memory ran out; try fewer `jobs`")
    return Ended(job, result=future.result()) if error is None else Ended(job, reason(error))


class RayWorkers:
    """Every task does one job in a folder of its own, and this process writes the files: no disk need be shared."""

    def __init__(self, ray: Here | There, count: int | None, folders: ExitStack) -> None:
        self._ray = ray
        self.count = ray.call(_no_news, _begin, count)
        self._folders = folders
        self._busy: dict[int, _Sent] = {}
        self._refused: list[Ended] = []
        self._numbers = itertools.count()

    def share(self, prepared: PreparedPairs) -> int:
        """Put the statistics into the object store."""
        return self._ray.call(_no_news, _share, next(self._numbers), prepared)

    def drop(self, shared: int) -> None:
        """Let Ray free them."""
        self._ray.call(_no_news, _drop, shared)

    def start(self, job: Job, shared: int) -> None:
        """Send the job out with the files it has so far; nobody else works in its folder until it is over."""
        lock = self._folders.enter_context(ExitStack())
        try:
            folder = lock.enter_context(job.folder.locked())
        except InputError as error:
            self._refused.append(Ended(job, reason(error)))
            return
        number = next(self._numbers)
        self._busy[number] = _Sent(job, folder, lock)
        self._ray.call(_no_news, _start, number, _Order(job.run, folder.content(), job.strict, job.command), shared)

    def next(self) -> list[Ended]:
        """Wait until a job is over, and write its files."""
        if self._refused:
            return [self._refused.pop()]
        return [self._ended(*over) for over in self._ray.call(_no_news, _next)]

    def _ended(self, number: int, files: Mapping[str, bytes], error: str | None) -> Ended:
        sent = self._busy.pop(number)
        with sent.lock:
            if error is not None:
                return Ended(sent.job, error)
            sent.folder.write_content(files)
            return Ended(sent.job, result=sent.folder.result())


@dataclass(frozen=True)
class _Sent:
    """A job that a task does, and its folder, which is locked here until the task's files are written."""

    job: Job
    folder: RunFolder
    lock: ExitStack


def _no_news(message: object) -> None:
    """What is done for `RayWorkers` tells nothing on the way."""


@dataclass
class _Tasks:
    """What the process keeps that is connected to Ray."""

    task: Any
    shared: dict[int, Any] = field(default_factory=dict)
    busy: dict[Any, int] = field(default_factory=dict)


def _begin(desk: Desk, count: int | None) -> int:
    import ray

    desk.kept["tasks"] = _Tasks(ray.remote(num_cpus=1, max_retries=RAY_RETRIES)(_run_apart))
    return count or max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]


def _share(desk: Desk, number: int, prepared: PreparedPairs) -> int:
    import ray

    desk.kept["tasks"].shared[number] = ray.put(prepared)
    return number


def _drop(desk: Desk, number: int) -> None:
    del desk.kept["tasks"].shared[number]


def _start(desk: Desk, number: int, order: "_Order", shared: int) -> None:
    tasks: _Tasks = desk.kept["tasks"]
    tasks.busy[tasks.task.remote(order, tasks.shared[shared])] = number


def _next(desk: Desk) -> list[tuple[int, Mapping[str, bytes], str | None]]:
    """The jobs that are over: number, files, and why there are none."""
    import ray

    tasks: _Tasks = desk.kept["tasks"]
    ended: list[tuple[int, Mapping[str, bytes], str | None]] = []
    for reference in ray.wait(list(tasks.busy), num_returns=1)[0]:
        number = tasks.busy.pop(reference)
        try:
            ended.append((number, ray.get(reference), None))
        except ray.exceptions.RayTaskError as error:
            ended.append((number, {}, reason(error.cause)))
        except ray.exceptions.RayError as error:
            ended.append((number, {}, reason(error)))
    return ended


@dataclass(frozen=True)
class _Order:
    """A job for a machine that does not have its folder: the files so far travel along."""

    run: Run
    content: Mapping[str, bytes]
    strict: bool
    command: str | None = None


@dataclass(frozen=True)
class _Mapped:
    """Statistics whose moments are in a file, and those of textures in another."""

    prepared: Prepared
    path: Path
    textures: "_Mapped | None" = None

    def load(self) -> Prepared:
        # mapped, but an ordinary array to whoever uses it
        moments = np.asarray(np.load(self.path, mmap_mode="r"))
        return replace(self.prepared, moments=moments, textures=None if self.textures is None else self.textures.load())


@dataclass(frozen=True)
class _Carried:
    """What is small enough to travel with every job."""

    prepared: PreparedPairs

    def load(self) -> PreparedPairs:
        return self.prepared


def _save(path: Path, moments: AnyMoments) -> None:
    """Write a .npy file block by block; `numpy.save` does not say why where a disk is full, and takes an array."""
    header = {"descr": "<f4", "fortran_order": False, "shape": moments.shape}
    size = np.dtype(np.float32).itemsize * int(np.prod(moments.shape[1:]))
    with writing(path), path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, header)
        start = file.tell()
        for rows, block in blocks(moments):
            # rows of a reference, which mostly follow one another
            for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1):
                file.seek(start + int(rows[run[0]]) * size)
                file.write(np.ascontiguousarray(block[run]).data)


def _run_mapped(job: Job, shared: _Mapped | _Carried) -> Result:
    settings: dict[str, Any] = {"strict": job.strict, "command": job.command, "processes": 1}
    return search_prepared(job.run, shared.load(), job.folder, progress=Progress(), **settings)


def _run_apart(order: _Order, prepared: PreparedPairs) -> dict[str, bytes]:
    with scratch_folder() as place:
        folder = RunFolder(place)
        folder.write_content(order.content)
        settings: dict[str, Any] = {"strict": order.strict, "command": order.command, "processes": 1}
        search_prepared(order.run, prepared, folder, progress=Progress(), **settings)
        return folder.content()


def reason(error: BaseException) -> str:
    """Why something failed, in a line; the kind of error too where it is not one that was foreseen."""
    if isinstance(error, InputError):
        return error.command_line
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
