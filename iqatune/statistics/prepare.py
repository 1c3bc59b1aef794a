"""From options to what searches and evaluations work on: pairs, moments, protocol."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from iqatune.backbones.identity import Identity
from iqatune.datasets.features_csv import taken_line
from iqatune.datasets.raters import averaged, missing_line, repeated, repeated_line
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.images import INTERPOLATION
from iqatune.metric.priors import Prior
from iqatune.metric.similarity import DISTS, Similarity
from iqatune.metric.spaces import BackboneSpace, make_space, tilts_of
from iqatune.metric.weights import Floats, Weights, uniform_weights
from iqatune.progress import Progress
from iqatune.records.options import JOINED, BackboneOptions, DataOptions
from iqatune.records.prior import DEFAULT_PRIOR
from iqatune.records.result import Best, Protocol
from iqatune.runtime.cluster import is_connected
from iqatune.statistics import distances as measured
from iqatune.statistics.by_group import AnyMoments, one_after_the_other
from iqatune.statistics.cache import Cache, image_name, settings_of
from iqatune.statistics.columns import file_sha256
from iqatune.statistics.multi_gpu import fill_store
from iqatune.statistics.pictures import copies_line, one_reference_a_picture, reference_files
from iqatune.statistics.rates import keep_images_rate
from iqatune.statistics.same_pictures import one_picture_a_group, shared_line
from iqatune.statistics.store import VERSION
from iqatune.statistics.views import Seen, channels_of, sha256_of, side_by_side, stages_of

NO_DEVICE = "none: all statistics were in the cache"
"""What a record says where no CNN ran."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A data set, or several as one, seen through a backbone.

    Attributes:
        table: the pairs.
        channels: of every stage of the backbone, the image's 3 first.
        moments: (N, 5, C) moments of the pairs; of a large set they stay in the store (`numpy.asarray` reads them).
        protocol: everything that changes a number without changing the method.
        device: name of what the backbone ran on; NO_DEVICE where it did not.
        seconds: that loading and extraction took.
        computed: pairs that passed the backbone now.
        set_protocols: of several data sets the protocol of each, by its name; empty for one.
        textures: the crop pairs of textures, whose scores say nothing; None where none were asked for.
        views: the stages that each of two views has among all; none where there are no views.
        unlabelled: (U, 5, C) moments of pairs without scores; None where there are none.
    """

    table: PairTable
    channels: tuple[int, ...]
    moments: AnyMoments
    protocol: Protocol
    device: str
    seconds: float
    computed: int
    set_protocols: Mapping[str, Protocol] = field(default_factory=dict)
    textures: "Prepared | None" = None
    views: tuple[range, ...] = ()
    unlabelled: AnyMoments | None = None

    @property
    def similarity(self) -> Similarity:
        """How l and s compare under the protocol."""
        return Similarity.of(self.protocol)

    def space(self, name: str, prior: str = DEFAULT_PRIOR) -> BackboneSpace:
        """The space of that name over this backbone's channels, its shares under a prior."""
        descriptors = None
        if tilts_of(name):
            row_of_reference = {reference: row for row, reference in enumerate(self.table.reference_ids)}
            descriptors = measured.channel_descriptors(self.moments, sorted(row_of_reference.values()))
        return make_space(name, self.channels, descriptors, Prior.of(prior))

    def tables(self, space: BackboneSpace) -> tuple[Floats, ...]:
        """(N, F) features of the pairs in a space, a table for each way to compare that it offers; mostly one."""
        return self._tables_of(self.moments, space)

    def unlabelled_tables(self, space: BackboneSpace) -> tuple[Floats, ...]:
        """(U, F) features of the pairs without scores, as of `tables`; none where there are no such pairs."""
        return () if self.unlabelled is None else self._tables_of(self.unlabelled, space)

    def _tables_of(self, moments: AnyMoments, space: BackboneSpace) -> tuple[Floats, ...]:
        offered = space.similarities(self.similarity)
        return tuple(measured.feature_table(moments, space, similarity) for similarity in offered)

    def distances(self, weights: Weights, similarity: Similarity | None = None) -> Floats:
        """(N,) distances D of the pairs under given weights.

        Args:
            similarity: how l and s compare; by default as the protocol says.
        """
        return measured.distances(self.moments, weights, similarity or self.similarity)

    @property
    def columns(self) -> None:
        """None: there is no features file."""
        return

    def uniform(self) -> Floats:
        """(N,) distances under the uniform weights."""
        return self.distances(uniform_weights(self.channels))

    def best_column(self) -> None:
        """None: there are no columns."""
        return

    def weights(self, space: BackboneSpace, parameters: Floats) -> dict[str, Any]:
        """What a record says of (P,) parameters: alpha and beta, and the constant that was chosen."""
        weights = space.weights(parameters)
        alpha, beta = tuple(weights.alpha.tolist()), tuple(weights.beta.tolist())
        return {"alpha": alpha, "beta": beta, "c": space.constant(parameters)}

    def distances_of(self, best: Best) -> Floats:
        """(N,) distances under recorded weights; a ValueError where they are none of these channels."""
        weights = Weights(self.channels, np.array(best.alpha), np.array(best.beta))
        return self.distances(weights, self.similarity.with_constant(best.c))


