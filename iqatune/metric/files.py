"""Files that hold a metric, read: an export (.safetensors), a `result.json`, or the published DISTS weights (.pt)."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from iqatune.backbones.identity import PRETRAINED, RANDOM
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.backbones.parameter_files import load_saved
from iqatune.backbones.zoo import as_recorded, find
from iqatune.errors import InputError
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Floats, Weights, tuned_weights, uniform_weights, used_stages
from iqatune.records.documents import parse_json, validated
from iqatune.records.export import EXPORT_FORMAT, FUSED_FORMAT, FusedHeader, Golden, Header, MemberHeader
from iqatune.records.fusion import is_fusion, open_fusion
from iqatune.records.labels import search_note
from iqatune.records.options import BackboneOptions
from iqatune.records.result import Result, dataset_hashes, open_result
from iqatune.records.scale import Scale

HEADER = "iqatune.metric"
"""The key of the safetensors metadata whose value is the header, as JSON."""

PARAMETERS, NETWORK = "backbone.", "_network."
"""What the names of the backbone's tensors begin with in an export, and in the backbone itself."""

SHORT_SIDE = 256
"""Short side to which the protocol of DISTS, and of searches unless told otherwise, brings larger images down."""


@dataclass(frozen=True, kw_only=True)
class StoredMetric:
    """What a file says a metric is.

    Attributes:
        short_side: of the protocol's resize; None for none.
        origin: where the weights come from, in words.
        backbone_sha256: of the backbone's parameters before anything was pruned, where that is not the backbone's own.
        golden: distances that the metric must give, where the file says so.
        scales: how D becomes a human score, of each data set that it was tuned on.
        tuned_on: hashes of the data sets that it was tuned on, as protocols have them; none where the file says none.
    """

    backbone: Backbone
    weights: Weights
    similarity: Similarity
    short_side: int | None
    origin: str
    backbone_sha256: str | None = None
    golden: Golden | None = None
    scales: tuple[Scale, ...] = ()
    tuned_on: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StoredMember:
    """One of the metrics that a file fuses."""

    name: str
    metric: StoredMetric
    weight: float


@dataclass(frozen=True, kw_only=True)
class StoredFusion:
    """What a file says a fusion is.

    Attributes:
        members: those that have weight.
        origin, golden, scales, tuned_on: as of `StoredMetric`.
    """

    members: tuple[StoredMember, ...]
    origin: str
    golden: Golden | None = None
    scales: tuple[Scale, ...] = ()
    tuned_on: tuple[str, ...] = ()


