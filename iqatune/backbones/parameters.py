"""Where a backbone's parameters come from: a download, a seed or a file; and what tells one set from another."""

import hashlib
import pickle
import struct
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from iqatune.backbones.identity import PRETRAINED, RANDOM
from iqatune.errors import InputError, did_you_mean

_OPTION = "`backbone_weights`"
# wrappers that training scripts save a state dict in
_WRAPPERS = ("state_dict", "model")
# batch normalisation counts its training batches; a network in eval mode never reads the count
_UNUSED = "num_batches_tracked"

# network, server, disk; then what a damaged download looks like to torch and safetensors
_DOWNLOAD_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    RuntimeError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


def is_used(key: str) -> bool:
    """Whether the tensor of this key takes part in the outputs of a network in eval mode."""
    return not key.endswith(_UNUSED)


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


# what unpickling a file that torch did not write can end in, beside what safetensors and the disk say
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AssertionError,
    AttributeError,
    ImportError,
    struct.error,
    pickle.PickleError,
    SafetensorError,
)


def load_saved(path: Path, name: str) -> object:
    """What a .safetensors file holds, or a file that torch saved, of tensors alone, on the CPU.

    Args:
        name: what an error calls the file.

    Raises:
        InputError: when the file is neither.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise InputError(
            f"{name}: not a readable file of tensors ({first_line(error)}); "
            "give a .pt or .pth file that torch saved, or a .safetensors file"
        ) from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a state dict saved by torch, on the CPU, under their bare names.

    Raises:
        InputError: when the file cannot be read as either.
    """
    state = load_saved(path, f"{_OPTION} {path}")
    for wrapper in _WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{_OPTION} {path}: holds no state dict (a mapping of names to tensors); give one")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def fit(network: nn.Module, state: Mapping[str, Tensor], known: Collection[str], source: str) -> None:
    """Put the tensors of `state` into `network`, the part of a CNN up to its last tap, as float32.

    `known` are the keys of the whole CNN. Those outside `network` (the classifier) may be there or not, in any shape.

    Raises:
        InputError: naming `source` and the first key that is missing, unknown, of another shape or not finite.
    """
    theirs = {bare_key(key): (key, tensor) for key, tensor in state.items()}
    fitted = {}
    for ours, wanted in network.state_dict().items():
        if not is_used(ours):
            fitted[ours] = torch.zeros((), dtype=torch.long)
            continue
        if bare_key(ours) not in theirs:
            raise _misfit(source, f"has no '{ours}'")
        key, tensor = theirs[bare_key(ours)]
        if tensor.shape != wanted.shape:
            raise _misfit(source, f"'{key}' has shape {tuple(tensor.shape)}, not {tuple(wanted.shape)}")
        if not tensor.isfinite().all():
            raise InputError(f"{source}: '{key}' holds NaN or infinite parameters; give a sound file")
        fitted[ours] = tensor.to(wanted.dtype).contiguous()
    bare = {bare_key(key) for key in known}
    for name, (key, _) in theirs.items():
        if name not in bare and is_used(key):
            raise _misfit(source, f"'{key}' is no parameter of this CNN")
    network.load_state_dict(fitted, assign=True)


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
    except (*_DOWNLOAD_ERRORS, *errors) as error:
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


def bare_key(key: str) -> str:
    """A key without what timm's feature extractors add: a prefix, and `stages_0` for the `stages.0` of the model."""
    return key.removeprefix("body.").removeprefix("model.").replace(".", "_")


def _misfit(source: str, what: str) -> InputError:
    return InputError(f"{source}: does not fit this backbone ({what}); give parameters of the same architecture")


def first_line(error: Exception) -> str:
    """An error's first line, its kind where it has no words."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]
