"""The CNNs themselves, cut off after the last tap: who builds them, and torchvision's."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from iqatune.backbones import parameters
from iqatune.backbones.identity import PRETRAINED, RANDOM
from iqatune.backbones.parameter_files import first_line
from iqatune.backbones.zoo import BACKBONES, TAPS, TIMM, BackboneInfo, plugin_of
from iqatune.errors import InputError, did_you_mean
from iqatune.records.padding import Padding
from iqatune.registry import broken, held_to_contract

try:
    import torchvision
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
except (ImportError, OSError, RuntimeError) as error:  # one that was built for another torch has no operators
    raise InputError(
        f"torchvision does not load beside torch {torch.__version__} ({first_line(error)}); "
        "install both anew from one place, in versions that belong together"
    ) from error

# the parameters that the published metrics and the comparative study used; torchvision's DEFAULT differs for resnet
_TORCHVISION_PARAMETERS = "IMAGENET1K_V1"


_MAPS = 256
"""Side in pixels of the image whose maps tell the channels of taps."""

PROBE = 128
"""Side in pixels of the image that a plug-in's CNN is tried with."""


@dataclass(frozen=True)
class Cnn:
    """A CNN up to its last tap, holding its parameters.

    `network` takes normalised images (B, 3, H, W) and gives the maps as a list, or as a dict in the order of the taps.
    `made_for` is the side in pixels of the only images that some timm models take; others may refuse them.
    `found_in` says where in a file of more the parameters were, in words.
    `taps` are the modules, or numbers of maps, whose outputs the maps are, in their order.
    `padding` is what images are padded to; None for a network that takes every size from some on as it is.
    `resized` builds the network anew for padded images of one size (height, width), with its parameters; None for one
    that takes them as it is. Refused sizes are errors of it, or of the network.
    """

    network: nn.Module
    channels: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    _: KW_ONLY
    channels_last: bool = False
    made_for: int | None = None
    found_in: str = ""
    taps: tuple[str, ...] = ()
    padding: Padding | None = None
    resized: Callable[[nn.Module, tuple[int, int]], nn.Module] | None = None


def build_cnn(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    """Build the CNN of a zoo entry with the parameters that `weights` names: pretrained, random or a file.

    Raises:
        InputError: for parameters that cannot be had or do not fit, a timm model that cannot be used, or a plug-in
            that breaks its contract.
    """
    parameters.check_choice(weights)
    module, function = info.builder.split(":")
    if info.name.startswith(TIMM) or BACKBONES.is_builtin(info.name):
        built: Cnn = getattr(importlib.import_module(module), function)(info, weights, seed)
        return built
    plugin = plugin_of(info.name)
    with held_to_contract("backbone", info.name, plugin):
        cnn = getattr(importlib.import_module(module), function)(info, weights, seed)
        fault = cnn_fault(cnn, info)
    if fault is not None:
        raise broken("backbone", info.name, plugin, fault)
    found: Cnn = cnn
    return found


def cnn_fault(cnn: Any, info: BackboneInfo) -> str | None:
    """What keeps an object from being the CNN of a zoo entry; None for nothing."""
    if not isinstance(cnn, Cnn):
        return f"its builder gives a {type(cnn).__name__}, not an iqatune.backbones.sources.Cnn"
    channels = tuple(cnn.channels)
    if info.channels and channels != tuple(info.channels):
        return f"its CNN has maps of {channels} channels, not of {tuple(info.channels)}"
    mean, std = (np.asarray(values, dtype=np.float64) for values in (cnn.mean, cnn.std))
    if not (mean.shape == std.shape == (3,) and np.isfinite((mean, std)).all() and (std > 0).all()):
        return f"mean {cnn.mean} and std {cnn.std} are not three numbers each, those of std above 0"
    side = cnn.made_for or PROBE
    with torch.inference_mode():
        maps = cnn.network.eval()(torch.zeros(1, 3, side, side))
    maps = list(maps.values() if isinstance(maps, dict) else maps)
    axis = -1 if cnn.channels_last else 1
    found = tuple(stage.shape[axis] for stage in maps)
    if not maps or found != channels:
        return f"its CNN gives maps of {found} channels, not of {channels}"
    flat = next((stage for stage in maps if stage.ndim != 4), None)
    return None if flat is None else f"its CNN gives a map of shape {tuple(flat.shape)}, not (B, C, H, W)"


def from_torchvision(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    """A CNN of torchvision's, cut off after its last tap."""
    # on the meta device no time and memory go into parameters that are replaced or, as VGG's classifier, cut off
    with torch.device("meta"):
        whole = torchvision.models.get_model(info.model, weights=None).eval()
    if not info.channels:  # taps that a user asks for; what the zoo and packages say, they say with channels
        _check_taps(info, whole)
    extractor = create_feature_extractor(whole, list(info.taps)).eval()
    # the extractor switches between a training and an evaluation graph, and a copy of it loses the second
    network = torch.fx.GraphModule(extractor, extractor.graph)
    channels = info.channels or _channels(info, network)
    found_in = ""
    if weights == RANDOM:
        parameters.initialise(network, seed)
    elif weights == PRETRAINED:
        published = torchvision.models.get_model_weights(info.model)[_TORCHVISION_PARAMETERS]
        with parameters.downloading(info.name):
            state = published.get_state_dict(progress=sys.stderr.isatty(), check_hash=True)
        parameters.fit(network, state, whole.state_dict().keys(), f"`backbone` {info.name}")
    else:
        state = parameters.read_state_dict(Path(weights))
        found_in = parameters.fit(network, state, whole.state_dict().keys(), f"`backbone_weights` {weights}")
    if info.mean is None or info.std is None:
        raise ValueError(f"the zoo's entry {info.name} lacks its mean and std")
    return Cnn(network, channels, info.mean, info.std, found_in=found_in, taps=info.taps)


def _check_taps(info: BackboneInfo, whole: nn.Module) -> None:
    """Refuse taps that are no modules of a CNN, or do not go deeper.

    Raises:
        InputError: with the modules that there are.
    """
    _, (_, *nodes) = get_graph_node_names(whole)  # the first is the image
    # a module's output is that of its last step
    last = {".".join(node.split(".")[:depth]): place for place, node in enumerate(nodes) for depth in range(1, 9)}
    name = f"`backbone` {info.name}{TAPS}{','.join(info.taps)}"
    unknown = next((tap for tap in info.taps if tap not in last), None)
    if unknown is not None:
        modules = [node for node in last if "." not in node or node.count(".") == 1]
        advice = did_you_mean(unknown, modules)
        raise InputError(f"{name}: {info.model} has no module '{unknown}'; {advice}")
    places = [last[tap] for tap in info.taps]
    if places != sorted(places):
        deeper = ",".join(sorted(info.taps, key=last.__getitem__))
        raise InputError(f"{name}: taps must go from the image to the deepest one; give {TAPS}{deeper}")


def _channels(info: BackboneInfo, network: nn.Module) -> tuple[int, ...]:
    """Of the maps of every tap.

    Raises:
        InputError: for a tap whose output is no map (B, C, H, W).
    """
    with torch.no_grad():
        found = network(torch.zeros(1, 3, _MAPS, _MAPS, device="meta"))
    flat = next((tap for tap, maps in found.items() if maps.ndim != 4), None)
    if flat is not None:
        raise InputError(f"`backbone` {info.name}{TAPS}{','.join(info.taps)}: {flat} gives no maps; tap a layer before")
    return tuple(int(maps.shape[1]) for maps in found.values())
