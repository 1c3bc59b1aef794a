"""The feature extractors of timm's models: found by name, tapped, and made to take any size where they can."""

import importlib
import urllib.request
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError as UrlError

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqatune.backbones import parameters
from iqatune.backbones.identity import PRETRAINED, RANDOM
from iqatune.backbones.parameter_files import first_line
from iqatune.backbones.sizes import REFUSALS, SIDE, smallest_padding, takes
from iqatune.backbones.sources import Cnn
from iqatune.backbones.state_dicts import bare_key, joined
from iqatune.backbones.zoo import LOCAL_FOLDER, SOURCES, BackboneInfo
from iqatune.errors import InputError, did_you_mean
from iqatune.records.padding import Padding

SPREAD = 4
"""Taps, over the depth, of a model whose maps are all of one stride."""

_FLEXIBLE: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
"""timm's options that let models of one size take others; each model takes some of them, or none."""

_LARGEST_TRIED = 384
"""Pixels a side up to which a model made for one size is run to see what it takes; larger ones have shapes computed."""

_UNREADABLE: tuple[type[Exception], ...] = (*parameters.DOWNLOAD_ERRORS, *REFUSALS, TypeError, AttributeError)
"""How timm fails at a folder, or at what came from the hub, that is no model."""

_PARAMETERS = ("model.safetensors", "pytorch_model.bin")
"""What files of parameters are called on the hub."""

_POSITIONS = "pos_embed"
"""What the names of tables begin with that have an entry for every position of the map."""


def from_timm(info: BackboneInfo, weights: str, seed: int) -> Cnn:
    """The feature extractor of a timm model."""
    model = _Model.of(info)
    outline, flexible = model.outlined()
    options = {**flexible, **_taps_option(info, outline)}
    with _seeded(seed):
        network = model.pretrained(options) if weights == PRETRAINED else model.built(options)
    found_in = ""
    if weights not in (PRETRAINED, RANDOM):
        state = parameters.read_state_dict(Path(weights))
        found_in = parameters.fit(network, state, model.whole().state_dict().keys(), f"`backbone_weights` {weights}")
    network.eval()
    config = _timm().data.resolve_data_config({}, model=network)
    resized = _Resized(model, options)
    # shapes alone are quicker, but of a model made for one size that has no option for others they do not tell all: a
    # table of positions may end
    is_run = model.made_for is not None and not flexible and model.made_for <= _LARGEST_TRIED
    padding, is_resized = _padding(model.made_for, network, None if is_run else outline, resized)
    return Cnn(
        network,
        tuple(network.feature_info.channels()),
        info.mean or tuple(config["mean"]),
        info.std or tuple(config["std"]),
        channels_last=getattr(network, "output_fmt", "NCHW") == "NHWC",
        made_for=model.made_for,
        found_in=found_in,
        taps=tuple(str(number) for number in _tapped(network)),
        padding=padding,
        resized=resized if is_resized else None,
    )


