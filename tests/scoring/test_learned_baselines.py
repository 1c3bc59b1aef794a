"""LPIPS and DISTS beside other implementations that hold the same parameters, and a calculation in float64."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.images import read_rgb
from iqatune.progress import Progress
from iqatune.records.options import DataOptions
from iqatune.scoring.baselines import Measured, baseline_scores
from iqatune.scoring.lpips import linear_weights
from iqatune.statistics.cache import Cache

NETS = {"lpips": ("alex", "alexnet"), "lpips-vgg": ("vgg", "vgg16"), "lpips-squeeze": ("squeeze", "squeezenet1_1")}


def measured(name: str, table: PairTable, folder: Path, weights: Path) -> Measured:
    return baseline_scores(
        name, table, resize=None, device="cpu", cache=Cache(folder), progress=Progress(), weights=str(weights)
    )


@pytest.fixture(scope="module")
def live(test_data: Path) -> PairTable:
    """Two real images of LIVE with their references."""
    labels = test_data / "live_r2" / "labels.csv"
    table = load_pairs(DataOptions(dataset="csv", pairs=labels, better="lower"))
    return PairTable("csv", table.pairs[3::50], table.label, table.label_sha256, better=table.better)


@pytest.fixture
def few(small_set: Any) -> PairTable:
    table = load_pairs(DataOptions(dataset="csv", pairs=str(small_set.labels), better="higher"))
    return PairTable("csv", table.pairs[:8:2], table.label, table.label_sha256, better=table.better)


@pytest.fixture(scope="module")
def network() -> Callable[[str], nn.Module]:
    """Torchvision's CNN without its classifier, with parameters drawn from a seed."""

    def build(model: str) -> nn.Module:
        with torch.device("meta"):
            made: nn.Module = torchvision.models.get_model(model, weights=None).eval()
        made.classifier = nn.Identity()
        made.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(3)
        for parameter in made.parameters():
            inputs = parameter[0].numel()
            parameter.data.normal_(0, (2 / inputs) ** 0.5 if parameter.ndim > 1 else 0.01, generator=generator)
        return made

    return build


def images(table: PairTable) -> list[tuple[Tensor, Tensor]]:
    def tensor(path: Path) -> Tensor:
        return torch.from_numpy(read_rgb(path)).permute(2, 0, 1)[None].float() / 255

    return [(tensor(pair.reference), tensor(pair.distorted)) for pair in table.pairs]


def lpips_in_float64(
    features: nn.Module, taps: tuple[int, ...], linear: list[Tensor], pair: tuple[Tensor, Tensor]
) -> float:
    """LPIPS from its paper and the constants of its authors' code, by no code of the package."""
    shift = torch.tensor([-0.030, -0.088, -0.188], dtype=torch.float64).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450], dtype=torch.float64).view(1, 3, 1, 1)
    total = 0.0
    with torch.no_grad():
        x, y = ((2 * image.double() - 1 - shift) / scale for image in pair)
        for index, layer in enumerate(features.double().children()):
            x, y = layer(x), layer(y)
            if index in taps:
                weight = linear[taps.index(index)].double().view(1, -1, 1, 1)
                unit = [maps / (maps.norm(dim=1, keepdim=True) + 1e-10) for maps in (x, y)]
                total += float(((unit[0] - unit[1]) ** 2 * weight).sum(dim=1).mean())
    return total


def test_lpips_squeeze_on_real_images_is_the_papers(live: PairTable, test_data: Path, tmp_path: Path) -> None:
    weights = test_data / "weights" / "squeezenet1_1_imagenet_fp16.pth"
    network = torchvision.models.squeezenet1_1(weights=None).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    found = measured("lpips-squeeze", live, tmp_path, weights)
    linear = linear_weights("squeeze")
    expected = [lpips_in_float64(network.features, (1, 4, 7, 9, 10, 11, 12), linear, pair) for pair in images(live)]
    np.testing.assert_allclose(-found.scores, expected, rtol=0, atol=1e-6)
    assert min(expected) > 1e-4
    assert found.parameters is not None
    assert found.parameters.weights == weights.name


@pytest.mark.parametrize("name", NETS)
def test_lpips_is_torchmetrics(
    name: str,
    few: PairTable,
    tmp_path: Path,
    network: Callable[[str], nn.Module],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from torchmetrics.functional.image import lpips

    net, model = NETS[name]
    made = network(model)
    torch.save(made.state_dict(), tmp_path / "cnn.pth")
    # theirs downloads the CNN
    monkeypatch.setattr(lpips, "_get_tv_model_features", lambda *_: made.features)
    theirs = lpips._LPIPS(net=net)  # type: ignore[arg-type] # one of its names
    expected = [float(theirs(x, y, normalize=True)) for x, y in images(few)]
    found = -measured(name, few, tmp_path / "cache", tmp_path / "cnn.pth").scores
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert len(set(found)) == len(found)


def test_dists_is_its_authors_module(
    few: PairTable, tmp_path: Path, network: Callable[[str], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    from DISTS_pytorch import DISTS_pt

    from iqatune.scoring.dists import published_weights

    made = network("vgg16")
    torch.save(made.state_dict(), tmp_path / "vgg16.pth")
    # their module downloads VGG16, and looks for its weights where the interpreter is
    monkeypatch.setattr(DISTS_pt, "models", SimpleNamespace(vgg16=lambda pretrained: made))
    monkeypatch.setattr(sys, "prefix", str(published_weights().parent))
    theirs = DISTS_pt.DISTS()
    expected = [float(theirs(x, y)) for x, y in images(few)]
    found = -measured("dists", few, tmp_path / "cache", tmp_path / "vgg16.pth").scores
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_other_parameters_are_other_scores(
    few: PairTable, tmp_path: Path, network: Callable[[str], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = network("squeezenet1_1")
    first, second = tmp_path / "first.pth", tmp_path / "second.pth"
    torch.save(made.state_dict(), first)
    torch.save({key: value * 0.9 for key, value in made.state_dict().items()}, second)
    scores = measured("lpips-squeeze", few, tmp_path / "cache", first)
    other = measured("lpips-squeeze", few, tmp_path / "cache", second)
    assert (scores.scores != other.scores).any()
    # both are kept, under their parameters and not under the file's name
    (tmp_path / "moved").mkdir()
    moved = first.rename(tmp_path / "moved" / "third.pth")
    monkeypatch.setattr("iqatune.scoring.lpips.distance", None)
    again = measured("lpips-squeeze", few, tmp_path / "cache", moved)
    np.testing.assert_array_equal(again.scores, scores.scores)


def test_parameters_of_another_cnn_are_refused(
    few: PairTable, tmp_path: Path, network: Callable[[str], nn.Module]
) -> None:
    torch.save(network("squeezenet1_1").state_dict(), tmp_path / "squeezenet.pth")
    with pytest.raises(InputError) as error:
        measured("lpips", few, tmp_path, tmp_path / "squeezenet.pth")
    assert error.value.command_line.startswith("--baseline lpips: --baseline-weights ")
    assert "does not fit this backbone" in str(error.value)
