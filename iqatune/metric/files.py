"""Files that hold a metric: the export (.safetensors), and reading it, a `result.json` or the published DISTS weights.

An export holds alpha and beta, a header that says everything else a score depends on, checksums, and three golden
scores of images that a formula makes. Whoever loads it computes those scores anew, so a file that loads does score as
it did where it was written.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from iqatune.backbones.identity import PRETRAINED, RANDOM
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.backbones.parameters import load_saved
from iqatune.backbones.zoo import find
from iqatune.errors import InputError
from iqatune.images import INTERPOLATION
from iqatune.metric.module import Metric, used_stages
from iqatune.metric.weights import Weights
from iqatune.records.vocabulary import Structure
from iqatune.runtime.files import write_bytes
from iqatune.version import __version__

FORMAT: Literal["iqatune.metric/1"] = "iqatune.metric/1"
HEADER = "iqatune.metric"
"""The key of the safetensors metadata whose value is the header, as JSON."""

GOLDEN_SIDE = 64
GOLDEN_TOLERANCE = 1e-5
"""Convolutions of different machines and releases agree to about 1e-6 in D."""

_PARAMETERS = "backbone."
_NETWORK = "_network."


class Golden(BaseModel):
    """Scores of the golden images (see `golden_images`) of `side` pixels a side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    side: int
    scores: tuple[float, float, float]


class Header(BaseModel):
    """What an export says beside its tensors. `sha256` is of the tensors, `backbone_sha256` of the unpruned CNN."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["iqatune.metric/1"] = FORMAT
    iqatune: str
    origin: str
    direction: Literal["lower is better"] = "lower is better"
    higher_is_better: Literal[False] = False
    input: Literal["RGB in [0, 1], (B, 3, H, W)"] = "RGB in [0, 1], (B, 3, H, W)"
    minimum_size: int
    backbone: str
    taps: tuple[str, ...]
    channels: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pooling: Literal["native", "l2"]
    resize: int | None
    interpolation: str | None
    structure: Structure
    c1: float
    c2: float
    backbone_weights: str
    backbone_sha256: str
    backbone_included: bool
    golden: Golden
    sha256: str


def header_of(
    metric: Metric, include_backbone: bool, tensors: Mapping[str, Tensor], minimum_size: int | None = None
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
        taps=find(backbone.name).taps,
        channels=metric.channels,
        mean=backbone.mean,
        std=backbone.std,
        pooling=backbone.pooling,
        resize=metric.short_side,
        interpolation=INTERPOLATION if metric.short_side else None,
        structure=metric.structure,
        c1=metric.c1,
        c2=metric.c2,
        backbone_weights=backbone.weights,
        backbone_sha256=metric.backbone_sha256,
        backbone_included=include_backbone,
        golden=golden_scores(metric),
        sha256="",
    )
    return header.model_copy(update={"sha256": _seal(header.model_dump(mode="json"), tensors)})


def save_metric(metric: Metric, path: Path, include_backbone: bool = False) -> Header:
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
            tensors[_PARAMETERS + key.removeprefix(_NETWORK)] = value.contiguous()
    header = header_of(metric, include_backbone, tensors)
    write_bytes(path, save(tensors, {HEADER: header.model_dump_json(), "format": "pt"}))
    return header


def load_metric(path: Path, backbone_weights: str | None = None) -> Metric:
    """The metric of any file that holds one, by its suffix; see `Metric.load`.

    Raises:
        InputError: naming the file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; name a result.json, an export (.safetensors) or DISTS weights (.pt)")
    if path.suffix == ".json":
        return load_result(path, backbone_weights)
    if path.suffix == ".safetensors":
        return load_export(path, backbone_weights)
    if path.suffix in (".pt", ".pth"):
        return load_dists(path, backbone_weights or PRETRAINED)
    raise InputError(f"{path}: not a metric; name a result.json, an export (.safetensors) or DISTS weights (.pt)")


def load_export(path: Path, backbone_weights: str | None = None) -> Metric:
    """The metric of an export, its tensors, its backbone and its golden scores checked.

    Raises:
        InputError: naming the file and what differs.
    """
    header, tensors = _read_export(path)
    try:
        weights = Weights(header.channels, tensors.pop("alpha").numpy(), tensors.pop("beta").numpy())
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: holds no weights of its {len(header.channels)} stages ({error})") from error
    if header.backbone_included and backbone_weights is None:
        backbone = _included_backbone(path, header, tensors, used_stages(weights))
    else:
        source = backbone_weights or header.backbone_weights
        if backbone_weights is None and source not in (PRETRAINED, RANDOM):
            raise InputError(
                f"{path}: its backbone's parameters came from the file {source}; "
                "name it (--backbone-weights, or backbone_weights=)"
            )
        backbone = build_backbone(header.backbone, source, header.pooling)
        _check_backbone(path, backbone, header.backbone_sha256, header.backbone_weights)
    metric = Metric(
        backbone,
        weights,
        header.structure,
        header.c1,
        header.c2,
        header.resize,
        backbone_sha256=header.backbone_sha256,
        origin=header.origin,
    )
    if header.golden.side < metric.minimum_size:
        raise InputError(f"{path}: its golden images are too small for {header.backbone}; export it again")
    scores = golden_scores(metric, header.golden.side).scores
    if not np.allclose(scores, header.golden.scores, rtol=0, atol=GOLDEN_TOLERANCE):
        expected, found = (", ".join(f"{score:.6f}" for score in of) for of in (header.golden.scores, scores))
        raise InputError(f"{path}: scores its golden images {found}, not {expected}; do not use it here")
    return metric


class _Run(BaseModel):
    dataset: str
    backbone: str
    backbone_weights: str
    searcher: str
    space: str


