"""Views of one image as one backbone with more stages: whose maps they are, and which channels of the moments."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from iqatune.backbones.identity import Identity
from iqatune.errors import InputError
from iqatune.records.options import Branch
from iqatune.records.result import SeenBy
from iqatune.records.vocabulary import ResolvedPooling
from iqatune.statistics import by_group
from iqatune.statistics.by_group import AnyMoments


@dataclass(frozen=True)
class Seen:
    """A view, and the backbone that it came to.

    Attributes:
        stages: those of the backbone that are taken.
    """

    branch: Branch
    identity: Identity
    stages: range

    @classmethod
    def of(cls, branch: Branch, identity: Identity) -> "Seen":
        """A view through that backbone.

        Raises:
            InputError: when it takes stages that there are none of.
        """
        count = len(identity.channels)
        first, last = branch.stages or (0, count - 1)
        if last >= count:
            raise InputError(
                f"`view` {branch.view}: {identity.name} has the stages 0 to {count - 1}; choose among them"
            )
        return cls(branch, identity, range(first, last + 1))

    @property
    def channels(self) -> tuple[int, ...]:
        """Of every stage that is taken."""
        return self.identity.channels[self.stages.start : self.stages.stop]

    @property
    def places(self) -> slice:
        """Of those channels among all of the backbone."""
        start = sum(self.identity.channels[: self.stages.start])
        return slice(start, start + sum(self.channels))

    @property
    def record(self) -> SeenBy:
        """What a protocol says of it."""
        identity = self.identity
        return SeenBy(
            view=self.branch.view,
            backbone=identity.name,
            stages=tuple(self.stages),
            pooling=cast(ResolvedPooling, identity.pooling),
            backbone_weights=identity.weights,
            backbone_sha256=identity.parameters_sha256,
            taps=identity.taps,
            padding=identity.padding,
        )


def channels_of(views: Sequence[Seen]) -> tuple[int, ...]:
    """Of every stage of all views, one view after the other."""
    return tuple(channels for view in views for channels in view.channels)


def stages_of(views: Sequence[Seen]) -> tuple[range, ...]:
    """The places of each view's stages among those of all."""
    ends = np.cumsum([len(view.stages) for view in views]).tolist()
    return tuple(range(end - len(view.stages), end) for view, end in zip(views, ends, strict=True))


def side_by_side(views: Sequence[Seen], moments: Sequence[AnyMoments]) -> AnyMoments:
    """(N, 5, C) moments of all views, from those of the whole backbone of each."""
    return by_group.side_by_side(moments, [view.places for view in views])


def sha256_of(views: Sequence[Seen]) -> str:
    """What tells the backbones of several views from others: over their hashes, names and stages."""
    content = [[view.identity.name, list(view.stages), view.identity.parameters_sha256] for view in views]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
