"""Where a backbone's parameters come from: a download, a seed or a file; and what tells one set from another."""

import hashlib
import pickle
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from iqatune.backbones.identity import PRETRAINED, RANDOM
from iqatune.backbones.parameter_files import first_line, load_saved, some_names
from iqatune.backbones.state_dicts import Found, bare_key, candidates, fitting, foreign, is_used, joined, state_dicts
from iqatune.errors import InputError, did_you_mean

_OPTION = "`backbone_weights`"

# network, server, disk; then what a damaged download looks like to torch and safetensors
DOWNLOAD_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)
"""What a download, or reading what was downloaded, fails of."""


def check_choice(weights: str) -> None:
    """Refuse a `--backbone-weights` that is neither a known word nor a file that is there.

    Raises:
        InputError: naming what was given.
    """
    if weights in (PRETRAINED, RANDOM) or Path(weights).is_file():
        return
    advice = did_you_mean(weights, [PRETRAINED, RANDOM])
    if not advice.startswith("did"):
        advice = f"give {PRETRAINED}, {RANDOM} or a state dict (.pt, .pth, .safetensors)"
    raise InputError(f"{_OPTION} {weights}: no such file; {advice}")


def read_state_dict(path: Path) -> Mapping[str, Any]:
    """What a file of parameters holds, for `fit`, on the CPU: a state dict, as it is or within a checkpoint.

    Raises:
        InputError: when the file cannot be read without running code, or holds no mapping of names to tensors.
    """
    content = load_saved(path, f"{_OPTION} {path}")
    if isinstance(content, Mapping) and state_dicts(content):
        return content
    held = f"the keys {_some_keys(content)}" if isinstance(content, Mapping) and content else _kind(content)
    raise InputError(f"{_OPTION} {path}: contains no state dict (a mapping of names to tensors) but {held}; give one")


def _kind(content: object) -> str:
    return "nothing" if isinstance(content, Mapping) else f"a {type(content).__name__}"


def _some_keys(content: Mapping[str, Any]) -> str:
    return some_names([f"'{key}'" for key in content])


def fit(network: nn.Module, state: Mapping[str, Any], known: Collection[str], source: str) -> str:
    """Put the tensors of `state` into `network`, the part of a CNN up to its last tap, as float32.

    `state` is a state dict, or what a training script saved it in: it is found within, whatever key it is under and
    whatever stands before every name, where it is the only one that fits.

    `known` are the keys of the whole CNN. Those outside `network` (the classifier) may be there or not, in any shape.

    Returns:
        where in `state` the parameters were, in words; empty for a plain state dict.

    Raises:
        InputError: naming `source` and the first key that is missing, unknown, of another shape or not finite, or the
            places of several sets of parameters that fit.
    """
    ours = network.state_dict()
    wanted = {bare_key(key): tensor.shape for key, tensor in ours.items() if is_used(key)}
    whole = {*map(bare_key, known), *map(joined, known), *wanted}
    places = candidates(state, wanted)
    fitting_places = fitting(places, wanted, whole)
    if len(fitting_places) > 1:
        raise InputError(
            f"{source}: contains {len(fitting_places)} sets of parameters that fit this backbone "
            f"({', '.join(place.where or 'the names themselves' for place in fitting_places)}); "
            "save the one that is meant alone, with torch.save"
        )
    if not places:
        raise _misfit(source, f"it contains the keys {_some_keys(state)}")
    chosen = next(iter(fitting_places), places[0])
    fitted = {key: _fitted(key, tensor, chosen, source) for key, tensor in ours.items()}
    unknown = foreign(chosen, whole, fitting_places)
    if unknown is not None:
        raise _misfit(source, f"'{unknown}' is no parameter of this CNN")
    network.load_state_dict(fitted, assign=True)
    return chosen.where


def _fitted(ours: str, wanted: Tensor, chosen: Found, source: str) -> Tensor:
    """The tensor that a file has for one of the network's keys."""
    if not is_used(ours):
        return torch.zeros((), dtype=torch.long)
    if bare_key(ours) not in chosen.tensors:
        first = next(iter(chosen.tensors.values()))[0]
        place = f" in {chosen.where}" if chosen.where else ""
        raise _misfit(source, f"has no '{ours}'{place}, where the first of {len(chosen.tensors)} names is '{first}'")
    key, tensor = chosen.tensors[bare_key(ours)]
    if tensor.shape != wanted.shape:
        raise _misfit(source, f"'{key}' has shape {tuple(tensor.shape)}, not {tuple(wanted.shape)}")
    if not tensor.isfinite().all():
        raise InputError(f"{source}: '{key}' contains NaN or infinite parameters; give an undamaged file")
    return tensor.to(wanted.dtype).contiguous()


def initialise(network: nn.Module, seed: int) -> None:
    """Fill a CNN of convolutions and batch normalisations by He's initialisation, repeatably.

    Convolutions get uniform weights of variance 2 / fan-in and biases of 0 (He et al. 2015, 'Delving Deep into
    Rectifiers'), batch normalisation the identity. The global random state is neither read nor changed.
    """
    generator = torch.Generator().manual_seed(seed)
    network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


@contextmanager
def downloading(name: str, errors: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn a download that fails in this block into a line that says what to do instead.

    Raises:
        InputError: for a network, server or disk error, a damaged file, or one of `errors`.
    """
    try:
        yield
    except (*DOWNLOAD_ERRORS, *errors) as error:
        raise InputError(
            f"`backbone` {name}: its pretrained parameters could not be downloaded ({first_line(error)}); "
            f"give {_OPTION} FILE (a state dict) or {_OPTION} {RANDOM}"
        ) from error


def parameters_sha256(network: nn.Module) -> str:
    """SHA-256 over the shapes and float32 values of the tensors of `network`, in its order, in hexadecimal.

    Names take no part: they change between releases of the libraries while the CNN stays the same.
    """
    digest = hashlib.sha256()
    for key, tensor in network.state_dict().items():
        if is_used(key):
            values = tensor.detach().to("cpu", torch.float32).contiguous()
            digest.update(repr(tuple(values.shape)).encode())
            digest.update(values.numpy())
    return digest.hexdigest()


def _misfit(source: str, what: str) -> InputError:
    return InputError(f"{source}: does not fit this backbone ({what}); give parameters of the same architecture")
