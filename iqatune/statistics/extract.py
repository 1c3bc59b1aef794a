"""Moments of every pair of a table: from the store, or from one pass of each image through the backbone.

Pairs are grouped by reference, so a reference passes the backbone once however many distorted versions it has; a
group is the unit that is kept, and that an interrupted extraction resumes at. Batches run on from one group into the
next. Images are decoded and resized by all processors, for a GPU while it works, and it has its next batch before the
figures of the last one are waited for.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from iqatune.backbones.devices import is_slow, true_float32
from iqatune.backbones.network import Backbone
from iqatune.errors import InputError
from iqatune.images import Rgb
from iqatune.progress import Progress
from iqatune.records.vocabulary import Precision
from iqatune.statistics.by_group import AnyMoments
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

    moments: AnyMoments
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
    total, wanted = len(lookup.values), lookup.missing_pairs
    if lookup.missing:
        with progress.track(f"extracting {backbone.name}", total, "pairs", done=total - wanted) as advance:
            groups = extracted(lookup.missing, backbone, device, precision=precision, resize=resize, progress=progress)
            for group, computed in groups:
                lookup.fill(group.rows, computed)
                advance(len(group.rows))
    return Statistics(moments=lookup.values, computed=wanted, image_digests=lookup.image_digests)


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
    passing = Passing(groups=tuple(groups), backbone=backbone, precision=precision)
    for _, group, computed in extracted_together([passing], device, resize=resize, progress=progress):
        yield group, computed


@dataclass(frozen=True, kw_only=True)
class Passing:
    """What is to pass one backbone.

    Attributes:
        groups: pairs of one table.
        precision: of the backbone's arithmetic.
    """

    groups: tuple[ReferenceGroup, ...]
    backbone: Backbone
    precision: Precision


def extracted_together(
    passings: Sequence[Passing], device: torch.device, *, resize: int | None, progress: Progress
) -> Iterator[tuple[Passing, ReferenceGroup, Moments]]:
    """Every group of every backbone with its moments, which are in the store by then. Each image is decoded once.

    Args:
        passings: of one table, whatever each backbone has of it already.

    Raises:
        InputError: as of `extract`.
    """
    for precision in dict.fromkeys(passing.precision for passing in passings):
        if is_slow(device, PRECISIONS[precision]):
            progress.warn(f"this CPU has no instructions for {precision}: it takes several times as long as fp32")
    placed = [_placed(passing.backbone, device, passing.precision) for passing in passings]
    kernels = kernels_of(device, progress)
    left = [list(passing.groups) for passing in passings]
    batches: list[int | None] = [None] * len(passings)

    def kept(number: int, group: ReferenceGroup, computed: Moments) -> tuple[Passing, ReferenceGroup, Moments]:
        passing = passings[number]
        _check_finite(computed, group, passing.backbone.name, passing.precision)
        check_unchanged(group.stamps)
        group.keep(computed)
        left[number].remove(group)
        return passing, group, computed

    while any(left):
        streams: list[Stream[ReferenceGroup]] = [
            Stream(backbone, device, kernels, batch=batch) for backbone, batch in zip(placed, batches, strict=True)
        ]
        number = 0
        try:
            for image, pixels in decoded(files_of(left), resize, device):
                for number, group, row in image.wanted_by:
                    for ended in streams[number].take(GroupImage(group, row, pixels)):
                        yield kept(number, *ended)
            for number, stream in enumerate(streams):
                for ended in stream.end():
                    yield kept(number, *ended)
        except torch.OutOfMemoryError as error:
            if streams[number].batch == 1:
                raise _too_little_memory(device, passings[number].backbone) from error
            # the groups that are not kept begin anew: a pair's two images must pass in batches of one size
            batches[number] = streams[number].batch // 2
            progress.warn(f"{device} is out of memory; going on with batches of {batches[number]}")
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


class Versions(Protocol):
    """A reference image and versions of it.

    Attributes:
        rows: as many as versions, whatever they are to whoever asks.
        reference, distorted: the images' files, which messages name.
    """

    @property
    def rows(self) -> Sequence[int]: ...
    @property
    def reference(self) -> Path: ...
    @property
    def distorted(self) -> Sequence[Path]: ...


Group = TypeVar("Group", bound=Versions)


@dataclass(frozen=True)
class GroupImage(Generic[Group]):
    """One image of a group: its reference (`row` None), or the distorted image of one of the group's rows."""

    group: Group
    row: int | None
    pixels: Rgb


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image that is decoded once.

    Attributes:
        transform: how it is changed (`iqatune.transforms`).
        wanted_by: the number of each backbone that it passes, with its place there: its group, and its row in it,
            None for the reference.
    """

    path: Path
    transform: str
    wanted_by: tuple[tuple[int, ReferenceGroup, int | None], ...]


def files_of(groups: Sequence[Sequence[ReferenceGroup]]) -> Iterator[ImageFile]:
    """The images of every backbone's groups, which are of one table: a reference, and then what is compared with it."""
    by_reference: dict[tuple[Path, str], list[tuple[int, ReferenceGroup]]] = {}
    for number, of_backbone in enumerate(groups):
        for group in of_backbone:
            by_reference.setdefault((group.reference, group.transforms[0]), []).append((number, group))
    for (reference, transform), members in by_reference.items():
        yield ImageFile(
            path=reference, transform=transform, wanted_by=tuple((number, group, None) for number, group in members)
        )
        by_row: dict[int, list[tuple[int, ReferenceGroup, int]]] = {}
        for number, group in members:
            for row, of_table in enumerate(group.rows):
                by_row.setdefault(of_table, []).append((number, group, row))
        for _, wanted_by in sorted(by_row.items()):
            _, group, row = wanted_by[0]
            yield ImageFile(path=group.distorted[row], transform=group.transforms[1 + row], wanted_by=tuple(wanted_by))


