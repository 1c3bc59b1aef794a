"""Extraction on several GPUs at once: Ray tasks of one GPU each, a shard of the references to every task.

Tasks write into the one store, which takes several writers; who reads it afterwards finds everything there.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

from iqatune.backbones.identity import PRETRAINED, RANDOM, Identity
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.runtime.cluster import cluster
from iqatune.runtime.threads import processors
from iqatune.statistics.cache import Kept, look_up, settings

SHARDS_PER_GPU = 4
"""More than one, so that a GPU that is done early takes over from one that is not."""

RETRIES = 2


def fill_store(
    table: PairTable,
    features: BackboneOptions,
    identity: Identity,
    cache_dir: Path,
    gpus: int,
    progress: Progress,
    device: str = "cuda",
) -> int:
    """Compute the moments that the store in `cache_dir` does not hold, on `gpus` GPUs of this machine side by side.

    Args:
        identity: of the backbone that `features` builds.
        device: what a task calls the one GPU that it sees.

    Returns:
        how many pairs passed the backbone.

    Raises:
        InputError: as of `statistics.extract.extract`.
    """
    kept = look_up(table, settings(identity, features.resize, features.precision), cache_dir, progress)
    for damaged in kept.damaged:
        progress.warn(f"damaged cache file, computed again: {damaged}")
    shards = _shards(table, kept, gpus * SHARDS_PER_GPU)
    if not shards:
        return 0
    done = len(table) - kept.missing_pairs
    with (
        cluster(None, processors(), gpus),
        progress.track(f"extracting {features.backbone} on {gpus} GPUs", len(table), "pairs", done=done) as advance,
    ):
        import ray

        task = ray.remote(num_gpus=1, num_cpus=0, max_retries=RETRIES)(_extract_shard)
        anywhere = _with_absolute_path(features)
        running = [task.remote(shard, anywhere, cache_dir.absolute(), device) for shard in shards]
        while running:
            ended, running = ray.wait(running, num_returns=1)
            try:
                advance(sum(ray.get(ended)))
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, InputError):
                    raise InputError(str(error.cause)) from error
                raise
    return kept.missing_pairs


def _shards(table: PairTable, kept: Kept, count: int) -> list[PairTable]:
    """The pairs of the missing references in up to `count` tables, no reference in two of them."""
    shares = [kept.missing[start::count] for start in range(min(count, len(kept.missing)))]
    return [replace(table, pairs=tuple(table.pairs[row] for group in share for row in group.rows)) for share in shares]


def _with_absolute_path(features: BackboneOptions) -> BackboneOptions:
    """The same options for processes that may work in another folder."""
    weights = features.backbone_weights
    if weights in (PRETRAINED, RANDOM):
        return features
    return features.model_copy(update={"backbone_weights": str(Path(weights).absolute())})


def _extract_shard(table: PairTable, features: BackboneOptions, cache_dir: Path, device: str) -> int:
    from iqatune.backbones.devices import resolve_device
    from iqatune.statistics.extract import extract

    backbone = _backbone(features.backbone, features.backbone_weights, features.pooling)
    place = resolve_device(device)
    extract(table, backbone, cache_dir, place, features.precision, features.resize, progress=Progress())
    return len(table)


@cache
def _backbone(name: str, weights: str, pooling: str):  # type: ignore[no-untyped-def]
    """Built once in every process, which works on several shards."""
    from iqatune.backbones.network import build_backbone

    return build_backbone(name, weights, pooling)