@dataclass(frozen=True)
class _Model:
    """A model as timm has it.

    Attributes:
        architecture: its name among timm's models.
        config: timm's description of it, and of its published parameters.
        options: that it is built with; of a folder or the hub, what its own file says.
    """

    info: BackboneInfo
    architecture: str
    config: Any
    options: Mapping[str, Any]

    @classmethod
    def of(cls, info: BackboneInfo) -> "_Model":
        """The model of a zoo entry.

        Raises:
            InputError: when timm has none of that name, or what is there cannot be read.
        """
        timm = _timm()
        if info.model.startswith(SOURCES):
            content, architecture, options = _described(info)
            if not timm.is_model(architecture):
                raise InputError(
                    f"`backbone` {info.name}: has the architecture '{architecture}', which timm does not know"
                )
            return cls(info, architecture, timm.models.PretrainedCfg(**content), options or {})
        if any(letter in info.model for letter in "/\\:") or not timm.is_model(info.model):
            raise InputError(f"`backbone` {info.name}: timm has no such model; {_similar_models(info.model)}")
        architecture, _, tag = info.model.partition(".")
        tags = [name.partition(".")[2] for name in timm.models.get_arch_pretrained_cfgs(architecture)]
        if tag and tag not in tags:
            known = ", ".join(name for name in tags if name)
            advice = f"those that there are: {known}" if known else f"leave out .{tag}"
            raise InputError(f"`backbone` {info.name}: timm has no '{tag}' of {architecture}; {advice}")
        return cls(info, architecture, timm.models.get_pretrained_cfg(info.model), {})

    @property
    def made_for(self) -> int | None:
        """The side in pixels of the only images that it takes unless it is told otherwise; None for any."""
        fixed = self.config is not None and self.config.fixed_input_size
        return int(self.config.input_size[-1]) if fixed else None

    @property
    def name(self) -> str:
        """As timm takes it."""
        return self.info.model

    def built(self, options: Mapping[str, Any], *, pretrained: bool = False) -> Any:
        """The feature extractor.

        Raises:
            TypeError: when the model does not take one of the options.
            InputError: when it has no maps.
        """
        try:
            return _timm().create_model(self.name, pretrained=pretrained, features_only=True, **options)
        except RuntimeError as error:
            # so said timm up to the release in which every model has maps
            if "features_only" in str(error):
                raise _no_maps(self.info) from error
            raise

    def outlined(self) -> tuple[Any, dict[str, bool]]:
        """The extractor without its parameters, and the options of timm's that let it take other sizes."""
        for option in _FLEXIBLE if self.made_for else ({},):
            try:
                with _seeded(0), torch.device("meta"):
                    return self.built(option).eval(), option
            except TypeError:
                # timm's models take different options and refuse those of others when they are called
                if not option:
                    raise
        raise _no_maps(self.info)

    def whole(self) -> Any:
        """All of it, the classifier too, without its parameters."""
        with _seeded(0), torch.device("meta"):
            return _timm().create_model(self.name, pretrained=False)

    def pretrained(self, options: Mapping[str, Any]) -> Any:
        """The feature extractor with the published parameters, or those of its folder.

        Raises:
            InputError: when there are none, or they cannot be had.
        """
        from huggingface_hub import constants

        if self.name.startswith(LOCAL_FOLDER):
            try:
                return self.built(options, pretrained=True)
            except _UNREADABLE as error:
                raise InputError(
                    f"`backbone` {self.info.name}: its parameters cannot be read ({first_line(error)}); give "
                    "`backbone_weights` FILE (a state dict) or `backbone_weights` random"
                ) from error
        if self.config is None or not self.config.has_weights:
            raise InputError(
                f"`backbone` {self.info.name}: timm has no pretrained parameters for it; "
                "give `backbone_weights` FILE (a state dict) or `backbone_weights` random"
            )
        with parameters.downloading(self.info.name, _hub_errors()):
            if self.config.hf_hub_id and not _is_cached(self.config.hf_hub_id, _PARAMETERS):
                check_answers(constants.ENDPOINT)
            return self.built(options, pretrained=True)


