"""Several metrics as one: D is the weighted sum of the members' D, so that it ranks as they do together.

Members of one backbone are one metric of that backbone, because D is linear in the weights: its CNN runs once.
"""

import hashlib
import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from iqatune.errors import InputError
from iqatune.metric.base import Component, ImageMetric, Parts, Reduction
from iqatune.metric.weights import SUM_TOLERANCE
from iqatune.records.scale import Scale


@dataclass(frozen=True)
class Member:
    """One of the metrics that are fused.

    Attributes:
        name: what tells it from the others.
        weight: its share of D: not negative, those of all members summing to 1.
    """

    name: str
    metric: ImageMetric
    weight: float


class FusedMetric(ImageMetric):
    """A weighted sum of metrics over several backbones: D = sum of weight times the member's D, lower is better.

    Each member keeps its backbone, its weights and its constants. It is called, saved, exported and moved as a `Metric`
    is; `per_stage` gives the stages of the first member, then those of the next.

    Args:
        members: those of weight 0 are left out, those of one backbone, which differ in nothing but their weights, are
            merged into one; see `fused`, which gives a plain metric where one is left.
        reduction, check_range: as of `Metric`.
        origin: where the members and their weights come from, in words; by default the members' own words.
        scales: how D becomes a human score, of each data set that it was tuned on.
        tuned_on: hashes of the data sets that it was tuned on; by default those of the members.

    Attributes:
        members: those that are computed.

    Raises:
        ValueError: when weights are negative or do not sum to 1, or two members have one name.
        InputError: when the members were tuned at different resizes.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        reduction: Reduction = "none",
        check_range: bool = True,
        origin: str = "",
        scales: Sequence[Scale] = (),
        tuned_on: Sequence[str] = (),
    ) -> None:
        used = merged_members(members)
        metrics = [member.metric for member in used]
        super().__init__(
            short_side=metrics[0].short_side,
            reduction=reduction,
            check_range=check_range,
            origin=origin or "; ".join(dict.fromkeys(metric.origin for metric in metrics if metric.origin)),
            scales=scales,
            tuned_on=tuple(tuned_on) or tuple(dict.fromkeys(name for metric in metrics for name in metric.tuned_on)),
        )
        self.members = used
        self.minimum_size = max(metric.minimum_size for metric in metrics)
        hashes = [metric.backbone_sha256 for metric in metrics]
        self.backbone_sha256 = (
            hashes[0] if len(hashes) == 1 else hashlib.sha256(json.dumps(hashes).encode()).hexdigest()
        )
        self._metrics = nn.ModuleList(metrics)  # moved and cast with this module

    @property
    def components(self) -> tuple[Component, ...]:
        return tuple(
            replace(component, name=member.name, share=member.weight * component.share)
            for member in self.members
            for component in member.metric.components
        )

    @property
    def kin(self) -> Hashable:
        return id(self)  # of no other

    def merged(self, others: Sequence[Self], shares: Sequence[float]) -> Self:
        raise TypeError("fused metrics have no kin; fuse their members")

    def distances(self, reference: Tensor, distorted: Tensor) -> Tensor:
        every = [member.weight * member.metric.distances(reference, distorted) for member in self.members]
        return torch.stack(every).sum(dim=0)

    def parts(self, reference: Tensor, distorted: Tensor) -> Parts:
        every = [(member.weight, member.metric.parts(reference, distorted)) for member in self.members]
        l_parts, s_parts = ([weight * parts[kind] for weight, parts in every] for kind in (0, 1))
        return Parts(torch.cat(l_parts, dim=1), torch.cat(s_parts, dim=1))

    @property
    def device(self) -> torch.device:
        return self.members[0].metric.device

    @property
    def dtype(self) -> torch.dtype:
        return self.members[0].metric.dtype

    def extra_repr(self) -> str:
        return ", ".join(f"{member.weight:.4g} {member.name}" for member in self.members)


def fused(
    members: Sequence[Member],
    *,
    reduction: Reduction = "none",
    origin: str = "",
    scales: Sequence[Scale] = (),
    tuned_on: Sequence[str] = (),
) -> ImageMetric:
    """The weighted sum of metrics; a plain `Metric` where all that have weight are of one backbone.

    Args and errors as of `FusedMetric`.
    """
    metric = FusedMetric(members, reduction=reduction, origin=origin, scales=scales, tuned_on=tuned_on)
    if len(metric.members) > 1:
        return metric
    only = metric.members[0].metric
    plain = only.merged((), (1.0,))  # a metric of its own: the member keeps what it says of itself
    plain.reduction, plain.origin = metric.reduction, metric.origin
    plain.scales, plain.tuned_on = metric.scales, metric.tuned_on
    return plain


def merged_members(members: Sequence[Member]) -> tuple[Member, ...]:
    """The members that have weight, one for all of the same backbone; their weights still sum to 1.

    Raises:
        ValueError, InputError: as of `FusedMetric`.
    """
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        raise ValueError(f"two members are called {next(name for name in names if names.count(name) > 1)}")
    if not all(member.weight >= 0 for member in members):
        raise ValueError("a member's weight must not be negative or NaN")
    total = math.fsum(member.weight for member in members)
    if not abs(total - 1) <= SUM_TOLERANCE:
        raise ValueError(f"the members' weights must sum to 1, not to {total:.6g}")
    used = [member for member in members if member.weight > 0]
    first = used[0]
    for member in used:
        if member.metric.short_side != first.metric.short_side:
            sides = [each.metric.short_side or "none" for each in (first, member)]
            raise InputError(
                f"{member.name}: was tuned at resize {sides[1]}, and {first.name} at {sides[0]}; fuse metrics of one "
                "resize"
            )
    of_kin: dict[Hashable, list[Member]] = {}
    for member in used:
        of_kin.setdefault(member.metric.kin, []).append(member)
    return tuple(_as_one(kin) for kin in of_kin.values())


def _as_one(kin: Sequence[Member]) -> Member:
    if len(kin) == 1:
        return kin[0]
    shares = [member.weight for member in kin]
    metric = kin[0].metric.merged([member.metric for member in kin[1:]], shares)
    return Member("+".join(member.name for member in kin), metric, math.fsum(shares))
