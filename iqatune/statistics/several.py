"""Statistics of one data set through several backbones in one pass: each image is hashed and decoded once."""

import time
from collections import defaultdict
from collections.abc import Sequence

from iqatune.backbones.zoo import find
from iqatune.datasets.table import PairTable
from iqatune.progress import Progress
from iqatune.records.extraction import Extraction, Extractions
from iqatune.records.options import BackboneOptions, DataOptions
from iqatune.statistics.cache import Cache, Lookup, settings_of
from iqatune.statistics.prepare import load_table, prepare_pairs, refuse_features


def extract_all(
    data: DataOptions, backbones: Sequence[BackboneOptions], *, cache: Cache, progress: Progress
) -> Extractions:
    """Compute and keep the moments of a data set through every backbone, as far as the cache lacks them.

    Raises:
        InputError: for everything that is wrong with the options, the labels, the images or the parameters.
    """
    started = time.perf_counter()
    refuse_features(data)
    for options in backbones:
        find(options.backbone)  # a name that is unknown is told before the parameters of the others are downloaded
    table = load_table(data, cache, progress)
    computed = fill_cache(table, backbones, cache=cache, progress=progress)
    found = []
    for options in backbones:
        prepared = prepare_pairs(table, options, cache=cache, progress=progress)
        found.append(
            Extraction(
                backbone=options.backbone,
                pairs=len(table),
                computed=prepared.computed + computed.get(options, 0),
                seconds=prepared.seconds if len(backbones) > 1 else time.perf_counter() - started,
                channels=prepared.channels,
                protocol=prepared.protocol,
            )
        )
    return Extractions(seconds=time.perf_counter() - started, extractions=tuple(found))


def fill_cache(
    table: PairTable, backbones: Sequence[BackboneOptions], *, cache: Cache, progress: Progress
) -> dict[BackboneOptions, int]:
    """Compute and keep the moments that the cache lacks of a table; `prepare` then finds them.

    Where a machine has several GPUs, or where one backbone alone lacks any, nothing is done: `prepare` is as quick.

    Returns:
        pairs that were computed, by backbone; those for which nothing was done are not in it.

    Raises:
        InputError: for everything that is wrong with the images or the parameters, and a file that cannot be kept.
    """
    tables = table.sets or (table,)
    by_place: dict[tuple[str, int | None], list[BackboneOptions]] = defaultdict(list)
    # what two views of an image pass are backbones as others are
    seen = [each for options in backbones for each in ([view.backbone for view in options.branches] or [options])]
    for options in dict.fromkeys(seen):
        by_place[options.device, options.resize].append(options)
    computed: dict[BackboneOptions, int] = defaultdict(int)
    for together in by_place.values():
        if len(together) > 1:
            for each in tables:
                for options, pairs in _filled(each, together, cache, progress).items():
                    computed[options] += pairs
    return dict(computed)


def _filled(
    table: PairTable, backbones: Sequence[BackboneOptions], cache: Cache, progress: Progress
) -> dict[BackboneOptions, int]:
    lacking = [options for options in backbones if _lacks_any(table, options, cache, progress)]
    if len(lacking) < 2:
        return {}

    # here, not above: torch takes seconds to import, and with everything at hand nothing of it is needed
    from iqatune.backbones.devices import gpu_count, resolve_device
    from iqatune.backbones.network import build_backbone
    from iqatune.statistics.extract import Passing, extracted_together

    device = resolve_device(lacking[0].device)
    if gpu_count(lacking[0].device) > 1:
        return {}
    lookups: dict[BackboneOptions, Lookup] = {}
    passings = {}
    for options in lacking:
        backbone = build_backbone(options.backbone, options.backbone_weights, options.pooling)
        cache.remember(backbone.identity, options, progress)
        lookup = lookups[options] = cache.lookup(table, settings_of(backbone.identity, options), progress)
        lookup.check_can_be_completed()
        lookup.tell_damage(progress)
        passings[options] = Passing(groups=lookup.missing, backbone=backbone, precision=options.precision)
    names = ", ".join(dict.fromkeys(options.backbone for options in lacking))
    missing = {options: lookup.missing_pairs for options, lookup in lookups.items()}
    everything = len(table) * len(lacking)
    done = everything - sum(missing.values())
    with progress.track(f"extracting {names}", everything, "pairs", done=done) as advance:
        passed = extracted_together(list(passings.values()), device, resize=lacking[0].resize, progress=progress)
        for _, group, _ in passed:
            advance(len(group.rows))
    return missing


def _lacks_any(table: PairTable, options: BackboneOptions, cache: Cache, progress: Progress) -> bool:
    identity = cache.identity(options, progress)
    return identity is None or bool(cache.lookup(table, settings_of(identity, options), progress).missing)