@dataclass(frozen=True)
class _Resized:
    """Builds a model anew for images of one size: its tables of positions are resampled, all else is shared."""

    model: _Model
    options: Mapping[str, Any]

    def __call__(self, network: nn.Module, size: tuple[int, int]) -> nn.Module:
        """The extractor with the parameters of `network` for images of a size (height, width).

        Raises:
            RuntimeError, AssertionError, ValueError, TypeError: when timm cannot build it, or a parameter other than
                a table of positions would be of another shape.
        """
        # what is made in inference mode could not take part in a gradient later
        with torch.inference_mode(mode=False), torch.no_grad(), _seeded(0), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of timm's own way to resample
            ours = {bare_key(key): value for key, value in network.state_dict().items()}
            with torch.device("meta"):
                whole = self._created(img_size=size).state_dict()
            state = {key: ours[joined(key)].to("cpu", torch.float32, copy=True) for key in whole if joined(key) in ours}
            options = {name: value for name, value in self.options.items() if name in ("out_indices",)}
            options |= {"features_only": True, "img_size": size}
            try:
                built = self._created(state, **options)
            except RuntimeError:
                built = self._created(_with_positions(state, whole, size), **options)
            like = next(iter(ours.values()))
            built.to(like.device, next(value.dtype for value in ours.values() if value.is_floating_point()))
            fitted = built.state_dict()
            shared = {key: _same(key, ours, value) for key, value in fitted.items()}
            built.load_state_dict(shared, assign=True)
        return built.eval().requires_grad_(requires_grad=False)

    def _created(self, state: Mapping[str, Tensor] | None = None, **options: Any) -> nn.Module:
        model = self.model
        config = model.config.to_dict() if model.config is not None else None
        overlay = None if state is None else {"state_dict": dict(state), "source": "", "custom_load": False}
        network: nn.Module = _timm().create_model(
            model.architecture,
            pretrained=state is not None,
            pretrained_cfg=config,
            pretrained_cfg_overlay=overlay,
            **{**model.options, **options},
        )
        return network


def _same(key: str, ours: Mapping[str, Tensor], value: Tensor) -> Tensor:
    """Our tensor of that key where it has the shape of `value`, which is resampled otherwise."""
    tensor = ours[bare_key(key)]
    return tensor if tensor.shape == value.shape else value


def _with_positions(
    state: Mapping[str, Tensor], whole: Mapping[str, Tensor], size: tuple[int, int]
) -> dict[str, Tensor]:
    """The same with every table of positions resampled to the shape that it has in `whole`, as timm does for ViTs.

    Bicubic, with antialiasing. Tables are (1, N, C), of a map of the images' shape, (1, h, w, C) or (1, C, h, w).
    """
    return {
        key: value if value.shape == whole[key].shape else _resampled(key, value, whole[key].shape, size)
        for key, value in state.items()
    }


def _resampled(key: str, table: Tensor, shape: torch.Size, size: tuple[int, int]) -> Tensor:
    if not key.rpartition(".")[2].startswith(_POSITIONS) or len(shape) != table.ndim or table.shape[0] != 1:
        raise RuntimeError(f"{key} has another shape for images of another size")
    if table.ndim == 4 and table.shape[1] == shape[1]:
        return _bicubic(table, (shape[2], shape[3]))
    if table.ndim == 4 and table.shape[3] == shape[3]:
        return _bicubic(table.movedim(3, 1), (shape[1], shape[2])).movedim(1, 3)
    if table.ndim == 3 and table.shape[2] == shape[2]:
        side = round(table.shape[1] ** 0.5)
        stride = round((size[0] * size[1] / shape[1]) ** 0.5)
        rows, columns = size[0] // stride, size[1] // stride
        if side**2 == table.shape[1] and rows * columns == shape[1]:
            grid = table.reshape(1, side, side, -1).movedim(3, 1)
            return _bicubic(grid, (rows, columns)).flatten(2).transpose(1, 2)
    raise RuntimeError(f"{key} has another shape for images of another size")


def _bicubic(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size=size, mode="bicubic", antialias=True, align_corners=False).contiguous()


