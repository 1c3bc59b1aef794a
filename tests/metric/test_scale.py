"""A metric's score on the scale of people: the same in NumPy, torch and every export, and monotone for certain."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from iqatune.backbones.network import Backbone
from iqatune.errors import InputError
from iqatune.metric.exchange import EXTRA_FILE, save_onnx, save_program
from iqatune.metric.export import save_metric
from iqatune.metric.files import HEADER, seal
from iqatune.metric.module import Metric
from iqatune.metric.scale import on_knots
from iqatune.metric.weights import Weights
from iqatune.records.export import Header
from iqatune.records.scale import Scale, ScaleInterval

DMOS = Scale(
    dataset="live",
    name="DMOS of LIVE release 2, -2.64 to 111.8",
    better="lower",
    simulated=False,
    distances=(0.01, 0.03, 0.031, 0.08, 0.2),
    scores=(3.0, 20.0, 24.5, 60.0, 88.0),
    interval=ScaleInterval(
        low=(-5.0, 8.0, 10.0, 41.0, 70.0),
        high=(15.0, 35.0, 41.0, 77.0, 101.0),
        level=0.95,
        method="made up",
        references=29,
    ),
)
MOS = DMOS.model_copy(
    update={"dataset": "tid2013", "better": "higher", "scores": (7.0, 6.5, 6.4, 3.0, 0.5), "interval": None}
)


@pytest.fixture(scope="module")
def metric(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Metric:
    backbone = backbone_of()
    weights = some_weights(backbone.channels, without=(1, 3, 4, 5))
    return Metric(backbone, weights, scales=(DMOS,), origin="a test")


def images(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of 64 x 80, and the same with more and more noise."""
    random = torch.Generator().manual_seed(4)
    reference = torch.rand(count, 3, 64, 80, generator=random)
    noise = torch.rand(count, 3, 64, 80, generator=random) - 0.5
    return reference, (reference + torch.linspace(0, 0.8, count)[:, None, None, None] * noise).clamp(0, 1)


def expected(scale: Scale, distances: np.ndarray) -> list[np.ndarray]:
    """Score, low and high of distances, by numpy.interp."""
    return [np.interp(distances, scale.distances, knots) for knots in (scale.scores, *scale.bounds)]


@given(st.lists(st.floats(0, 2), min_size=1, max_size=30))
def test_a_map_is_the_one_of_numpy_interp(distances: list[float]) -> None:
    at = np.array(distances)
    np.testing.assert_allclose(on_knots(at, DMOS.distances, DMOS.scores), expected(DMOS, at)[0], atol=1e-10)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=9, unique=True).map(sorted),
    st.lists(st.floats(0, 100), min_size=9, max_size=9).map(sorted),
    st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30).map(sorted),
)
def test_float32_never_scores_the_farther_image_better(
    knots: list[float], values: list[float], distances: list[float]
) -> None:
    knots = [knot + 1e-5 * place for place, knot in enumerate(knots)]
    found = on_knots(torch.tensor(distances, dtype=torch.float32), knots, values[: len(knots)])
    assert (found.diff() >= 0).all()


def test_a_score_of_a_metric(metric: Metric) -> None:
    reference, distorted = images(6)
    distances = metric(reference, distorted)
    assert distances.shape == (6,)
    score, low, high = metric.score(reference, distorted)
    for found, curve in zip((score, low, high), expected(DMOS, distances.double().numpy()), strict=True):
        np.testing.assert_allclose(found.numpy(), curve, atol=1e-3)
    assert 3.0 == score[0] < score[-1]  # of identical images the best; a lower DMOS is better
    assert metric.scale().described == "DMOS of LIVE release 2, -2.64 to 111.8 (lower is better)"


def test_a_scale_without_interval_has_no_bounds(metric: Metric) -> None:
    alone = Metric(metric.backbone, metric.weights, scales=(MOS,))
    score, low, high = alone.score(*images(2))
    assert torch.isfinite(score).all()
    assert low.isnan().all()
    assert high.isnan().all()


