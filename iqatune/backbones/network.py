"""The backbone: from images to the maps of every stage."""

import copy
import itertools
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqatune.backbones import parameters
from iqatune.backbones.cutting import first_maps, traced, with_last_channels
from iqatune.backbones.devices import DEVICE_ERRORS
from iqatune.backbones.fronts import front_of
from iqatune.backbones.identity import PRETRAINED, RANDOM, Identity
from iqatune.backbones.parameter_files import first_line
from iqatune.backbones.pooling import replace_max_pooling
from iqatune.backbones.sizes import REFUSALS
from iqatune.backbones.sources import Cnn, build_cnn
from iqatune.backbones.zoo import find
from iqatune.errors import InputError
from iqatune.records.vocabulary import ResolvedPooling

_LARGEST_PROBE = 512

_CUT_SIDE = 64
"""Pixels, at least, of an image that a cut CNN is held against the whole one on."""

_MULTIPLES = (32, 64)
"""Sides in pixels that CNNs are made for are multiples of these."""


class Backbone(nn.Module):
    """A CNN up to its last tap, in eval mode, without gradients of its parameters.

    Attributes:
        name: the backbone's name as given, with what images go through before the CNN, if anything.
        weights: where its parameters come from: "pretrained", "random" or a file's name.
        pooling: "native" or "l2".
        mean, std: what images in [0, 1] are normalised with, before stage 1 only.
        channels: of every stage; stage 0, the image with its 3, comes first.
        parameters_sha256: of the tensors of the part of the CNN that is used.
        found_in: where in a file of more they were, in words; empty for a plain state dict.
        taps: whose maps the stages after the image are; a part of the first stages still names them all.
        padding: what images are padded to before the CNN sees them; None for one that takes them as they are.
        made_for: the side in pixels of the only images that it takes unless it is built for others; None for any.
        kept_last: which channels its last maps have, where others of them are cut; None where they are all there.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(self, name: str, weights: str, pooling: ResolvedPooling, cnn: Cnn) -> None:
        super().__init__()
        self.name = name
        self.weights = weights
        self.pooling = pooling
        self.mean = cnn.mean
        self.std = cnn.std
        self.channels = (3, *cnn.channels)
        self.parameters_sha256 = parameters.parameters_sha256(cnn.network)
        self.found_in = cnn.found_in
        self.taps = cnn.taps
        self.padding = cnn.padding
        self._front = front_of(name)
        self._resized = cnn.resized
        self._for_size: dict[tuple[int, int], nn.Module] = {}
        self.made_for = cnn.made_for
        self.kept_last: tuple[int, ...] | None = None
        self._channels_last = cnn.channels_last
        self._network = cnn.network
        self.register_buffer("_mean", _colour(cnn.mean), persistent=False)
        self.register_buffer("_std", _colour(cnn.std), persistent=False)
        self.eval().requires_grad_(requires_grad=False)

    @property
    def is_built_for_sizes(self) -> bool:
        """Whether the CNN is built anew for every size of padded images, with resampled tables of positions."""
        return self._resized is not None

    @property
    def identity(self) -> Identity:
        """What tells this backbone from another."""
        return Identity(
            name=self.name,
            weights=self.weights,
            pooling=self.pooling,
            channels=self.channels,
            parameters_sha256=self.parameters_sha256,
            found_in=self.found_in,
            taps=self.taps,
            padding=self.padding,
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Every stage of `images` (B, 3, H, W) in [0, 1]: the images as they are, then the maps (B, C_i, H_i, W_i).

        Where the name says what images go through, all stages are of what comes of that, the image's too. Where the CNN
        sees padded images its maps are cropped to what shows the image: H_i = ceil(H / stride).

        Raises:
            InputError: when the CNN cannot take images of this size.
        """
        if self._front is not None:
            images = self._front(images)
        height, width = images.shape[-2:]
        try:
            return [images, *self._maps(self._normalised(images))]
        except DEVICE_ERRORS:
            raise
        except REFUSALS as error:
            if min(height, width) >= self.minimum_size or isinstance(error, AssertionError):
                raise self._refusal((height, width), error) from error
            raise InputError(
                f"`backbone` {self.name}: images of {height} x {width} pixels are too small, it needs "
                f"{self.minimum_size} x {self.minimum_size}; give larger images or choose another backbone"
            ) from error

    def first_stages(self, count: int) -> "Backbone":
        """A backbone of the first `count` stages, the image included, that computes no more than they need.

        The parameters are shared with this one. A CNN of timm's whose graph cannot be had, or that images are padded
        for, stays whole and its later maps are dropped.
        """
        if count == len(self.channels):
            return self
        graph = self._graph
        return self._with(self._network if graph is None else first_maps(graph, count - 1), count)

    def with_last_channels(self, kept: Sequence[int]) -> "Backbone | None":
        """A backbone whose last maps have these channels alone (ascending), the others' convolutions being cut.

        `kept_last` of it says so; `channels` stay those of the weights.

        Returns:
            None where no layer can be cut; see `iqatune.backbones.cutting`.
        """
        graph = self._graph
        side = max(_CUT_SIDE, self.minimum_size)
        network = None if graph is None else with_last_channels(graph, kept, (side, side + _CUT_SIDE // 2))
        if network is None:
            return None
        part = self._with(network, len(self.channels))
        part.kept_last = tuple(kept)
        return part

    @cached_property
    def _graph(self) -> torch.fx.GraphModule | None:
        """The CNN as a graph that can be cut; None where it has none."""
        if isinstance(self._network, torch.fx.GraphModule):
            return self._network
        if self._channels_last or self.padding is not None or self._resized is not None:
            return None
        return traced(self._network)

    def _with(self, network: nn.Module, count: int) -> "Backbone":
        """A part of the CNN in its place, with the first `count` stages."""
        cnn = Cnn(
            network,
            self.channels[1:count],
            self.mean,
            self.std,
            channels_last=self._channels_last,
            made_for=self.made_for,
            found_in=self.found_in,
            taps=self.taps,
            padding=self.padding,
            resized=self._resized,
        )
        part = Backbone(self.name, self.weights, self.pooling, cnn)
        return part.to(self._mean.device, self._dtype)

    def placed(self, device: torch.device, dtype: torch.dtype) -> "Backbone":
        """A copy on a device, in another arithmetic; this one, whose hash is of its parameters, stays as it is.

        It is this one itself where that is so already: copying a CNN takes as long as a few images.
        """
        parameters = list(self.parameters())
        if parameters and all(
            (tensor.device, tensor.dtype) == (device, dtype)
            and (tensor.ndim != 4 or tensor.is_contiguous(memory_format=torch.channels_last))
            for tensor in parameters
        ):
            return self
        return copy.deepcopy(self).to(device, dtype).to(memory_format=torch.channels_last)

    def load_parameters(self, state: Mapping[str, Tensor]) -> None:
        """Hold other parameters, under the names of `state_dict`.

        Raises:
            RuntimeError: when they are not those of this CNN.
        """
        self.load_state_dict(state)
        self._for_size = {}
        self.parameters_sha256 = parameters.parameters_sha256(self._network)

    @cached_property
    def minimum_size(self) -> int:
        """The smallest side of an image that the CNN can take, in pixels, found by trying; 1 where it is padded."""
        if self.padding is not None:
            return 1
        largest = 1
        while not self._takes(largest, largest):
            largest *= 2
            if largest > _LARGEST_PROBE:
                if self.made_for:
                    return self.made_for
                raise InputError(f"`backbone` {self.name}: takes no square image up to {_LARGEST_PROBE} pixels")
        if largest == 1:
            return 1
        return bisect_left(range(largest), x=True, lo=largest // 2 + 1, key=lambda side: self._takes(side, side))

    # torch calls it, by place
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:  # noqa: FBT001, FBT002
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._for_size = {}
        # images are normalised in full precision: bfloat16 tells no more than 256 grey levels apart, fewer near white.
        # Done here and not with every batch, as a GPU would be waited for
        if self._mean.dtype.itemsize < torch.float32.itemsize:
            self._mean, self._std = (_colour(value).to(self._mean.device) for value in (self.mean, self.std))
        return self

    @property
    def _takes_one_size(self) -> bool:
        """Whether the CNN sees images of one size alone, to which smaller ones are padded."""
        return self._resized is None and self.padding is not None and self.padding.multiple == self.made_for

    @property
    def _dtype(self) -> torch.dtype:
        return next(self._network.parameters(), self._mean).dtype

    def _normalised(self, images: Tensor) -> Tensor:
        return (images - self._mean).div_(self._std).to(self._dtype)

    def _refusal(self, size: tuple[int, int], error: Exception) -> Exception:
        """What to raise where the CNN fails at images of a size (height, width); `error` where the size is not why."""
        words = f"`backbone` {self.name}: cannot take images of {size[0]} x {size[1]} pixels (height x width)"
        reason = f"({first_line(error)}); choose another backbone"
        near = None if self._takes_one_size else self._near(size)
        if near is not None:
            return InputError(f"{words}, though it takes {near[0]} x {near[1]} {reason}")
        if self.made_for and size != (self.made_for,) * 2:
            return InputError(f"{words}, it is made for {self.made_for} x {self.made_for} {reason}")
        return InputError(f"{words} {reason}") if isinstance(error, AssertionError) else error

    def _near(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """The nearest size of sides that CNNs are made for that this one takes; None where it takes none, or `size`."""
        sides = [
            {max(multiple, side // multiple * multiple + more) for multiple in _MULTIPLES for more in (0, multiple)}
            for side in size
        ]
        by_distance = sorted(
            itertools.product(*sides), key=lambda near: (abs(near[0] - size[0]) + abs(near[1] - size[1]), near)
        )
        if self._takes(*size):
            return None
        return next(((height, width) for height, width in by_distance if self._takes(height, width)), None)

    def _takes(self, height: int, width: int) -> bool:
        image = torch.zeros(1, 3, height, width, dtype=self._dtype, device=self._mean.device)
        try:
            with torch.no_grad():
                self._maps(image)
        except DEVICE_ERRORS:
            raise
        except REFUSALS:
            return False
        return True

    def _maps(self, normalised: Tensor) -> list[Tensor]:
        if self.padding is None:
            return self._maps_of(self._network, normalised)
        height, width = normalised.shape[-2:]
        rows, columns = self.padding.padded(height, width)
        if self._takes_one_size and (rows, columns) != (self.made_for,) * 2:
            raise RuntimeError("it has a place for every position of its maps")
        padded = F.pad(normalised, (0, columns - width, 0, rows - height))
        maps = self._maps_of(self._network_for((rows, columns)), padded)
        return [_cropped(stage, (height, width), (rows, columns)) for stage in maps]

    def _maps_of(self, network: nn.Module, normalised: Tensor) -> list[Tensor]:
        maps = network(normalised)
        maps = list(maps.values() if isinstance(maps, dict) else maps)[: len(self.channels) - 1]
        return [stage.permute(0, 3, 1, 2).contiguous() for stage in maps] if self._channels_last else maps

    def _network_for(self, size: tuple[int, int]) -> nn.Module:
        """The CNN for padded images of that size (height, width); one that has to be built for it is built once."""
        if self._resized is None or size == (self.made_for,) * 2:
            return self._network
        if size not in self._for_size:
            network = self._resized(self._network, size)
            _write_out_of_place(network)
            if self.pooling == "l2":
                replace_max_pooling(network)
            self._for_size[size] = network
        return self._for_size[size]


def _cropped(maps: Tensor, size: tuple[int, int], padded: tuple[int, int]) -> Tensor:
    """What of the maps (B, C, h, w) of padded images shows the image: of its size (height, width) as a share."""
    if size == padded:
        return maps
    rows, columns = (
        -(-side * of_map // of_padded) for side, of_map, of_padded in zip(size, maps.shape[-2:], padded, strict=True)
    )
    return maps[:, :, :rows, :columns].contiguous()


def _colour(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def build_backbone(name: str, weights: str = "pretrained", pooling: str = "auto", *, seed: int = 0) -> Backbone:
    """Build a backbone on the CPU, ready to be moved and called.

    Args:
        name: one of `zoo.available()`, or timm:NAME; with @TAP,TAP after it for other taps than its own: modules of
            torchvision's CNNs, numbers of timm's maps; and at last with ~flip or ~resize:SIDE, which the images then go
            through first.
        weights: "pretrained" (downloaded by torchvision or timm), "random" (initialised from `seed`) or the path of a
            state dict (.pt, .pth, .safetensors) under the library's own names; the classifier may be absent.
        pooling: "native", "l2" (DISTS's pooling in the place of every max pooling) or "auto" (the zoo's choice).
        seed: of the random initialisation; the global random state is left alone.

    Raises:
        InputError: for an unknown name or pooling, and parameters that cannot be had or do not fit.

    Example:
        >>> build_backbone("squeezenet", "random").channels
        (3, 64, 128, 256, 384, 512)
    """
    info = find(name)
    if pooling not in ("auto", "native", "l2"):
        raise InputError(f"`pooling` {pooling}: unknown pooling; give auto, native or l2")
    cnn = build_cnn(info, weights, seed)
    _write_out_of_place(cnn.network)
    resolved: ResolvedPooling = "l2" if (info.pooling if pooling == "auto" else pooling) == "l2" else "native"
    if resolved == "l2" and replace_max_pooling(cnn.network) == 0:
        raise InputError(f"`pooling` l2: {name} has no max pooling that it could replace; give `pooling` native")
    from_file = weights not in (PRETRAINED, RANDOM)
    return Backbone(name, Path(weights).name if from_file else weights, resolved, cnn)


def _write_out_of_place(network: nn.Module) -> None:
    """Let no activation overwrite its input where that may be the map of a tap.

    Where the graph shows that nothing else reads its input, a ReLU writes in place: on a CPU that saves a twentieth
    of the whole CNN's time.
    """
    safe = _alone_with_their_input(network) if isinstance(network, torch.fx.GraphModule) else set()
    for name, module in network.named_modules():
        if isinstance(getattr(module, "inplace", None), bool):
            setattr(module, "inplace", name in safe)  # noqa: B010 - mypy takes a module's attributes for tensors


def _alone_with_their_input(network: torch.fx.GraphModule) -> set[str]:
    """Names of the ReLUs that are the only readers of their input, wherever they are called."""
    alone: dict[str, bool] = {}
    for node in network.graph.nodes:
        if node.op == "call_module" and isinstance(network.get_submodule(str(node.target)), nn.ReLU):
            source = node.args[0]
            only = isinstance(source, torch.fx.Node) and source.op != "placeholder" and len(source.users) == 1
            alone[str(node.target)] = alone.get(str(node.target), True) and only
    return {name for name, only in alone.items() if only}
