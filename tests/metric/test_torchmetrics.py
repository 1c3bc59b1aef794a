"""The torchmetrics adapter: batches and processes add up to the same mean."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import pytest
import torch

from iqatune.backbones.network import Backbone
from iqatune.metric.module import Metric
from iqatune.metric.weights import Weights

if TYPE_CHECKING:
    from iqatune.metric.torchmetrics_adapter import TunedMetric

torchmetrics = pytest.importorskip("torchmetrics", reason="needs the extra 'torchmetrics'")


@pytest.fixture(scope="module")
def metric(backbone_of: Callable[..., Backbone], some_weights: Callable[..., Weights]) -> Metric:
    backbone = backbone_of()
    return Metric(backbone, some_weights(backbone.channels, without=(3, 4, 5)))


@pytest.fixture(scope="module")
def adapter() -> "type[TunedMetric]":
    from iqatune.metric.torchmetrics_adapter import TunedMetric

    return TunedMetric


IMAGES = torch.rand(2, 7, 3, 32, 32, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_batches_of_different_sizes_add_up(
    adapter: "type[TunedMetric]", metric: Metric, reduction: Literal["mean", "sum"]
) -> None:
    tuned = adapter(metric, reduction)
    for rows in (slice(0, 4), slice(4, 5), slice(5, 7)):
        tuned.update(IMAGES[1][rows], IMAGES[0][rows])

    torch.testing.assert_close(tuned.compute(), metric(*IMAGES, reduction=reduction))
    tuned.reset()
    assert tuned.total == tuned.count == 0
    assert tuned.higher_is_better is False


def test_processes_add_up(adapter: "type[TunedMetric]", metric: Metric) -> None:
    """Two processes, simulated by torchmetrics's own hooks: what one gathers is its state and the other's."""
    others: dict[tuple[torch.dtype, int], torch.Tensor] = {}

    def gather(state: torch.Tensor, group: Any = None) -> list[torch.Tensor]:
        return [state, others[(state.dtype, state.dim())]]

    other = adapter(metric)
    other.update(IMAGES[1][:5], IMAGES[0][:5])
    others.update({(state.dtype, state.dim()): state for state in (other.total, other.count)})
    mine = adapter(metric, dist_sync_fn=gather, distributed_available_fn=lambda: True)
    mine.update(IMAGES[1][5:], IMAGES[0][5:])

    torch.testing.assert_close(mine.compute(), metric(*IMAGES, reduction="mean"))


def test_is_a_metric_of_a_collection_and_differentiable(adapter: "type[TunedMetric]", metric: Metric) -> None:
    collection = torchmetrics.MetricCollection({"tuned": adapter(metric)})

    torch.testing.assert_close(collection(IMAGES[1], IMAGES[0])["tuned"], metric(*IMAGES, reduction="mean"))
    restored = IMAGES[1].clone().requires_grad_()
    adapter(metric)(restored, IMAGES[0]).backward()
    assert restored.grad is not None
    assert restored.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="reduction 'median'"):
        adapter(metric, "median")  # type: ignore[arg-type]
