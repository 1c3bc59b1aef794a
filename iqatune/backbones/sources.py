"""The CNNs themselves, built by torchvision or timm and cut off after the last tap."""

import importlib
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from iqatune.backbones import parameters
from iqatune.backbones.identity import PRETRAINED, RANDOM
from iqatune.backbones.zoo import BACKBONES, TIMM, BackboneInfo, plugin_of
from iqatune.errors import InputError, did_you_mean
from iqatune.registry import broken, held_to_contract

# the parameters that the published metrics and the comparative study used; torchvision's DEFAULT differs for resnet
_TORCHVISION_PARAMETERS = "IMAGENET1K_V1"


PROBE = 128
"""Side in pixels of the image that a plug-in's CNN is tried with."""


@dataclass(frozen=True)
class Cnn:
    """A CNN up to its last tap, holding its parameters.

    `network` takes normalised images (B, 3, H, W) and gives the maps as a list, or as a dict in the order of the taps.
    `made_for` is the side in pixels of the only images that some timm models take; others may refuse them.
    `found_in` says where in a file of more the parameters were, in words.
    """

    network: nn.Module
    channels: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    _: KW_ONLY
    channels_last: bool = False
    made_for: int | None = None
    found_in: str = ""


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
    extractor = create_feature_extractor(whole, list(info.taps)).eval()
    # the extractor switches between a training and an evaluation graph, and a copy of it loses the second
    network = torch.fx.GraphModule(extractor, extractor.graph)
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
    return Cnn(network, info.channels, info.mean, info.std, found_in=found_in)


def from_timm(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    """The feature extractor of a timm model."""
    timm = _timm()
    if not timm.is_model(info.model):
        raise InputError(f"`backbone` {info.name}: timm has no such model; {_similar_models(info.model)}")
    with _seeded(seed):
        network = _timm_pretrained(info) if weights == PRETRAINED else _timm_features(info)
    found_in = ""
    if weights not in (PRETRAINED, RANDOM):
        with _seeded(seed):
            known = timm.create_model(info.model, pretrained=False).state_dict().keys()
        state = parameters.read_state_dict(Path(weights))
        found_in = parameters.fit(network, state, known, f"`backbone_weights` {weights}")
    config = timm.data.resolve_data_config({}, model=network)
    return Cnn(
        network,
        tuple(network.feature_info.channels()),
        info.mean or tuple(config["mean"]),
        info.std or tuple(config["std"]),
        channels_last=getattr(network, "output_fmt", "NCHW") == "NHWC",
        made_for=int(config["input_size"][-1]) if network.pretrained_cfg.get("fixed_input_size") else None,
        found_in=found_in,
    )


def _timm_pretrained(info: BackboneInfo) -> Any:
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HTTPError as HubError  # type: ignore[attr-defined]

    config = _timm().models.get_pretrained_cfg(info.model)
    if config is None or not config.has_weights:
        raise InputError(
            f"`backbone` {info.name}: timm has no pretrained parameters for it; "
            "give `backbone_weights` FILE (a state dict) or `backbone_weights` random"
        )
    with parameters.downloading(info.name, (HubError,)):
        if config.hf_hub_id and not isinstance(try_to_load_from_cache(config.hf_hub_id, "model.safetensors"), str):
            _check_answers(constants.ENDPOINT)
        return _timm_features(info, pretrained=True)


def _timm_features(info: BackboneInfo, *, pretrained: bool = False) -> Any:
    """The feature extractor of a timm model, one that takes images of any size where timm has such an option."""
    timm = _timm()
    config = timm.models.get_pretrained_cfg(info.model)
    options: list[dict[str, bool]] = [{}]
    if config is not None and config.fixed_input_size:
        options = [{"dynamic_img_size": True}, {"strict_img_size": False}, {}]
    for option in options:
        try:
            return timm.create_model(info.model, pretrained=pretrained, features_only=True, **option)
        except TypeError:
            # timm's models take different options and refuse those of others when they are called
            if not option:
                raise
        except (AttributeError, AssertionError, IndexError, NotImplementedError) as error:
            raise _no_maps(info) from error
        except RuntimeError as error:
            if "features_only" in str(error):
                raise _no_maps(info) from error
            raise
    raise _no_maps(info)


def _no_maps(info: BackboneInfo) -> InputError:
    return InputError(
        f"`backbone` {info.name}: timm offers no feature maps (features_only) of this model; choose another one"
    )


def _similar_models(model: str) -> str:
    architecture = model.partition(".")[0]
    advice = did_you_mean(architecture, _timm().list_models())
    return advice if advice.startswith("did") else "timm.list_models() names those it has"


def _check_answers(url: str, seconds: float = 10) -> None:
    """One quick request: the hub's own client retries for most of a minute before it gives up on a closed network."""
    with suppress(HTTPError):  # an answer, if not a kind one: the hub is there
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the CPU's global generator, which timm's initialisation draws from, and put it back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _timm() -> Any:
    """The timm package, loaded late: its table of models takes a second, and most backbones do without."""
    return importlib.import_module("timm")
