"""Which backbones there are: names, taps and input normalisation as plain data, read without loading torch."""

from dataclasses import dataclass, replace
from typing import Literal

from iqatune.errors import InputError, did_you_mean

TIMM = "timm:"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class BackboneInfo:
    """One CNN as the zoo knows it.

    `model` is the CNN's name in `package`; `taps` are the modules of it whose outputs are the stages, `channels` the
    maps they give (without the image's three). Both are empty, and `mean` and `std` are None, where the package says
    them once the CNN is built. `pooling` is what `--pooling auto` means.
    """

    name: str
    description: str
    package: Literal["torchvision", "timm"]
    model: str
    taps: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    mean: tuple[float, float, float] | None = IMAGENET_MEAN
    std: tuple[float, float, float] | None = IMAGENET_STD
    pooling: Literal["native", "l2"] = "native"


def _features(*indices: int) -> tuple[str, ...]:
    return tuple(f"features.{index}" for index in indices)


_VGG_CHANNELS = (64, 128, 256, 512, 512)
_RESNET_TAPS = ("relu", "layer1", "layer2", "layer3", "layer4")
_RESNET_CHANNELS = (64, 256, 512, 1024, 2048)

_NAMED = (
    BackboneInfo(
        "vgg16",
        "the CNN of DISTS: the last ReLU of each of the five blocks",
        "torchvision",
        "vgg16",
        _features(3, 8, 15, 22, 29),
        _VGG_CHANNELS,
        pooling="l2",
    ),
    BackboneInfo(
        "vgg19",
        "the last ReLU of each of the five blocks",
        "torchvision",
        "vgg19",
        _features(3, 8, 17, 26, 35),
        _VGG_CHANNELS,
        pooling="l2",
    ),
    BackboneInfo(
        "alexnet", "the five ReLUs", "torchvision", "alexnet", _features(1, 4, 7, 9, 11), (64, 192, 384, 256, 256)
    ),
    BackboneInfo(
        "squeezenet",
        "SqueezeNet 1.1: conv1 and its ReLU, then fire modules 2-3, 4-5, 6-7 and 8-9",
        "torchvision",
        "squeezenet1_1",
        _features(1, 4, 7, 10, 12),
        (64, 128, 256, 384, 512),
    ),
    BackboneInfo(
        "resnet50", "the first ReLU, then the four layers", "torchvision", "resnet50", _RESNET_TAPS, _RESNET_CHANNELS
    ),
    BackboneInfo(
        "resnet101", "the first ReLU, then the four layers", "torchvision", "resnet101", _RESNET_TAPS, _RESNET_CHANNELS
    ),
    BackboneInfo(
        "xception",
        "timm's legacy_xception: the stem, then the ReLUs after blocks 1, 2, 11 and the exit flow",
        "timm",
        "legacy_xception",
        channels=(64, 128, 256, 728, 2048),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
)
_ANY_TIMM = BackboneInfo(
    f"{TIMM}NAME", "the feature maps of any timm model that offers features_only", "timm", "NAME", mean=None, std=None
)


def available() -> tuple[BackboneInfo, ...]:
    """Every backbone by name, and last the entry that stands for any timm model."""
    return (*_NAMED, _ANY_TIMM)


def find(name: str) -> BackboneInfo:
    """The zoo's entry for `name`.

    A name after `timm:` is taken as it is: only timm knows its models, and `build_backbone` asks it.

    Raises:
        InputError: for an unknown name, with the closest known ones.
    """
    if name.startswith(TIMM) and len(name) > len(TIMM):
        return replace(_ANY_TIMM, name=name, model=name.removeprefix(TIMM))
    for info in _NAMED:
        if info.name == name:
            return info
    known = [info.name for info in available()]
    raise InputError(f"--backbone {name}: unknown backbone; {did_you_mean(name, known)}")
