"""Spaces: how the numbers in [0, 1] that a searcher proposes become alpha and beta, or shares of a file's columns.

In every space the score of a pair is linear in coefficients that the parameters decide:
D = features @ coefficients. A space names its parameters and turns them into coefficients (for the objective). One of a
backbone also reduces the losses 1 - l and 1 - s to its features once, and turns parameters into full weights (for the
record and the metric). Losses rather than similarities, because a small D computed as 1 minus nearly 1 has few digits
left.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.metric.priors import CUBE, Prior
from iqatune.metric.weights import Floats, Weights, spread
from iqatune.records.vocabulary import COLUMNS

MAX_TILTED_PARAMETERS = 40
"""Above this many numbers, 50 samples are too few for a model-based searcher to be one."""

TILT = 2.0
"""At its ends a tilt multiplies the weight of a channel one standard deviation off by e^2 or e^-2."""


SPACES = {
    "stage": "two numbers a stage: its share of alpha and of beta, spread evenly over its channels",
    "stage+K": "those, and for each of K channel descriptors a tilt a stage, which moves weight between channels",
    "channel": "two numbers a channel: its alpha and its beta",
    COLUMNS: "one number a column of a features file: its share",
}
"""The spaces by name, with what their numbers stand for."""


class Space(ABC):
    """How P parameters in [0, 1] become F coefficients.

    Attributes:
        name: as on the command line.
        names: the P parameters' names.
        prior: how the parameters that stand for shares become them.
    """

    name: str
    names: tuple[str, ...]
    prior: Prior

    @abstractmethod
    def coefficients(self, parameters: Floats) -> Floats:
        """(..., P) parameters to (..., F) coefficients that sum to 1 over every weight they stand for.

        Parameters that are all 0 have no direction; they stand for equal parameters.
        """


class ColumnSpace(Space):
    """One number a column of a features file: its share of D.

    Attributes:
        columns: their names, of which those of the parameters are made.
    """

    name = COLUMNS

    def __init__(self, columns: Sequence[str], prior: Prior = CUBE) -> None:
        self.columns = tuple(columns)
        self.names = _parameter_names(columns)
        self.prior = prior

    def coefficients(self, parameters: Floats) -> Floats:
        return self.prior.shares(parameters)


class BackboneSpace(Space):
    """How parameters become weights over C channels of a backbone.

    Attributes:
        channels: number of channels of every stage, the image's 3 first.
        feature_type: the floating point type in which features are kept.
    """

    feature_type: type[np.floating[Any]]

    def __init__(self, channels: Sequence[int], prior: Prior = CUBE) -> None:
        self.channels = tuple(channels)
        self.prior = prior

    @abstractmethod
    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        """(N, C) losses 1 - l and 1 - s to the (N, F) features that the score is linear in."""

    @abstractmethod
    def weights(self, parameters: Floats) -> Weights:
        """(P,) parameters to the weights of every channel."""


class StageSpace(BackboneSpace):
    """Two numbers a stage: its share of alpha and of beta, spread evenly over its channels (DISTS at stage level)."""

    name = "stage"
    feature_type = np.float64

    def __init__(self, channels: Sequence[int], prior: Prior = CUBE) -> None:
        super().__init__(channels, prior)
        stages = range(len(self.channels))
        self.names = tuple(f"{kind}_{stage}" for kind in ("alpha", "beta") for stage in stages)

    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        counts = np.asarray(self.channels)
        starts = np.cumsum((0, *self.channels[:-1]))
        means = [np.add.reduceat(values, starts, axis=1) / counts for values in (l_losses, s_losses)]
        return np.concatenate(means, axis=1)

    def coefficients(self, parameters: Floats) -> Floats:
        return self.prior.shares(parameters)

    def weights(self, parameters: Floats) -> Weights:
        alpha, beta = np.split(self.prior.shares(parameters), 2)
        return Weights(self.channels, spread(alpha, self.channels), spread(beta, self.channels))


class ChannelSpace(BackboneSpace):
    """Two numbers a channel: its alpha and its beta before normalisation."""

    name = "channel"
    # the matrix is read whole for every sample: half the bytes, half the time, and ranks do not need more digits
    feature_type = np.float32

    def __init__(self, channels: Sequence[int], prior: Prior = CUBE) -> None:
        super().__init__(channels, prior)
        count = range(sum(self.channels))
        self.names = tuple(f"{kind}_{channel}" for kind in ("alpha", "beta") for channel in count)

    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        return np.concatenate((l_losses, s_losses), axis=1)

    def coefficients(self, parameters: Floats) -> Floats:
        return self.prior.shares(parameters)

    def weights(self, parameters: Floats) -> Weights:
        alpha, beta = np.split(self.prior.shares(parameters), 2)
        return Weights(self.channels, alpha, beta)


class TiltedStageSpace(BackboneSpace):
    """The stage shares, and for each of K descriptors a tilt per stage that moves weight inside the stage.

    Inside stage i channel j weighs exp(sum_k TILT (2 t_ki - 1) z_kj), z being a descriptor standardised within the
    stage. A descriptor says something of a channel that needs no human score, so nothing leaks from the labels. With
    every tilt at 1/2 this is the stage space.

    Args:
        descriptors: (K, C) numbers, of which each stage's are standardised here.
    """

    feature_type = np.float32

    def __init__(self, channels: Sequence[int], descriptors: Floats, prior: Prior = CUBE) -> None:
        super().__init__(channels, prior)
        stages = len(self.channels)
        self.name = f"stage+{len(descriptors)}"
        self.descriptors = _standardised(np.asarray(descriptors, dtype=np.float64), self.channels)
        self.names = StageSpace(channels).names + tuple(
            f"tilt{k + 1}_{stage}" for k in range(len(descriptors)) for stage in range(stages)
        )

    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        return np.concatenate((l_losses, s_losses), axis=1)

    def coefficients(self, parameters: Floats) -> Floats:
        stages = len(self.channels)
        shares, tilts = parameters[..., : 2 * stages], parameters[..., 2 * stages :]
        inside = self._inside(tilts.reshape(*tilts.shape[:-1], len(self.descriptors), stages))
        alpha, beta = np.split(self.prior.shares(shares), 2, axis=-1)
        counts = np.asarray(self.channels)
        return np.concatenate([np.repeat(share, counts, axis=-1) * inside for share in (alpha, beta)], axis=-1)

    def weights(self, parameters: Floats) -> Weights:
        alpha, beta = np.split(self.coefficients(parameters), 2)
        return Weights(self.channels, alpha, beta)

    def _inside(self, tilts: Floats) -> Floats:
        """(..., K, S) tilts to (..., C) weights that sum to 1 within each stage."""
        counts = np.asarray(self.channels)
        slopes = np.repeat(TILT * (2 * tilts - 1), counts, axis=-1)
        raw = np.exp((slopes * self.descriptors).sum(axis=-2))
        sums = np.add.reduceat(raw, np.cumsum((0, *self.channels[:-1])), axis=-1)
        inside: Floats = raw / np.repeat(sums, counts, axis=-1)
        return inside


def tilts_of(name: str) -> int:
    """K of the space `stage+K`, 0 of the spaces `stage` and `channel`.

    Raises:
        InputError: when `name` is no space.
    """
    if name in (StageSpace.name, ChannelSpace.name):
        return 0
    if name == COLUMNS:
        raise InputError("`space` columns: is of a features file; name one with `features`, or take stage")
    match = re.fullmatch(r"stage\+([1-9]\d?)", name)
    if match is None:
        raise InputError(f"`space` {name}: unknown space; known: stage, channel, stage+K (K descriptors, as stage+2)")
    return int(match.group(1))


def make_space(
    name: str, channels: Sequence[int], descriptors: Floats | None = None, prior: Prior = CUBE
) -> BackboneSpace:
    """The space of that name over these channels.

    Args:
        descriptors: (K', C) channel descriptors, of which `stage+K` takes the first K; the others need none.
        prior: how the parameters that stand for shares become them.

    Raises:
        InputError: when `name` is no space, or `stage+K` asks for more descriptors or numbers than there can be.
    """
    tilts = tilts_of(name)
    if not tilts:
        return StageSpace(channels, prior) if name == StageSpace.name else ChannelSpace(channels, prior)
    if descriptors is None or len(descriptors) < tilts:
        known = 0 if descriptors is None else len(descriptors)
        raise InputError(f"`space` {name}: there are {known} channel descriptors; take stage+{known} at most")
    numbers = (2 + tilts) * len(channels)
    if numbers > MAX_TILTED_PARAMETERS:
        raise InputError(f"`space` {name}: {numbers} numbers are more than {MAX_TILTED_PARAMETERS}; take a smaller K")
    return TiltedStageSpace(channels, descriptors[:tilts], prior)


def _parameter_names(columns: Sequence[str]) -> tuple[str, ...]:
    """A name for the share of each column, of letters that every search library takes (a slash, say, is none)."""
    names: dict[str, None] = {}
    for column in columns:
        plain = "share_" + re.sub(r"[^A-Za-z0-9_]", "_", column)
        alike = (f"{plain}{suffix}" for suffix in ("", *(f"_{number}" for number in range(2, len(columns) + 2))))
        names[next(name for name in alike if name not in names)] = None
    return tuple(names)


def _standardised(descriptors: Floats, channels: Sequence[int]) -> Floats:
    parts: list[NDArray[np.float64]] = []
    for part in np.split(descriptors, np.cumsum(channels)[:-1], axis=1):
        deviation = part.std(axis=1, keepdims=True)
        parts.append((part - part.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1))
    return np.concatenate(parts, axis=1)
