"""A Ray cluster for the time of a piece of work: an existing one that is joined and left, or an own one that ends."""

import os
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from iqatune.errors import InputError

ANSWER_S = 10.0
AUTHENTICATION = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextmanager
def cluster(address: str | None, processors: int, gpus: int | None = None) -> Iterator[None]:
    """Be connected to Ray inside.

    Where this process is connected already, that connection is used and left as it is. A cluster at `address` is joined
    and left again; without an address one is started on this machine, for this process alone, and ended.

    Args:
        address: of a running cluster, as `ray start` prints it (HOST:PORT), `ray://HOST:PORT` or `auto`; or None.
        processors: how many tasks an own cluster runs side by side.
        gpus: that an own cluster gives to tasks; by default those that Ray finds.

    Raises:
        InputError: no cluster answers at the address.
    """
    with environment({"RAY_USAGE_STATS_ENABLED": "0"}), redirect_stdout(sys.stderr):
        import ray

        if ray.is_initialized():
            yield
            return
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address is None:
            _own_token()
            settings |= {"address": "local", "num_cpus": processors, "include_dashboard": False}
            settings |= {} if gpus is None else {"num_gpus": gpus}
        else:
            _check_answers(address)
            settings |= {"address": address}
        try:
            ray.init(**settings)
        except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            if address is None:
                raise
            first = str(error).strip().splitlines()[0]
            raise InputError(f"`address` {address}: no Ray cluster answers ({first}); see 'ray status'") from error
        try:
            yield
        finally:
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


def _check_answers(address: str) -> None:
    """Ray itself knocks for minutes, and silently, where nobody is at home."""
    host, _, port = address.rpartition("://")[2].partition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except OSError as error:
        raise InputError(f"`address` {address}: no Ray cluster answers ({error}); see 'ray status' there") from error


def _own_token() -> None:
    """Let an own cluster accept this process alone, by a token in the environment.

    Ray would otherwise write one to ~/.ray, from where every later cluster of this user demands it. Ray remembers the
    token for the life of the process, and so does the environment.
    """
    if not any(name in os.environ for name in AUTHENTICATION):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
