"""From options to what searches and evaluations work on: pairs, moments, protocol."""

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iqatune.backbones.identity import Identity, recall, remember
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.images import INTERPOLATION
from iqatune.metric.similarity import Similarity
from iqatune.metric.spaces import Space, make_space, tilts_of
from iqatune.metric.weights import Floats, Weights
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions, DataOptions
from iqatune.records.result import Protocol
from iqatune.records.vocabulary import Structure
from iqatune.runtime.cluster import is_connected
from iqatune.statistics import distances as measured
from iqatune.statistics.cache import Statistics, image_digests, look_up, settings
from iqatune.statistics.multi_gpu import fill_store
from iqatune.statistics.store import Moments

NO_DEVICE = "none: all statistics were in the cache"
"""What a record says where no CNN ran."""


@dataclass(frozen=True)
class Prepared:
    """A data set seen through a backbone.

    Attributes:
        table: the pairs.
        channels: of every stage of the backbone, the image's 3 first.
        moments: (N, 5, C) moments of the pairs.
        protocol: everything that changes a number without changing the method.
        device: name of what the backbone ran on; NO_DEVICE where it did not.
        seconds: that loading and extraction took.
        computed: pairs that passed the backbone now.
    """

    table: PairTable
    channels: tuple[int, ...]
    moments: Moments
    protocol: Protocol
    device: str
    seconds: float
    computed: int

    def space(self, name: str) -> Space:
        """The space of that name over this backbone's channels."""
        descriptors = None
        if tilts_of(name):
            one_of_each = {reference: row for row, reference in enumerate(self.table.reference_ids)}
            descriptors = measured.channel_descriptors(self.moments, sorted(one_of_each.values()))
        return make_space(name, self.channels, descriptors)

    def features(self, space: Space) -> Floats:
        """(N, F) features of the pairs in a space."""
        return measured.feature_table(self.moments, space, Similarity.of(self.protocol))

    def distances(self, weights: Weights) -> Floats:
        """(N,) distances D of the pairs under given weights."""
        return measured.distances(self.moments, weights, Similarity.of(self.protocol))


def prepare(
    data: DataOptions,
    features: BackboneOptions,
    structure: Structure,
    cache_dir: Path,
    progress: Progress,
    table: PairTable | None = None,
) -> Prepared:
    """Load the pairs, build the backbone and get the moments of every pair, from the cache where they are.

    Args:
        table: the pairs, when they have been loaded already.

    Raises:
        InputError: for everything that is wrong with the options, the labels, the images or the parameters.
    """
    started = time.perf_counter()
    table = table or load_pairs(data)

    backbone, found, device = _statistics(table, features, cache_dir, progress)
    protocol = _protocol(table, found.image_digests, backbone, features, structure)
    return Prepared(
        table,
        found.channels,
        found.moments,
        protocol,
        device,
        time.perf_counter() - started,
        found.computed,
    )


def current_protocol(
    table: PairTable, features: BackboneOptions, structure: Structure, cache_dir: Path, progress: Progress
) -> Protocol:
    """The protocol that `prepare` would come to, without any statistics.

    Raises:
        InputError: for what is wrong with the images or the parameters.
    """
    options = (features.backbone, features.backbone_weights, features.pooling)
    memo = cache_dir / "backbones.json"
    backbone = recall(*options, memo)
    if backbone is None:
        from iqatune.backbones.network import build_backbone

        backbone = build_backbone(*options).identity
        remember(backbone, *options, memo)
    return _protocol(table, image_digests(table, cache_dir, progress), backbone, features, structure)


def dataset_sha256(data: DataOptions, cache_dir: Path, progress: Progress) -> str:
    """The hash of a data set in a protocol: of its images' contents and human scores.

    Raises:
        InputError: for what is wrong with the labels or the images.
    """
    table = load_pairs(data)
    return _dataset_sha256(table, image_digests(table, cache_dir, progress))


def _statistics(
    table: PairTable, features: BackboneOptions, cache_dir: Path, progress: Progress
) -> tuple[Identity, Statistics, str]:
    """The moments of every pair, the backbone they are of, and the name of the device it ran on."""
    options = (features.backbone, features.backbone_weights, features.pooling)
    memo = cache_dir / "backbones.json"
    known = recall(*options, memo)
    if known is not None and features.device in ("auto", "cpu"):
        kept = look_up(table, settings(known, features.resize, features.precision), cache_dir, progress)
        if not kept.missing:
            return known, Statistics(known.channels, kept.moments, 0, kept.image_digests), NO_DEVICE

    # here, not above: torch takes seconds to import, and with everything at hand nothing of it is needed
    from iqatune.backbones.devices import device_name, gpu_count, resolve_device
    from iqatune.backbones.network import build_backbone
    from iqatune.statistics.extract import extract

    device = resolve_device(features.device)
    backbone = build_backbone(*options)
    remember(backbone.identity, *options, memo)
    gpus, ahead = gpu_count(features.device), 0
    # the tasks of a cluster that is joined already may run where these files are not
    if gpus > 1 and not is_connected():
        ahead = fill_store(table, features, backbone.identity, cache_dir, gpus, progress)
    found = extract(table, backbone, cache_dir, device, features.precision, features.resize, progress=progress)
    computed = ahead + found.computed
    name = device_name(device) + (f" and {gpus - 1} more" if ahead else "")
    return backbone.identity, replace(found, computed=computed), name if computed else NO_DEVICE


def _protocol(
    table: PairTable, digests: dict[Path, str], backbone: Identity, features: BackboneOptions, structure: Structure
) -> Protocol:
    return Protocol(
        pairs=len(table),
        references=len(table.references),
        label=table.label,
        better=table.better,
        excluded=table.excluded,
        missing=table.missing,
        simulated=table.simulated,
        resize=features.resize,
        interpolation=INTERPOLATION if features.resize else None,
        pooling=backbone.pooling,
        structure=structure,
        precision=features.precision,
        dataset_sha256=_dataset_sha256(table, digests),
        backbone_weights=backbone.weights,
        backbone_sha256=backbone.parameters_sha256,
    )


def _dataset_sha256(table: PairTable, digests: dict[Path, str]) -> str:
    """Hash of the pairs as they are scored: image contents and human scores, in order."""
    images = [(digests[pair.reference], digests[pair.distorted]) for pair in table.pairs]
    scores = np.array([pair.score for pair in table.pairs]).tolist()
    content = json.dumps([table.label_sha256, images, scores])
    return hashlib.sha256(content.encode()).hexdigest()
