"""A fused metric: the weighted sum of its members, as one module, one file and one program."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from iqatune.backbones.network import Backbone
from iqatune.errors import InputError
from iqatune.metric.exchange import EXTRA_FILE, save_onnx, save_program
from iqatune.metric.export import save_metric
from iqatune.metric.files import HEADER
from iqatune.metric.fused import FusedMetric, Member, fused
from iqatune.metric.module import Metric, distance
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Weights
from iqatune.records.export import FusedHeader

OTHER_CONSTANTS = Similarity(c1=1e-3, c2=1e-3)
Make = Callable[..., Metric]
Images = dict[str, tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture(scope="module")
def make(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Make:
    def of(name: str = "squeezenet", seed: int = 0, without: tuple[int, ...] = (4, 5), **options: Any) -> Metric:
        backbone = backbone_of(name)
        return Metric(backbone, some_weights(backbone.channels, seed, without), origin=f"{name} {seed}", **options)

    return of


@pytest.fixture(scope="module")
def two(make: Make) -> FusedMetric:
    """Two backbones, and one of them once more at other constants."""
    return FusedMetric(
        [
            Member("squeeze", make(tuned_on=("a" * 64,)), 0.5),
            Member("alex", make("alexnet", 1, (3, 4, 5)), 0.3),
            Member("softer", make(seed=2, similarity=OTHER_CONSTANTS), 0.2),
        ]
    )


def test_it_is_the_weighted_sum_of_its_members(two: FusedMetric, make: Make, pairs_of_images: Images) -> None:
    assert [member.name for member in two.members] == ["squeeze", "alex", "softer"]
    for reference, distorted in pairs_of_images.values():
        # the pure function over the whole, unpruned CNNs
        expected = sum(
            weight
            * distance(
                reference, distorted, backbone=of.backbone, weights=of.weights, similarity=of.similarity
            ).double()
            for weight, of in (
                (0.5, make(without=())),
                (0.3, make("alexnet", 1, ())),
                (0.2, make(seed=2, without=(), similarity=OTHER_CONSTANTS)),
            )
        )
        every = FusedMetric(
            [
                Member("one", make(without=()), 0.5),
                Member("two", make("alexnet", 1, ()), 0.3),
                Member("three", make(seed=2, without=(), similarity=OTHER_CONSTANTS), 0.2),
            ]
        )
        torch.testing.assert_close(every(reference, distorted).double(), expected, atol=1e-6, rtol=0)
    x, y = pairs_of_images["natural"]
    parts = two(x, y, per_stage=True)
    assert parts.l.shape == (1, 18)
    torch.testing.assert_close((parts.l + parts.s).sum(dim=1), two(x, y), atol=1e-6, rtol=0)
    assert two(x, x).abs().max() < 1e-6


@settings(max_examples=10)
@given(share=st.floats(0.01, 0.99))
def test_members_of_one_backbone_are_a_plain_metric(
    make: Make, some_weights: Callable[..., Weights], pairs_of_images: Images, share: float
) -> None:
    shallow, deep = make(seed=3, without=(3, 4, 5)), make(seed=4, without=(0, 5))
    metric = fused([Member("shallow", shallow, share), Member("deep", deep, 1 - share)])

    assert isinstance(metric, Metric)
    assert metric.origin == "squeezenet 3; squeezenet 4"
    np.testing.assert_allclose(
        metric.weights.alpha, share * shallow.weights.alpha + (1 - share) * deep.weights.alpha, atol=1e-12
    )
    x, y = pairs_of_images["natural"]
    torch.testing.assert_close(metric(x, y), share * shallow(x, y) + (1 - share) * deep(x, y), atol=1e-6, rtol=0)


def test_a_backbone_runs_once_whatever_members_it_has(make: Make, pairs_of_images: Images) -> None:
    calls: list[str] = []
    metric = FusedMetric(
        [
            Member("first", make(seed=5), 0.25),
            Member("alex", make("alexnet"), 0.5),
            Member("second", make(seed=6), 0.25),
            Member("nothing", make("alexnet", 9, similarity=OTHER_CONSTANTS), 0.0),
        ]
    )
    for backbone in metric.backbones:
        backbone.register_forward_hook(lambda module, *_: calls.append(str(module.name)))
    metric(*pairs_of_images["natural"])

    assert [(member.name, member.weight) for member in metric.members] == [("first+second", 0.5), ("alex", 0.5)]
    assert calls == ["squeezenet", "squeezenet", "alexnet", "alexnet"]  # each for the reference and the distorted one


def test_it_is_checked_reduced_and_differentiated_as_any_metric(two: FusedMetric, pairs_of_images: Images) -> None:
    x, y = (image.repeat(3, 1, 1, 1) for image in pairs_of_images["natural"])
    assert two(x, y, reduction="mean").item() == pytest.approx(two(x, y).mean().item())
    assert (two.higher_is_better, two.is_differentiable, two.dtype, two.device.type) == (
        False,
        True,
        torch.float32,
        "cpu",
    )
    assert two.tuned_on == ("a" * 64,)
    with pytest.raises(ValueError, match="pixels are too small; squeezenet \\+ alexnet \\+ squeezenet needs"):
        two(x[..., :9, :9], y[..., :9, :9])
    with pytest.raises(ValueError, match="not in \\[0, 1\\]"):
        two(x * 255, y)
    image = y.clone().requires_grad_()
    two(x, image, reduction="sum").backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in two.train().parameters())
    assert not any(backbone.training for backbone in two.backbones)


def test_members_that_cannot_be_one_are_refused(make: Make) -> None:
    with pytest.raises(InputError, match=r"^b: was tuned at resize none, and a at 256; fuse metrics of one resize"):
        FusedMetric([Member("a", make(), 0.5), Member("b", make("alexnet", short_side=None), 0.5)])
    with pytest.raises(ValueError, match=r"must sum to 1, not to 0\.9"):
        FusedMetric([Member("a", make(), 0.5), Member("b", make("alexnet"), 0.4)])
    with pytest.raises(ValueError, match="not be negative"):
        FusedMetric([Member("a", make(), 1.5), Member("b", make("alexnet"), -0.5)])
    with pytest.raises(ValueError, match="two members are called a"):
        FusedMetric([Member("a", make(), 0.5), Member("a", make("alexnet"), 0.5)])


def test_one_file_holds_all_of_it(two: FusedMetric, tmp_path: Path, pairs_of_images: Images) -> None:
    path = tmp_path / "fused.safetensors"
    header = save_metric(two, path)

    loaded = Metric.load(path, reduction="mean")
    assert isinstance(loaded, FusedMetric)
    assert isinstance(header, FusedHeader)
    assert [(each.name, each.weight) for each in loaded.members] == [(each.name, each.weight) for each in two.members]
    assert (loaded.origin, loaded.tuned_on, loaded.reduction) == (two.origin, two.tuned_on, "mean")
    assert loaded.backbone_sha256 == two.backbone_sha256
    for x, y in pairs_of_images.values():
        torch.testing.assert_close(loaded(x, y, reduction="none"), two(x, y), atol=0, rtol=0)
    with safe_open(path, framework="pt") as file:
        written = json.loads(file.metadata()[HEADER])
        names = set(file.keys())
    assert written == header.model_dump(mode="json")
    assert {"0.alpha", "1.beta", "2.alpha"} <= names
    # pruned: what has no weight is not in the file
    assert not any("features.9" in name or "features.12" in name for name in names if name.startswith("0."))
    with pytest.raises(InputError, match="contains its backbones; leave it out"):
        Metric.load(path, "random")

    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged: its content is not what was written"):
        Metric.load(path)


def test_a_program_of_torch_and_one_of_onnx(make: Make, tmp_path: Path) -> None:
    small = FusedMetric(
        [
            Member("squeeze", make(without=(1, 3, 4, 5)), 0.5),
            Member("alex", make("alexnet", 1, (2, 3, 4, 5)), 0.5),
        ]
    )
    images = torch.rand(2, 3, 3, 71, 90, generator=torch.Generator().manual_seed(1))
    expected = small(*images)

    header = save_program(small, tmp_path / "fused.pt2")
    extra = {EXTRA_FILE: ""}
    program = torch.export.load(tmp_path / "fused.pt2", extra_files=extra)
    assert json.loads(extra[EXTRA_FILE]) == header.model_dump(mode="json")
    torch.testing.assert_close(program.module()(*images), expected, atol=1e-6, rtol=0)

    for extra_package in ("onnx", "onnxscript"):
        pytest.importorskip(extra_package, reason="needs the extra 'export'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra 'export'")
    save_onnx(small, tmp_path / "fused.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "fused.onnx", providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"reference": images[0].numpy(), "distorted": images[1].numpy()})
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-4, rtol=0)


def test_torchmetrics_and_score_take_it(two: FusedMetric, tmp_path: Path, pairs_of_images: Images) -> None:
    pytest.importorskip("torchmetrics", reason="needs the extra 'torchmetrics'")
    from iqatune.metric.torchmetrics_adapter import TunedMetric

    save_metric(two, tmp_path / "fused.safetensors")
    adapted = TunedMetric(tmp_path / "fused.safetensors")
    x, y = pairs_of_images["natural"]
    adapted.update(y, x)
    assert adapted.compute().item() == pytest.approx(two(x, y).item(), abs=1e-7)
