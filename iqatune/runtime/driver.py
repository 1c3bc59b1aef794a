"""Work on a Ray cluster, done by a process that Ray may end.

Ray ends every process that is connected to a cluster which is lost, without a word to Python, or lets it wait for
minutes; and its compiled part writes to stderr what it likes. So a process of its own is connected, silently, and this
one waits for it, with an eye on the cluster.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from iqatune.errors import InputError
from iqatune.runtime.cluster import (
    addresses,
    cluster,
    connect,
    dead_server,
    is_connected,
    joined,
    last_words,
    no_cluster,
    own_folder,
    started,
    unreachable,
)
from iqatune.runtime.worker import FreshContext, follow_parent

JOIN_S = 8.0
"""How long a cluster may take to let a process join it."""

START_S = 60.0
"""How long an own cluster may take to start, on a machine that is busy; its servers' end is noticed at once."""

LEAVE_S = 3.0

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Desk:
    """What work on a cluster has beside its arguments.

    Attributes:
        folder: for temporary files.
        tell: sends the caller a message at once.
        kept: what one call leaves for the next.
    """

    folder: Path
    tell: Callable[[Any], None]
    kept: dict[str, Any] = field(default_factory=dict)


Work = Callable[Concatenate[Desk, Arguments], Returned]


class Here:
    """This process, connected to Ray already by whoever runs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[str, Any] = {}

    def call(
        self,
        tell: Callable[[Any], None],
        work: Work[Arguments, Returned],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Returned:
        """Do the work; its messages go to `tell`."""
        return work(Desk(self._folder, tell, self._kept), *arguments, **named)


class There:
    """A process of its own that is connected to a cluster."""

    def __init__(self, process: BaseProcess, link: Connection, lost: str) -> None:
        self._process = process
        self._link = link
        self._lost = lost
        self._watched: list[str] = []

    def call(
        self,
        tell: Callable[[Any], None],
        work: Work[Arguments, Returned],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Returned:
        """Have the work done there, with functions and arguments that can be pickled; its messages go to `tell`.

        Raises:
            InputError: the cluster is lost, or what the work raises.
        """
        self._link.send((work, arguments, named))
        while True:
            kind, content = self._receive()
            if kind == "told":
                tell(content)
            elif kind == "done":
                returned: Returned = content
                return returned
            else:
                # whatever fails when the cluster is gone, fails for that
                reason = unreachable(self._watched)
                raise content if reason is None else self._is_lost(reason)

    def wait_for_connection(self, folder: Path, address: str | None) -> None:
        """Until the process is connected.

        Raises:
            InputError: saying why it will not be.
        """
        self._expect(float("inf"), lambda: None)  # Python and Ray are loaded by then: that depends on the disk alone
        if address is None:
            self._watched = self._expect(
                START_S, lambda: _failed_start(self._process.pid, folder), "Ray cannot start: no answer within a minute"
            )
        else:
            says_nothing = no_cluster(address, "what listens there does not speak as Ray does")
            self._watched = self._expect(JOIN_S, lambda: None, says_nothing)

    def _expect(self, seconds: float, failed: Callable[[], str | None], late: str = "") -> Any:
        deadline = time.monotonic() + seconds
        while not self._link.poll(0.5):
            reason = failed()
            if reason is not None:
                raise InputError(reason)
            if time.monotonic() > deadline:
                raise InputError(late)
        try:
            kind, content = self._link.recv()
        except EOFError:
            raise InputError(f"{self._lost}: its process ended while it connected") from None
        if kind == "error":
            raise content
        return content

    def _receive(self) -> Any:
        while not self._link.poll(1.0):
            reason = unreachable(self._watched)
            if reason is not None:
                raise self._is_lost(reason)
        try:
            return self._link.recv()
        except EOFError:
            reason = unreachable(self._watched) or "the process that was connected to it has ended"
            raise self._is_lost(reason) from None

    def _is_lost(self, reason: str) -> InputError:
        return InputError(f"{self._lost}: {reason}; what was done is kept, run it again")


@contextmanager
def connection(address: str | None, processors: int, gpus: int | None = None) -> Iterator[Here | There]:
    """A process that is connected to Ray: this one if it is so already, else one of its own.

    Args:
        address: as of `cluster.cluster`; by default a cluster is started for this piece of work alone.
        processors: how many tasks an own cluster runs side by side.
        gpus: that an own cluster gives to tasks; by default those that Ray finds.

    Raises:
        InputError: no cluster answers at the address within seconds, Ray cannot start, or the cluster is lost while it
            works.
    """
    if is_connected():
        with cluster(None, processors) as folder:
            yield Here(folder)
        return
    found = None if address is None else joined(address)
    lost = "the Ray of this run has ended" if address is None else f"`address` {address}: the Ray cluster is lost"
    with own_folder() as folder:
        settings = found or started(folder, processors, gpus)
        context = FreshContext()
        link, other = context.Pipe()
        process = context.Process(target=_drive, args=(other, folder, settings))
        process.start()
        other.close()
        try:
            there = There(process, link, lost)
            there.wait_for_connection(folder, address)
            yield there
            link.send(None)
            process.join(LEAVE_S)
        finally:
            # whatever it waits for; what it started goes with the folder
            process.kill()
            process.join()
            link.close()


def _failed_start(process: int | None, folder: Path) -> str | None:
    dead = None if process is None else dead_server(process)
    if dead is None:
        return None
    words = last_words(folder)
    return f"Ray cannot start: its {dead} has ended" + (f": {words}" if words else "")


def _drive(link: Connection, folder: Path, settings: dict[str, Any]) -> None:
    """What the process does: it connects, and works until there is nothing more to do."""
    follow_parent()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    import ray

    link.send(("ready", None))
    try:
        connect(settings)
        link.send(("ready", [settings["address"]] if settings["address"].startswith("ray://") else addresses()))
        desk = Desk(folder, lambda message: link.send(("told", message)))
        while (call := link.recv()) is not None:
            work, arguments, named = call
            link.send(("done", work(desk, *arguments, **named)))
    except ray.exceptions.RayError as error:
        link.send(("error", InputError(f"Ray failed: {error}")))
    except Exception as error:  # noqa: BLE001 nothing is swallowed: it crosses to the process that waits, and is raised there
        link.send(("error", error))
    finally:
        if settings["address"] != "local":
            ray.shutdown()