def load_table(data: DataOptions, cache: Cache, progress: Progress) -> PairTable:
    """The pairs of a data set, with one reference for all reference files of one picture; those of several as one.

    What a user has to know of the labels is said: how a CSV file was read, references that are there more than once,
    rows that repeat a pair, rows that were left out.

    Raises:
        InputError: for everything that is wrong with the labels, and a reference that cannot be decoded.
    """
    if data.datasets:
        tables = [load_table(each, cache, progress) for each in data.sets]
        groups = one_picture_a_group(tables, progress, cache.remembered(tables, progress))
        shared = shared_line(groups)
        if shared is not None:
            progress.say(shared)
        return joined_table(tables, groups)
    given = load_pairs(data)
    if given.read_line is not None:
        progress.say(given.read_line)
    if given.columns:
        progress.say(taken_line(given))
    for line in given.notes:
        progress.say(f"{given.dataset}: {line}")
    for line in given.cautions:
        progress.warn(f"{given.dataset}: {line}")
    if given.missing:
        progress.warn(missing_line(given))
    table = _with_one_reference_a_picture(given, cache, progress)
    files, pictures = len(reference_files(given)), len(reference_files(table))
    if pictures < files:
        progress.warn(copies_line(files, pictures))
    again = repeated(table.pairs)
    if again is not None:
        progress.warn(repeated_line(again, table.label))
    return table


def prepare(
    data: DataOptions,
    backbone: BackboneOptions,
    *,
    similarity: Similarity = DISTS,
    cache: Cache,
    progress: Progress,
    table: PairTable | None = None,
) -> Prepared:
    """Load the pairs, build the backbone and get the moments of every pair, from the cache where they are.

    Args:
        table: the pairs, when `load_table` has loaded them already.

    Raises:
        InputError: for everything that is wrong with the options, the labels, the images or the parameters.
    """
    started = time.perf_counter()
    refuse_features(data)
    table = table or load_table(data, cache, progress)
    prepared = prepare_pairs(table, backbone, similarity=similarity, cache=cache, progress=progress)
    return replace(prepared, seconds=time.perf_counter() - started)


def prepare_pairs(
    table: PairTable, backbone: BackboneOptions, *, similarity: Similarity = DISTS, cache: Cache, progress: Progress
) -> Prepared:
    """As `prepare`, of pairs that are loaded already, or made of images by transforms (`iqatune.transforms`).

    Raises:
        InputError: for everything that is wrong with the images or the parameters.
    """
    started = time.perf_counter()
    if table.sets:
        parts = [
            prepare_pairs(each, backbone, similarity=similarity, cache=cache, progress=progress) for each in table.sets
        ]
        return _joined(table, parts, time.perf_counter() - started)
    found = _every_view(table, backbone, cache, progress)
    first = found[0]
    views = _seen(backbone, [each.identity for each in found])
    protocol = _protocol(table, first.image_digests, first.identity, options=backbone, similarity=similarity)
    devices = [each.device for each in found if each.device != NO_DEVICE]
    return Prepared(
        table=table,
        channels=channels_of(views) if views else first.identity.channels,
        moments=side_by_side(views, [each.moments for each in found]) if views else first.moments,
        protocol=_with_views(protocol, views),
        device=devices[0] if devices else NO_DEVICE,
        seconds=time.perf_counter() - started,
        computed=max(each.computed for each in found),
        views=stages_of(views),
    )


def current_protocol(
    table: PairTable, backbone: BackboneOptions, *, similarity: Similarity, cache: Cache, progress: Progress
) -> Protocol:
    """The protocol that `prepare` would come to, without any statistics.

    Raises:
        InputError: for what is wrong with the images or the parameters.
    """
    if table.sets:
        parts = [
            current_protocol(each, backbone, similarity=similarity, cache=cache, progress=progress)
            for each in table.sets
        ]
        return joined_protocol(table, parts)
    identities = [_identity(each, cache, progress) for each in _every_backbone(backbone)]
    digests = cache.image_digests(table, progress)
    protocol = _protocol(table, digests, identities[0], options=backbone, similarity=similarity)
    return _with_views(protocol, _seen(backbone, identities))