def test_of_several_scales_one_is_named(metric: Metric) -> None:
    both = Metric(metric.backbone, metric.weights, scales=(MOS, DMOS), origin="a test")
    with pytest.raises(InputError, match="a test was tuned on tid2013, live, which have a scale each; name one"):
        both.score(*images(1))
    with pytest.raises(InputError, match="no such scale; did you mean 'live'"):
        both.scale("livee")
    assert both.scale("live") == DMOS
    with pytest.raises(InputError, match="has no scale of human scores"):
        Metric(metric.backbone, metric.weights).score(*images(1))


def test_gradients_reach_the_images_through_the_score(metric: Metric) -> None:
    reference, distorted = images(3)
    distorted.requires_grad_()
    (gradient,) = torch.autograd.grad(metric.score(reference, distorted).score.sum(), distorted)
    assert gradient.isfinite().all()
    assert gradient[1].any()


def test_safetensors_carry_it(metric: Metric, tmp_path: Path) -> None:
    path = tmp_path / "metric.safetensors"
    assert save_metric(metric, path, include_backbone=True).scales == (DMOS,)
    reference, distorted = images(4)
    loaded = Metric.load(path).score(reference, distorted)
    for found, written in zip(loaded, metric.score(reference, distorted), strict=True):
        torch.testing.assert_close(found, written, atol=1e-3, rtol=0)


def test_an_export_of_an_earlier_release_is_read(metric: Metric, tmp_path: Path) -> None:
    path = tmp_path / "metric.safetensors"
    save_metric(metric, path, include_backbone=True)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
    del header["scales"]
    tensors = load_file(path)
    header["sha256"] = seal(header, tensors)
    save_file(tensors, path, {HEADER: json.dumps(header)})
    loaded = Metric.load(path)
    assert loaded.scales == ()
    assert torch.equal(loaded(*images(2)), metric(*images(2)))


def test_a_program_of_torch_carries_it_in_its_header(metric: Metric, tmp_path: Path) -> None:
    path = tmp_path / "metric.pt2"
    save_program(metric, path)
    extra = {EXTRA_FILE: ""}
    program = torch.export.load(path, extra_files=extra)
    (scale,) = Header.model_validate_json(extra[EXTRA_FILE]).scales
    reference, distorted = images(4)
    distances = program.module()(reference, distorted)
    assert isinstance(distances, torch.Tensor)  # D alone, as it always was
    for found, written in zip(expected(scale, distances.numpy()), metric.score(reference, distorted), strict=True):
        np.testing.assert_allclose(found, written.numpy(), atol=1e-3)


def test_a_model_of_onnx_has_it_as_outputs(metric: Metric, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'export'")
    pytest.importorskip("onnxscript", reason="needs the extra 'export'")
    path = tmp_path / "metric.onnx"
    save_onnx(metric, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_outputs()] == ["distance", "score", "low", "high"]
    reference, distorted = images(4)
    distances, *found = session.run(None, {"reference": reference.numpy(), "distorted": distorted.numpy()})
    np.testing.assert_allclose(distances, metric(reference, distorted).numpy(), atol=1e-4, rtol=0)
    for scores, curve in zip(found, expected(DMOS, distances.astype(float)), strict=True):
        np.testing.assert_allclose(scores, curve, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"distances": (0.01, 0.03, 0.03, 0.08, 0.2)}, "rise from knot to knot"),
        ({"scores": (3.0, 20.0, 19.0, 60.0, 88.0)}, "better where D is larger"),
        ({"scores": (3.0, 20.0)}, "at each of its knots"),
        ({"scores": (3.0, 36.0, 40.0, 60.0, 88.0)}, "must hold its score"),
        ({"better": "higher"}, "better where D is larger"),
    ],
)
def test_what_is_no_scale_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Scale.model_validate({**DMOS.model_dump(), **change})
