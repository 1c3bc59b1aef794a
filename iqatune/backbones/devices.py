"""Where the CNN runs, and that float32 is the same thing there."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from iqatune.errors import InputError, UsageError

DEVICE_ERRORS = (torch.OutOfMemoryError, getattr(torch, "AcceleratorError", torch.OutOfMemoryError))
"""What a device fails of, whatever the image; the second is known to newer releases of torch."""

_ARITHMETIC = {
    torch.bfloat16: ("avx512_bf16", "amx_bf16", "avx10_2", "bf16", "sve_bf16"),
    torch.float16: ("avx512_fp16", "amx_fp16", "avx10_2", "fp16_arith"),
}
"""What `torch.cpu.get_capabilities` calls a CPU's instructions for a type, on x86 and on Arm."""


def resolve_device(name: str) -> torch.device:
    """The device that `--device auto|cpu|cuda|cuda:N` means on this machine; `auto` prefers a GPU.

    Raises:
        InputError: for another word, or a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or (":" in name and not (index.isascii() and index.isdigit())):
        raise UsageError(f"`device` {name}: unknown device; give auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        raise InputError(f"`device` {name}: no CUDA GPU can be used here; give `device` cpu or auto")
    if index and int(index) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise InputError(f"`device` {name}: there is no such GPU; the last one here is cuda:{last}")
    return torch.device("cuda", int(index)) if index else torch.device("cuda")


def gpu_count(name: str) -> int:
    """How many GPUs `--device` lets extraction use: every one for `auto` and `cuda`, else at most the one named."""
    if name in ("auto", "cuda"):
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(name.startswith("cuda"))


def device_name(device: torch.device) -> str:
    """What a record calls the device: a GPU with its model."""
    return str(device) if device.type == "cpu" else f"{device} ({torch.cuda.get_device_name(device)})"


def is_slow(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this is a CPU without instructions for a type: it takes several times as long as with float32."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # known to newer releases of torch
    if device.type != "cpu" or dtype not in _ARITHMETIC or capabilities is None:
        return False
    return not any(capabilities().get(name) for name in _ARITHMETIC[dtype])


@contextmanager
def true_float32() -> Iterator[None]:
    """Let float32 be float32 on a GPU too.

    By itself torch has a GPU round what goes into a convolution to the 10 bits of TF32: figures would be off by some
    1e-3, and what is kept under one name would depend on the device that it was computed on.
    """
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
