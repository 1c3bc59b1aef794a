"""The tuned metric as a torch module: it scores images, and images can be optimised through it.

Ding, Ma, Wang, Simoncelli: Image Quality Assessment: Unifying Structure and Texture Similarity (2020), equation 7,
with the weights that a search found in the place of the published ones.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from iqatune.backbones.devices import true_float32
from iqatune.backbones.network import Backbone
from iqatune.metric.base import Component, ImageMetric, Parts, Reduction, check_reduction
from iqatune.metric.files import SHORT_SIDE, StoredFusion, StoredMetric, read_dists, read_metric
from iqatune.metric.fused import Member, fused
from iqatune.metric.golden import check_golden
from iqatune.metric.moments import Centred, centre, moments
from iqatune.metric.similarity import DISTS, Similarity
from iqatune.metric.weights import Floats, Weights, used_stages
from iqatune.records.scale import Scale


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
    references = [centre(maps) for maps in backbone(reference)]
    parts = weighted_losses(references, backbone(distorted), alpha, beta, similarity=similarity)
    return (parts.l + parts.s).sum(dim=1)


def weighted_losses(
    reference: Sequence[Centred],
    distorted: Sequence[Tensor],
    alpha: Sequence[Tensor],
    beta: Sequence[Tensor],
    *,
    similarity: Similarity = DISTS,
) -> Parts:
    """What every stage adds to D, from its maps (B, C_i, H_i, W_i), 1 or B of the reference, and its weights (C_i,)."""
    l_parts, s_parts = [], []
    for x, y, of_l, of_s in zip(reference, distorted, alpha, beta, strict=True):
        mean_x, mean_y, var_x, var_y, cov = moments(x, centre(y)).unbind(dim=1)
        l_parts.append(((1 - similarity.of_means(mean_x, mean_y)) * of_l).sum(dim=1))
        s_parts.append(((1 - similarity.of_covariance(var_x, var_y, cov)) * of_s).sum(dim=1))
    return Parts(torch.stack(l_parts, dim=1), torch.stack(s_parts, dim=1))


class Metric(ImageMetric):
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
        used = used_stages(weights)
        if backbone.channels != weights.channels[: len(backbone.channels)] or len(backbone.channels) < used:
            raise ValueError(
                f"weights of channels {weights.channels} do not fit {backbone.name}, which has {backbone.channels}"
            )
        super().__init__(
            short_side=short_side,
            reduction=reduction,
            check_range=check_range,
            origin=origin,
            scales=scales,
            tuned_on=tuned_on,
        )
        self.weights = weights
        self.similarity = similarity
        self.channels = weights.channels
        self.minimum_size = backbone.minimum_size
        self.backbone_sha256 = backbone_sha256 or backbone.parameters_sha256
        self._of_kin = (backbone,)  # a tuple: no part of this module, which moves and saves what it computes
        self.backbone = _cut(backbone.first_stages(used), weights, used)
        for stage, (alpha, beta) in enumerate(
            zip(_by_stage(weights.alpha, weights.channels), _by_stage(weights.beta, weights.channels), strict=True)
        ):
            kept = (alpha > 0) | (beta > 0)
            self.register_buffer(f"alpha_{stage}", torch.tensor(alpha[kept], dtype=torch.float32), persistent=False)
            self.register_buffer(f"beta_{stage}", torch.tensor(beta[kept], dtype=torch.float32), persistent=False)
            if not kept.all() and not (stage == used - 1 and self.backbone.kept_last is not None):
                self.register_buffer(f"kept_{stage}", torch.tensor(np.flatnonzero(kept)), persistent=False)

        # found once: a traced program knows no numpy
        self._stages = [stage for stage in range(used) if len(self.get_buffer(f"alpha_{stage}"))]

    @property
    def components(self) -> tuple[Component, ...]:
        return (
            Component(
                name="",
                share=1.0,
                backbone=self.backbone,
                weights=self.weights,
                similarity=self.similarity,
                backbone_sha256=self.backbone_sha256,
                origin=self.origin,
                tuned_on=self.tuned_on,
            ),
        )

    @property
    def _given(self) -> Backbone:
        """The backbone before anything was pruned here, for metrics that compute more of it."""
        return self._of_kin[0]

    @property
    def kin(self) -> Hashable:
        backbone = self.backbone
        of_cnn = (backbone.name, self.backbone_sha256, backbone.pooling, backbone.taps, backbone.padding)
        # of CNNs that came cut to other channels no sum can be had
        return (*of_cnn, self.channels, self.similarity, self.short_side, self._given.kept_last)

    def merged(self, others: Sequence[Self], shares: Sequence[float]) -> Self:
        every = (self, *others)
        total = math.fsum(shares)
        alpha, beta = (
            np.sum([share / total * values for share, values in zip(shares, of_each, strict=True)], axis=0)
            for of_each in ([one.weights.alpha for one in every], [one.weights.beta for one in every])
        )
        return type(self)(
            # what is pruned of one may be needed by another
            max((one._given for one in every), key=lambda backbone: len(backbone.channels)),
            Weights(self.channels, alpha, beta),
            similarity=self.similarity,
            short_side=self.short_side,
            reduction=self.reduction,
            check_range=self.check_range,
            backbone_sha256=self.backbone_sha256,
            origin="; ".join(dict.fromkeys(one.origin for one in every)),
            tuned_on=tuple(dict.fromkeys(name for one in every for name in one.tuned_on)),
        )

    def distances(self, reference: Tensor, distorted: Tensor) -> Tensor:
        _, parts = self._parts(reference, distorted)
        return (parts.l + parts.s).sum(dim=1)

    def compared_with(self, reference: Tensor) -> Callable[[Tensor], Tensor]:
        centred = [centre(maps) for maps in self._maps(reference)]

        def distances(distorted: Tensor) -> Tensor:
            parts = self._losses(centred, self._maps(distorted))
            return (parts.l + parts.s).sum(dim=1)

        return distances

    def parts(self, reference: Tensor, distorted: Tensor) -> Parts:
        stages, parts = self._parts(reference, distorted)
        return Parts(*(self._every_stage(stages, part) for part in parts))

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
        return self.components[0].cut_channels

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
    ) -> ImageMetric:
        """The metric of a `result.json` or `fusion.json`, an export (.safetensors) or published DISTS weights (.pt).

        It is on the CPU, and is a `FusedMetric` where the file holds a fusion over several backbones, else a `Metric`.

        Args:
            backbone_weights: "pretrained", "random" or a file, when the backbone's parameters are not where the
                search had them; an export that includes its backbone needs none.
            reduction: over the batch.
            force: take a record whose seal is broken, which is not what was written; `origin` says so.

        Raises:
            InputError: naming the file, when it cannot be read, is damaged, or scores other than it says it does;
                and for parameters other than those the weights were tuned with.
        """
        check_reduction(reduction)  # before a CNN is built
        path = Path(file)
        stored = read_metric(path, None if backbone_weights is None else str(backbone_weights), force=force)
        metric = cls.of_stored(stored, reduction)
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
        check_reduction(reduction)
        return cls._from(read_dists(Path(alpha_beta_file), str(backbone_weights)), reduction)

    @classmethod
    def of_stored(cls, stored: StoredMetric | StoredFusion, reduction: Reduction = "none") -> ImageMetric:
        """The metric that a file says; see `iqatune.metric.files`."""
        return cls._fused(stored, reduction) if isinstance(stored, StoredFusion) else cls._from(stored, reduction)

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

    @classmethod
    def _fused(cls, stored: StoredFusion, reduction: Reduction) -> ImageMetric:
        return fused(
            [Member(each.name, cls._from(each.metric, "none"), each.weight) for each in stored.members],
            reduction=reduction,
            origin=stored.origin,
            scales=stored.scales,
            tuned_on=stored.tuned_on,
        )

    def extra_repr(self) -> str:
        return f"{self.backbone.name}, stages={used_stages(self.weights)}, structure={self.similarity.structure}"

    def _parts(self, reference: Tensor, distorted: Tensor) -> tuple[list[int], Parts]:
        """The stages that are computed, and what they add to D: (B, stages) each."""
        return self._stages, self._losses([centre(maps) for maps in self._maps(reference)], self._maps(distorted))

    def _maps(self, images: Tensor) -> list[Tensor]:
        """What has weight of the images' maps, stage by stage."""
        # a traced program computes as whoever runs it has torch compute
        with nullcontext() if torch.compiler.is_compiling() else true_float32():
            maps = self.backbone(images)
        return [self._pruned(maps[stage], stage) for stage in self._stages]

    def _losses(self, reference: Sequence[Centred], distorted: Sequence[Tensor]) -> Parts:
        alpha, beta = ([self.get_buffer(f"{kind}_{stage}") for stage in self._stages] for kind in ("alpha", "beta"))
        return weighted_losses(reference, distorted, alpha, beta, similarity=self.similarity)

    def _every_stage(self, stages: Sequence[int], part: Tensor) -> Tensor:
        """The columns of the computed stages among zeros for those that have no weight."""
        full = part.new_zeros(len(part), len(self.channels))
        full[:, stages] = part
        return full

    def _pruned(self, maps: Tensor, stage: int) -> Tensor:
        kept: Tensor | None = getattr(self, f"kept_{stage}", None)
        return maps if kept is None else maps.index_select(1, kept)


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
