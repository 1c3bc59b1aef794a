"""Other packages that compare images in feature maps of the same CNNs, given the same parameters."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal
from unittest.mock import patch

import torch
import torchvision
from torch import Tensor, nn

from iqatune.backbones.parameters import initialise
from iqatune.extras import install_command

Compare = Callable[[Tensor, Tensor], object]

_MODELS = {"vgg16": "vgg16", "alexnet": "alexnet", "squeezenet": "squeezenet1_1"}


@dataclass(frozen=True)
class Peer:
    """A package's metric of two batches of images in [0, 1]."""

    name: str
    package: str
    backbone: str
    build: Callable[[], nn.Module]


def _dists_pytorch() -> nn.Module:
    from DISTS_pytorch import DISTS

    metric: nn.Module = DISTS(load_weights=False)
    return metric


def _piq() -> nn.Module:
    import piq

    channels = 3 + 64 + 128 + 256 + 512 + 512
    uniform = {name: torch.full((1, channels, 1, 1), 0.5 / channels) for name in ("alpha", "beta")}
    with patch("torch.hub.load_state_dict_from_url", lambda *_, **__: uniform):
        metric: nn.Module = piq.DISTS()
    return metric


def _torchmetrics_dists() -> nn.Module:
    # its network, built once: the package's own metric builds it anew at every call
    from torchmetrics.functional.image.dists import DISTSNetwork

    metric: nn.Module = DISTSNetwork()
    return metric


def _torchmetrics_lpips(net: Literal["alex", "squeeze"]) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        metric: nn.Module = LearnedPerceptualImagePatchSimilarity(net, normalize=True)
        return metric

    return build


PEERS = (
    Peer("DISTS-pytorch", "DISTS_pytorch", "vgg16", _dists_pytorch),
    Peer("piq DISTS", "piq", "vgg16", _piq),
    Peer("torchmetrics DISTS", "torchmetrics", "vgg16", _torchmetrics_dists),
    Peer("torchmetrics LPIPS", "torchmetrics", "alexnet", _torchmetrics_lpips("alex")),
    Peer("torchmetrics LPIPS", "torchmetrics", "squeezenet", _torchmetrics_lpips("squeeze")),
)


def missing() -> tuple[str, ...]:
    """A line for every package that is not installed."""
    absent = sorted({peer.package for peer in PEERS if find_spec(peer.package) is None})
    return tuple(f"{package} is not installed: not compared; run {install_command('bench')}" for package in absent)


def shared_state(backbone: str, seed: int = 0) -> Mapping[str, Tensor] | None:
    """Seeded random parameters of the whole CNN, for a backbone that some peer uses too; None for others."""
    if backbone not in _MODELS:
        return None
    # on the meta device no time goes into parameters that are replaced
    with torch.device("meta"):
        whole = torchvision.models.get_model(_MODELS[backbone], weights=None)
    initialise(whole, seed)
    for module in whole.modules():
        if isinstance(module, nn.Linear):  # the classifier, which no metric uses
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    state: Mapping[str, Tensor] = whole.state_dict()
    return state


def installed(backbone: str) -> tuple[str, ...]:
    """Names of the peers of a backbone that can be compared with."""
    return tuple(peer.name for peer in PEERS if peer.backbone == backbone and find_spec(peer.package) is not None)


def compare_with(backbone: str, state: Mapping[str, Tensor] | None, device: torch.device) -> dict[str, Compare]:
    """The installed peers of a backbone, on the device, their CNN holding the parameters of `state`."""
    found: dict[str, Compare] = {}
    for peer in PEERS:
        if peer.backbone == backbone and state is not None and peer.name in installed(backbone):
            with _parameters(state), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of old ways to call torchvision, theirs to mend
                metric = peer.build().to(device).eval()
                # torchmetrics' classes compare the images when they are called, too, but some do so twice
                found[peer.name] = getattr(metric, "update", metric)
    return found


@contextmanager
def _parameters(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Let torchvision hand out these parameters where a package asks it for pretrained ones: nothing is downloaded."""
    with patch.object(torchvision.models.WeightsEnum, "get_state_dict", lambda *_, **__: state):
        yield
