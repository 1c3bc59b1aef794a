"""The search under Ray Tune: the same searchers, evaluated by Tune's workers, here or on a cluster."""

from collections.abc import Callable, Sequence

from iqatune.errors import InputError
from iqatune.records.trial import Trial
from iqatune.runtime.driver import Desk, connection
from iqatune.search.searchers.base import Conduct
from iqatune.search.task import Task


def search_on_ray(
    task: Task,
    recorded: Sequence[Trial] = (),
    keep: Callable[[Sequence[Trial]], None] = lambda trials: None,
    *,
    address: str | None = None,
    concurrency: int = 1,
) -> tuple[Conduct, list[Trial]]:
    """Search under `ray.tune.Tuner`; with one evaluation at a time, the trials are those of `Task.run`, bit for bit.

    The searcher stays on this machine, in a process of its own unless this one is connected to Ray already. The
    features go to the workers once, through the object store, so that a worker needs this package and no data. An
    evaluation whose worker is lost is begun again, and counts once.

    Args:
        task: what to search.
        recorded: the trials of an interrupted search with the same concurrency, in order.
        keep: called in this process with new trials as soon as they are known.
        address: of a running cluster that this machine is part of; by default one is started and ended again.
        concurrency: evaluations under way at a time. Above 1 a searcher decides before it knows all results so far,
            and which ones it knows depends on which evaluation ends first.

    Returns:
        what the searcher says of itself, and every trial, recorded and new, in the order of their results.

    Raises:
        OtherSearch: the searcher proposes something else than was recorded.
        InputError: no cluster at the address, Ray cannot start or is lost, or an evaluation failed on every worker that
            tried it.
    """
    if address is not None and address.startswith("ray://"):
        raise InputError(
            f"`address` {address}: a search needs the cluster's own address (HOST:6379) on a machine that is part of "
            "it; leave ray:// out, or use 'iqatune sweep'"
        )
    with connection(address, concurrency) as ray:
        return ray.call(lambda trial: keep([trial]), _search, task, recorded, concurrency)


def _search(desk: Desk, task: Task, recorded: Sequence[Trial], concurrency: int) -> tuple[Conduct, list[Trial]]:
    # here, not above: Ray takes seconds to import
    from iqatune.search.ray_engine import search_connected

    return search_connected(desk, task, recorded, concurrency)
