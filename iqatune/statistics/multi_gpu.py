"""Extraction on several GPUs at once: Ray tasks of one GPU each, a shard of the references to every task.

Tasks write into the one store, which takes several writers; who reads it afterwards finds everything there.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from iqatune.backbones.identity import PRETRAINED, RANDOM
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.runtime.driver import Desk, connection
from iqatune.runtime.threads import processors
from iqatune.statistics.cache import Lookup, ReferenceGroup, read_missing

SHARDS_PER_GPU = 4
"""More than one, so that a GPU that is done early takes over from one that is not."""

RETRIES = 2


def fill_store(
    lookup: Lookup, options: BackboneOptions, *, gpus: int, progress: Progress, device: str = "cuda"
) -> Lookup:
    """Compute the moments that a lookup found missing, on `gpus` GPUs of this machine side by side.

    Args:
        device: what a task calls the one GPU that it sees.

    Returns:
        the lookup with their rows filled in.

    Raises:
        InputError: as of `statistics.extract.extract`.
    """
    lookup.tell_damage(progress)
    shards = _shards(lookup.missing, gpus * SHARDS_PER_GPU)
    if not shards:
        return lookup
    total, done = len(lookup.values), len(lookup.values) - lookup.missing_pairs
    with (
        connection(None, processors(), gpus) as ray,
        progress.track(f"extracting {options.backbone} on {gpus} GPUs", total, "pairs", done=done) as advance,
    ):
        ray.call(advance, _extract, shards, _with_absolute_path(options), device)
    return read_missing(lookup)


def _shards(groups: Sequence[ReferenceGroup], count: int) -> list[list[ReferenceGroup]]:
    """The groups in up to `count` shares."""
    anywhere = [group.absolute() for group in groups]
    return [anywhere[start::count] for start in range(min(count, len(anywhere)))]


def _with_absolute_path(options: BackboneOptions) -> BackboneOptions:
    """The same options for processes that may work in another folder."""
    weights = options.backbone_weights
    if weights in (PRETRAINED, RANDOM):
        return options
    return options.model_copy(update={"backbone_weights": str(Path(weights).absolute())})


def _extract(desk: Desk, shards: Sequence[Sequence[ReferenceGroup]], options: BackboneOptions, device: str) -> None:
    """A task for every shard; the pairs of each that ends are told."""
    import ray

    task = ray.remote(num_gpus=1, num_cpus=0, max_retries=RETRIES)(_extract_shard)
    running = [task.remote(shard, options, device) for shard in shards]
    while running:
        ended, running = ray.wait(running, num_returns=1)
        try:
            desk.tell(sum(ray.get(ended)))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError):
                raise InputError(error.cause.line) from error
            raise


def _extract_shard(groups: Sequence[ReferenceGroup], options: BackboneOptions, device: str) -> int:
    from iqatune.backbones.devices import resolve_device
    from iqatune.statistics.extract import extracted

    backbone = _backbone(options.backbone, options.backbone_weights, options.pooling)
    place = resolve_device(device)
    precision, resize = options.precision, options.resize
    done = extracted(groups, backbone, place, precision=precision, resize=resize, progress=Progress())
    return sum(len(group.rows) for group, _ in done)


@cache
def _backbone(name: str, weights: str, pooling: str):  # type: ignore[no-untyped-def]
    """Built once in every process, which works on several shards."""
    from iqatune.backbones.network import build_backbone

    return build_backbone(name, weights, pooling)
