"""Moments of every pair of a table: from the store, or from one pass of each image through the backbone.

Pairs are grouped by reference, so a reference passes the backbone once however many distorted versions it has; a
group is the unit that is kept, and that an interrupted extraction resumes at. Batches run on from one group into the
next. Images are decoded and resized by all processors, for a GPU while it works, and it has its next batch before the
figures of the last one are waited for.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from iqatune.backbones.devices import is_slow, true_float32
from iqatune.backbones.network import Backbone
from iqatune.errors import InputError
from iqatune.images import Rgb
from iqatune.progress import Progress
from iqatune.records.vocabulary import Precision
from iqatune.statistics.cache import Lookup, ReferenceGroup
from iqatune.statistics.digests import check_unchanged
from iqatune.statistics.kernels import Kernels, kernels_of
from iqatune.statistics.store import Moments
from iqatune.transforms import read_transformed

PRECISIONS: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

BATCH = 4
"""Images that pass the backbone together on a CPU."""

LARGEST_BATCH = 64
"""Images that pass the backbone together on a GPU, memory permitting."""

AHEAD = {"cpu": 32, "cuda": 2 * LARGEST_BATCH}
"""Images that are decoded before they are needed; bounds the memory, whatever the set."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The moments of every pair of a table, in its order.

    Attributes:
        moments: (N, 5, C) float32, C = sum(channels), the moments in the order of `moments.MOMENTS`.
        computed: pairs that passed the backbone now, the others came from the store.
        image_digests: SHA-256 of every image file of the table.
    """

    moments: Moments
    computed: int
    image_digests: dict[Path, str]


def extract(
    lookup: Lookup,
    backbone: Backbone,
    device: torch.device,
    *,
    precision: Precision = "fp32",
    resize: int | None = 256,
    progress: Progress,
) -> Statistics:
    """Compute the moments that a lookup found missing, and keep them.

    Args:
        lookup: of the table, by the settings that the other arguments come to.
        resize: short side that larger images are brought down to (see `iqatune.images.resize`); None for none.
        precision: of the backbone's arithmetic; moments are float32 in any case.

    Raises:
        InputError: naming an image that cannot be read, that differs in size from its reference, that is too
            small for the backbone, or that was changed meanwhile; and a file that cannot be kept.
    """
    lookup.tell_damage(progress)
    moments, wanted = lookup.values, lookup.missing_pairs
    if lookup.missing:
        done = len(moments) - wanted
        with progress.track(f"extracting {backbone.name}", len(moments), "pairs", done=done) as advance:
            groups = extracted(lookup.missing, backbone, device, precision=precision, resize=resize, progress=progress)
            for group, computed in groups:
                moments[list(group.rows)] = computed
                advance(len(group.rows))
    return Statistics(moments=moments, computed=wanted, image_digests=lookup.image_digests)


def extracted(
    groups: Sequence[ReferenceGroup],
    backbone: Backbone,
    device: torch.device,
    *,
    precision: Precision,
    resize: int | None,
    progress: Progress,
) -> Iterator[tuple[ReferenceGroup, Moments]]:
    """Every group with its (n, 5, C) moments, which are in the store by then.

    Raises:
        InputError: as of `extract`.
    """
    if is_slow(device, PRECISIONS[precision]):
        progress.warn(f"this CPU has no instructions for {precision}: it takes several times as long as fp32")
    placed = _placed(backbone, device, precision)
    kernels = kernels_of(device, progress)
    left, batch = list(groups), None
    while left:
        stream = Stream(placed, device, kernels, batch=batch)
        try:
            for group, computed in stream.moments(decoded(tuple(left), resize, device)):
                _check_finite(computed, group, backbone.name, precision)
                check_unchanged(group.stamps)
                group.keep(computed)
                left.remove(group)
                yield group, computed
        except torch.OutOfMemoryError as error:
            if stream.batch == 1:
                raise _too_little_memory(device, backbone) from error
            # the groups that are not kept begin anew: a pair's two images must pass in batches of one size
            batch = stream.batch // 2
            progress.warn(f"{device} is out of memory; going on with batches of {batch}")
            torch.cuda.empty_cache()


def _placed(backbone: Backbone, device: torch.device, precision: Precision) -> Backbone:
    try:
        return backbone.placed(device, PRECISIONS[precision])
    except torch.OutOfMemoryError as error:
        raise _too_little_memory(device, backbone) from error


def _too_little_memory(device: torch.device, backbone: Backbone) -> InputError:
    return InputError(
        f"`device` {device}: has too little free memory for one image in {backbone.name}; "
        "give `device` cpu, or a smaller `resize`"
    )


def _check_finite(moments: Moments, group: ReferenceGroup, backbone: str, precision: Precision) -> None:
    if not np.isfinite(moments).all():
        advice = "give other `backbone_weights`" if precision == "fp32" else "give `precision` fp32"
        raise InputError(
            f"`precision` {precision}: {backbone} leaves the range of its numbers at {group.reference} or a distorted "
            f"version of it; {advice}"
        )


@dataclass(frozen=True)
class Image:
    """One image of a group: its reference (`row` None), or the distorted image of one of the group's rows."""

    group: ReferenceGroup
    row: int | None
    pixels: Rgb


