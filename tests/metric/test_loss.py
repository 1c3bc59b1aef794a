"""Metric as a loss: its gradients, on every image, under autocast and torch.compile, and the memory they take."""

import copy
import gc
import shutil
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


def trained_with(
    loss_of: Callable[..., torch.Tensor], images: tuple[torch.Tensor, torch.Tensor], *, bf16: bool = False
) -> list[float]:
    """Losses of a small network that learns to restore an image by pixel loss and a metric, as in a user's loop."""
    original, degraded = (image[..., :40, :40] for image in images)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first, second = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 3, padding=1)
    network = torch.nn.Sequential(first, torch.nn.LeakyReLU(0.2), second)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(12):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            restored = degraded + network(degraded).float()
            loss = (restored - original).abs().mean() + 0.1 * loss_of(original, restored, reduction="mean")
        optimizer.zero_grad()
        loss.backward()
        for parameter in network.parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.fixture(scope="module")
def smooth_metric(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Metric:
    """With the constants that searches of the `+c` spaces choose, of which gradients are not steep."""
    backbone = backbone_of("squeezenet")
    metric = Metric(backbone, some_weights(backbone.channels), similarity=Similarity(c1=0.03, c2=0.03))
    metric.check_range = False
    return metric


@pytest.mark.parametrize(("bf16", "backend"), [(True, None), (False, "aot_eager")])
def test_a_network_learns_from_it_as_well_in_mixed_precision_and_compiled(
    smooth_metric: Metric,
    pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]],
    bf16: bool,
    backend: str | None,
) -> None:
    plain = trained_with(smooth_metric, pairs_of_images["noisy"])

    loss_of = smooth_metric if backend is None else torch.compile(smooth_metric, backend=backend)
    found = trained_with(loss_of, pairs_of_images["noisy"], bf16=bf16)

    assert plain[-1] < 0.9 * plain[0]
    assert found[-1] < 0.9 * found[0]
    # after a step the networks differ, too
    assert found[0] == pytest.approx(plain[0], rel=2e-3 if bf16 else 1e-5)
    assert found == pytest.approx(plain, rel=0.05 if bf16 else 1e-4)


@pytest.mark.thorough
def test_a_network_learns_from_what_inductor_makes_of_it(
    smooth_metric: Metric, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("needs a C++ compiler, which inductor calls for programs on the CPU")

    found = trained_with(torch.compile(smooth_metric, backend="inductor"), pairs_of_images["noisy"])

    assert found == pytest.approx(trained_with(smooth_metric, pairs_of_images["noisy"]), rel=1e-3)


def test_bf16_changes_where_gradients_point_least_with_larger_constants(
    smooth_metric: Metric, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    def likeness(constant: float) -> float:
        loss = copy.copy(smooth_metric)
        loss.similarity = Similarity(c1=constant, c2=constant)
        gradients = []
        for bf16 in (False, True):
            reference, image = (each.clone().requires_grad_() for each in pairs_of_images["natural"])
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                score = loss(reference, image, reduction="mean")
            score.backward()
            assert image.grad is not None
            gradients.append(image.grad.flatten())
        return torch.cosine_similarity(gradients[0], gradients[1], dim=0).item()

    assert likeness(0.03) > likeness(1e-6) + 0.1


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
