"""What every metric of images does, whether over one backbone or over several: checks, reduction, resize, scores."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqatune.backbones.network import Backbone
from iqatune.images import read_rgb, resized_size
from iqatune.metric.scale import Scored, choose_scale, on_knots
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Weights
from iqatune.records.scale import Scale

Reduction = Literal["none", "mean", "sum"]

JOINED = " + "
"""Between the names of several backbones, where they are one word."""


class Parts(NamedTuple):
    """What each stage adds to D: D = l.sum(dim=1) + s.sum(dim=1).

    l: (B, S) sums over a stage's channels of alpha (1 - l), the texture part.
    s: (B, S) sums over a stage's channels of beta (1 - s), the structure part.
    """

    l: Tensor  # noqa: E741 - the paper's name
    s: Tensor


@dataclass(frozen=True, kw_only=True)
class Component:
    """Weights over one backbone: all of a plain metric, or a part of a fused one.

    Attributes:
        name: of the member that it is; empty of a plain metric.
        share: of its D in the metric's D; those of all components sum to 1.
        backbone: the part of it that is computed.
        backbone_sha256: of its parameters, before anything was pruned.
        origin: where its weights come from, in words.
        tuned_on: hashes of the data sets that these were tuned on.
    """

    name: str
    share: float
    backbone: Backbone
    weights: Weights
    similarity: Similarity
    backbone_sha256: str
    origin: str
    tuned_on: tuple[str, ...]


class ImageMetric(nn.Module, ABC):
    """A full-reference image quality metric D(reference, distorted), lower is better: a `Metric` or a `FusedMetric`.

    It has no parameters that train: the backbones' are frozen, and gradients reach both images. D is symmetric in its
    two images.

    Attributes:
        higher_is_better: False.
        is_differentiable: True.
        short_side: of the protocol's resize, which only `read` and `resize` do, never `forward`; None for none.
        reduction: over the batch: "none", "mean" or "sum".
        check_range: whether `forward` refuses images that leave [0, 1].
        minimum_size: the smallest side of an image that every backbone takes, in pixels.
        backbone_sha256: of the backbone's parameters before anything was pruned; of several one hash of them all.
        origin: where the weights come from, in words.
        scales: how D becomes a human score, of each data set that it was tuned on; `score` uses them.
        tuned_on: hashes of the data sets that it was tuned on (`protocol.dataset_sha256`), where that is known.

    Raises:
        ValueError: when `reduction` is no reduction.
    """

    higher_is_better = False
    is_differentiable = True

    minimum_size: int
    backbone_sha256: str

    def __init__(
        self,
        *,
        short_side: int | None,
        reduction: Reduction,
        check_range: bool,
        origin: str,
        scales: Sequence[Scale],
        tuned_on: Sequence[str],
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        self.short_side = short_side
        self.reduction: Reduction = reduction
        self.check_range = check_range
        self.origin = origin
        self.scales = tuple(scales)
        self.tuned_on = tuple(tuned_on)

    @property
    @abstractmethod
    def components(self) -> tuple[Component, ...]:
        """The weights over each backbone."""

    @property
    @abstractmethod
    def kin(self) -> Hashable:
        """Equal of metrics that differ in nothing but their weights, so that a weighted sum of them is one of them."""

    @abstractmethod
    def merged(self, others: Sequence[Self], shares: Sequence[float]) -> Self:
        """The weighted sum of this metric and others of its kin, as one metric that runs its backbone once.

        Args:
            shares: of this one and the others, not all 0; only their ratios count.
        """

    @abstractmethod
    def distances(self, reference: Tensor, distorted: Tensor) -> Tensor:
        """(B,) D of images (B, 3, H, W) that are as `forward` asks, which it checks and this does not."""

    @abstractmethod
    def parts(self, reference: Tensor, distorted: Tensor) -> Parts:
        """The same, stage by stage: (B, S) each, S of all stages of all components."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the metric is, and where images have to be."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """What the metric computes in."""

    @property
    def backbones(self) -> tuple[Backbone, ...]:
        """The CNNs that are run."""
        return tuple(component.backbone for component in self.components)

    @property
    def backbone_name(self) -> str:
        """Their names, as one."""
        return JOINED.join(backbone.name for backbone in self.backbones)

    def forward(
        self, reference: Tensor, distorted: Tensor, *, reduction: Reduction | None = None, per_stage: bool = False
    ) -> Tensor | Parts:
        """D of every pair of images.

        Args:
            reference, distorted: (B, 3, H, W) floating point RGB in [0, 1], on the metric's device.
            reduction: over the batch, in the place of the metric's own.
            per_stage: give what every stage adds to D in the place of D.

        Returns:
            (B,) distances, or one number under "mean" and "sum"; with `per_stage` the `Parts`, (B, S) or (S,) each.

        Raises:
            ValueError: for images of another shape, type, range or device.
            InputError: for images of a size that the backbone is not made for (some of timm's).
        """
        reduction = self.reduction if reduction is None else reduction
        check_reduction(reduction)
        # a traced program has its shapes checked by its own guards, and cannot branch on values
        if not torch.compiler.is_compiling():
            self._check(reference, distorted)
        if per_stage:
            return Parts(*(_reduced(part, reduction) for part in self.parts(reference, distorted)))
        return _reduced(self.distances(reference, distorted), reduction)

    def score(self, reference: Tensor, distorted: Tensor, *, of: str | None = None) -> Scored:
        """The score that people would give every pair, and where it lies, on the scale of the set it was tuned on.

        `scale` says which scale that is, and whether its higher or its lower scores are better. Images need the
        protocol's resize, as for `forward`.

        Args:
            reference, distorted: as of `forward`.
            of: the data set whose scale is meant, where the metric was tuned on several.

        Returns:
            (B,) scores, and both ends of their intervals: NaN where the scale has none.

        Raises:
            InputError: when the metric carries no scale, or several and none is named.
        """
        scale = self.scale(of)
        distances = self(reference, distorted, reduction="none")
        score = on_knots(distances, scale.distances, scale.scores)
        if scale.interval is None:
            return Scored(score, torch.full_like(score, torch.nan), torch.full_like(score, torch.nan))
        low, high = (on_knots(distances, scale.distances, bound) for bound in scale.bounds)
        return Scored(score, low, high)

    def scale(self, of: str | None = None) -> Scale:
        """How D becomes a human score; arguments and errors as of `score`."""
        return choose_scale(self.scales, of, holder="this metric" if not self.origin else self.origin)

    def read(self, path: Path | str) -> Tensor:
        """An image file as the metric's protocol sees it: (1, 3, H, W) in [0, 1], resized, on the metric's device.

        Greyscale is repeated in the three channels, alpha is dropped, 16 bits are scaled to 8 (see
        `iqatune.images.open_rgb`).

        Raises:
            InputError: naming the file, when it cannot be decoded.
        """
        rgb = torch.from_numpy(read_rgb(Path(path), self.short_side))
        return rgb.to(self.device).permute(2, 0, 1)[None].float() / 255

    def resize(self, images: Tensor) -> Tensor:
        """The protocol's resize for tensors (B, 3, H, W): differentiable, and within 1/255 of what `read` does.

        Brings the short side down to `short_side` by antialiased bilinear interpolation; smaller images stay as they
        are. PIL, which `read` uses, rounds to 8 bits between its two passes.
        """
        height, width = images.shape[-2:]
        new_width, new_height = resized_size(width, height, self.short_side)
        if (new_width, new_height) == (width, height):
            return images
        size = (new_height, new_width)
        resized = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        if not len(images):
            return resized
        # means of pixels lie among them; rounding alone would take white beyond 1
        lowest, highest = images.detach().aminmax()
        return resized.clamp(lowest, highest)

    def _check(self, reference: Tensor, distorted: Tensor) -> None:
        for name, images in (("reference", reference), ("distorted", distorted)):
            if not isinstance(images, Tensor):
                raise ValueError(f"{name}: a {type(images).__name__}, not a tensor (B, 3, H, W)")
            shape = tuple(images.shape)
            if images.ndim != 4 or shape[1] != 3:
                raise ValueError(
                    f"{name}: shape {shape}, not (B, 3, H, W); add the batch axis, repeat grey in 3 channels"
                )
            if not images.is_floating_point():
                raise ValueError(f"{name}: {images.dtype}, not floating point in [0, 1]; divide 8-bit images by 255")
            if images.dtype == torch.float64 != self.dtype:
                raise ValueError(f"{name}: {images.dtype} while the metric is {self.dtype}; convert with .float()")
            if images.device != self.device:
                raise ValueError(f"{name}: on {images.device} while the metric is on {self.device}; move one of them")
            if min(shape[2:]) < self.minimum_size:
                raise ValueError(
                    f"{name}: {shape[2]} x {shape[3]} pixels are too small; {self.backbone_name} needs "
                    f"{self.minimum_size} a side"
                )
            if self.check_range and images.numel():
                low, high = (float(bound) for bound in images.detach().aminmax())
                if not (low >= 0 and high <= 1):
                    raise ValueError(
                        f"{name}: values from {low:g} to {high:g}, not in [0, 1]; scale or clamp them "
                        "(check_range=False lets a training loop overshoot)"
                    )
        if reference.shape != distorted.shape:
            raise ValueError(
                f"reference {tuple(reference.shape)} and distorted {tuple(distorted.shape)} must have one shape"
            )


def check_reduction(reduction: str) -> None:
    """Refuse what is no reduction.

    Raises:
        ValueError: naming it.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction {reduction!r}: give 'none', 'mean' or 'sum'")


def _reduced(values: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return values
    return values.mean(dim=0) if reduction == "mean" else values.sum(dim=0)
