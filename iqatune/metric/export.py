"""Writing a metric as .safetensors: alpha and beta, a header that says everything else a score depends on, a seal."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from iqatune.images import INTERPOLATION
from iqatune.metric import golden
from iqatune.metric.base import Component, ImageMetric
from iqatune.metric.files import HEADER, NETWORK, PARAMETERS, seal
from iqatune.metric.fused import FusedMetric
from iqatune.metric.golden import golden_scores
from iqatune.records.export import FusedHeader, Header, MemberHeader
from iqatune.runtime.files import write_bytes
from iqatune.version import __version__


def header_of(
    metric: ImageMetric, tensors: Mapping[str, Tensor], *, include_backbone: bool, minimum_size: int | None = None
) -> Header | FusedHeader:
    """Everything that decides the metric's scores, three of them, and a seal on that and on the tensors.

    Args:
        minimum_size: the smallest side of an image, where it is more than the metric's own.
    """
    smallest = minimum_size or metric.minimum_size
    header: Header | FusedHeader = (
        _fused_header(metric, smallest)
        if isinstance(metric, FusedMetric)
        else _plain_header(metric, smallest, include_backbone=include_backbone)
    )
    return header.model_copy(update={"sha256": seal(header.model_dump(mode="json"), tensors)})


def _plain_header(metric: ImageMetric, minimum_size: int, *, include_backbone: bool) -> Header:
    (component,) = metric.components
    return Header(
        **_of_backbone(component),
        **_of_metric(metric, minimum_size),
        origin=metric.origin,
        tuned_on=metric.tuned_on,
        backbone_included=include_backbone,
    )


def _fused_header(metric: ImageMetric, minimum_size: int) -> FusedHeader:
    members = (
        MemberHeader(
            **_of_backbone(component),
            name=component.name,
            weight=component.share,
            origin=component.origin,
            tuned_on=component.tuned_on,
        )
        for component in metric.components
    )
    return FusedHeader(
        **_of_metric(metric, minimum_size), origin=metric.origin, tuned_on=metric.tuned_on, members=tuple(members)
    )


def _of_metric(metric: ImageMetric, minimum_size: int) -> dict[str, Any]:
    """What a header says of any metric."""
    return {
        "iqatune": __version__,
        "minimum_size": minimum_size,
        "resize": metric.short_side,
        "interpolation": INTERPOLATION if metric.short_side else None,
        "scales": metric.scales,
        "golden": golden_scores(partial(metric, reduction="none"), max(golden.SIDE, metric.minimum_size)),
        "sha256": "",
    }


def _of_backbone(component: Component) -> dict[str, Any]:
    """What a header says of weights over a backbone."""
    backbone, similarity = component.backbone, component.similarity
    return {
        "backbone": backbone.name,
        "taps": backbone.taps,
        "channels": component.weights.channels,
        "padding": backbone.padding,
        "mean": backbone.mean,
        "std": backbone.std,
        "pooling": backbone.pooling,
        "structure": similarity.structure,
        "c1": similarity.c1,
        "c2": similarity.c2,
        "backbone_weights": backbone.weights,
        "backbone_sha256": component.backbone_sha256,
    }


def save_metric(metric: ImageMetric, path: Path, *, include_backbone: bool = False) -> Header | FusedHeader:
    """Write a metric as .safetensors.

    Args:
        metric: on the CPU.
        include_backbone: put the part of the backbone that is computed into the file, which then needs no other. A
            fused metric's are always in it.

    Returns:
        The header, as written.
    """
    include_backbone = include_backbone or isinstance(metric, FusedMetric)
    tensors = weights_of(metric, include_backbone=include_backbone)
    header = header_of(metric, tensors, include_backbone=include_backbone)
    write_bytes(path, _in_order(save(tensors, {HEADER: header.model_dump_json(), "format": "pt"})))
    return header


def weights_of(metric: ImageMetric, *, include_backbone: bool) -> dict[str, Tensor]:
    """Alpha, beta and, where they are included, the parameters of the part of each backbone that is computed.

    Of a fused metric each name begins with the member's place, as `0.alpha`.
    """
    if not isinstance(metric, FusedMetric):
        return _tensors(metric.components[0], include_backbone=include_backbone)
    return {
        f"{place}.{name}": tensor.clone()  # members may share a CNN, and a file's tensors no memory
        for place, component in enumerate(metric.components)
        for name, tensor in _tensors(component, include_backbone=include_backbone).items()
    }


def _tensors(component: Component, *, include_backbone: bool) -> dict[str, Tensor]:
    weights = component.weights
    tensors = {"alpha": torch.from_numpy(weights.alpha), "beta": torch.from_numpy(weights.beta)}
    if include_backbone:
        for key, value in component.backbone.state_dict().items():
            tensors[PARAMETERS + key.removeprefix(NETWORK)] = value.contiguous()
    return tensors


def _in_order(file: bytes) -> bytes:
    """The same .safetensors with its metadata in alphabetical order; the library writes them in a random one."""
    size = int.from_bytes(file[:8], "little")
    table = json.loads(file[8 : 8 + size])
    table["__metadata__"] = dict(sorted(table["__metadata__"].items()))
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # the tensors begin at a multiple of 8
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(file)[8 + size :]))
