"""Which of the tensors in a file are a CNN's parameters, whatever wrappers a training script saved them through.

torch.compile puts `_orig_mod.` before every name, data parallel training `module.`, a model that is an attribute of
another `net.`; checkpoints keep a state dict beside optimizers under `state_dict`, `model`, `ema` or any other name. No
list of such names can be complete, so none is kept: what fits the CNN by names and shapes is what counts.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Shapes = Mapping[str, torch.Size]

DEEPEST = 8
"""Mappings within mappings that are looked into."""


# batch normalisation counts its training batches; a network in eval mode never reads the count
_UNUSED = "num_batches_tracked"


def is_used(key: str) -> bool:
    """Whether the tensor of this key takes part in the outputs of a network in eval mode."""
    return not key.endswith(_UNUSED)


def bare_key(key: str) -> str:
    """A key without what timm's feature extractors add: a prefix, and `stages_0` for the `stages.0` of the model."""
    return joined(key.removeprefix("body.").removeprefix("model."))


def joined(key: str) -> str:
    """A key as timm's feature extractors write the names of their parts."""
    return key.replace(".", "_")


@dataclass(frozen=True)
class Found:
    """Tensors of a file that may be a CNN's parameters.

    Attributes:
        entry: the keys that lead to their mapping, outermost first.
        prefix: what their names begin with there.
        tensors: each with its key in the file, by its name as `joined` makes it.
    """

    entry: tuple[str, ...]
    prefix: str
    tensors: Mapping[str, tuple[str, Tensor]]

    def fits(self, wanted: Shapes) -> bool:
        """Whether all tensors that are wanted are there, in their shapes."""
        return all(name in self.tensors and self.tensors[name][1].shape == shape for name, shape in wanted.items())

    def same(self, other: "Found", wanted: Shapes) -> bool:
        """Whether the wanted tensors are those of another place, value for value."""
        return all(torch.equal(self.tensors[name][1].double(), other.tensors[name][1].double()) for name in wanted)

    @property
    def where(self) -> str:
        """The place in words: 'ema', 'state_dict' under 'module.'; empty for a plain state dict."""
        entry = " in ".join(f"'{key}'" for key in reversed(self.entry))
        names = f"the names under '{self.prefix}'" if self.prefix else ""
        return " of ".join(part for part in (names, entry) if part)


def state_dicts(content: object) -> list[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Every mapping with tensors in it, and the keys that lead there."""
    return list(_mappings(content, (), set()))


def candidates(content: object, wanted: Shapes) -> list[Found]:
    """Every place in a file where names that are wanted are, the one with the most of them first.

    Args:
        wanted: shapes by bare name.
    """
    found = []
    for entry, tensors in state_dicts(content):
        counts: Counter[str] = Counter({"": 0})
        for key in tensors:
            counts.update(prefix for prefix in _prefixes(key) if joined(key.removeprefix(prefix)) in wanted)
        for prefix, count in counts.items():
            named = {
                joined(key.removeprefix(prefix)): (key, tensor)
                for key, tensor in tensors.items()
                if key.startswith(prefix) and is_used(key)
            }
            found.append((count, Found(entry, prefix, named)))
    # sorting is stable: of several with as many names the outermost comes first, and the plainest
    return [place for _, place in sorted(found, key=lambda pair: (-pair[0], -len(pair[1].tensors)))]


def fitting(places: Collection[Found], wanted: Shapes, known: Collection[str]) -> list[Found]:
    """The places that hold the parameters of the CNN, without those that repeat another's values.

    Where some hold nothing else than it, what fits only with other names beside is left out: a deeper relative.

    Args:
        known: bare names of the whole CNN, the classifier's among them.
    """
    fit = [place for place in places if place.fits(wanted)]
    alone = [place for place in fit if not foreign(place, known, fit)]
    entries = {place.entry for place in alone}
    chosen = [place for place in fit if place in alone or place.entry in entries] or fit
    different: list[Found] = []
    for place in chosen:
        if not any(place.same(other, wanted) for other in different):
            different.append(place)
    return different


def foreign(place: Found, known: Collection[str], others: Collection[Found]) -> str | None:
    """The first key there that is no parameter of the CNN, nor of another place that fits; None for none."""
    deeper = tuple(
        other.prefix
        for other in others
        if other.entry == place.entry and other.prefix != place.prefix and other.prefix.startswith(place.prefix)
    )
    keys = (key for name, (key, _) in place.tensors.items() if name not in known)
    return next((key for key in keys if not (deeper and key.startswith(deeper))), None)


def _prefixes(key: str) -> Iterator[str]:
    """All that may stand before a name in a key: '', 'module.', 'module.net.', ..."""
    place = 0
    while True:
        yield key[:place]
        place = key.find(".", place) + 1
        if not place:
            return


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of plain numbers: no quantised, sparse or complex one, and none without values."""
    if not isinstance(value, Tensor) or value.device.type != "cpu":
        return False
    return value.layout == torch.strided and not (value.is_quantized or value.is_complex() or value.is_nested)


def _mappings(
    content: Any, entry: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """As `state_dicts`; `seen` holds what was looked into, as a pickle may hold itself."""
    if not isinstance(content, Mapping) or id(content) in seen or len(entry) > DEEPEST:
        return
    seen.add(id(content))
    tensors = {str(key): value for key, value in content.items() if _is_plain(value)}
    if tensors:
        yield entry, tensors
    for key, value in content.items():
        yield from _mappings(value, (*entry, str(key)), seen)
