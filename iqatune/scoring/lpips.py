"""LPIPS 0.1 as its authors published it.

Zhang, Isola, Efros, Shechtman and Wang 2018, 'The Unreasonable Effectiveness of Deep Features as a Perceptual Metric',
equation 1. The CNN is torchvision's with its ImageNet parameters; the linear weights of its channels come with
torchmetrics. LPIPS shifts and scales images in [-1, 1]: in [0, 1] that is ImageNet's mean and standard deviation, which
every backbone here normalises with.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from iqatune.backbones.zoo import TAPS
from iqatune.errors import InputError
from iqatune.extras import install_command
from iqatune.scoring.baselines import Baseline, Compare

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-10
"""Added to a position's norm, as in the authors' code. torchmetrics has 1e-8 under the root in its place."""

SEVEN_MAPS = f"squeezenet{TAPS}" + ",".join(f"features.{index}" for index in (1, 4, 7, 9, 10, 11, 12))
"""SqueezeNet 1.1 with the maps that LPIPS takes."""


def _lpips(name: str, weights: str, tapped: str, *, minimum_size: int) -> Baseline:
    cnn = tapped.partition(TAPS)[0]
    return Baseline(
        name=name,
        description=f"learned perceptual image patch similarity over {cnn}, RGB; a distance",
        package="torchmetrics",
        module="torchmetrics",
        build=_over(tapped, weights),
        minimum_size=minimum_size,
        higher_is_better=False,
        at_identity=0.0,
        extra="baselines",
        backbone=cnn,
    )


def _over(tapped: str, weights: str) -> Callable[[str], Compare]:
    def build(parameters: str) -> Compare:
        from iqatune.backbones.network import build_backbone

        backbone = build_backbone(tapped, parameters, "native")
        linear = linear_weights(weights)

        def compare(reference: "Tensor", distorted: "Tensor") -> "Tensor":
            on_device = backbone.to(reference.device)
            return distance(on_device(reference)[1:], on_device(distorted)[1:], linear)

        return compare

    return build


def distance(reference: Sequence["Tensor"], distorted: Sequence["Tensor"], linear: Sequence["Tensor"]) -> "Tensor":
    """LPIPS of the maps (B, C_i, H_i, W_i) of two images and the weights (C_i,) of their channels: (B,)."""
    import torch

    differences = [(_unit(x) - _unit(y)).square().mean(dim=(2, 3)) for x, y in zip(reference, distorted, strict=True)]
    parts = [difference @ weight.to(difference) for difference, weight in zip(differences, linear, strict=True)]
    return torch.stack(parts).sum(dim=0)


def _unit(maps: "Tensor") -> "Tensor":
    """Every position's channels, (B, C, H, W), divided by their norm."""
    return maps / (maps.square().sum(dim=1, keepdim=True).sqrt() + EPSILON)


def linear_weights(name: str) -> list["Tensor"]:
    """The published weights of the channels of every map, (C_i,) each, from torchmetrics' wheel; none of its code runs.

    Args:
        name: alex, vgg or squeeze.

    Raises:
        InputError: when they are not there, or are something else.
    """
    from torch import Tensor

    from iqatune.backbones.parameter_files import load_saved

    spec = find_spec("torchmetrics")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else Path()
    path = folder / "functional" / "image" / "lpips_models" / f"{name}.pth"
    if not path.is_file():
        raise InputError(f"`baseline` lpips: torchmetrics has no {path.name}; run {install_command('baselines')}")
    content = load_saved(path, str(path))
    found = [content[key] for key in sorted(content)] if isinstance(content, dict) else []
    if not found or not all(isinstance(weight, Tensor) and weight.ndim == 4 for weight in found):
        raise InputError(f"{path}: contains no weights of LPIPS; install torchmetrics again")
    return [weight.detach().flatten() for weight in found]


ALEX = _lpips("lpips", "alex", "alexnet", minimum_size=31)
VGG = _lpips("lpips-vgg", "vgg", "vgg16", minimum_size=16)
SQUEEZE = _lpips("lpips-squeeze", "squeeze", SEVEN_MAPS, minimum_size=17)
