"""Cutting output channels of a CNN that nothing needs, exactly: what is left gives the same maps.

Only the last map's channels are cut, so that no other layer's input changes. From the end of the graph backwards, what
works on each channel by itself (activations, batch normalisation, pooling, depthwise convolutions, sums of maps) is
done on the kept channels alone, up to the convolutions that make them, which lose the rest of their outputs. What is
unknown, or has another reader, stays whole, and its kept channels are picked from it. Libraries for pruning
(torch-pruning, say) cut a channel out of every layer that it is tied to, and so change the values that are left.
"""

import copy
import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from iqatune.backbones.pooling import L2Pool2d
from iqatune.backbones.sizes import REFUSALS

Kept = tuple[int, ...]

_BY_CHANNEL: Final = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardswish,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Softplus,
    nn.Identity,
    nn.Dropout,
    nn.MaxPool2d,
    nn.AvgPool2d,
    L2Pool2d,
)
"""Modules without parameters that treat every channel alike, and by itself."""

_FUNCTIONS: Final[tuple[Callable[..., Any], ...]] = (
    F.relu,
    F.relu6,
    F.gelu,
    F.silu,
    F.hardswish,
    F.max_pool2d,
    F.avg_pool2d,
    torch.relu,
    torch.sigmoid,
    torch.tanh,
)
"""Functions of that kind, whose first argument is the map."""

_SUMS: Final[tuple[Callable[..., Any], ...]] = (operator.add, operator.iadd, torch.add)

_SIZES: Final = ((64, 96), (97, 65))
"""Of the images (height, width) that a traced network is compared on: two, so that no size is taken for a constant."""

_ROUNDINGS: Final = 64
"""How many units in the last place of a map's largest value a cut one may differ: sums run in another order."""


_PICK: Final = "pick_"
"""What the names of modules that pick channels begin with."""


