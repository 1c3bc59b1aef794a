"""Writing a metric as .safetensors: alpha and beta, a header that says everything else a score depends on, a seal."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from iqatune.images import INTERPOLATION
from iqatune.metric import golden
from iqatune.metric.files import HEADER, NETWORK, PARAMETERS, seal
from iqatune.metric.golden import golden_scores
from iqatune.metric.module import Metric
from iqatune.records.export import Header
from iqatune.runtime.files import write_bytes
from iqatune.version import __version__


def header_of(
    metric: Metric, tensors: Mapping[str, Tensor], *, include_backbone: bool, minimum_size: int | None = None
) -> Header:
    """Everything that decides the metric's scores, three of them, and a seal on that and on the tensors.

    Args:
        minimum_size: the smallest side of an image, where it is more than the metric's own.
    """
    backbone = metric.backbone
    header = Header(
        iqatune=__version__,
        origin=metric.origin,
        minimum_size=minimum_size or metric.minimum_size,
        backbone=backbone.name,
        taps=backbone.taps,
        channels=metric.channels,
        padding=backbone.padding,
        mean=backbone.mean,
        std=backbone.std,
        pooling=backbone.pooling,
        resize=metric.short_side,
        interpolation=INTERPOLATION if metric.short_side else None,
        structure=metric.similarity.structure,
        c1=metric.similarity.c1,
        c2=metric.similarity.c2,
        backbone_weights=backbone.weights,
        backbone_sha256=metric.backbone_sha256,
        backbone_included=include_backbone,
        cut_channels=metric.cut_channels if include_backbone else 0,
        scales=metric.scales,
        tuned_on=metric.tuned_on,
        golden=golden_scores(partial(metric, reduction="none"), max(golden.SIDE, metric.minimum_size)),
        sha256="",
    )
    return header.model_copy(update={"sha256": seal(header.model_dump(mode="json"), tensors)})


def save_metric(metric: Metric, path: Path, *, include_backbone: bool = False) -> Header:
    """Write a metric as .safetensors.

    Args:
        metric: on the CPU.
        include_backbone: put the part of the backbone that is computed into the file, which then needs no other.

    Returns:
        The header, as written.
    """
    tensors = {"alpha": torch.from_numpy(metric.weights.alpha), "beta": torch.from_numpy(metric.weights.beta)}
    if include_backbone:
        for key, value in metric.backbone.state_dict().items():
            tensors[PARAMETERS + key.removeprefix(NETWORK)] = value.contiguous()
    header = header_of(metric, tensors, include_backbone=include_backbone)
    write_bytes(path, _in_order(save(tensors, {HEADER: header.model_dump_json(), "format": "pt"})))
    return header


def _in_order(file: bytes) -> bytes:
    """The same .safetensors with its metadata in alphabetical order; the library writes them in a random one."""
    size = int.from_bytes(file[:8], "little")
    table = json.loads(file[8 : 8 + size])
    table["__metadata__"] = dict(sorted(table["__metadata__"].items()))
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # the tensors begin at a multiple of 8
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(file)[8 + size :]))
