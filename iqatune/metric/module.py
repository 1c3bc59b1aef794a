"""The tuned metric as a torch module: it scores images, and images can be optimised through it.

Ding, Ma, Wang, Simoncelli: Image Quality Assessment: Unifying Structure and Texture Similarity (2020), equation 7,
with the weights that a search found in the place of the published ones.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqatune.backbones.devices import true_float32
from iqatune.backbones.network import Backbone
from iqatune.images import read_rgb, resized_size
from iqatune.metric.files import SHORT_SIDE, StoredMetric, read_dists, read_metric
from iqatune.metric.golden import check_golden
from iqatune.metric.moments import centre, moments
from iqatune.metric.scale import Scored, choose_scale, on_knots
from iqatune.metric.similarity import DISTS, Similarity
from iqatune.metric.weights import Floats, Weights, used_stages
from iqatune.records.scale import Scale

Reduction = Literal["none", "mean", "sum"]


class Parts(NamedTuple):
    """What each stage adds to D: D = l.sum(dim=1) + s.sum(dim=1).

    l: (B, S) sums over a stage's channels of alpha (1 - l), the texture part.
    s: (B, S) sums over a stage's channels of beta (1 - s), the structure part.
    """

    l: Tensor  # noqa: E741 - the paper's name
    s: Tensor


def distance(
    reference: Tensor,
    distorted: Tensor,
    *,
    backbone: Backbone,
    weights: Weights,
    similarity: Similarity = DISTS,
) -> Tensor:
    """D of every pair: the pure function that `Metric` wraps, without its checks and its pruning.

    Args:
        reference, distorted: (B, 3, H, W) images in [0, 1].
        backbone: gives the maps of every stage; on the images' device.
        weights: of every channel of the backbone.
        similarity: how l and s compare.

    Returns:
        (B,) distances: 0 for identical images, larger is worse.
    """
    alpha, beta = (
        [torch.from_numpy(part).to(reference.device, torch.float32) for part in _by_stage(values, weights.channels)]
        for values in (weights.alpha, weights.beta)
    )
    parts = weighted_losses(backbone(reference), backbone(distorted), alpha, beta, similarity=similarity)
    return (parts.l + parts.s).sum(dim=1)


def weighted_losses(
    reference: Sequence[Tensor],
    distorted: Sequence[Tensor],
    alpha: Sequence[Tensor],
    beta: Sequence[Tensor],
    *,
    similarity: Similarity = DISTS,
) -> Parts:
    """What every stage adds to D, from its maps (B, C_i, H_i, W_i) and its weights (C_i,)."""
    l_parts, s_parts = [], []
    for x, y, of_l, of_s in zip(reference, distorted, alpha, beta, strict=True):
        mean_x, mean_y, var_x, var_y, cov = moments(centre(x), centre(y)).unbind(dim=1)
        l_parts.append(((1 - similarity.of_means(mean_x, mean_y)) * of_l).sum(dim=1))
        s_parts.append(((1 - similarity.of_covariance(var_x, var_y, cov)) * of_s).sum(dim=1))
    return Parts(torch.stack(l_parts, dim=1), torch.stack(s_parts, dim=1))


class Metric(nn.Module):
    """A full-reference image quality metric of the DISTS family: D(reference, distorted), lower is better.

    On a GPU too it computes in float32, not in TF32; `torch.autocast` makes it faster and less exact.
    It has no parameters that train: the backbone's are frozen, and gradients reach both images. Stages and channels
    whose alpha and beta are both 0 are not compared; stages after the last that has weight are not computed, nor are
    that one's channels without weight, where its last convolutions can be cut (`cut_channels`). D is symmetric in its
    two images.

    Args:
        backbone: the CNN that the weights were tuned with.
        weights: alpha and beta of every channel of the backbone.
        similarity: how l and s compare.
        short_side: of the protocol's resize, which only `read` and `resize` do, never `forward`; None for none.
        reduction: over the batch: "none", "mean" or "sum".
        check_range: whether `forward` refuses images that leave [0, 1]. The check reads two numbers back from the
            device; a training loop, whose network may overshoot, switches it off.

    Attributes:
        higher_is_better: False.
        is_differentiable: True.
        channels: of every stage, the image's 3 first.
        minimum_size: the smallest side of an image that the backbone takes, in pixels.
        backbone_sha256: of the backbone's parameters, before anything was pruned.
        origin: where the weights come from, in words.
        scales: how D becomes a human score, of each data set that it was tuned on; `score` uses them.
        tuned_on: hashes of the data sets that it was tuned on (`protocol.dataset_sha256`), where that is known.

    Raises:
        ValueError: when the weights are not the backbone's, or `reduction` is no reduction.

    Example:
        >>> metric = Metric.load("metric.safetensors").to("cuda")  # doctest: +SKIP
        >>> metric(metric.read("original.png"), metric.read("compressed.jpg"))  # doctest: +SKIP
        tensor([0.0731], device='cuda:0')
    """

    higher_is_better = False
    is_differentiable = True

    def __init__(
        self,
        backbone: Backbone,
        weights: Weights,
        *,
        similarity: Similarity = DISTS,
        short_side: int | None = SHORT_SIDE,
        reduction: Reduction = "none",
        check_range: bool = True,
        backbone_sha256: str | None = None,
        origin: str = "",
        scales: Sequence[Scale] = (),
        tuned_on: Sequence[str] = (),
    ) -> None:
        super().__init__()
        used = used_stages(weights)
        if backbone.channels != weights.channels[: len(backbone.channels)] or len(backbone.channels) < used:
            raise ValueError(
                f"weights of channels {weights.channels} do not fit {backbone.name}, which has {backbone.channels}"
            )
        _check_reduction(reduction)
        self.weights = weights
        self.similarity = similarity
        self.short_side = short_side
        self.reduction: Reduction = reduction
        self.check_range = check_range
        self.origin = origin
        self.scales = tuple(scales)
        self.tuned_on = tuple(tuned_on)
        self.channels = weights.channels
        self.minimum_size = backbone.minimum_size
        self.backbone_sha256 = backbone_sha256 or backbone.parameters_sha256
        self.backbone = _cut(backbone.first_stages(used), weights, used)
        for stage, (alpha, beta) in enumerate(
            zip(_by_stage(weights.alpha, weights.channels), _by_stage(weights.beta, weights.channels), strict=True)
        ):
            kept = (alpha > 0) | (beta > 0)
            self.register_buffer(f"alpha_{stage}", torch.tensor(alpha[kept], dtype=torch.float32), persistent=False)
            self.register_buffer(f"beta_{stage}", torch.tensor(beta[kept], dtype=torch.float32), persistent=False)
            if not kept.all() and not (stage == used - 1 and self.backbone.kept_last is not None):
                self.register_buffer(f"kept_{stage}", torch.tensor(np.flatnonzero(kept)), persistent=False)

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
        _check_reduction(reduction)
        # a traced program has its shapes checked by its own guards, and cannot branch on values
        if not torch.compiler.is_compiling():
            self._check(reference, distorted)
        stages, parts = self._parts(reference, distorted)
        if per_stage:
            return Parts(*(_reduced(self._every_stage(stages, part), reduction) for part in parts))
        return _reduced((parts.l + parts.s).sum(dim=1), reduction)

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

    @property
    def device(self) -> torch.device:
        """Where the metric is, and where images have to be."""
        return self.get_buffer("alpha_0").device

    @property
    def dtype(self) -> torch.dtype:
        """What the metric computes in."""
        return self.get_buffer("alpha_0").dtype

    @property
    def cut_channels(self) -> int:
        """How many channels of the last computed stage, being without weight, are not computed."""
        kept = self.backbone.kept_last
        return 0 if kept is None else self.channels[used_stages(self.weights) - 1] - len(kept)

    # torch calls it, by place
    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002
        """As of every module; the backbone stays in eval mode: a metric does not learn from what it scores."""
        super().train(mode)
        self.backbone.eval()
        return self

    @classmethod
    def load(
        cls,
        file: Path | str,
        backbone_weights: Path | str | None = None,
        *,
        reduction: Reduction = "none",
        force: bool = False,
    ) -> Self:
        """The metric of a `result.json`, of an export (.safetensors) or of published DISTS weights (.pt), on the CPU.

        Args:
            backbone_weights: "pretrained", "random" or a file, when the backbone's parameters are not where the
                search had them; an export that includes its backbone needs none.
            reduction: over the batch.
            force: take a record whose seal is broken, which is not what was written; `origin` says so.

        Raises:
            InputError: naming the file, when it cannot be read, is damaged, or scores other than it says it does;
                and for parameters other than those the weights were tuned with.
        """
        _check_reduction(reduction)  # before a CNN is built
        path = Path(file)
        stored = read_metric(path, None if backbone_weights is None else str(backbone_weights), force=force)
        metric = cls._from(stored, reduction)
        if stored.golden is not None:
            check_golden(path, stored.golden, partial(metric, reduction="none"))
        return metric

    @classmethod
    def from_dists(
        cls, alpha_beta_file: Path | str, backbone_weights: Path | str = "pretrained", *, reduction: Reduction = "none"
    ) -> Self:
        """DISTS itself: the published alpha and beta, over VGG16 with L2 pooling.

        Args:
            alpha_beta_file: the `weights.pt` of the authors' package: a dict of alpha and beta, 1475 numbers each.
            backbone_weights: of VGG16: "pretrained", "random" or a file.
            reduction: over the batch.

        Raises:
            InputError: when a file cannot be read as what it should be.
        """
        _check_reduction(reduction)
        return cls._from(read_dists(Path(alpha_beta_file), str(backbone_weights)), reduction)

    @classmethod
    def _from(cls, stored: StoredMetric, reduction: Reduction) -> Self:
        return cls(
            stored.backbone,
            stored.weights,
            similarity=stored.similarity,
            short_side=stored.short_side,
            reduction=reduction,
            backbone_sha256=stored.backbone_sha256,
            origin=stored.origin,
            scales=stored.scales,
            tuned_on=stored.tuned_on,
        )

    def extra_repr(self) -> str:
        return f"{self.backbone.name}, stages={used_stages(self.weights)}, structure={self.similarity.structure}"

    def _parts(self, reference: Tensor, distorted: Tensor) -> tuple[list[int], Parts]:
        """The stages that are computed, and what they add to D: (B, stages) each."""
        # a traced program computes as whoever runs it has torch compute
        with nullcontext() if torch.compiler.is_compiling() else true_float32():
            x, y = self.backbone(reference), self.backbone(distorted)
        stages = [stage for stage in range(len(x)) if len(self.get_buffer(f"alpha_{stage}"))]
        parts = weighted_losses(
            [self._pruned(x[stage], stage) for stage in stages],
            [self._pruned(y[stage], stage) for stage in stages],
            [self.get_buffer(f"alpha_{stage}") for stage in stages],
            [self.get_buffer(f"beta_{stage}") for stage in stages],
            similarity=self.similarity,
        )
        return stages, parts

    def _every_stage(self, stages: Sequence[int], part: Tensor) -> Tensor:
        """The columns of the computed stages among zeros for those that have no weight."""
        full = part.new_zeros(len(part), len(self.channels))
        full[:, stages] = part
        return full

    def _pruned(self, maps: Tensor, stage: int) -> Tensor:
        kept: Tensor | None = getattr(self, f"kept_{stage}", None)
        return maps if kept is None else maps.index_select(1, kept)

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
                    f"{name}: {shape[2]} x {shape[3]} pixels are too small; {self.backbone.name} needs "
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


def _by_stage(values: Floats, channels: Sequence[int]) -> list[Floats]:
    return np.split(values, np.cumsum(channels)[:-1])


def _cut(backbone: Backbone, weights: Weights, used: int) -> Backbone:
    """The backbone of the used stages without the last one's channels that have no weight, where they can be cut.

    Raises:
        ValueError: when other channels are cut already.
    """
    kept = weights.kept(used - 1)
    if backbone.kept_last is not None:
        if backbone.kept_last != kept:
            raise ValueError(f"{backbone.name} is cut to other channels of stage {used - 1} than have weight")
        return backbone
    if len(kept) == weights.channels[used - 1]:
        return backbone
    cut = backbone.with_last_channels(kept)
    return backbone if cut is None else cut


def _reduced(values: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return values
    return values.mean(dim=0) if reduction == "mean" else values.sum(dim=0)


def _check_reduction(reduction: str) -> None:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"reduction {reduction!r}: give 'none', 'mean' or 'sum'")
