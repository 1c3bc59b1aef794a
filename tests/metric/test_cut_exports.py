"""Exports of a metric whose last stage is cut: smaller files that score the same, and say what they lack."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from iqatune.backbones.network import build_backbone
from iqatune.metric.export import save_metric
from iqatune.metric.files import StoredMetric, read_export
from iqatune.metric.fused import Member, fused
from iqatune.metric.module import Metric, distance
from iqatune.metric.weights import Weights
from iqatune.records.export import Header


@pytest.fixture(scope="module")
def cut() -> Metric:
    """SqueezeNet's first three stages, three channels of the last one."""
    backbone = build_backbone("squeezenet", "random")
    values = np.zeros((2, sum(backbone.channels)))
    values[:, [0, 1, 2, 5, 9, 70, 77, 150]] = 1
    values /= values.sum()
    return Metric(backbone, Weights(backbone.channels, values[0], values[1]), short_side=None)


def _uncut(metric: Metric, images: tuple[torch.Tensor, torch.Tensor]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    found = distance(*images, backbone=build_backbone("squeezenet", "random"), weights=metric.weights)
    return found.numpy()


def test_an_export_holds_the_cut_tensors_and_loads_again(
    cut: Metric, tmp_path: Path, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    path = tmp_path / "metric.safetensors"
    header = save_metric(cut, path, include_backbone=True)
    assert isinstance(header, Header)
    assert header.cut_channels == 128 - 3
    with safe_open(path, framework="pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    # the fourth fire module: two channels of its first branch, one of its second
    assert (
        shapes["backbone.features.4.expand1x1.weight"][0] + shapes.get("backbone.features.4.expand3x3.weight", (0,))[0]
        == 3
    )
    loaded = Metric.load(path)
    assert loaded.cut_channels == cut.cut_channels
    for images in pairs_of_images.values():
        np.testing.assert_allclose(loaded(*images).numpy(), _uncut(cut, images), rtol=0, atol=1e-6)
    again = tmp_path / "again.safetensors"
    repeated = save_metric(loaded, again, include_backbone=True)
    # a part of a CNN takes smaller images, of which the golden ones then are
    own = {"golden", "sha256", "minimum_size"}
    assert repeated.model_dump(exclude=own) == header.model_dump(exclude=own)
    with safe_open(path, framework="pt") as then, safe_open(again, framework="pt") as now:
        assert then.keys() == now.keys()
        assert all(torch.equal(then.get_tensor(name), now.get_tensor(name)) for name in then.keys())  # noqa: SIM118


def test_an_export_without_its_backbone_is_cut_when_it_is_loaded(cut: Metric, tmp_path: Path) -> None:
    path = tmp_path / "metric.safetensors"
    header = save_metric(cut, path)
    assert isinstance(header, Header)
    assert header.cut_channels == 0
    assert Metric.load(path).cut_channels == cut.cut_channels


def test_an_export_of_an_uncut_backbone_loads_as_it_did(cut: Metric, tmp_path: Path) -> None:
    """Exports of earlier releases hold all channels of the last stage; of timm's CNNs all layers."""
    backbone = build_backbone("timm:mobilenetv2_100", "random")
    values = np.zeros((2, sum(backbone.channels)))
    values[:, [1, 4, 20]] = 1 / 6
    metric = Metric(backbone, Weights(backbone.channels, values[0], values[1]), short_side=None)
    whole = Metric(backbone, metric.weights, short_side=None)
    whole.backbone = backbone  # as such a release had it
    whole.register_buffer("kept_2", torch.tensor([1]), persistent=False)
    path = tmp_path / "older.safetensors"
    header = save_metric(whole, path, include_backbone=True)
    assert isinstance(header, Header)
    assert header.cut_channels == 0
    assert path.stat().st_size > 2 * sum(4 * tensor.numel() for tensor in metric.backbone.parameters())
    loaded = Metric.load(path)
    assert loaded.cut_channels == metric.cut_channels == 24 - 1
    stored = read_export(path)
    assert isinstance(stored, StoredMetric)
    assert stored.backbone.channels == backbone.channels


def test_programs_shrink_with_what_is_cut(cut: Metric, tmp_path: Path) -> None:
    from iqatune.metric.exchange import save_program

    whole = Metric(build_backbone("squeezenet", "random"), cut.weights, short_side=None)
    uncut = build_backbone("squeezenet", "random").first_stages(3)
    whole.backbone = uncut
    whole.register_buffer("kept_2", torch.tensor(cut.weights.kept(2)), persistent=False)
    sizes = {}
    for name, metric in (("cut", cut), ("whole", whole)):
        path = tmp_path / f"{name}.pt2"
        header = save_program(metric, path)
        sizes[name] = path.stat().st_size
        assert isinstance(header, Header)
        assert header.cut_channels == metric.cut_channels
    saved = 4 * (
        sum(tensor.numel() for tensor in uncut.parameters()) - sum(t.numel() for t in cut.backbone.parameters())
    )
    assert sizes["whole"] - sizes["cut"] > 0.9 * saved


def test_a_sum_of_cut_metrics_is_what_they_come_to_together(
    cut: Metric, tmp_path: Path, pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> None:
    """Of one backbone, cut to channels that another member needs; and of two, in one file that holds both cut."""
    channels = cut.weights.channels
    values = np.zeros((2, sum(channels)))
    start = sum(channels[:2])
    values[:, [0, start + 1, start + 50]] = 1 / 6
    of_kin = Metric(build_backbone("squeezenet", "random"), Weights(channels, *values), short_side=None)
    assert of_kin.cut_channels == channels[2] - 2
    other = build_backbone("alexnet", "random")
    values = np.zeros((2, sum(other.channels)))
    values[:, [0, 10]] = 1 / 4
    foreign = Metric(other, Weights(other.channels, *values), short_side=None)
    metric = fused([Member("a", cut, 0.5), Member("b", of_kin, 0.25), Member("c", foreign, 0.25)])
    path = tmp_path / "fused.safetensors"
    save_metric(metric, path)
    loaded = Metric.load(path)
    for images in pairs_of_images.values():
        alone = [each(*images) for each in (cut, of_kin, foreign)]
        expected = 0.5 * alone[0] + 0.25 * alone[1] + 0.25 * alone[2]
        torch.testing.assert_close(metric(*images), expected, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(loaded(*images), metric(*images), rtol=0, atol=0)
