"""Which backbones there are: names, taps and input normalisation as plain data, read without loading torch."""

from dataclasses import dataclass, replace
from typing import Any

from iqatune.errors import InputError
from iqatune.records.vocabulary import ResolvedPooling
from iqatune.registry import Plugin, Registry

TIMM = "timm:"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class BackboneInfo:
    """One CNN as the zoo knows it.

    Attributes:
        name: as on the command line.
        builder: "module:function" of what builds it, a function `(info, weights, seed) -> Cnn` (see `sources.Cnn`).
        model: the CNN's name in the library that it comes from.
        taps: the modules of it whose outputs are the stages; empty where the library says which.
        channels: of the maps of every tap, without the image's three; empty where the library says them.
        mean, std: that images in [0, 1] are normalised with; None where the library says them.
        pooling: what `--pooling auto` means.
    """

    name: str
    description: str
    builder: str
    model: str
    taps: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    mean: tuple[float, float, float] | None = IMAGENET_MEAN
    std: tuple[float, float, float] | None = IMAGENET_STD
    pooling: ResolvedPooling = "native"


_TORCHVISION_BUILDER = "iqatune.backbones.sources:from_torchvision"
_TIMM_BUILDER = "iqatune.backbones.sources:from_timm"


def _features(*indices: int) -> tuple[str, ...]:
    return tuple(f"features.{index}" for index in indices)


VGG16 = BackboneInfo(
    name="vgg16",
    description="the CNN of DISTS: the last ReLU of each of the five blocks",
    builder=_TORCHVISION_BUILDER,
    model="vgg16",
    taps=_features(3, 8, 15, 22, 29),
    channels=(64, 128, 256, 512, 512),
    pooling="l2",
)
VGG19 = replace(
    VGG16,
    name="vgg19",
    description="the last ReLU of each of the five blocks",
    model="vgg19",
    taps=_features(3, 8, 17, 26, 35),
)
ALEXNET = BackboneInfo(
    name="alexnet",
    description="the five ReLUs",
    builder=_TORCHVISION_BUILDER,
    model="alexnet",
    taps=_features(1, 4, 7, 9, 11),
    channels=(64, 192, 384, 256, 256),
)
SQUEEZENET = BackboneInfo(
    name="squeezenet",
    description="SqueezeNet 1.1: conv1 and its ReLU, then fire modules 2-3, 4-5, 6-7 and 8-9",
    builder=_TORCHVISION_BUILDER,
    model="squeezenet1_1",
    taps=_features(1, 4, 7, 10, 12),
    channels=(64, 128, 256, 384, 512),
)
RESNET50 = BackboneInfo(
    name="resnet50",
    description="the first ReLU, then the four layers",
    builder=_TORCHVISION_BUILDER,
    model="resnet50",
    taps=("relu", "layer1", "layer2", "layer3", "layer4"),
    channels=(64, 256, 512, 1024, 2048),
)
RESNET101 = replace(RESNET50, name="resnet101", model="resnet101")
XCEPTION = BackboneInfo(
    name="xception",
    description="timm's legacy_xception: the stem, then the ReLUs after blocks 1, 2, 11 and the exit flow",
    builder=_TIMM_BUILDER,
    model="legacy_xception",
    channels=(64, 128, 256, 728, 2048),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
ANY_TIMM = BackboneInfo(
    name=f"{TIMM}NAME",
    description="the feature maps of any timm model that offers features_only",
    builder=_TIMM_BUILDER,
    model="NAME",
    mean=None,
    std=None,
)


def _fault(item: Any, name: str) -> str | None:
    if not isinstance(item, BackboneInfo):
        return f"a {type(item).__name__}, not an iqatune.backbones.zoo.BackboneInfo"
    if item.name != name:
        return f"it calls itself '{item.name}'"
    if not isinstance(item.description, str):
        return f"its description is a {type(item.description).__name__}, not text"
    if not isinstance(item.builder, str) or item.builder.count(":") != 1:
        return f"its builder '{item.builder}' is not 'module:function'"
    return None


BACKBONES: Registry[BackboneInfo] = Registry(
    "backbone",
    {
        "vgg16": f"{__name__}:VGG16",
        "vgg19": f"{__name__}:VGG19",
        "alexnet": f"{__name__}:ALEXNET",
        "squeezenet": f"{__name__}:SQUEEZENET",
        "resnet50": f"{__name__}:RESNET50",
        "resnet101": f"{__name__}:RESNET101",
        "xception": f"{__name__}:XCEPTION",
        ANY_TIMM.name: f"{__name__}:ANY_TIMM",
    },
    _fault,
)


@dataclass(frozen=True)
class ListedBackbone:
    """A backbone as it is listed, and the package that adds it."""

    info: BackboneInfo
    plugin: Plugin | None


def available() -> tuple[ListedBackbone, ...]:
    """Every backbone by name; one entry stands for any timm model."""
    return tuple(_listed(name) for name in BACKBONES.names())


def find(name: str) -> BackboneInfo:
    """The zoo's entry for `name`.

    A name after `timm:` is taken as it is: only timm knows its models, and `build_backbone` asks it.

    Raises:
        InputError: for an unknown name, with the closest known ones, or a plug-in that is broken.
    """
    if name.startswith(TIMM) and len(name) > len(TIMM):
        return replace(ANY_TIMM, name=name, model=name.removeprefix(TIMM))
    return BACKBONES.find(name)


def plugin_of(name: str) -> Plugin | None:
    """The package that adds the backbone of that name; None where it is built in."""
    return None if name.startswith(TIMM) else BACKBONES.plugin(name)


def origin_of(name: str) -> str:
    """What tells the code of the backbone of that name from other code of that name; empty where it is built in."""
    return "" if name.startswith(TIMM) else BACKBONES.origin(name)


def _listed(name: str) -> ListedBackbone:
    plugin = BACKBONES.plugin(name)
    try:
        return ListedBackbone(BACKBONES.find(name), plugin)
    except InputError as error:
        return ListedBackbone(BackboneInfo(name=name, description=error.line, builder="", model=""), plugin)
