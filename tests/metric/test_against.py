"""One reference and many versions: the distances, and the gradients, of each pair by itself."""

import copy
from collections.abc import Callable

import pytest
import torch

from iqatune.backbones.network import Backbone, build_backbone
from iqatune.metric.base import ImageMetric
from iqatune.metric.fused import FusedMetric, Member
from iqatune.metric.module import Metric
from iqatune.metric.weights import Weights, uniform_weights


def _metrics(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> dict[str, ImageMetric]:
    squeezenet, alexnet = backbone_of(), build_backbone("alexnet", "random")
    plain = Metric(squeezenet, some_weights(squeezenet.channels))
    other = Metric(alexnet, uniform_weights(alexnet.channels))
    return {"plain": plain, "fused": FusedMetric([Member("a", plain, 0.7), Member("b", other, 0.3)])}


@pytest.fixture(scope="module", params=["plain", "fused"])
def metric(
    request: pytest.FixtureRequest, backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]
) -> ImageMetric:
    return _metrics(backbone_of, some_weights)[request.param]


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    reference = torch.rand(1, 3, 80, 96, generator=generator)
    noise = torch.randn(5, 3, 80, 96, generator=generator) * torch.arange(5)[:, None, None, None] / 20
    return reference, (reference + noise).clamp(0, 1)


def test_versions_have_the_distances_of_their_pairs(
    metric: ImageMetric, images: tuple[torch.Tensor, torch.Tensor]
) -> None:
    reference, versions = images
    distance = metric.against(reference)
    pairs = metric(reference.expand_as(versions), versions, reduction="none")
    torch.testing.assert_close(distance(versions), pairs, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(distance(versions[3:]), pairs[3:], rtol=1e-5, atol=1e-7)
    assert abs(float(distance(reference))) < 1e-6


def test_gradients_reach_the_reference_and_every_version(
    metric: ImageMetric, images: tuple[torch.Tensor, torch.Tensor]
) -> None:
    metric = copy.deepcopy(metric).double()  # float32 rounds the two ways otherwise
    found = []
    for apart in (False, True):
        reference, versions = (tensor.double().requires_grad_() for tensor in images)
        every = versions[1:]  # the first is the reference itself, where D has no slope
        distances = metric(reference.expand_as(every), every) if apart else metric.against(reference)(every)
        assert isinstance(distances, torch.Tensor)
        found.append(torch.autograd.grad(distances.sum(), (reference, versions)))
    for one, other in zip(*found, strict=True):
        assert other.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)


def test_the_cnn_sees_the_reference_once(
    metric: ImageMetric, images: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[int] = []
    forward = Backbone.forward

    def counted(self: Backbone, batch: torch.Tensor) -> list[torch.Tensor]:
        passed.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(Backbone, "forward", counted)
    distance = metric.against(images[0])
    for version in images[1]:
        distance(version[None])
    assert sum(passed) == 6 * len(metric.backbones)


@pytest.mark.parametrize(
    ("reference", "versions", "said"),
    [((2, 3, 80, 96), (1, 3, 80, 96), "2 images, not one"), ((1, 3, 80, 96), (1, 3, 80, 80), "must have one shape")],
)
def test_what_does_not_fit_is_refused(
    metric: ImageMetric, reference: tuple[int, ...], versions: tuple[int, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        metric.against(torch.zeros(reference))(torch.zeros(versions))
    with pytest.raises(ValueError, match=r"not in \[0, 1\]"):
        metric.against(torch.zeros(1, 3, 80, 96))(torch.full((1, 3, 80, 96), 1.5))
