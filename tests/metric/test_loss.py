"""Metric as a loss: its gradients, on every image, under autocast and torch.compile, and the memory they take."""

import copy
import gc
from collections.abc import Callable

import pytest
import torch

from iqatune.backbones.network import Backbone
from iqatune.backbones.pooling import L2Pool2d
from iqatune.metric.module import Metric
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Weights
from iqatune.records.vocabulary import Structure

STRUCTURES = ["covariance", "stddev"]


@pytest.fixture(scope="module", params=["squeezenet", "vgg16"])
def metric(
    request: pytest.FixtureRequest, backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]
) -> Metric:
    """A CNN with max pooling, and one with L2 pooling, whose root has to have a gradient at 0."""
    backbone = backbone_of(request.param)
    without = () if request.param == "squeezenet" else (3, 4, 5)
    return Metric(backbone, some_weights(backbone.channels, without=without))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_gradients_reach_both_images_and_are_finite_whatever_they_are(
    metric: Metric, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]], structure: Structure
) -> None:
    loss = copy.copy(metric)
    loss.similarity = Similarity(structure)
    for name, pair in pairs_of_images.items():
        reference, distorted = (image.clone().requires_grad_() for image in pair)

        loss(reference, distorted, reduction="mean").backward()

        for image in (reference, distorted):
            assert image.grad is not None
            assert image.grad.isfinite().all(), name
            if "identical" in name:
                # a minimum: nothing to gain in any direction
                assert image.grad.abs().max() < 1e-4, name
            elif name not in ("flat", "black and natural"):
                assert image.grad.abs().max() > 1e-6, name


@pytest.mark.parametrize("structure", STRUCTURES)
def test_gradients_are_those_of_finite_differences(
    backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights], structure: Structure
) -> None:
    backbone = backbone_of("squeezenet")
    metric = Metric(backbone, some_weights(backbone.channels, without=(2, 3, 4, 5)), similarity=Similarity(structure))
    metric = copy.deepcopy(metric).double()
    generator = torch.Generator().manual_seed(8)
    reference, distorted, direction = torch.rand(3, 1, 3, 18, 18, generator=generator, dtype=torch.float64)
    distorted = (0.1 + 0.8 * distorted).requires_grad_()
    metric(reference, distorted).sum().backward()

    step = 1e-6
    with torch.no_grad():
        ahead, behind = (metric(reference, distorted + sign * step * direction) for sign in (1, -1))
    expected = (ahead - behind).item() / (2 * step)

    assert (distorted.grad * direction).sum().item() == pytest.approx(expected, rel=1e-4)


def test_descending_it_brings_an_image_closer(
    metric: Metric, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    reference, noisy = pairs_of_images["noisy"]
    restored = noisy.clone().requires_grad_()
    optimizer = torch.optim.Adam([restored], lr=0.001)
    losses = []
    for _ in range(10):
        loss = metric(reference, restored.clamp(0, 1), reduction="mean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.85 * losses[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_little_and_leaves_gradients_finite(
    metric: Metric, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]], dtype: torch.dtype
) -> None:
    for name in ("noisy", "identical", "flat, identical", "black, identical", "black and natural"):
        # processors without half precision arithmetic emulate it slowly
        reference, distorted = (image[..., :24, :28] for image in pairs_of_images[name])
        image = distorted.clone().requires_grad_()
        with torch.autocast("cpu", dtype=dtype):
            score = metric(reference, image)
        score.sum().backward()

        assert score.dtype == torch.float32
        assert image.grad is not None
        assert image.grad.isfinite().all(), name
        if "identical" in name:
            assert score.item() == pytest.approx(0, abs=1e-6)
        elif name == "noisy":
            assert score.item() == pytest.approx(metric(reference, distorted).item(), rel=0.1), name


def test_l2_pooling_of_large_maps_is_finite_in_half_precision() -> None:
    maps = torch.full((1, 2, 8, 8), 1000.0)
    pooled = L2Pool2d()(maps)

    assert L2Pool2d()(maps.half()).isfinite().all()
    with torch.autocast("cpu", dtype=torch.float16):
        torch.testing.assert_close(L2Pool2d()(maps), pooled)


def test_nothing_is_kept_after_a_step(metric: Metric) -> None:
    def tensors() -> int:
        gc.collect()
        return sum(isinstance(each, torch.Tensor) for each in gc.get_objects())

    images = torch.rand(2, 1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    counts = []
    for _ in range(4):
        restored = images[1].clone().requires_grad_()
        metric(images[0], restored).sum().backward()
        del restored
        counts.append(tensors())

    assert counts[1] == counts[2] == counts[3]


def test_compiles_for_any_batch_and_size(
    backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]
) -> None:
    backbone = backbone_of("squeezenet")
    metric = Metric(backbone, some_weights(backbone.channels, without=(2, 3, 4, 5)))
    # one graph, without a break; that inductor can turn it into machine code is not tested here: it takes a minute
    compiled = torch.compile(metric, fullgraph=True, dynamic=True, backend="eager")
    for size in ((2, 3, 32, 40), (3, 3, 35, 33)):
        reference, distorted = torch.rand(2, *size, generator=torch.Generator().manual_seed(1))
        found, expected = (distorted.clone().requires_grad_() for _ in range(2))

        score = compiled(reference, found)
        score.sum().backward()
        metric(reference, expected).sum().backward()

        torch.testing.assert_close(score, metric(reference, distorted), atol=1e-5, rtol=0)
        torch.testing.assert_close(found.grad, expected.grad, atol=1e-5, rtol=1e-3)
