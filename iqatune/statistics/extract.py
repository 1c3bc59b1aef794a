"""Moments of every pair of a table: from the store, or from one pass of each image through the backbone.

Pairs are grouped by reference, so a reference passes the backbone once however many distorted versions it has; a
group is the unit that is kept, and that an interrupted extraction resumes at. The next groups' images are decoded and
resized by threads while the backbone works.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from iqatune.backbones.network import Backbone
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.images import Rgb, read_rgb
from iqatune.progress import Progress
from iqatune.statistics.digests import file_digests
from iqatune.statistics.moments import centre, stage_moments
from iqatune.statistics.store import DamagedFile, Moments, Settings, group_path, read_group, write_group

Precision = Literal["fp32", "bf16", "fp16"]

PRECISIONS: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

BATCH = {"cpu": 4, "cuda": 16}
"""Images that pass the backbone together. Every batch is filled up to this size: convolution kernels round
differently by batch size, and two identical files would otherwise not have identical features."""

DECODING_THREADS = 4

GROUPS_AHEAD = 2
"""Groups whose images are decoded while another is in the backbone; bounds the memory, whatever the set's size."""


@dataclass(frozen=True)
class Statistics:
    """The moments of every pair of a table, in its order.

    Attributes:
        channels: number of channels of every stage, the image's 3 first.
        moments: (N, 5, C) float32, C = sum(channels), the moments in the order of `moments.MOMENTS`.
        computed: pairs that passed the backbone now, the others came from the store.
        image_digests: SHA-256 of every image file of the table.
    """

    channels: tuple[int, ...]
    moments: Moments
    computed: int
    image_digests: dict[Path, str]


@dataclass(frozen=True)
class _Group:
    rows: tuple[int, ...]
    reference: Path
    distorted: tuple[Path, ...]
    path: Path


def extract(
    table: PairTable,
    backbone: Backbone,
    cache_dir: Path,
    device: torch.device,
    precision: Precision = "fp32",
    resize: int | None = 256,
    progress: Progress | None = None,
) -> Statistics:
    """Moments of every pair of `table`, computed where the store in `cache_dir` does not hold them.

    Args:
        resize: short side that larger images are brought down to (see `iqatune.images.resize`); None for none.
        precision: of the backbone's arithmetic; moments are float32 in any case.

    Raises:
        InputError: naming an image that cannot be read, that differs in size from its reference, or that is too
            small for the backbone.
    """
    progress = progress or Progress(quiet=True)
    settings = Settings(
        backbone.name, backbone.parameters_sha256, backbone.pooling, resize, precision, backbone.channels
    )
    images = [path for pair in table.pairs for path in (pair.reference, pair.distorted)]
    digests = file_digests(images, cache_dir / "digests.json")
    groups = _grouped(table.pairs, settings, cache_dir / "statistics", digests)

    channels = sum(backbone.channels)
    moments = np.empty((len(table.pairs), 5, channels), dtype=np.float32)
    missing: list[_Group] = []
    for group in groups:
        try:
            moments[list(group.rows)] = read_group(group.path, (len(group.rows), 5, channels))
        except FileNotFoundError:
            missing.append(group)
        except DamagedFile as error:
            progress.warn(f"damaged cache file, computed again: {error}")
            missing.append(group)

    wanted = sum(len(group.rows) for group in missing)
    if missing:
        backbone = backbone.to(device, PRECISIONS[precision]).to(memory_format=torch.channels_last)
        with progress.track(f"extracting {backbone.name}", len(table), "pairs", done=len(table) - wanted) as advance:
            for group, decoded in _decoded_ahead(missing, resize):
                computed = _group_moments(group, decoded, backbone, device)
                write_group(group.path, computed)
                moments[list(group.rows)] = computed
                advance(len(group.rows))
    return Statistics(backbone.channels, moments, wanted, digests)


def _grouped(pairs: Sequence[Pair], settings: Settings, folder: Path, digests: dict[Path, str]) -> list[_Group]:
    rows_of: dict[Path, list[int]] = {}
    for row, pair in enumerate(pairs):
        rows_of.setdefault(pair.reference, []).append(row)
    groups = []
    for reference, rows in rows_of.items():
        distorted = tuple(pairs[row].distorted for row in rows)
        path = group_path(folder, settings, digests[reference], [digests[image] for image in distorted])
        groups.append(_Group(tuple(rows), reference, distorted, path))
    return groups


def _decoded_ahead(groups: Sequence[_Group], resize: int | None) -> Iterator[tuple[_Group, list[Future[Rgb]]]]:
    """Each group with its images (the reference first), decoding of the next ones already under way."""
    pool = ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix="decode")
    queue: deque[tuple[_Group, list[Future[Rgb]]]] = deque()
    waiting = iter(groups)
    try:
        for group in groups:
            while len(queue) < 1 + GROUPS_AHEAD and (coming := next(waiting, None)) is not None:
                paths = (coming.reference, *coming.distorted)
                queue.append((coming, [pool.submit(read_rgb, path, resize) for path in paths]))
            yield group, queue.popleft()[1]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _group_moments(group: _Group, decoded: list[Future[Rgb]], backbone: Backbone, device: torch.device) -> Moments:
    reference = decoded[0].result()
    height, width = reference.shape[:2]
    if min(height, width) < backbone.minimum_size:
        raise InputError(
            f"{group.reference}: {width}x{height} is too small for {backbone.name}, "
            f"which needs {backbone.minimum_size} pixels a side"
        )
    batch = BATCH[device.type]
    results: list[Tensor] = []
    images = [reference]
    centred = None
    for path, future in zip((*group.distorted, None), (*decoded[1:], None), strict=True):
        if path is not None and future is not None:
            image = future.result()
            if image.shape != reference.shape:
                raise InputError(
                    f"{path}: {image.shape[1]}x{image.shape[0]} differs from its reference "
                    f"{group.reference.name} ({width}x{height}); a pair needs one size"
                )
            images.append(image)
        if len(images) == batch or (path is None and images):
            stages = _features(images, batch, backbone, device)
            if centred is None:
                centred = [centre(maps[:1]) for maps in stages]
                stages = [maps[1:] for maps in stages]
                images = images[1:]
            if images:
                results.append(stage_moments(centred, [maps[: len(images)] for maps in stages]).cpu())
            images = []
    return torch.cat(results).numpy()


@torch.inference_mode()
def _features(images: Sequence[Rgb], batch: int, backbone: Backbone, device: torch.device) -> list[Tensor]:
    """Feature maps of the images, in a batch that is filled up to its full size."""
    filled = np.stack([*images, *[images[-1]] * (batch - len(images))])
    tensor = torch.from_numpy(filled)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    tensor = tensor.to(device, non_blocking=True).permute(0, 3, 1, 2)
    # stage 0 is the image itself: it keeps full precision whatever the backbone's arithmetic is
    exact = tensor.float() / 255
    low = next((parameter.dtype for parameter in backbone.parameters()), torch.float32)
    stages: list[Tensor] = backbone(exact.to(low))
    return [exact, *stages[1:]]
