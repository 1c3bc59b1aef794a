"""Which backbones there are: names, taps and input normalisation as plain data, read without loading torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iqatune.errors import InputError
from iqatune.records.view import unfronted
from iqatune.records.vocabulary import ResolvedPooling
from iqatune.registry import Plugin, Registry
from iqatune.runtime.files import sha256_of_file

TIMM = "timm:"
LOCAL_FOLDER = "local-dir:"
HUB = "hf-hub:"
SOURCES = (LOCAL_FOLDER, HUB, "hf_hub:")
"""What timm takes in the place of a name of its own: a folder of a model, and one on the Hugging Face hub."""

TAPS = "@"
"""Between a backbone's name and the taps that are asked for, as in vgg19@features.3,features.8."""

_OF_A_MODEL = (".json", ".safetensors", ".bin", ".pth", ".pt")
"""Suffixes of the files in a folder that decide what timm makes of it."""

_NUMBERS = re.compile(r"-?\d+(,-?\d+)*", re.ASCII)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class BackboneInfo:
    """One CNN as the zoo knows it.

    Attributes:
        name: as on the command line, without taps.
        builder: "module:function" of what builds it, a function `(info, weights, seed) -> Cnn` (see `sources.Cnn`).
        model: the CNN's name in the library that it comes from.
        taps: the modules of it whose outputs are the stages, of timm's models the numbers of its feature maps; empty
            where the library says which.
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
_TIMM_BUILDER = "iqatune.backbones.timm_source:from_timm"


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
    description="the feature maps of any timm model that offers features_only; also timm:hf-hub:ORG/MODEL, "
    "timm:local-dir:FOLDER",
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


@dataclass(frozen=True)
class Named:
    """What a backbone's name says: the CNN, the taps that are asked for, and what its images go through before it.

    Attributes:
        taps: none for those of the zoo.
        front: as of `records.view`; empty for nothing.
    """

    cnn: str
    taps: tuple[str, ...] = ()
    front: str = ""


def parsed(name: str) -> Named:
    """Tell a name as NAME@TAP,TAP~flip apart.

    What a folder or the hub calls a model may hold an @ of its own: there only numbers after the last one are taps.

    Raises:
        InputError: for taps that are none, or given twice.

    >>> parsed("timm:vit_tiny_patch16_224@2,5")
    Named(cnn='timm:vit_tiny_patch16_224', taps=('2', '5'), front='')
    """
    name, front = unfronted(name)
    of_timm = name.startswith(TIMM)
    if name.startswith(tuple(TIMM + source for source in SOURCES)):
        cnn, at, rest = name.rpartition(TAPS)
        if not at or not _NUMBERS.fullmatch(rest):
            return Named(name, front=front)
    else:
        cnn, at, rest = name.partition(TAPS)
    if not at:
        return Named(name, front=front)
    taps = rest.split(",")
    if not all(taps):
        raise InputError(f"`backbone` {name}: a tap without a name; give them as {cnn}@A,B,C, or leave out the @")
    if of_timm:
        word = next((tap for tap in taps if not _NUMBERS.fullmatch(tap)), None)
        if word is not None:
            raise InputError(
                f"`backbone` {name}: '{word}' is not a number, and timm's maps have no other names; give @0,1"
            )
        taps = [str(int(tap)) for tap in taps]
    doubled = next((tap for place, tap in enumerate(taps) if tap in taps[:place]), None)
    if doubled is not None:
        raise InputError(f"`backbone` {name}: tap {doubled} is given twice; keep one")
    return Named(cnn, tuple(taps), front)


def find(name: str) -> BackboneInfo:
    """The zoo's entry for `name`, with the taps that it asks for.

    A name after `timm:` is taken as it is: only timm knows its models, and `build_backbone` asks it. So it is with
    taps: those that there are show when the CNN is built.

    Raises:
        InputError: for an unknown name, with the closest known ones, a plug-in that is broken, or one that is to take
            other taps than its own.
    """
    named = parsed(name)
    if named.cnn.startswith(TIMM) and len(named.cnn) > len(TIMM):
        return replace(ANY_TIMM, name=named.cnn, model=named.cnn.removeprefix(TIMM), taps=named.taps)
    # a search of installed packages for names takes milliseconds, which add up in a large grid
    if not BACKBONES.is_builtin(named.cnn) and named.cnn not in BACKBONES.names() and is_timm_model(named.cnn):
        raise InputError(f"`backbone` {name}: unknown backbone; did you mean {TIMM}{name}?")
    info = BACKBONES.find(named.cnn)
    if not named.taps:
        return info
    if not BACKBONES.is_builtin(named.cnn):
        raise InputError(f"`backbone` {name}: an added backbone has taps of its own; leave out @{','.join(named.taps)}")
    return replace(info, taps=named.taps, channels=())


def is_timm_model(name: str) -> bool:
    """Whether timm has a model of that name, as resnet18 or convnext_tiny.in12k."""
    import timm  # seconds; only for a name that is unknown here

    return bool(timm.is_model(name))


def as_recorded(name: str, taps: Sequence[str], channels: Sequence[int]) -> str:
    """The name under which a record's backbone is built again with the taps that it had.

    Records of earlier releases say no taps. In those, of a timm model whose maps are all of one stride the last three
    were tapped, and three maps of one width are theirs.

    Args:
        name: as recorded.
        taps: as recorded; empty in those records.
        channels: of every stage, the image's 3 first.
    """
    older = not taps and name.startswith(TIMM) and not parsed(name).taps
    return f"{name}{TAPS}-3,-2,-1" if older and len(channels) == 4 and len(set(channels[1:])) == 1 else name


def plugin_of(name: str) -> Plugin | None:
    """The package that adds the backbone of that name; None where it is built in."""
    return None if name.startswith(TIMM) else BACKBONES.plugin(parsed(name).cnn)


def origin_of(name: str) -> str:
    """What tells the code of the backbone of that name from other code of that name; empty where it is built in.

    Of a folder's model it is what the folder holds.

    Raises:
        OSError: when a file in that folder cannot be read.
    """
    if not name.startswith(TIMM):
        return BACKBONES.origin(parsed(name).cnn)
    folder = folder_of(name)
    if folder is None or not folder.is_dir():
        return ""
    files = sorted(path for path in folder.iterdir() if path.suffix in _OF_A_MODEL and path.is_file())
    return " ".join(f"{path.name}:{sha256_of_file(path)}" for path in files)


def folder_of(name: str) -> Path | None:
    """The folder of a `timm:local-dir:FOLDER`; None for every other name."""
    start = TIMM + LOCAL_FOLDER
    return Path(parsed(name).cnn.removeprefix(start)) if name.startswith(start) else None


def _listed(name: str) -> ListedBackbone:
    plugin = BACKBONES.plugin(name)
    try:
        return ListedBackbone(BACKBONES.find(name), plugin)
    except InputError as error:
        return ListedBackbone(BackboneInfo(name=name, description=error.line, builder="", model=""), plugin)
