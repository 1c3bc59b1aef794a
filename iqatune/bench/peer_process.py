"""Other packages in a process of their own: how `iqatune` takes memory is not their doing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from iqatune.backbones.devices import true_float32
from iqatune.bench.peers import Compare, compare_with, installed, shared_state
from iqatune.bench.timing import Work
from iqatune.images import read_rgb
from iqatune.runtime.memory import unprepared
from iqatune.runtime.worker import WorkerPool, follow_parent

FROM_FILES = " from files"
"""What follows a package's name where reading the images is timed too."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Pairs of one reference that the other packages of a backbone compare, `batch` at a time."""

    backbone: str
    reference: Path
    distorted: tuple[Path, ...]
    resize: int | None
    batch: int
    device: str


@contextmanager
def peers_at_work(comparison: Comparison) -> Iterator[dict[str, Work]]:
    """Each installed package, on decoded images and (with FROM_FILES after its name) on files.

    Parameters are those of `peers.shared_state`. Each builds what it needs when it is called first.
    """
    names = installed(comparison.backbone)
    if not names:
        yield {}
        return
    with WorkerPool(1, first=follow_parent) as pool:
        with unprepared():
            pool.submit(os.getpid).result()  # what starts the process, with the environment as it is now
        work: dict[str, Work] = {}
        for name in names:
            work[name] = partial(_result, pool, _compare, comparison, name)
            work[name + FROM_FILES] = partial(_result, pool, _compare_files, comparison, name)
        yield work


def to_tensor(images: list[np.ndarray], device: torch.device) -> Tensor:
    """(B, 3, H, W) float32 in [0, 1], in channels-last order, as images that were read are."""
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float() / 255


def _result(pool: WorkerPool, function, *arguments: object) -> int:  # type: ignore[no-untyped-def]
    done: int = pool.submit(function, *arguments).result()
    return done


@cache
def _prepared(comparison: Comparison) -> tuple[dict[str, Compare], Tensor, Tensor]:
    """The packages, and the images: the reference as often as there are distorted ones."""
    device = torch.device(comparison.device)
    packages = compare_with(comparison.backbone, shared_state(comparison.backbone), device)
    references, distorted = _read(comparison, comparison.distorted)
    return packages, references, distorted


def _read(comparison: Comparison, paths: tuple[Path, ...]) -> tuple[Tensor, Tensor]:
    device = torch.device(comparison.device)
    # channels-last: the other packages are quickest with that
    references = [read_rgb(comparison.reference, comparison.resize) for _ in paths]
    return to_tensor(references, device), to_tensor([read_rgb(path, comparison.resize) for path in paths], device)


def _compare(comparison: Comparison, name: str) -> int:
    packages, references, distorted = _prepared(comparison)
    with torch.inference_mode(), true_float32():
        for start in range(0, len(distorted), comparison.batch):
            rows = slice(start, start + comparison.batch)
            packages[name](references[rows], distorted[rows])
    return _finished(comparison)


def _compare_files(comparison: Comparison, name: str) -> int:
    packages, _, _ = _prepared(comparison)
    with torch.inference_mode(), true_float32():
        for start in range(0, len(comparison.distorted), comparison.batch):
            packages[name](*_read(comparison, comparison.distorted[start : start + comparison.batch]))
    return _finished(comparison)


def _finished(comparison: Comparison) -> int:
    if comparison.device != "cpu":
        torch.cuda.synchronize(torch.device(comparison.device))
    return len(comparison.distorted)
