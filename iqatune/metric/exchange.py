"""Programs that score without iqatune: .pt2 (torch.export) and .onnx, any batch, height and width.

Both take `reference` and `distorted`, (B, 3, H, W) float32 RGB in [0, 1], and give (B,) distances; an .onnx of a metric
that carries one scale of human scores also `score`, `low` and `high`, (B,) each. They hold the backbone, less what has
no weight, and neither resize nor check their input. The header of an export stands in both: as the extra file
`iqatune.metric.json` of a .pt2, as the metadata property `iqatune.metric` of an .onnx.
"""

import copy
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqatune.backbones.parameter_files import first_line
from iqatune.errors import InputError
from iqatune.extras import install_command
from iqatune.metric.base import ImageMetric
from iqatune.metric.export import header_of, weights_of
from iqatune.metric.files import HEADER
from iqatune.metric.golden import golden_images
from iqatune.metric.scale import on_knots
from iqatune.metric.weights import Floats
from iqatune.records.export import FusedHeader, Header
from iqatune.records.scale import Scale
from iqatune.runtime.files import write_bytes

TOLERANCE = 1e-4
EXTRA_FILE = "iqatune.metric.json"
_INPUTS = ("reference", "distorted")
SCALE_OUTPUTS = ("score", "low", "high")

Score = Callable[[Tensor, Tensor], Tensor]


class _OnScale(nn.Module):
    """A metric that gives D and, on its scale, the score with both ends of its interval."""

    def __init__(self, metric: ImageMetric, scale: Scale) -> None:
        super().__init__()
        self.metric, self.scale = metric, scale

    def forward(self, reference: Tensor, distorted: Tensor) -> tuple[Tensor, ...]:
        distances = self.metric(reference, distorted)
        curves = (self.scale.scores, *self.scale.bounds)
        return distances, *(on_knots(distances, self.scale.distances, values) for values in curves)


class _FlooredMaxPool2d(nn.Module):
    """A max pooling with ceil_mode as one without, over a map padded to the next stride.

    The rounding of ceil_mode depends on whether a size is odd, which an exported program could not leave open.
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(pool.kernel_size, pool.stride, 0, pool.dilation)

    def forward(self, maps: Tensor) -> Tensor:
        rows, columns = _both(self.pool.stride)
        padded = F.pad(maps, (0, columns - 1, 0, rows - 1), value=-torch.inf)
        pooled: Tensor = self.pool(padded)
        return pooled


def save_program(metric: ImageMetric, path: Path) -> Header | FusedHeader:
    """Write a metric as a torch.export program and check that it scores as the metric does.

    Raises:
        InputError: when its backbone cannot be exported, or the program scores otherwise.
    """
    minimum = _minimum_size(metric)
    program = _exported(metric, minimum, path)  # its output stays D alone, one tensor as it always was
    header = _header(metric, minimum)
    # in memory: where a disk is full, torch does not raise an error but ends the process
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={EXTRA_FILE: header.model_dump_json()})
    content.seek(0)
    _verify(metric, torch.export.load(content).module(), path)
    write_bytes(path, content.getvalue())
    return header


def save_onnx(metric: ImageMetric, path: Path) -> Header | FusedHeader:
    """Write a metric as ONNX, in one file, and check with onnxruntime that it scores as the metric does.

    Raises:
        InputError: when onnx, onnxscript or onnxruntime is not installed, its backbone cannot be exported, or the
            program scores otherwise.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise InputError(f"`output` {path}: needs {error.name}; run {install_command('export')}") from error
    minimum = _minimum_size(metric)
    scale = metric.scales[0] if len(metric.scales) == 1 else None  # of several, no output could say which is meant
    program = _exported(metric, minimum, path, scale)
    header = _header(metric, minimum)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            dynamic_shapes=_dynamic_shapes(minimum),
            input_names=list(_INPUTS),
            output_names=["distance"] if scale is None else ["distance", *SCALE_OUTPUTS],
        )
    if converted is None:  # as its signature has it; it never is with dynamo=True
        raise InputError(f"`output` {path}: torch wrote no ONNX; write a .pt2")
    model = converted.model_proto
    onnx.helper.set_model_props(model, {HEADER: header.model_dump_json()})
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def score(reference: Tensor, distorted: Tensor) -> Tensor:
        inputs = dict(zip(_INPUTS, (reference.numpy(), distorted.numpy()), strict=True))
        distances, *on_scale = session.run(None, inputs)
        if scale is not None:
            _verify_scale(scale, distances, on_scale, path)
        return torch.from_numpy(distances)

    _verify(metric, score, path)
    write_bytes(path, content)
    return header


