"""How the program takes memory on Linux. A CNN makes large maps anew with every batch, and on a CPU that takes time."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from iqatune.runtime.threads import SPINS

_HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # by which torch is told to ask for them
_MAPPED_BLOCKS = "MALLOC_MMAP_MAX_"  # glibc's: how many blocks may be mapped one by one
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # as in malloc.h


def prepare_memory() -> None:
    """Have torch use huge pages, and keep freed memory for the next batch; before torch makes its first tensor.

    glibc maps blocks of over 32 MiB one by one and gives them back when they are freed; the next batch then waits for
    the system to clear the same pages again. Elsewhere, and where the variables say otherwise, nothing happens.
    """
    os.environ.setdefault(_HUGE_PAGES, "1")
    if sys.platform == "linux" and _MAPPED_BLOCKS not in os.environ:
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # musl has none
            libc.mallopt(_M_MMAP_MAX, 0)
            libc.mallopt(_M_TRIM_THRESHOLD, -1)


@contextmanager
def unprepared() -> Iterator[None]:
    """Let processes that are started in here take memory, and wait, as any program does."""
    # what glibc was told stays in this process by itself
    before = {name: os.environ.pop(name) for name in (_HUGE_PAGES, SPINS) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)