def _identity(backbone: BackboneOptions, cache: Cache, progress: Progress) -> Identity:
    identity = cache.identity(backbone, progress)
    if identity is None:
        from iqatune.backbones.network import build_backbone

        identity = build_backbone(backbone.backbone, backbone.backbone_weights, backbone.pooling).identity
        cache.remember(identity, backbone, progress)
    return identity


def _every_backbone(options: BackboneOptions) -> list[BackboneOptions]:
    """What sees the images: of views the backbone of each, else one."""
    return [branch.backbone for branch in options.branches] or [options]


def _every_view(table: PairTable, options: BackboneOptions, cache: Cache, progress: Progress) -> "list[_Found]":
    """The moments through every backbone; views of one share its pass."""
    found: dict[BackboneOptions, _Found] = {}
    for each in _every_backbone(options):
        if each not in found:
            found[each] = _statistics(table, each, cache, progress)
    return [found[each] for each in _every_backbone(options)]


def _seen(options: BackboneOptions, identities: Sequence[Identity]) -> tuple[Seen, ...]:
    """The views that are asked for, each through its backbone; none where none are."""
    branches = options.branches
    return tuple(map(Seen.of, branches, identities)) if branches else ()


def _with_views(protocol: Protocol, views: Sequence[Seen]) -> Protocol:
    if not views:
        return protocol
    return protocol.model_copy(
        update={"views": tuple(view.record for view in views), "backbone_sha256": sha256_of(views)}
    )


def refuse_features(data: DataOptions) -> None:
    """Refuse a features file where images are needed.

    Raises:
        InputError: when it is one.
    """
    if data.features is not None:
        raise InputError(
            f"`features` {data.features}: figures of other metrics, which take no backbone and no images; "
            "`iqatune search` takes them as they are"
        )


def joined_table(tables: Sequence[PairTable], pictures: Mapping[Path, Path]) -> PairTable:
    """The pairs of several data sets as one table: references are named SET/REFERENCE, scores stay each set's own.

    Args:
        pictures: for every reference file the first of those that show its picture.
    """
    pairs = [
        replace(pair, reference_id=f"{table.dataset}/{pair.reference_id}") for table in tables for pair in table.pairs
    ]
    name_of = {pair.reference: pair.reference_id for pair in pairs}
    betters = dict.fromkeys(table.better for table in tables)
    return PairTable(
        dataset=JOINED.join(table.dataset for table in tables),
        pairs=tuple(pairs),
        label=", ".join(f"{table.dataset}: {table.label}" for table in tables),
        label_sha256=_sha256_of([(table.dataset, table.label_sha256) for table in tables]),
        better="higher" if "higher" in betters else "lower",
        excluded=tuple(f"{table.dataset}: {what}" for table in tables for what in table.excluded),
        missing=sum(table.missing for table in tables),
        first_missing=next((table.first_missing for table in tables if table.first_missing), ""),
        simulated=any(table.simulated for table in tables),
        sets=tuple(tables),
        pictures=tuple(name_of[pictures[pair.reference]] for pair in pairs),
    )


def joined_protocol(table: PairTable, parts: Sequence[Protocol]) -> Protocol:
    """The protocol of several data sets as one, from those of each."""
    hashes = [(each.dataset, part.dataset_sha256) for each, part in zip(table.sets, parts, strict=True)]
    betters = {part.better for part in parts}
    ratings = [part.ratings for part in parts if part.ratings is not None]
    return parts[0].model_copy(
        update={
            "pairs": len(table),
            "references": len(table.references),
            "label": table.label,
            "better": betters.pop() if len(betters) == 1 else "by set",
            "excluded": table.excluded,
            "missing": table.missing,
            "ratings": sum(ratings) if ratings else None,
            "simulated": table.simulated,
            # pictures that are one decide the folds, and another release may find others
            "dataset_sha256": _sha256_of([hashes, _shared(table)]),
        }
    )


def _joined(table: PairTable, parts: Sequence[Prepared], seconds: float) -> Prepared:
    protocols = {each.dataset: part.protocol for each, part in zip(table.sets, parts, strict=True)}
    devices = [part.device for part in parts if part.device != NO_DEVICE]
    return Prepared(
        table=table,
        channels=parts[0].channels,
        moments=one_after_the_other([part.moments for part in parts]),
        protocol=joined_protocol(table, list(protocols.values())),
        device=devices[0] if devices else NO_DEVICE,
        seconds=seconds,
        computed=sum(part.computed for part in parts),
        set_protocols=protocols,
        views=parts[0].views,
    )


def _shared(table: PairTable) -> list[list[str]]:
    """The references that show another one's picture, each with that."""
    return [
        list(both) for both in dict.fromkeys(zip(table.reference_ids, table.groups, strict=True)) if len(set(both)) > 1
    ]


