"""Work is done once, wholly, by torch's own threads, and its errors arrive."""

import threading
import time
from collections import Counter

import numpy as np
import pytest
import torch

from iqatune.runtime import torch_threads
from iqatune.runtime.torch_threads import share

THREADS = [1, 2, 5]


@pytest.fixture(params=["torch's", "started"])
def _own_or_started(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "started":
        monkeypatch.setattr(torch_threads, "_parallel", lambda: None)


@pytest.mark.usefixtures("_own_or_started")
@pytest.mark.parametrize("threads", THREADS)
def test_every_piece_is_done_once(threads: int) -> None:
    done: Counter[int] = Counter()
    share([lambda number=number: done.update([number]) for number in range(200)], threads)  # type: ignore[misc]
    assert done == Counter(range(200))
    share([], threads)


@pytest.mark.usefixtures("_own_or_started")
@pytest.mark.parametrize("threads", THREADS)
def test_what_a_piece_raises_arrives(threads: int) -> None:
    done: list[int] = []

    def fails() -> None:
        raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        share([fails, *[lambda: done.append(1)] * 20], threads)
    share([lambda: done.append(2)], threads)  # and the threads still work
    assert done[-1] == 2


@pytest.mark.usefixtures("_own_or_started")
def test_threads_work_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=20)

    def meets() -> None:
        meeting.wait()

    share([meets] * 2, 2)


@pytest.mark.skipif("OpenMP" not in torch.__config__.parallel_info(), reason="torch was built without OpenMP")
def test_they_are_the_threads_that_torch_has_already() -> None:
    if torch.get_num_threads() < 2:
        pytest.skip("torch runs on one thread here")

    def threads_now() -> set[int]:
        seen: set[int] = set()

        def tells() -> None:
            seen.add(threading.get_native_id())
            time.sleep(0.05)

        share([tells] * 2, 2)
        return seen

    torch.rand(1000, 1000) @ torch.rand(1000, 1000)
    first = threads_now()
    np.testing.assert_allclose((torch.ones(500, 500) @ torch.ones(500, 500)).numpy(), 500)
    assert threads_now() == first
    assert len(first) == 2