class _Pick(nn.Module):
    """Some channels of a map. A module, so that a copy of its network has its numbers, and a file of it none."""

    channels: Tensor

    def __init__(self, kept: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("channels", torch.tensor(list(kept)), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        return maps.index_select(1, self.channels)


class _Tracer(fx.Tracer):
    """A tracer that takes torch's own layers, and what other libraries derive from them, as they are."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm)) or super().is_leaf_module(
            m, module_qualified_name
        )


def traced(network: nn.Module) -> fx.GraphModule | None:
    """The graph of a network that gives a list of maps, with its modules under their own names.

    None where it cannot be traced, or the graph gives other maps than the network.
    """
    try:
        graph = _Tracer().trace(network)
        found = fx.GraphModule(network, graph).eval()
        (output,) = found.graph.find_nodes(op="output")
        if not isinstance(output.args[0], list | tuple) or not all(
            isinstance(each, fx.Node) for each in output.args[0]
        ):
            return None
        images = [_image(network, size) for size in _SIZES]
        with torch.no_grad():
            same = all(
                len(now) == len(then) and all(map(torch.equal, now, then))
                for image in images
                for now, then in ((found(image), network(image)),)
            )
    except (*REFUSALS, fx.proxy.TraceError, TypeError, AttributeError, NameError):  # a network may do what it likes
        return None
    return found if same else None


def first_maps(network: fx.GraphModule, count: int) -> fx.GraphModule:
    """The part of a network that its first `count` maps need; modules are shared."""
    part = fx.GraphModule(network, copy.deepcopy(network.graph))
    (output,) = part.graph.find_nodes(op="output")
    given = output.args[0]
    output.args = (dict(list(given.items())[:count]) if isinstance(given, dict) else list(given)[:count],)
    return _cleaned(part)


def with_last_channels(network: nn.Module, kept: Sequence[int], size: tuple[int, int]) -> fx.GraphModule | None:
    """A network whose last map has these channels alone, with the layers that make the others smaller.

    Args:
        kept: numbers of channels of the last map, ascending.
        size: of images (height, width) that it takes.

    Returns:
        None where the graph is not known, no layer gets smaller, or the kept channels would not be the same.
    """
    if not isinstance(network, fx.GraphModule):
        return None
    part = fx.GraphModule(network, copy.deepcopy(network.graph))
    (output,) = part.graph.find_nodes(op="output")
    given = output.args[0]
    maps = list(given.values() if isinstance(given, dict) else given)
    if not maps:
        return None
    cut = _Cut(part, output)
    last = cut.picked(maps[-1], tuple(kept))
    output.args = ({**given, list(given)[-1]: last} if isinstance(given, dict) else [*maps[:-1], last],)
    if not cut.made:
        return None
    part = _cleaned(part)
    return part if _is_same(network, part, kept, size) else None


class _Cut:
    """A graph that is being cut, from its last map backwards.

    Attributes:
        made: names of the smaller layers.
    """

    def __init__(self, network: fx.GraphModule, output: fx.Node) -> None:
        self._network = network
        self._graph = network.graph
        self._output = output
        self._picks = 0
        self.made: list[str] = []

    def picked(self, node: fx.Node, kept: Kept) -> fx.Node:
        """A node that gives these channels of what another gives."""
        if len(node.users) > 1:  # the whole is needed in any case
            return self._selected(node, kept)
        if node.op == "call_module":
            return self._of_module(node, kept)
        if node.op == "call_function" and node.target in _SUMS and _are_nodes(node.args) and len(node.args) == 2:
            return self._again(node, [self.picked(each, kept) for each in node.args if isinstance(each, fx.Node)])
        if node.op == "call_function" and node.target is torch.cat:
            return self._of_cat(node, kept)
        if node.op == "call_function" and node.target in _FUNCTIONS:
            return self._again(node, [self.picked(_first(node), kept), *node.args[1:]])
        return self._selected(node, kept)

    def _of_module(self, node: fx.Node, kept: Kept) -> fx.Node:
        module = self._network.get_submodule(str(node.target))
        if type(module) in _BY_CHANNEL and _are_nodes(node.args):
            return self._again(node, [self.picked(_first(node), kept)])
        if not self._is_called_once(node) or not _are_nodes(node.args):
            return self._selected(node, kept)
        if isinstance(module, nn.Conv2d) and module.groups == 1:
            return self._smaller(node, kept, _first(node))
        is_depthwise = type(module) is nn.Conv2d and module.groups == module.in_channels == module.out_channels
        if is_depthwise or isinstance(module, nn.BatchNorm2d):
            return self._smaller(node, kept, self.picked(_first(node), kept))
        return self._selected(node, kept)

    def _of_cat(self, node: fx.Node, kept: Kept) -> fx.Node:
        """Maps one after another: of each what is kept of it."""
        parts = node.args[0]
        if not isinstance(parts, list | tuple) or not _are_nodes(parts) or node.args[1:] not in ((1,), (-3,)):
            return self._selected(node, kept)
        counts = [self._channels(each) for each in parts if isinstance(each, fx.Node)]
        if None in counts:
            return self._selected(node, kept)
        bounds = np.cumsum([0, *(count for count in counts if count is not None)]).tolist()
        mine = [
            (part, tuple(channel - low for channel in kept if low <= channel < high))
            for part, (low, high) in zip(parts, pairwise(bounds), strict=True)
        ]
        picked = [self.picked(part, some) for part, some in mine if some and isinstance(part, fx.Node)]
        return picked[0] if len(picked) == 1 else self._again(node, [picked, *node.args[1:]])

    def _channels(self, node: fx.Node) -> int | None:
        """How many channels a node's maps have, where the layer that makes them says so."""
        while node.op == "call_module" and _are_nodes(node.args):
            module = self._network.get_submodule(str(node.target))
            if isinstance(module, nn.Conv2d):
                return module.out_channels
            if isinstance(module, nn.BatchNorm2d):
                return module.num_features
            if type(module) not in _BY_CHANNEL:
                return None
            node = _first(node)
        return None

    def _again(self, node: fx.Node, arguments: Sequence[Any]) -> fx.Node:
        """What a node does, of other arguments."""
        with self._graph.inserting_before(self._output):
            return self._graph.create_node(node.op, node.target, tuple(arguments), dict(node.kwargs))

    def _smaller(self, node: fx.Node, kept: Kept, source: fx.Node) -> fx.Node:
        """A layer with some of its output channels, of the same parameters."""
        module = copy.deepcopy(self._network.get_submodule(str(node.target)))
        chosen = list(kept)
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(parameter.detach()[chosen].clone(), requires_grad=False))
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.ndim > 0:
                setattr(module, name, buffer[chosen].clone())
        if isinstance(module, nn.Conv2d):
            module.out_channels = len(kept)
            if module.groups > 1:
                module.in_channels = module.groups = len(kept)
        elif isinstance(module, nn.BatchNorm2d):
            module.num_features = len(kept)
        self._network.set_submodule(str(node.target), module)
        self.made.append(str(node.target))
        return self._again(node, [source])

    def _selected(self, node: fx.Node, kept: Kept) -> fx.Node:
        name = f"{_PICK}{self._picks}"
        self._picks += 1
        self._network.add_submodule(name, _Pick(kept).to(_device(self._network)))
        with self._graph.inserting_before(self._output):
            return self._graph.call_module(name, (node,))

    def _is_called_once(self, node: fx.Node) -> bool:
        calls = self._graph.find_nodes(op="call_module", target=str(node.target))
        return len(list(calls)) == 1


def _cleaned(part: fx.GraphModule) -> fx.GraphModule:
    """Without what no output needs."""
    part.graph.eliminate_dead_code()
    part.recompile()
    part.delete_all_unused_submodules()
    return part.eval()


def _is_same(network: fx.GraphModule, part: fx.GraphModule, kept: Sequence[int], size: tuple[int, int]) -> bool:
    """Whether a cut network gives the maps of the whole one, but for the channels that are cut."""
    image = _image(network, size)
    with torch.no_grad():
        whole, cut = (_listed(each(image)) for each in (network, part))
    whole[-1] = whole[-1].index_select(1, torch.tensor(list(kept), device=image.device))
    return all(
        now.shape == then.shape and _differs(now, then) <= _ROUNDINGS * torch.finfo(then.dtype).eps
        for now, then in zip(cut, whole, strict=True)
    )


def _differs(now: Tensor, then: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    largest = float(then.abs().max()) if then.numel() else 0.0
    return float((now - then).abs().max()) / largest if largest > 0 else float((now - then).abs().max())


def _listed(maps: Any) -> list[Tensor]:
    return list(maps.values() if isinstance(maps, dict) else maps)


def _image(network: nn.Module, size: tuple[int, int]) -> Tensor:
    """A random image as a network sees it, always the same."""
    some = next(network.parameters(), torch.zeros(1))
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, 3, *size, generator=generator).to(some.device, some.dtype)


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters(), torch.zeros(1)).device


def _are_nodes(arguments: Sequence[Any]) -> bool:
    return len(arguments) > 0 and all(isinstance(each, fx.Node) for each in arguments)


def _first(node: fx.Node) -> fx.Node:
    first = node.args[0]
    if not isinstance(first, fx.Node):
        raise TypeError(f"{node.name} has no map as its first argument")
    return first
