"""A Ray cluster for the time of a piece of work: an existing one that is joined and left, or an own one that ends."""

import logging
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from iqatune.errors import InputError
from iqatune.runtime.leftovers import cleared_up

ANSWER_S = 5.0
"""How long a machine may take to take a connection."""

TRIES = 3
"""So many vain attempts to reach a cluster, a second apart: it is gone."""

FREE_BYTES = 64 * 2**20
"""Less room than this, and a folder is too full for Ray's logs."""

LONGEST_FOLDER = 103 - len("/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store")
"""Bytes: what Ray puts below a folder has to fit into the name of a socket, of which macOS allows the fewest."""

FATAL = re.compile(r"Check failed|^\[[-0-9:, ]+ F ")
"""In a log of Ray's, what a server died of."""

AUTHENTICATION = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

SETTINGS = {
    # shared memory that is too small is replaced by files in the cluster's folder
    "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextmanager
def cluster(address: str | None, processors: int, gpus: int | None = None) -> Iterator[Path]:
    """Have this very process connected to Ray inside; what comes is a folder for temporary files.

    Where it is connected already, that connection is used and left as it is. A cluster at `address` is joined and left
    again; without an address one is started on this machine, for this process alone, and ended, even if this process is
    killed. Ray ends the processes that are connected to a cluster when that is lost: `driver.connection` puts up with
    this.

    Args:
        address: of a running cluster, as `ray start` prints it (HOST:PORT), `ray://HOST:PORT` or `auto`; or None.
        processors: how many tasks an own cluster runs side by side.
        gpus: that an own cluster gives to tasks; by default those that Ray finds.

    Raises:
        InputError: no cluster answers at the address, or Ray cannot start.
    """
    if is_connected():
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    settings = joined(address) if address is not None else None
    with redirect_stdout(sys.stderr), own_folder() as folder:
        connect(settings or started(folder, processors, gpus))
        try:
            yield folder
        finally:
            import ray

            ray.shutdown()


def is_connected() -> bool:
    """Whether this process is connected to Ray already; imports nothing of it."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that are set inside; those that the user has set stay as they are."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def joined(address: str) -> dict[str, Any]:
    """What `connect` needs to join the cluster at an address.

    Raises:
        InputError: nobody answers there.
    """
    found = meant(address)
    if found != "auto":
        try:
            _knock(found, ANSWER_S)
        except OSError as error:
            raise InputError(no_cluster(address, str(error))) from error
    return {"address": found}


def started(folder: Path, processors: int, gpus: int | None) -> dict[str, Any]:
    """What `connect` needs to start a cluster of this process's own.

    Args:
        folder: for its sockets and logs, of `own_folder`.
        processors: how many tasks it runs side by side.
        gpus: that it gives to tasks; by default those that Ray finds.
    """
    settings = {"address": "local", "num_cpus": processors, "include_dashboard": False, "_temp_dir": str(folder)}
    return settings if gpus is None else {**settings, "num_gpus": gpus}


def connect(settings: Mapping[str, Any]) -> None:
    """`ray.init`, which leaves SIGTERM to whoever had it: Ray would exit, and with the wrong code.

    Raises:
        InputError: saying why it failed.
    """
    own = settings["address"] == "local"
    before = signal.getsignal(signal.SIGTERM)
    with environment(SETTINGS):
        import ray

        if own:
            _own_token()
            _check_network(str(ray.util.get_node_ip_address()))  # type: ignore[no-untyped-call]
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **settings)
        except Exception as error:  # a start that times out is a bare Exception of Ray's: no narrower class would do
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if own:
                raise InputError(f"Ray cannot start: {last_words(Path(settings['_temp_dir'])) or why}") from error
            raise InputError(no_cluster(settings["address"], why)) from error
        finally:
            if before is not None and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)


@contextmanager
def own_folder() -> Iterator[Path]:
    """A new folder for an own cluster's sockets and logs, in the first place that is fit for them.

    On leaving, or when this process is killed, all that Ray started there ends, and the folder goes.

    Raises:
        InputError: naming every place that was tried.
    """
    folder = _fit_folder()
    with cleared_up(folder):
        yield folder


def addresses() -> list[str]:
    """Where the cluster listens that this process is connected to: its head, and the node on this machine."""
    import ray

    context = ray.get_runtime_context()
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    here = [node for node in nodes if node["NodeID"] == context.get_node_id()]
    return [context.gcs_address, *(f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}" for node in here)]


def unreachable(addresses: Sequence[str]) -> str | None:
    """Which of the addresses takes no connection, however often one tries; None where all do."""
    for address in addresses:
        for attempt in range(TRIES):
            try:
                _knock(address, 1.0)
                break
            except OSError as error:
                reason = f"{address} does not answer ({error})"
            if attempt == TRIES - 1:
                return reason
            time.sleep(1.0)
    return None


def dead_server(starter: int) -> str | None:
    """Which of the two servers of a cluster has ended that a process is starting; None where none has, or no /proc is.

    Args:
        starter: the process's id.
    """
    for children in Path(f"/proc/{starter}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                name, state = Path(f"/proc/{child}/stat").read_text().partition("(")[2].rpartition(") ")[::2]
                if name in ("gcs_server", "raylet") and state[0] in "ZX":
                    return name
    return None


def last_words(folder: Path) -> str:
    """What one of the servers of an own cluster died of, as it said itself; "" where none said anything."""
    for name in ("gcs_server.err", "gcs_server.out", "raylet.err", "raylet.out"):
        for log in folder.glob(f"session_2*/logs/{name}"):
            lines = [line for line in log.read_text(errors="replace").splitlines() if FATAL.search(line)]
            if lines:
                return lines[-1].strip()
    return ""


def meant(address: str) -> str:
    """`auto` is what RAY_ADDRESS says, if it says something."""
    return (os.environ.get("RAY_ADDRESS") or address) if address == "auto" else address


def no_cluster(address: str, why: str) -> str:
    """The line of an address where no cluster is."""
    found = meant(address)
    place = "" if found == address else f" at {found}, which RAY_ADDRESS names"
    return f"`address` {address}: no Ray cluster answers{place} ({why.rstrip('.')}); see 'ray status' there"


def _knock(address: str, seconds: float) -> None:
    """Take up a connection, and end it.

    Raises:
        OSError: nobody takes it; also where the address is none.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise OSError("an address is HOST:PORT")
    socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()


def _check_network(host: str) -> None:
    """Ray's processes talk through this machine's own address, and wait for long where that leads nowhere."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, 0), family=family) as server:
            _knock(f"{host}:{server.getsockname()[1]}", ANSWER_S)
    except OSError as error:
        raise InputError(
            f"Ray cannot start: this machine cannot reach itself at {host} ({error}); see that its network is up, at "
            "least its loopback device"
        ) from error


def _fit_folder() -> Path:
    places = [os.environ.get("RAY_TMPDIR"), os.environ.get("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"]
    refused = []
    for place in dict.fromkeys(filter(None, places)):
        try:
            folder = Path(tempfile.mkdtemp(prefix="ray-", dir=place)).absolute()
        except OSError as error:
            refused.append(f"{place}: {error.strerror}")
            continue
        if len(os.fsencode(folder)) > LONGEST_FOLDER:
            refused.append(f"{place}: too long a path for the name of a socket")
        elif shutil.disk_usage(folder).free < FREE_BYTES:
            refused.append(f"{place}: full")
        else:
            return folder
        folder.rmdir()
    raise InputError(
        f"Ray cannot start: no folder for its sockets and logs ({'; '.join(refused)}); set RAY_TMPDIR to a short one "
        "with some room"
    )


def _own_token() -> None:
    """Let an own cluster accept this process alone, by a token in the environment.

    Ray would otherwise write one to ~/.ray, from where every later cluster of this user demands it. Ray remembers the
    token for the life of the process, and so does the environment.
    """
    if not any(name in os.environ for name in AUTHENTICATION):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
