"""Whole runs side by side: in processes of this machine, or in tasks of a Ray cluster."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import Run
from iqatune.records.run_folder import RunFolder
from iqatune.runtime.cluster import cluster
from iqatune.runtime.threads import processors
from iqatune.runtime.worker import Processes
from iqatune.statistics.prepare import Prepared
from iqatune.tuning.run import search_prepared

RAY_RETRIES = 3
"""How often a run is begun again on a cluster, where nodes come and go."""

SHARED = ".shared-"


@dataclass(frozen=True)
class Job:
    """One run to do: its options, the folder of its files, and what to do where its searcher cannot act its part."""

    run: Run
    folder: RunFolder
    strict: bool


@dataclass(frozen=True)
class Ended:
    """A job that is over: its files are written, or `error` says in a line why not."""

    job: Job
    error: str | None


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
        """Wait until a job is over."""


@contextmanager
def local_workers(count: int | None, place: Path) -> Iterator["LocalWorkers"]:
    """Processes of this machine, by default as many as there are processors; shared statistics are files in `place`."""
    for left in place.glob(f"{SHARED}*"):
        # by a sweep that was killed
        shutil.rmtree(left)
    count = count or processors()
    with tempfile.TemporaryDirectory(dir=place, prefix=SHARED) as folder, Processes(count) as processes:
        yield LocalWorkers(count, Path(folder), processes)


@contextmanager
def ray_workers(address: str, count: int | None) -> Iterator["RayWorkers"]:
    """Tasks of the cluster at `address`, by default as many as it has processors.

    Raises:
        InputError: no cluster answers at the address.
    """
    with cluster(address, 1):
        yield RayWorkers(count)


class LocalWorkers:
    """Every process does one job at a time and has one thread; it ends with this process, however that ends."""

    def __init__(self, count: int, folder: Path, processes: Processes) -> None:
        self.count = count
        self._folder = folder
        self._processes = processes
        self._busy: dict[Future[None], Job] = {}
        self._shared = 0

    def share(self, prepared: Prepared) -> "_Mapped":
        """Write the moments to a file, which all processes map: memory holds them once."""
        self._shared += 1
        path = self._folder / f"{self._shared}.npy"
        np.save(path, prepared.moments)
        return _Mapped(replace(prepared, moments=np.empty((0, 0, 0), np.float32)), path)

    def drop(self, shared: "_Mapped") -> None:
        """Delete the file."""
        shared.path.unlink()

    def start(self, job: Job, shared: "_Mapped") -> None:
        """Give the job to an idle process, or to a new one."""
        self._busy[self._processes.submit(_run_mapped, job, shared)] = job

    def next(self) -> list[Ended]:
        """Wait until a job is over; one whose process was killed is begun again before, once."""
        done, _ = wait(self._busy, return_when=FIRST_COMPLETED)
        return [Ended(self._busy.pop(future), _error(future)) for future in done]


def _error(future: Future[None]) -> str | None:
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        return "its process was killed, such as for want of memory; try fewer `jobs`"
    return None if error is None else reason(error)


class RayWorkers:
    """Every task does one job in a folder of its own, and this process writes the files: no disk need be shared."""

    def __init__(self, count: int | None) -> None:
        import ray

        self._ray = ray
        self.count = count or max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]
        self._task = ray.remote(num_cpus=1, max_retries=RAY_RETRIES)(_run_apart)
        self._busy: dict[Any, Job] = {}

    def share(self, prepared: Prepared) -> Any:
        """Put the statistics into the object store."""
        return self._ray.put(prepared)

    def drop(self, shared: Any) -> None:
        """Nothing: Ray frees an object when nobody refers to it."""

    def start(self, job: Job, shared: Any) -> None:
        """Send the job out with the files it has so far."""
        self._busy[self._task.remote(_Order(job.run, job.folder.content(), job.strict), shared)] = job

    def next(self) -> list[Ended]:
        """Wait until a job is over, and write its files."""
        done, _ = self._ray.wait(list(self._busy), num_returns=1)
        return [self._ended(self._busy.pop(reference), reference) for reference in done]

    def _ended(self, job: Job, reference: Any) -> Ended:
        try:
            files = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            return Ended(job, reason(error.cause))
        except self._ray.exceptions.RayError as error:
            return Ended(job, reason(error))
        job.folder.write_content(files)
        return Ended(job, None)


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


def _run_mapped(job: Job, shared: _Mapped) -> None:
    search_prepared(job.run, shared.load(), job.folder, progress=Progress(), strict=job.strict, processes=1)


def _run_apart(order: _Order, prepared: Prepared) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        folder.write_content(order.content)
        search_prepared(order.run, prepared, folder, progress=Progress(), strict=order.strict, processes=1)
        return folder.content()


def reason(error: BaseException) -> str:
    """Why something failed, in a line; the kind of error too where it is not one that was foreseen."""
    if isinstance(error, InputError):
        return error.command_line
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
