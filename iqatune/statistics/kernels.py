"""Which of the ways to measure moments a device takes."""

import subprocess
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from iqatune.backbones.devices import DEVICE_ERRORS
from iqatune.metric import moments
from iqatune.progress import Progress
from iqatune.statistics import fused_cpu


class Kernels(Protocol):
    """A way to measure moments: one of the modules `moments`, `fused_cpu` and `fused_gpu`."""

    def reference_of(self, maps: Sequence[Tensor], /) -> Any:
        """What of a reference is needed to compare others with it, from its maps (1, C_i, H_i, W_i)."""

    def compared(self, references: Any, maps: Sequence[Tensor], /) -> Tensor:
        """(B, 5, C_all) float32 moments of distorted images' maps (B, C_i, H_i, W_i) against their reference's."""


def kernels_of(device: torch.device, progress: Progress) -> Kernels:
    """The fastest way on this device; on a GPU torch's own operations, with a warning, where Triton does not work."""
    if device.type == "cpu":
        return fused_cpu
    try:
        return _on_gpu(device)
    except DEVICE_ERRORS:
        raise
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        progress.warn(f"moments on {device} are computed with plain torch operations, which takes longer: {reason}")
        return moments


def _on_gpu(device: torch.device) -> Kernels:
    """The Triton kernels, once they have compiled and agree with torch's operations.

    Raises:
        ImportError, OSError, RuntimeError, SubprocessError: when Triton is absent or cannot be used here.
    """
    from triton.errors import TritonError

    from iqatune.statistics import fused_gpu

    generator = torch.Generator().manual_seed(0)
    reference, distorted = (torch.rand((1, 3, 32, 32), generator=generator).to(device) for _ in range(2))
    try:
        found = fused_gpu.compared(fused_gpu.reference_of([reference]), [distorted])
    except TritonError as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    expected = moments.compared(moments.reference_of([reference]), [distorted])
    if not torch.allclose(found, expected, rtol=1e-4, atol=1e-6):
        raise RuntimeError("Triton's kernels come to other figures")
    return fused_gpu
