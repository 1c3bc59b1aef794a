"""Exported programs: .pt2 and .onnx score as the metric does, at any batch, height and width."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from iqatune.backbones.network import Backbone
from iqatune.errors import InputError
from iqatune.metric.exchange import EXTRA_FILE, save_onnx, save_program
from iqatune.metric.files import HEADER
from iqatune.metric.module import Metric
from iqatune.metric.weights import Weights

SIZES = [(1, 64, 64), (3, 65, 90), (2, 101, 68)]


@pytest.fixture(scope="module")
def whole(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Metric:
    """All stages of the CNN that is exported most quickly."""
    backbone = backbone_of("alexnet")
    return Metric(backbone, some_weights(backbone.channels))


@pytest.fixture(scope="module")
def metric(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Metric:
    # stages less, one of them between others: what is exported is pruned, and small enough to export quickly
    backbone = backbone_of()
    return Metric(backbone, some_weights(backbone.channels, without=(1, 3, 4, 5)))


def images(size: tuple[int, int, int]) -> torch.Tensor:
    return torch.rand(2, size[0], 3, *size[1:], generator=torch.Generator().manual_seed(sum(size)))


def test_a_program_of_torch(whole: Metric, tmp_path: Path) -> None:
    path = tmp_path / "metric.pt2"
    header = save_program(whole, path)

    extra = {EXTRA_FILE: ""}
    program = torch.export.load(path, extra_files=extra)
    assert json.loads(extra[EXTRA_FILE]) == header.model_dump(mode="json")
    smallest = header.minimum_size
    for size in (*SIZES, (1, smallest, smallest)):
        reference, distorted = images(size)
        scores = program.module()(reference, distorted)
        torch.testing.assert_close(scores, whole(reference, distorted), atol=1e-6, rtol=0)


def test_a_model_of_onnx(metric: Metric, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'export'")
    pytest.importorskip("onnxscript", reason="needs the extra 'export'")
    path = tmp_path / "metric.onnx"
    header = save_onnx(metric, path)

    model = onnx.load(path)
    onnx.checker.check_model(model)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(properties[HEADER]) == header.model_dump(mode="json")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_inputs()] == ["reference", "distorted"]
    for size in SIZES:
        reference, distorted = images(size)
        (scores,) = session.run(None, {"reference": reference.numpy(), "distorted": distorted.numpy()})
        np.testing.assert_allclose(scores, metric(reference, distorted).numpy(), atol=1e-4, rtol=0)
    assert model.ByteSize() < 1.5 * 4 * sum(parameter.numel() for parameter in metric.backbone.parameters()) + 2e5
    assert [path.name] == [other.name for other in tmp_path.iterdir()]


def test_without_onnx_the_extra_is_named(metric: Metric, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(InputError, match=r"needs onnx; .* -m pip install .*onnx"):
        save_onnx(metric, tmp_path / "metric.onnx")