def decoded(groups: Sequence[ReferenceGroup], resize: int | None, device: torch.device) -> Iterator[Image]:
    """Every group's images, its reference first, decoded by all processors together.

    For a GPU the next ones are decoded while it works. A CPU decodes some, passes them through the CNN and decodes
    the next: of the CNN's threads the one that had to share its processor would keep the others waiting.
    """
    by_turns = device.type == "cpu"
    pool = ThreadPoolExecutor(torch.get_num_threads() if by_turns else None, thread_name_prefix="decode")
    wanted = ((group, *image) for group in groups for image in _images(group))
    queue: deque[tuple[ReferenceGroup, int | None, Future[Rgb]]] = deque()
    try:
        while True:
            if not (by_turns and queue):
                for group, row, path, transform in islice(wanted, AHEAD[device.type] - len(queue)):
                    queue.append((group, row, pool.submit(read_transformed, path, transform, resize)))
                if by_turns:
                    wait([future for *_, future in queue])
            if not queue:
                return
            group, row, future = queue.popleft()
            yield Image(group, row, future.result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _images(group: ReferenceGroup) -> Iterator[tuple[int | None, Path, str]]:
    """Row, file and transform of each image."""
    yield None, group.reference, group.transforms[0]
    yield from zip(range(len(group.rows)), group.distorted, group.transforms[1:], strict=True)


def batch_size(backbone: Backbone, device: torch.device, pixels: Rgb) -> int:
    """How many images of this size pass the backbone together: on a GPU a power of two that takes at most half of its
    free memory."""
    if device.type == "cpu":
        return BATCH
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    _features([pixels], 1, backbone, device)
    needed = max(torch.cuda.max_memory_allocated(device) - before, 1)
    free, _ = torch.cuda.mem_get_info(device)
    fitting = max(min(free // 2 // needed, LARGEST_BATCH), 1)
    return int(2 ** (int(fitting).bit_length() - 1))


class Stream:
    """Passes images through the backbone in batches of one size and one shape, and measures their moments.

    Every batch is filled up to its full size: convolution kernels round differently by batch size, and two identical
    files would otherwise differ in features.

    Args:
        kernels: what measures the moments there.
        batch: images in a batch; by default `batch_size` of the first image.
    """

    def __init__(self, backbone: Backbone, device: torch.device, kernels: Kernels, *, batch: int | None = None) -> None:
        self.batch = batch or 1
        self._undecided = batch is None
        self._backbone = backbone
        self._device = device
        self._kernels = kernels
        self._reference: Any = None
        self._found: list[Tensor] = []

    def moments(self, images: Iterator[Image]) -> Iterator[tuple[ReferenceGroup, Moments]]:
        """Every group with the (n, 5, C) moments of its pairs, once the batch after its last is under way."""
        coming: list[_Coming] = []
        for batch in self._batches(images):
            ended = self._passed(batch)
            yield from (group.arrived() for group in coming)
            coming = ended
        yield from (group.arrived() for group in coming)

    def _batches(self, images: Iterator[Image]) -> Iterator[list[Image]]:
        """Images of one size together, as many as go into a batch."""
        waiting: list[Image] = []
        size: tuple[int, ...] = ()
        for image in images:
            _check_size(image, size)
            if waiting and image.pixels.shape != size:
                yield waiting
                waiting = []
            size = image.pixels.shape
            if self._undecided:
                self.batch, self._undecided = self._batch_size(image), False
            waiting.append(image)
            if len(waiting) == self.batch:
                yield waiting
                waiting = []
        if waiting:
            yield waiting

    def _batch_size(self, image: Image) -> int:
        with refused_at(image.group.reference):
            return batch_size(self._backbone, self._device, image.pixels)

    def _passed(self, images: list[Image]) -> "list[_Coming]":
        """The groups that end in this batch."""
        with refused_at(images[0].group.reference):
            stages = _features([image.pixels for image in images], self.batch, self._backbone, self._device)
        ended = []
        start = 0
        for _, run in groupby(images, key=lambda image: id(image.group)):
            members = list(run)
            group = members[0].group
            end = start + len(members)
            if members[0].row is None:
                self._reference = self._kernels.reference_of([maps[start : start + 1] for maps in stages])
                self._found = []
                start += 1
            if start < end:
                self._found.append(self._kernels.compared(self._reference, [maps[start:end] for maps in stages]))
            if members[-1].row == len(group.rows) - 1:
                ended.append(_sent(group, self._found, self._device))
            start = end
        return ended


@contextmanager
def refused_at(reference: Path) -> Iterator[None]:
    """Name the reference image whose size the backbone refuses in this block."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{reference}: {error.line}") from error


@dataclass(frozen=True)
class _Coming:
    """The (n, 5, C) moments of a group, on their way from the device; `sent` is None where there is no way to go."""

    group: ReferenceGroup
    moments: Tensor
    sent: torch.cuda.Event | None

    def arrived(self) -> tuple[ReferenceGroup, Moments]:
        if self.sent is not None:
            self.sent.synchronize()
        moments: Moments = self.moments.numpy()
        return self.group, moments


def _sent(group: ReferenceGroup, parts: list[Tensor], device: torch.device) -> _Coming:
    # asked for at once and waited for later: a copy that is asked for later comes after the next batch
    moments = torch.cat(parts).to("cpu", non_blocking=True)
    if device.type == "cpu":
        return _Coming(group, moments, None)
    sent = torch.cuda.Event()  # type: ignore[no-untyped-call]
    sent.record(torch.cuda.current_stream(device))
    return _Coming(group, moments, sent)


def _check_size(image: Image, of_reference: tuple[int, ...]) -> None:
    if image.row is not None and image.pixels.shape != of_reference:
        (height, width), (wanted_height, wanted_width) = image.pixels.shape[:2], of_reference[:2]
        raise InputError(
            f"{image.group.distorted[image.row]}: {width}x{height} differs from its reference "
            f"{image.group.reference.name} ({wanted_width}x{wanted_height}); a pair needs one size"
        )


@torch.inference_mode()
def _features(images: Sequence[Rgb], batch: int, backbone: Backbone, device: torch.device) -> list[Tensor]:
    """Feature maps of the images, in a batch that is filled up to its full size."""
    pixels = torch.empty((batch, *images[0].shape), dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.stack([*images, *[images[-1]] * (batch - len(images))], out=pixels.numpy())
    tensor = pixels.to(device, non_blocking=True).permute(0, 3, 1, 2)
    with true_float32():
        # stage 0 is the image itself: it keeps full precision whatever the backbone's arithmetic is
        stages: list[Tensor] = backbone(tensor.float() / 255)
    return stages
