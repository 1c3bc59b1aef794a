"""What a worker process does first. Imports nothing that has threads, so that their number can still be set."""

import multiprocessing
import os
import signal
import threading

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepare_worker() -> None:
    """One thread, no Ctrl-C of its own, and no life after its parent's.

    Ctrl-C reaches the whole process group, and the parent ends its workers itself. A pool's processes would otherwise
    outlive a parent that was killed, and go on writing where its successor writes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
