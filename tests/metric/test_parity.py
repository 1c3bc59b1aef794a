"""With the same VGG16 parameters and the published alpha and beta, Metric is DISTS.

The packages download VGG16; here it is a random one in both. Random or not makes no difference to the arithmetic.
Where the packages differ, the judge is a float64 computation written here from the paper.
"""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch.nn import functional as F

from iqatune.backbones.network import Backbone
from iqatune.metric.module import Metric

TAPS = (3, 8, 15, 22, 29)


@pytest.fixture(scope="module")
def vgg16(backbone_of: Callable[..., Backbone]) -> torchvision.models.VGG:
    """The backbone's parameters in torchvision's whole VGG16."""
    network = torchvision.models.vgg16(weights=None)
    parameters = backbone_of("vgg16").state_dict()
    known = {key.removeprefix("_network."): value for key, value in parameters.items()}
    missing, unexpected = network.load_state_dict(known, strict=False)
    assert not unexpected
    assert all(key.startswith("classifier.") for key in missing)
    return network


@pytest.fixture(scope="module")
def alpha_beta(test_data: Path) -> Path:
    return test_data / "weights" / "dists_vgg16_alpha_beta.pt"


@pytest.fixture(scope="module")
def metric(vgg16: torchvision.models.VGG, alpha_beta: Path, tmp_path_factory: pytest.TempPathFactory) -> Metric:
    path = tmp_path_factory.mktemp("vgg16") / "vgg16.pth"
    torch.save({key: value for key, value in vgg16.state_dict().items() if key.startswith("features.")}, path)
    return Metric.from_dists(alpha_beta, backbone_weights=path)


def paper(vgg16: torchvision.models.VGG, alpha_beta: Path, reference: torch.Tensor, distorted: torch.Tensor) -> float:
    """D of one pair in float64, from the paper's equations, by no code of the package."""
    blur = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=torch.float64)[None, None] / 16
    mean, std = (
        torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )

    def stages(images: torch.Tensor) -> list[torch.Tensor]:
        maps = [images]
        features = (images - mean) / std
        for index, layer in enumerate(vgg16.features[: TAPS[-1] + 1]):
            if isinstance(layer, torch.nn.MaxPool2d):
                kernel = blur.expand(features.shape[1], 1, 3, 3)
                features = (F.conv2d(features**2, kernel, stride=2, padding=1, groups=features.shape[1]) + 1e-12).sqrt()
            elif isinstance(layer, torch.nn.Conv2d):
                assert layer.bias is not None
                features = F.conv2d(features, layer.weight.double(), layer.bias.double(), padding=1)
            else:
                features = features.clamp(min=0)
            if index in TAPS:
                maps.append(features)
        return maps

    with torch.no_grad():
        x, y = (
            torch.cat([m.flatten(2).permute(1, 0, 2).flatten(1).mean(1) for m in stages(i.double())])
            for i in (reference, distorted)
        )
        moments: list[tuple[torch.Tensor, ...]] = []
        for maps in zip(stages(reference.double()), stages(distorted.double()), strict=True):
            m, n = (stage[0].flatten(1) - stage[0].flatten(1).mean(1, keepdim=True) for stage in maps)
            moments.append(((m * m).mean(1), (n * n).mean(1), (m * n).mean(1)))
        spread_x, spread_y, shared = (torch.cat(parts) for parts in zip(*moments, strict=True))
        texture = (2 * x * y + 1e-6) / (x * x + y * y + 1e-6)
        structure = (2 * shared + 1e-6) / (spread_x + spread_y + 1e-6)
        weights = torch.load(alpha_beta, weights_only=True)
        alpha, beta = (weights[name].double().flatten() for name in ("alpha", "beta"))
        return float(1 - (alpha @ texture + beta @ structure) / (alpha.sum() + beta.sum()))


NAMES = ["natural", "noisy", "noise", "odd-sized", "identical", "flat", "flat, identical", "black, identical",
         "black and natural"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_the_paper_in_float64(
    metric: Metric,
    vgg16: torchvision.models.VGG,
    alpha_beta: Path,
    pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]],
    name: str,
) -> None:
    reference, distorted = pairs_of_images[name]

    assert metric(reference, distorted).item() == pytest.approx(
        paper(vgg16, alpha_beta, reference, distorted), abs=2e-6
    )


# flat images: both packages compute the covariance as E[xy] - E[x] E[y] in float32, which cancels; the test below
# shows what that costs. Only images that vary can be compared with them.
VARIED = ["natural", "noisy", "noise", "odd-sized", "identical", "black and natural"]


@pytest.mark.parametrize("name", VARIED)
def test_equals_the_authors_package_and_torchmetrics(
    theirs: dict[str, torch.nn.Module],
    metric: Metric,
    pairs_of_images: dict[str, tuple[torch.Tensor, torch.Tensor]],
    name: str,
) -> None:
    reference, distorted = pairs_of_images[name]
    score = metric(reference, distorted).item()

    for package in theirs.values():
        assert score == pytest.approx(package(reference, distorted).item(), abs=1e-5)


def test_flat_images_are_where_the_packages_are_wrong(
    theirs: dict[str, torch.nn.Module], metric: Metric, vgg16: torchvision.models.VGG, alpha_beta: Path
) -> None:
    """The same parameters with larger maps, as ImageNet's are: E[xy] - E[x] E[y] then loses more than c2."""
    flat = torch.full((1, 3, 64, 64), 0.7)

    assert paper(vgg16, alpha_beta, flat, flat) == pytest.approx(0, abs=1e-12)
    assert metric(flat, flat).item() == pytest.approx(0, abs=1e-7)
    errors = {name: abs(package(flat, flat).item()) for name, package in theirs.items()}
    assert min(errors.values()) > 1e-5, errors


@pytest.fixture(scope="module")
def theirs(
    vgg16: torchvision.models.VGG, alpha_beta: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, torch.nn.Module]:
    """The packages' own networks over our VGG16, with the published weights."""
    dists_pytorch = pytest.importorskip("DISTS_pytorch", reason="needs the package DISTS-pytorch")
    dists = pytest.importorskip("torchmetrics.functional.image.dists", reason="needs torchmetrics")
    with pytest.MonkeyPatch.context() as patch:
        # the packages ask torchvision for a download, and the authors' looks for its weights in sys.prefix
        patch.setattr(torchvision.models, "vgg16", lambda **_: copy.deepcopy(vgg16))
        patch.setattr(dists, "vgg16", lambda **_: copy.deepcopy(vgg16))
        folder = tmp_path_factory.mktemp("prefix")
        (folder / "weights.pt").write_bytes(alpha_beta.read_bytes())
        patch.setattr(sys, "prefix", str(folder))
        return {"DISTS-pytorch": dists_pytorch.DISTS(), "torchmetrics": dists.DISTSNetwork()}
