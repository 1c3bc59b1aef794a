"""Metrics without weights to tune, measured on the same pairs under the same resize: what a tuned metric has to beat.

They come from piq (Kastryulin et al. 2022, 'PyTorch Image Quality: Metrics for Image Quality Assessment'), with its
defaults. PSNR and FSIMc see RGB; SSIM, MS-SSIM and VIF see luma (BT.601), as in the papers that define them. The
quality of all five rises with their value.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError, did_you_mean
from iqatune.images import read_rgb
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.runtime.files import write_text
from iqatune.statistics.cache import image_digests
from iqatune.version import package_version

VERSION = 1
"""Raised whenever the same pairs would get other scores: older files are then not found any more."""

CHUNK = 256
"""Pairs that are scored and kept together; an interrupted measurement loses no more than these."""

LUMA = (0.299, 0.587, 0.114)


class TooSmall(InputError):
    """An image is smaller than a baseline can take."""


@dataclass(frozen=True)
class Baseline:
    """A metric of piq: its function, what it sees, and the smallest image side that it can take."""

    name: str
    function: str
    luma: bool
    minimum_size: int
    description: str


BASELINES = {
    one.name: one
    for one in (
        Baseline("psnr", "psnr", False, 1, "peak signal-to-noise ratio, RGB"),
        Baseline("ssim", "ssim", True, 11, "structural similarity, luma, downsampled as by its authors"),
        Baseline("ms-ssim", "multi_scale_ssim", True, 161, "multi-scale structural similarity, luma"),
        Baseline("fsim", "fsim", False, 1, "feature similarity with chrominance (FSIMc), RGB"),
        Baseline("vif", "vif_p", True, 41, "visual information fidelity in the pixel domain, luma"),
    )
}


def find(name: str) -> Baseline:
    """The baseline of that name.

    Raises:
        InputError: when there is none, or piq is not installed.
    """
    if name not in BASELINES:
        raise InputError(f"--baseline {name}: unknown; {did_you_mean(name, BASELINES)}")
    if find_spec("piq") is None:
        raise InputError(f"--baseline {name}: needs piq; install iqatune[baselines]")
    return BASELINES[name]


def baseline_scores(
    name: str, table: PairTable, resize: int | None, device: str, cache_dir: Path, progress: Progress
) -> Floats:
    """(N,) scores of the pairs, higher is better, from the cache where they are.

    Args:
        resize: the protocol's short side; None for none.
        device: where to compute, as torch names it.

    Raises:
        InputError: when the name is unknown, piq is not installed, or an image is unreadable (`TooSmall`: too small).
    """
    baseline = find(name)
    digests = image_digests(table, cache_dir, progress)
    chunks = [table.pairs[start : start + CHUNK] for start in range(0, len(table), CHUNK)]
    scores = []
    with progress.track(f"measuring {name}", len(table), "pairs") as advance:
        for pairs in chunks:
            images = [(digests[pair.reference], digests[pair.distorted]) for pair in pairs]
            path = cache_dir / "baselines" / f"{_key(baseline, resize, images)}.json"
            scores.append(_kept(path, len(pairs)) or _measured(baseline, pairs, resize, device, path))
            advance(len(pairs))
    return np.concatenate([np.array(chunk, dtype=np.float64) for chunk in scores])


def _kept(path: Path, size: int) -> list[float] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, list) and len(content) == size else None


def _measured(baseline: Baseline, pairs: Sequence[Pair], resize: int | None, device: str, path: Path) -> list[float]:
    function = _function(baseline)
    scores = [_score(baseline, function, pair, resize, device) for pair in pairs]
    write_text(path, json.dumps(scores))
    return scores


def _function(baseline: Baseline) -> Callable[..., Any]:
    import piq

    function: Callable[..., Any] = getattr(piq, baseline.function)
    return function


def _score(baseline: Baseline, function: Callable[..., Any], pair: Pair, resize: int | None, device: str) -> float:
    import torch

    from iqatune.backbones.devices import true_float32

    reference, distorted = (read_rgb(path, resize) for path in (pair.reference, pair.distorted))
    if min(reference.shape[:2]) < baseline.minimum_size:
        size = f"{reference.shape[1]} x {reference.shape[0]}"
        raise TooSmall(
            f"--baseline {baseline.name}: {pair.reference} is {size}, and it takes {baseline.minimum_size} pixels a "
            "side; leave this baseline out"
        )
    x, y = (
        torch.from_numpy(image).permute(2, 0, 1)[None].to(device=device, dtype=torch.float32) / 255
        for image in (reference, distorted)
    )
    if baseline.luma:
        shares = torch.tensor(LUMA, device=device)[None, :, None, None]
        x, y = (x * shares).sum(1, keepdim=True), (y * shares).sum(1, keepdim=True)
    with torch.inference_mode(), true_float32():
        return float(function(y, x, data_range=1.0))


def _key(baseline: Baseline, resize: int | None, images: list[tuple[str, str]]) -> str:
    content = [VERSION, package_version("piq"), baseline.name, resize, images]
    return f"{baseline.name}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]}"