def read_metric(path: Path, backbone_weights: str | None = None, *, force: bool = False) -> StoredMetric | StoredFusion:
    """The metric of any file that holds one, by its suffix; see `Metric.load`.

    Args:
        force: take a record that is not what was written; the metric's origin says so.

    Raises:
        InputError: naming the file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a result.json, an export (.safetensors) or DISTS weights (.pt)")
    if is_fusion(path):
        return read_fusion(path, backbone_weights, force=force)
    if path.suffix == ".json":
        return read_tuned(path, backbone_weights, force=force)
    if path.suffix == ".safetensors":
        return read_export(path, backbone_weights)
    if path.suffix in (".pt", ".pth"):
        return read_dists(path, backbone_weights or PRETRAINED)
    raise InputError(f"{path}: not a metric; name a result.json, an export (.safetensors) or DISTS weights (.pt)")


def read_export(path: Path, backbone_weights: str | None = None) -> StoredMetric | StoredFusion:
    """The metric of an export, its tensors and its backbones checked.

    Raises:
        InputError: naming the file and what differs.
    """
    header, tensors = _read_tensors(path)
    if isinstance(header, FusedHeader):
        return _fusion(path, header, tensors, backbone_weights)
    weights = _weights(path, header, tensors)
    if header.backbone_included and backbone_weights is None:
        backbone = _included_backbone(path, header, tensors, weights)
    else:
        source = backbone_weights or header.backbone_weights
        if backbone_weights is None and source not in (PRETRAINED, RANDOM):
            raise InputError(
                f"{path}: its backbone's parameters came from the file {source}; name it with `backbone_weights`"
            )
        backbone = build_backbone(_name_of(header), source, header.pooling)
        _check_backbone(path, backbone, header.backbone_sha256, header.backbone_weights)
    _check_golden_size(path, header.golden, backbone)
    return replace(
        _stored(path, header, weights, backbone), short_side=header.resize, golden=header.golden, scales=header.scales
    )


def _fusion(
    path: Path, header: FusedHeader, tensors: Mapping[str, Tensor], backbone_weights: str | None
) -> StoredFusion:
    if backbone_weights is not None:
        raise InputError(f"`backbone_weights` {backbone_weights}: {path} contains its backbones; leave it out")
    members = []
    for place, member in enumerate(header.members):
        prefix = f"{place}."
        own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        weights = _weights(path, member, own)
        backbone = _included_backbone(path, member, own, weights)
        _check_golden_size(path, header.golden, backbone)
        stored = replace(_stored(path, member, weights, backbone), short_side=header.resize)
        members.append(StoredMember(name=member.name, metric=stored, weight=member.weight))
    return StoredFusion(
        members=tuple(members),
        origin=header.origin,
        golden=header.golden,
        scales=header.scales,
        tuned_on=header.tuned_on,
    )


def _weights(path: Path, header: Header | MemberHeader, tensors: dict[str, Tensor]) -> Weights:
    """Alpha and beta, taken out of the tensors."""
    try:
        return Weights(header.channels, tensors.pop("alpha").numpy(), tensors.pop("beta").numpy())
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: contains no weights of its {len(header.channels)} stages ({error})") from error


def _stored(path: Path, header: Header | MemberHeader, weights: Weights, backbone: Backbone) -> StoredMetric:
    _check_channels(path, backbone, header.channels)
    return StoredMetric(
        backbone=backbone,
        weights=weights,
        similarity=Similarity(header.structure, header.c1, header.c2),
        short_side=None,
        origin=header.origin,
        backbone_sha256=header.backbone_sha256,
        tuned_on=header.tuned_on,
    )


def _check_golden_size(path: Path, golden: Golden, backbone: Backbone) -> None:
    if golden.side < backbone.minimum_size:
        raise InputError(f"{path}: its golden images are too small for {backbone.name}; export it again")


def read_tuned(path: Path, backbone_weights: str | None = None, *, force: bool = False) -> StoredMetric | StoredFusion:
    """The tuned metric of a search's record; of two views through several backbones both, fused.

    Args:
        force: as of `read_metric`.

    Raises:
        InputError: naming the file, when it is no record, not what was written, holds no weights, or was tuned with
            other parameters.
    """
    opened = open_result(path)
    result = opened.trusted(force=force)
    try:
        weights = tuned_weights(result)
    except InputError as error:
        raise InputError(f"{path}: {error.line}") from error
    except ValueError as error:
        raise InputError(f"{path}: damaged, {error}") from error
    origin = ", ".join(part for part in (_origin(result), opened.forced) if part is not None)
    return _of_record(path, result, weights, backbone_weights=backbone_weights, origin=origin)


def untuned(path: Path, result: Result, backbone_weights: str | None = None) -> StoredMetric | StoredFusion:
    """The metric of a record's backbone, or of both of its views, under the uniform weights.

    Args:
        path: of the record, for messages.

    Raises:
        InputError: when the backbone's parameters are others than the record's.
    """
    weights = uniform_weights(result.channels)
    return _of_record(path, result, weights, backbone_weights=backbone_weights, origin="uniform weights")


def _of_record(
    path: Path, result: Result, weights: Weights, *, backbone_weights: str | None, origin: str
) -> StoredMetric | StoredFusion:
    if result.protocol.views:
        return _of_views(path, result, weights, backbone_weights=backbone_weights, origin=origin)
    run, protocol = result.run, result.protocol
    name = as_recorded(run.backbone, protocol.taps, result.channels)
    backbone = build_backbone(name, backbone_weights or run.backbone_weights, protocol.pooling)
    _check_backbone(path, backbone, protocol.backbone_sha256, protocol.backbone_weights)
    _check_channels(path, backbone, result.channels)
    return StoredMetric(
        backbone=backbone,
        weights=weights,
        similarity=Similarity.tuned(result),
        short_side=protocol.resize,
        origin=origin,
        scales=result.scales,
        tuned_on=dataset_hashes(result),
    )


def read_fusion(path: Path, backbone_weights: str | None = None, *, force: bool = False) -> StoredFusion:
    """The fused metric of a fusion's record, from its members' files.

    Args:
        force: as of `read_metric`.

    Raises:
        InputError: naming the file, when it is not what was written, a member with weight takes no images, or a
            member's file is gone, is another, or cannot be read.
    """
    opened = open_fusion(path)
    fusion = opened.trusted(force=force)
    used = [(member, share) for member, share in zip(fusion.members, fusion.shares, strict=True) if share > 0]
    columns = [member.name for member, _ in used if not member.is_of_images]
    if columns:
        raise InputError(
            f"{path}: fuses figures of other metrics ({', '.join(columns)}), which take no images; `iqatune evaluate` "
            "scores it on the pairs of its features file"
        )
    if backbone_weights is not None:
        raise InputError(
            f"`backbone_weights` {backbone_weights}: say for which backbone of {path}: fuse again with NAME=FILE, or "
            "name an export of it, which contains its backbones"
        )
    members = []
    for member, share in used:
        opened.check_member(member)
        stored = read_metric(opened.member_file(member), fusion.options.weights_of(member.backbone), force=force)
        if isinstance(stored, StoredFusion):
            raise InputError(
                f"{path}: its member {member.name} is itself a fusion; fuse again with the members of that one"
            )
        members.append(StoredMember(name=member.name, metric=stored, weight=share))
    return StoredFusion(
        members=tuple(members),
        origin=", ".join(part for part in (fusion.described, opened.forced) if part is not None),
        scales=fusion.scales,
        tuned_on=tuple(
            dict.fromkeys(
                (fusion.protocol.dataset_sha256, *(name for each in members for name in each.metric.tuned_on))
            )
        ),
    )


def _of_views(
    path: Path, result: Result, weights: Weights, *, backbone_weights: str | None, origin: str
) -> StoredMetric | StoredFusion:
    """The metric of two views: of one backbone, whose stages they share out, or of one for each."""
    options = BackboneOptions.of(result.run)
    branches = (options if backbone_weights is None else options.with_weights(backbone_weights)).branches
    views = result.protocol.views
    if len(branches) != len(views):
        raise InputError(f"{path}: damaged, it has {len(views)} views and says how to see {len(branches)}")
    backbones: dict[BackboneOptions, Backbone] = {}
    totals: dict[BackboneOptions, tuple[Floats, Floats]] = {}
    start = 0
    for branch, view in zip(branches, views, strict=True):
        seen = branch.backbone
        if seen not in backbones:
            backbones[seen] = build_backbone(seen.backbone, seen.backbone_weights, view.pooling)
            _check_backbone(path, backbones[seen], view.backbone_sha256, view.backbone_weights)
            count = sum(backbones[seen].channels)
            totals[seen] = (np.zeros(count), np.zeros(count))
        channels = backbones[seen].channels
        if not view.stages or view.stages[-1] >= len(channels):
            raise InputError(f"{path}: damaged, {seen.backbone} has no stages {view.stages}")
        first, last = (sum(channels[:stage]) for stage in (view.stages[0], view.stages[-1] + 1))
        taken = slice(start, start + last - first)
        for total, part in zip(totals[seen], (weights.alpha[taken], weights.beta[taken]), strict=True):
            if len(part) != last - first:
                raise InputError(f"{path}: damaged, its weights are of other channels than its views")
            total[first:last] += part  # a stage that both views take has the weight of both
        start = taken.stop
    similarity, hashes = Similarity.tuned(result), dataset_hashes(result)
    members = []
    for place, (seen, (alpha, beta)) in enumerate(totals.items()):
        share = float(alpha.sum() + beta.sum())
        if share > 0:
            metric = StoredMetric(
                backbone=backbones[seen],
                weights=Weights(backbones[seen].channels, alpha / share, beta / share),
                similarity=similarity,
                short_side=result.protocol.resize,
                origin=origin,
                scales=result.scales,
                tuned_on=hashes,
            )
            members.append(StoredMember(name=f"view {place}: {seen.backbone}", metric=metric, weight=share))
    if len(members) == 1:
        return members[0].metric
    return StoredFusion(members=tuple(members), origin=origin, scales=result.scales, tuned_on=hashes)


def read_dists(path: Path, backbone_weights: str = PRETRAINED) -> StoredMetric:
    """DISTS from its authors' weights file: alpha and beta of any shape, 1475 numbers each.

    They are divided by their sum, as the authors' package does.

    Raises:
        InputError: naming the file, when it is something else.
    """
    content = load_saved(path, str(path))
    channels = (3, *find("vgg16").channels)
    if not isinstance(content, Mapping) or not all(isinstance(content.get(key), Tensor) for key in ("alpha", "beta")):
        raise InputError(f"{path}: contains no alpha and beta; name the weights.pt of DISTS")
    alpha, beta = (content[key].detach().double().flatten().numpy() for key in ("alpha", "beta"))
    total = alpha.sum() + beta.sum()
    try:
        weights = Weights(channels, alpha / total, beta / total)
    except ValueError as error:
        raise InputError(f"{path}: not weights of DISTS, {error}") from error
    return StoredMetric(
        backbone=build_backbone("vgg16", backbone_weights, "l2"),
        weights=weights,
        similarity=Similarity(),
        short_side=SHORT_SIDE,
        origin="DISTS (Ding et al. 2020)",
    )


def seal(header: Mapping[str, object], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over a header but for the seal itself, and over names, types, shapes and values of the tensors."""
    content = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _read_tensors(path: Path) -> tuple[Header | FusedHeader, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(HEADER)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable .safetensors file ({error})") from error
    if text is None:
        raise InputError(f"{path}: not a metric but other tensors; name a file that 'iqatune export' wrote")
    content = parse_json(path, text.encode())
    is_fused = isinstance(content, dict) and content.get("format") == FUSED_FORMAT
    header = (
        validated(path, text.encode(), FusedHeader, f"an export of {FUSED_FORMAT}")
        if is_fused
        else validated(path, text.encode(), Header, f"an export of {EXPORT_FORMAT}")
    )
    if seal(content, tensors) != header.sha256:
        raise InputError(f"{path}: damaged: its content is not what was written; export it again")
    return header, tensors


def _included_backbone(
    path: Path, header: Header | MemberHeader, tensors: Mapping[str, Tensor], weights: Weights
) -> Backbone:
    whole = build_backbone(_name_of(header), RANDOM, header.pooling)
    stages = used_stages(weights)
    backbone = whole.first_stages(stages)
    if header.cut_channels:
        cut = backbone.with_last_channels(weights.kept(stages - 1))
        if cut is None:
            raise InputError(f"{path}: its backbone lacks channels, and {header.backbone} as built here cannot be cut")
        backbone = cut
    state = {NETWORK + key.removeprefix(PARAMETERS): value for key, value in tensors.items()}
    if state.keys() == whole.state_dict().keys():
        backbone = whole  # an older export of a timm model holds all of it
    try:
        backbone.load_parameters(state)
    except RuntimeError as error:
        raise InputError(f"{path}: its backbone does not fit {header.backbone} as built here ({error})") from error
    backbone.weights = header.backbone_weights
    return backbone


def _name_of(header: Header | MemberHeader) -> str:
    return as_recorded(header.backbone, header.taps, header.channels)


def _origin(result: Result) -> str:
    run, protocol, best = result.run, result.protocol, result.best
    observers = ", SIMULATED observers" if protocol.simulated else ""
    precision = "" if protocol.precision == "fp32" else f", statistics in {protocol.precision}"
    srcc = "undefined" if best is None or math.isnan(best.srcc) else f"{best.srcc:.6f}"
    searched = f"{run.searcher} ({run.space} space{search_note(run)})"
    return f"{searched} on {run.dataset}{observers}{precision}, tuned SRCC {srcc}"


def _check_backbone(path: Path, backbone: Backbone, sha256: str, source: str) -> None:
    if backbone.parameters_sha256 != sha256:
        raise InputError(
            f"{path}: its weights were tuned with other parameters of {backbone.name} ({source}); "
            "name those with `backbone_weights`"
        )


def _check_channels(path: Path, backbone: Backbone, channels: tuple[int, ...]) -> None:
    """An export's backbone may end before the last stage, where nothing of the rest has weight."""
    if backbone.channels != channels[: len(backbone.channels)]:
        raise InputError(
            f"{path}: damaged, its weights are of channels {channels}, and {backbone.name} has {backbone.channels}"
        )