def _padding(
    made_for: int | None, network: Any, outline: nn.Module | None, resized: _Resized
) -> tuple[Padding | None, bool]:
    """What images are padded to, and whether the model is built anew for every size.

    Args:
        outline: the extractor without parameters, to be tried in the place of `network`.
    """

    def tried(height: int, width: int) -> bool:
        return takes(network, height, width) if outline is None else takes(outline, height, width, device="meta")

    with suppress(LookupError):
        # what is run takes long, and what is made for one size knows no others, or all
        return smallest_padding(tried) if outline is not None else smallest_padding(
            tried, made_for or SIDE, (1,)
        ), False
    if made_for is None:
        return None, False
    multiple = max(each["reduction"] for each in network.feature_info.info)
    rows, columns = (-(-(made_for + more) // multiple) * multiple for more in (0, multiple))
    for size in ((rows, columns), (columns, columns)):
        with suppress(*REFUSALS, TypeError, AttributeError):
            if takes(resized(network, size), *size):
                return Padding(multiple=multiple, square=size[0] == size[1]), True
    return Padding(multiple=made_for, square=True), False


def _taps_option(info: BackboneInfo, outline: Any) -> dict[str, Any]:
    """The option of timm's for the taps that are asked for; none for timm's own choice.

    Raises:
        InputError: for a tap that is not there, or taps that do not go deeper.
    """
    count = len(outline.feature_info.info)
    if info.taps:
        return {"out_indices": _checked(info, [int(tap) for tap in info.taps], count)}
    strides = {each["reduction"] for each in outline.feature_info.info}
    if len(strides) == 1 and type(outline).__name__ == "FeatureGetterNet":
        number = min(SPREAD, count)
        return {"out_indices": tuple((place + 1) * count // number - 1 for place in range(number))}
    return {}


def _checked(info: BackboneInfo, asked: Sequence[int], count: int) -> tuple[int, ...]:
    name = f"`backbone` {info.name}@{','.join(info.taps)}"
    unknown = next((tap for tap in asked if not -count <= tap < count), None)
    if unknown is not None:
        raise InputError(f"{name}: it has no tap {unknown}; its maps are 0 to {count - 1}, -1 is the last")
    taps = tuple(tap % count for tap in asked)
    if len(set(taps)) < len(taps):
        raise InputError(f"{name}: names one map twice; its maps are 0 to {count - 1}, -1 is the last")
    if list(taps) != sorted(taps):
        raise InputError(
            f"{name}: taps must go from the image to the deepest one; give @{','.join(map(str, sorted(taps)))}"
        )
    return taps


def _tapped(network: Any) -> tuple[int, ...]:
    count = len(network.feature_info.info)
    return tuple(int(number) % count for number in network.feature_info.out_indices)


def _described(info: BackboneInfo) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What a folder, or the hub, says of its model: timm's description, the architecture and its options."""
    source, _, place = info.model.partition(":")
    hub = importlib.import_module("timm.models._hub")
    of_folder, of_hub = hub.load_model_config_from_path, hub.load_model_config_from_hf
    if source == LOCAL_FOLDER.rstrip(":"):
        try:
            return of_folder(place)  # type: ignore[no-any-return]
        except _UNREADABLE as error:
            raise InputError(
                f"`backbone` {info.name}: not a folder of a timm model ({first_line(error)}); name one that contains "
                "config.json and parameters, as timm's save_for_hf writes it"
            ) from error
    from huggingface_hub import constants

    try:
        if not _is_cached(place, ("config.json",)):
            check_answers(constants.ENDPOINT)
        return of_hub(place)  # type: ignore[no-any-return]
    except (*_UNREADABLE, *_hub_errors()) as error:
        raise InputError(
            f"`backbone` {info.name}: could not be downloaded from the Hugging Face hub ({first_line(error)}); check "
            "its name, or without a network name a folder with a downloaded copy: timm:local-dir:FOLDER"
        ) from error


def _is_cached(place: str, names: Sequence[str]) -> bool:
    """Whether the hub's client has one of these files of ORG/MODEL, or ORG/MODEL@REVISION, from before."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = place.partition("@")
    return any(isinstance(try_to_load_from_cache(repository, name, revision=revision or None), str) for name in names)


def _hub_errors() -> tuple[type[Exception], ...]:
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    return (HTTPError,)


def _no_maps(info: BackboneInfo) -> InputError:
    return InputError(
        f"`backbone` {info.name}: timm offers no feature maps (features_only) of this model; choose another one"
    )


def _similar_models(model: str) -> str:
    architecture = model.partition(".")[0]
    advice = did_you_mean(architecture, _timm().list_models())
    return advice if advice.startswith("did") else "timm.list_models() names those it has"


def check_answers(url: str, seconds: float = 10) -> None:
    """One quick request: the hub's own client retries for most of a minute before it gives up on a closed network."""
    with suppress(UrlError):  # an answer, if not a kind one: the hub is there
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