class _Protocol(BaseModel):
    simulated: bool
    resize: int | None
    pooling: Literal["native", "l2"]
    structure: Structure
    precision: str = "fp32"
    c1: float
    c2: float
    backbone_weights: str
    backbone_sha256: str


class _Best(BaseModel):
    srcc: float | None
    alpha: tuple[float, ...]
    beta: tuple[float, ...]


class _Record(BaseModel):
    """The part of a `result.json` that a metric needs. The whole belongs to the room of results, above this one."""

    schema_: Literal["iqatune.result/1"] = Field(alias="schema")
    run: _Run
    protocol: _Protocol
    channels: tuple[int, ...]
    best: _Best | None


def load_result(path: Path, backbone_weights: str | None = None) -> Metric:
    """The tuned metric of a search's record.

    Raises:
        InputError: naming the file, when it is no record, holds no sample yet, or was tuned with other parameters.
    """
    try:
        record = _Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise InputError(f"{path}: not a record of iqatune.result/1 ({_first(error)})") from error
    run, protocol, best = record.run, record.protocol, record.best
    if best is None:
        raise InputError(f"{path}: this run has no sample yet; run the search to its end first")
    try:
        weights = Weights(record.channels, np.array(best.alpha), np.array(best.beta))
    except ValueError as error:
        raise InputError(f"{path}: damaged, {error}") from error
    backbone = build_backbone(run.backbone, backbone_weights or run.backbone_weights, protocol.pooling)
    _check_backbone(path, backbone, protocol.backbone_sha256, protocol.backbone_weights)
    observers = ", SIMULATED observers" if protocol.simulated else ""
    precision = "" if protocol.precision == "fp32" else f", statistics in {protocol.precision}"
    srcc = "undefined" if best.srcc is None else f"{best.srcc:.6f}"
    return Metric(
        backbone,
        weights,
        protocol.structure,
        protocol.c1,
        protocol.c2,
        protocol.resize,
        origin=f"{run.searcher} ({run.space} space) on {run.dataset}{observers}{precision}, tuned SRCC {srcc}",
    )


def load_dists(path: Path, backbone_weights: str = PRETRAINED) -> Metric:
    """DISTS from its authors' weights file: alpha and beta of any shape, 1475 numbers each.

    They are divided by their sum, as the authors' package does.

    Raises:
        InputError: naming the file, when it is something else.
    """
    content = load_saved(path, str(path))
    channels = (3, *find("vgg16").channels)
    if not isinstance(content, Mapping) or not all(isinstance(content.get(key), Tensor) for key in ("alpha", "beta")):
        raise InputError(f"{path}: holds no alpha and beta; name the weights.pt of DISTS")
    alpha, beta = (content[key].detach().double().flatten().numpy() for key in ("alpha", "beta"))
    total = alpha.sum() + beta.sum()
    try:
        weights = Weights(channels, alpha / total, beta / total)
    except ValueError as error:
        raise InputError(f"{path}: no weights of DISTS, {error}") from error
    return Metric(build_backbone("vgg16", backbone_weights, "l2"), weights, origin="DISTS (Ding et al. 2020)")


def golden_images(side: int) -> tuple[Tensor, Tensor]:
    """A reference and its three distorted versions, made by integers alone so that every machine makes the same.

    Returns:
        (3, 3, side, side) float32 each: the reference three times; quantised, dimmed and blurred.
    """
    row, column = np.mgrid[:side, :side]
    reference = np.stack([(row * (k + 2) + column * (3 * k + 1) + row * column // 8) % 256 for k in range(3)])
    quantised = reference // 32 * 32
    dimmed = reference * 3 // 4 + 40
    blurred = sum(np.roll(reference, shift, axis=(1, 2)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1))) // 4
    distorted = np.stack((quantised, dimmed, blurred))
    first, second = (torch.from_numpy(images.astype(np.float32) / 255) for images in (reference, distorted))
    return first.expand(3, -1, -1, -1), second


def golden_scores(metric: Metric, side: int | None = None) -> Golden:
    """What the metric, on the CPU, gives the golden images."""
    side = side or max(GOLDEN_SIDE, metric.minimum_size)
    with torch.inference_mode():
        first, second, third = metric(*golden_images(side), reduction="none").tolist()
    return Golden(side=side, scores=(first, second, third))


def _seal(header: Mapping[str, object], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over a header but for the seal itself, and over names, types, shapes and values of the tensors."""
    content = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _read_export(path: Path) -> tuple[Header, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(HEADER)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable .safetensors file ({error})") from error
    if text is None:
        raise InputError(f"{path}: no metric but other tensors; name a file that 'iqatune export' wrote")
    try:
        header = Header.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{path}: not an export of {FORMAT} ({_first(error)})") from error
    if _seal(json.loads(text), tensors) != header.sha256:
        raise InputError(f"{path}: damaged, it does not hold what was written; export it again")
    return header, tensors


def _included_backbone(path: Path, header: Header, tensors: Mapping[str, Tensor], stages: int) -> Backbone:
    backbone = build_backbone(header.backbone, RANDOM, header.pooling).first_stages(stages)
    state = {_NETWORK + key.removeprefix(_PARAMETERS): value for key, value in tensors.items()}
    try:
        backbone.take_over(state)
    except RuntimeError as error:
        raise InputError(f"{path}: its backbone does not fit {header.backbone} as built here ({error})") from error
    backbone.weights = header.backbone_weights
    return backbone


def _check_backbone(path: Path, backbone: Backbone, sha256: str, source: str) -> None:
    if backbone.parameters_sha256 != sha256:
        raise InputError(
            f"{path}: its weights were tuned with other parameters of {backbone.name} ({source}); "
            "name those (--backbone-weights, or backbone_weights=)"
        )


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