def decoded(files: Iterable[ImageFile], resize: int | None, device: torch.device) -> Iterator[tuple[ImageFile, Rgb]]:
    """The images, decoded by all processors together.

    For a GPU the next ones are decoded while it works. A CPU decodes some, passes them through the CNN and decodes
    the next: of the CNN's threads the one that had to share its processor would keep the others waiting.
    """
    by_turns = device.type == "cpu"
    pool = ThreadPoolExecutor(torch.get_num_threads() if by_turns else None, thread_name_prefix="decode")
    wanted = iter(files)
    queue: deque[tuple[ImageFile, Future[Rgb]]] = deque()
    try:
        while True:
            if not (by_turns and queue):
                for file in islice(wanted, AHEAD[device.type] - len(queue)):
                    queue.append((file, pool.submit(read_transformed, file.path, file.transform, resize)))
                if by_turns:
                    wait([future for _, future in queue])
            if not queue:
                return
            file, future = queue.popleft()
            yield file, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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


class Stream(Generic[Group]):
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
        self._shape: tuple[int, ...] = ()
        self._waiting: list[GroupImage[Group]] = []
        self._coming: list[_Coming[Group]] = []

    def take(self, image: GroupImage[Group]) -> Iterator[tuple[Group, Moments]]:
        """Take the next image; the groups that arrive meanwhile with the (n, 5, C) moments of their pairs.

        A group arrives once the batch after its last is under way.
        """
        shape = image.pixels.shape
        _check_size(image, self._shape)
        if self._waiting and shape != self._shape:
            yield from self._pass()
        self._shape = shape
        if self._undecided:
            self.batch, self._undecided = self._batch_size(image), False
        self._waiting.append(image)
        if len(self._waiting) == self.batch:
            yield from self._pass()

    def end(self) -> Iterator[tuple[Group, Moments]]:
        """The groups that have not arrived by the last image."""
        if self._waiting:
            yield from self._pass()
        yield from (group.arrived() for group in self._coming)
        self._coming = []

    def moments(self, images: Iterable[GroupImage[Group]]) -> Iterator[tuple[Group, Moments]]:
        """Every group of some images with the (n, 5, C) moments of its pairs."""
        for image in images:
            yield from self.take(image)
        yield from self.end()

    def _pass(self) -> Iterator[tuple[Group, Moments]]:
        """Images of one size, as many as go into a batch."""
        images, self._waiting = self._waiting, []
        arriving, self._coming = self._coming, self._passed(images)
        yield from (group.arrived() for group in arriving)

    def _batch_size(self, image: GroupImage[Group]) -> int:
        with refused_at(image.group.reference):
            return batch_size(self._backbone, self._device, image.pixels)

    def _passed(self, images: list[GroupImage[Group]]) -> "list[_Coming[Group]]":
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
class _Coming(Generic[Group]):
    """The (n, 5, C) moments of a group, on their way from the device; `sent` is None where there is no way to go."""

    group: Group
    moments: Tensor
    sent: torch.cuda.Event | None

    def arrived(self) -> tuple[Group, Moments]:
        if self.sent is not None:
            self.sent.synchronize()
        moments: Moments = self.moments.numpy()
        return self.group, moments


def _sent(group: Group, parts: list[Tensor], device: torch.device) -> _Coming[Group]:
    # asked for at once and waited for later: a copy that is asked for later comes after the next batch
    moments = torch.cat(parts).to("cpu", non_blocking=True)
    if device.type == "cpu":
        return _Coming(group, moments, None)
    sent = torch.cuda.Event()  # type: ignore[no-untyped-call]
    sent.record(torch.cuda.current_stream(device))
    return _Coming(group, moments, sent)


def _check_size(image: GroupImage[Group], of_reference: tuple[int, ...]) -> None:
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
        stages: list[Tensor] = backbone(tensor.float().div_(255))
    return stages