def _sha256_of(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def dataset_sha256(data: DataOptions, cache: Cache, progress: Progress) -> str:
    """The hash of one data set in a protocol: of its images' contents and human scores.

    Raises:
        InputError: for what is wrong with the labels or the images.
    """
    table = _with_one_reference_a_picture(load_pairs(data), cache, progress)
    if table.columns:
        return file_sha256(table)
    return _dataset_sha256(table, cache.image_digests(table, progress))


def table_sha256(table: PairTable, cache: Cache, progress: Progress) -> str:
    """The hash of the pairs of one table in a protocol, as `prepare` has it.

    Raises:
        InputError: for an image that cannot be read.
    """
    return _dataset_sha256(table, cache.image_digests(table, progress))


def _with_one_reference_a_picture(table: PairTable, cache: Cache, progress: Progress) -> PairTable:
    if table.columns:  # whose images need not be there
        return table
    merged = one_reference_a_picture(table, cache.picture_digests(table, progress))
    # rows of one image and two copies of its reference are of one pair, which shows only now
    return merged if table.ratings is None else averaged(merged)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The moments of every pair, the backbone they are of, and what it ran on."""

    identity: Identity
    moments: AnyMoments
    image_digests: dict[Path, str]
    computed: int
    device: str


def _statistics(table: PairTable, options: BackboneOptions, cache: Cache, progress: Progress) -> _Found:
    identity = cache.identity(options, progress)
    if identity is not None and identity.found_line is not None:
        progress.say(identity.found_line)
    lookup = None
    # a GPU that was asked for and is not there is refused, whatever the cache holds
    if identity is not None and options.device in ("auto", "cpu"):
        lookup = cache.lookup(table, settings_of(identity, options), progress)
        if not lookup.missing:
            return _Found(
                identity=identity,
                moments=lookup.values,
                image_digests=lookup.image_digests,
                computed=0,
                device=NO_DEVICE,
            )
        lookup.check_can_be_completed()

    # here, not above: torch takes seconds to import, and with everything at hand nothing of it is needed
    from iqatune.backbones.devices import device_name, gpu_count, resolve_device
    from iqatune.backbones.network import build_backbone
    from iqatune.statistics.extract import extract

    device = resolve_device(options.device)
    backbone = build_backbone(options.backbone, options.backbone_weights, options.pooling)
    cache.remember(backbone.identity, options, progress)
    if identity is None and backbone.identity.found_line is not None:
        progress.say(backbone.identity.found_line)
    if lookup is None:
        lookup = cache.lookup(table, settings_of(backbone.identity, options), progress)
        lookup.check_can_be_completed()
    wanted, gpus = lookup.missing_pairs, gpu_count(options.device)
    # the tasks of a cluster that is joined already may run where these files are not
    several = wanted > 0 and gpus > 1 and not is_connected()
    if several:
        lookup = fill_store(lookup, options, gpus=gpus, progress=progress)
    images = sum(len(set(group.names)) for group in lookup.missing)
    before = time.perf_counter()
    found = extract(lookup, backbone, device, precision=options.precision, resize=options.resize, progress=progress)
    seconds = time.perf_counter() - before
    keep_images_rate(cache, options, device_name(device), images=images, seconds=seconds)
    name = device_name(device) + (f" and {gpus - 1} more" if several else "")
    return _Found(
        identity=backbone.identity,
        moments=found.moments,
        image_digests=found.image_digests,
        computed=wanted,
        device=name if wanted else NO_DEVICE,
    )


def _protocol(
    table: PairTable,
    digests: dict[Path, str],
    backbone: Identity,
    *,
    options: BackboneOptions,
    similarity: Similarity,
) -> Protocol:
    return Protocol(
        **table.described(),
        resize=options.resize,
        interpolation=INTERPOLATION if options.resize else None,
        pooling=backbone.pooling,
        structure=similarity.structure,
        precision=options.precision,
        c1=similarity.c1,
        c2=similarity.c2,
        dataset_sha256=_dataset_sha256(table, digests),
        backbone_weights=backbone.weights,
        backbone_sha256=backbone.parameters_sha256,
        taps=backbone.taps,
        padding=backbone.padding,
        statistics=VERSION,
    )


def _dataset_sha256(table: PairTable, digests: dict[Path, str]) -> str:
    """Hash of the pairs as they are scored: image contents and human scores, in order."""
    images = [
        (
            image_name(digests[pair.reference], pair.reference_transform),
            image_name(digests[pair.distorted], pair.distorted_transform),
        )
        for pair in table.pairs
    ]
    scores = np.array([pair.score for pair in table.pairs]).tolist()
    return _sha256_of([table.label_sha256, images, scores])
