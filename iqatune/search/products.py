"""Products of coefficients and features on a device of torch: where a GPU is, a batch of a large space is its work."""

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.metric.weights import Floats

WORTH = 1e12
"""Products of a search (samples times pairs times features) from which a GPU is looked for: two processors take about
20 s for them, and torch 3 s to be imported."""


class OnDevice:
    """(K, F) coefficients to their (K, N) products with the features, in float64.

    However a device sums in float64, distances come in their exact order, but for those that the ranking computes again
    anyway: an SRCC is the same to the last bit as on a CPU.

    Args:
        features: (N, F).
        device: of torch, by name.

    Raises:
        InputError: when the device has too little memory.
    """

    def __init__(self, features: NDArray[np.floating], device: str) -> None:
        import torch

        self._device = torch.device(device)
        try:
            self._features = torch.from_numpy(features).to(self._device, torch.float64)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"`device` {device}: has too little free memory for the features of {len(features)} pairs; "
                "give `device` cpu"
            ) from error

    def __call__(self, coefficients: Floats) -> Floats:
        import torch

        factors = torch.from_numpy(coefficients).to(self._device)
        products: Floats = (factors @ self._features.T).cpu().numpy()
        return products


def gpu_of(device: str | None) -> str | None:
    """The GPU that the option `device` stands for; None for the CPU.

    Raises:
        InputError: when a GPU is asked for that is not there.
    """
    if device in (None, "cpu"):
        return None
    # here, not above: torch takes seconds to import
    from iqatune.backbones.devices import resolve_device

    found = resolve_device(str(device))
    return None if found.type == "cpu" else str(found)