def _exported(metric: ImageMetric, minimum: int, path: Path, scale: Scale | None = None) -> Any:
    """The program of a metric; with a scale its outputs are those of `_OnScale`."""
    copied = copy.deepcopy(metric).eval()
    copied.reduction = "none"
    _floor_max_pooling(copied)
    traced = copied if scale is None else _OnScale(copied, scale).eval()
    side = max(64, minimum)
    # of different sizes, and of more than one pair: torch would take equal ones, or a 1, for a rule
    # and the same ones every time: a .pt2 keeps them
    examples = tuple(torch.full((2, 3, side + 1, side + 19), value) for value in (0.25, 0.75))
    try:
        return torch.export.export(traced, examples, dynamic_shapes=_dynamic_shapes(minimum), strict=False)
    except (RuntimeError, ValueError, AssertionError, InputError) as error:  # it asserts where shapes depend on a patch
        raise InputError(
            f"`output` {path}: torch cannot export {metric.backbone_name} for images of any size "
            f"({first_line(error)}); write a .safetensors"
        ) from error


def _dynamic_shapes(minimum: int) -> dict[str, dict[int, Any]]:
    batch = torch.export.Dim("batch", min=1)
    height, width = (torch.export.Dim(name, min=minimum) for name in ("height", "width"))
    return {name: {0: batch, 2: height, 3: width} for name in _INPUTS}


def _minimum_size(metric: ImageMetric) -> int:
    """The smallest image side that a program takes: torch.export makes a rule of an axis that can be 1, so none may."""
    side = metric.minimum_size
    while True:
        image = torch.zeros(1, 3, side, side)
        with torch.no_grad():
            stages = (maps for backbone in metric.backbones for maps in backbone(image))
            if all(min(maps.shape[2:]) > 1 for maps in stages):
                return side
        side += 1


def _header(metric: ImageMetric, minimum: int) -> Header | FusedHeader:
    weights = weights_of(metric, include_backbone=False)
    return header_of(metric, weights, include_backbone=True, minimum_size=minimum)


def _verify(metric: ImageMetric, score: Score, path: Path) -> None:
    """Compare scores of golden images of other sizes and batches than the program was traced with."""
    side = max(64, metric.minimum_size)
    images = golden_images(side + 16)
    for batch, rows, columns in ((3, side, side), (1, side + 16, side + 5), (2, side + 3, side + 16)):
        reference, distorted = (of[:batch, :, :rows, :columns].contiguous() for of in images)
        with torch.no_grad():
            expected = metric(reference, distorted, reduction="none").numpy()
            found = score(reference, distorted).numpy()
        if not np.allclose(found, expected, rtol=0, atol=TOLERANCE):
            worst = float(np.max(np.abs(found - expected)))
            raise InputError(f"`output` {path}: the program differs from the metric by {worst:.2g}; not written")


def _verify_scale(scale: Scale, distances: Floats, found: Sequence[Floats], path: Path) -> None:
    """Compare the outputs of a scale with numpy.interp of the distances that they were given with."""
    span = max(scale.bounds[0] + scale.bounds[1]) - min(scale.bounds[0] + scale.bounds[1])
    for values, knots in zip(found, (scale.scores, *scale.bounds), strict=True):
        expected = np.interp(distances, scale.distances, knots)
        if not np.allclose(values, expected, rtol=0, atol=TOLERANCE * span):
            worst = float(np.max(np.abs(values - expected)))
            raise InputError(f"`output` {path}: its scores differ by {worst:.2g}; not written")


def _floor_max_pooling(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.MaxPool2d) and child.ceil_mode and _can_be_floored(child):
            setattr(module, name, _FlooredMaxPool2d(child))
        else:
            _floor_max_pooling(child)


def _can_be_floored(pool: nn.MaxPool2d) -> bool:
    kernel, stride, padding = (_both(value) for value in (pool.kernel_size, pool.stride, pool.padding))
    return padding == (0, 0) and all(size >= step for size, step in zip(kernel, stride, strict=True))


def _both(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value
