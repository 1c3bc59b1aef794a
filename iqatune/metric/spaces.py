"""Spaces: how the numbers in [0, 1] that a searcher proposes become alpha and beta, or shares of a file's columns.

In every space the score of a pair is linear in coefficients that the parameters decide:
D = features @ coefficients. A space names its parameters and turns them into coefficients (for the objective). One of a
backbone also reduces the losses 1 - l and 1 - s to its features once, and turns parameters into full weights (for the
record and the metric). Losses rather than similarities, because a small D computed as 1 minus nearly 1 has few digits
left.

D is not linear in the constants c1 and c2 of l and s. A space that tunes them too has a table of features for each
constant that it offers, and one more parameter, which chooses among them: a sample costs what it costs without.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.metric.priors import CUBE, Prior
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Floats, Weights, spread, uniform_weights
from iqatune.records.vocabulary import COLUMNS

Places = NDArray[np.intp]

MAX_TILTED_PARAMETERS = 40
"""Above this many numbers, 50 samples are too few for a model-based searcher to be one."""

TILT = 2.0
"""At its ends a tilt multiplies the weight of a channel one standard deviation off by e^2 or e^-2."""


CONSTANTS: Final = tuple(float(f"{10 ** (step / 2):.6g}") for step in range(-12, 1))
"""What `+c` chooses c1 = c2 from: half decades from 1e-6, which DISTS has, to 1."""

WITH_CONSTANT: Final = "+c"

SPACES = {
    "stage": "two numbers a stage: its share of alpha and of beta, spread evenly over its channels",
    "stage+K": "those, and for each of K channel descriptors a tilt a stage, which moves weight between channels",
    "channel": "two numbers a channel: its alpha and its beta",
    "SPACE+c": "any of those, as stage+c, and one number more: the constant c1 = c2 of l and s, from 1e-6 to 1",
    COLUMNS: "one number a column of a features file: its share",
}
"""The spaces by name, with what their numbers stand for."""


class Space(ABC):
    """How P parameters in [0, 1] become F coefficients.

    The first parameters stand for M shares, by the prior; the others, where there are any, are numbers of the space's
    own, which say how the shares are spread.

    Attributes:
        name: as on the command line.
        names: the P parameters' names.
        prior: how the parameters that stand for shares become them.
        uniform: (M,) shares of the uniform weights, which sum to 1.
    """

    name: str
    names: tuple[str, ...]
    uniform: Floats
    prior: Prior

    @property
    def own(self) -> tuple[str, ...]:
        """Names of the numbers of the space's own, but for the choice of a constant."""
        return self.names[len(self.uniform) :]

    def coefficients(self, parameters: Floats) -> Floats:
        """(..., P) parameters to (..., F) coefficients that sum to 1 over every weight they stand for.

        Parameters that are all 0 have no direction; they stand for equal parameters.
        """
        count = len(self.uniform)
        return self.spread(self.prior.shares(parameters[..., :count]), parameters[..., count:])

    def table(self, parameters: Floats) -> NDArray[np.intp]:
        """(...) which table of features (..., P) parameters choose: 0 where there is one."""
        return np.zeros(parameters.shape[:-1], dtype=np.intp)

    def constant(self, parameters: Floats) -> float | None:
        """The constant c1 = c2 that (P,) parameters choose; None where the protocol's hold."""
        return None

    def spread(self, shares: Floats, own: Floats) -> Floats:
        """(..., M) shares, and the (..., P - M) numbers of the space's own, to (..., F) coefficients."""
        return shares

    def pull_back(self, shares: Floats, own: Floats, gradient: Floats) -> tuple[Floats, Floats]:
        """(F,) derivatives by the coefficients to those by the (M,) shares and by the numbers of the space's own."""
        return gradient, np.empty(0)

    def parameters(self, shares: Floats, own: Floats, table: int = 0) -> Floats:
        """(P,) parameters that stand for (M,) shares, up to their sum, the numbers of the space's own and a table."""
        return np.concatenate((self.prior.numbers(shares), own))


@dataclass(frozen=True)
class Part:
    """The numbers of a space that are of some of its stages, as a space of their own.

    Attributes:
        shares: (M',) places of its shares among all M.
        own: (P' - M',) places of its numbers of the space's own among all of them.
        features: (F',) columns of its features.
    """

    space: "BackboneSpace"
    shares: Places
    own: Places
    features: Places


class ColumnSpace(Space):
    """One number a column of a features file: its share of D.

    Attributes:
        columns: their names, of which those of the parameters are made.
    """

    name = COLUMNS

    def __init__(self, columns: Sequence[str], prior: Prior = CUBE) -> None:
        self.columns = tuple(columns)
        self.names = _parameter_names(columns)
        self.uniform = np.full(len(self.names), 1 / len(self.names))
        self.prior = prior


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

    @property
    def own(self) -> tuple[str, ...]:
        """Names of the numbers of the space's own, but for the choice of a constant."""
        return self.names[len(self.uniform) :]

    @property
    def stage_of_share(self) -> NDArray[np.intp]:
        """(M,) which stage each share is of: those of alpha first, then those of beta."""
        stages, counts = np.arange(len(self.channels)), np.asarray(self.channels)
        of_each = stages if len(self.uniform) == 2 * len(stages) else np.repeat(stages, counts)
        return np.tile(of_each, 2)

    @abstractmethod
    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        """(N, C) losses 1 - l and 1 - s to the (N, F) features that the score is linear in."""

    @abstractmethod
    def part(self, stages: range) -> Part:
        """The space over some of the stages."""

    def similarities(self, protocol: Similarity) -> tuple[Similarity, ...]:
        """How l and s compare in each table of features: as the protocol says, unless the space tunes that too."""
        return (protocol,)

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
        self.uniform = np.full(len(self.names), 1 / len(self.names))

    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        counts = np.asarray(self.channels)
        starts = np.cumsum((0, *self.channels[:-1]))
        means = [np.add.reduceat(values, starts, axis=1) / counts for values in (l_losses, s_losses)]
        return np.concatenate(means, axis=1)

    def part(self, stages: range) -> Part:
        shares = _of_both(np.array(stages), len(self.channels))
        return Part(StageSpace(_some(self.channels, stages), self.prior), shares, _NONE, shares)

    def weights(self, parameters: Floats) -> Weights:
        alpha, beta = np.split(self.coefficients(parameters), 2)
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
        even = uniform_weights(self.channels)
        self.uniform = np.concatenate((even.alpha, even.beta))

    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        return np.concatenate((l_losses, s_losses), axis=1)

    def part(self, stages: range) -> Part:
        shares = _of_both(_channels_of(self.channels, stages), sum(self.channels))
        return Part(ChannelSpace(_some(self.channels, stages), self.prior), shares, _NONE, shares)

    def weights(self, parameters: Floats) -> Weights:
        alpha, beta = np.split(self.coefficients(parameters), 2)
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
        stage = StageSpace(channels)
        self.uniform = stage.uniform
        self.names = stage.names + tuple(
            f"tilt{k + 1}_{stage}" for k in range(len(descriptors)) for stage in range(stages)
        )

    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        return np.concatenate((l_losses, s_losses), axis=1)

    def part(self, stages: range) -> Part:
        places, count = np.array(stages), len(self.channels)
        channels = _channels_of(self.channels, stages)
        tilts = np.concatenate([places + k * count for k in range(len(self.descriptors))])
        space = TiltedStageSpace(_some(self.channels, stages), self.descriptors[:, channels], self.prior)
        return Part(space, _of_both(places, count), tilts, _of_both(channels, sum(self.channels)))

    def spread(self, shares: Floats, own: Floats) -> Floats:
        counts, inside = np.asarray(self.channels), self._inside(own)
        alpha, beta = np.split(shares, 2, axis=-1)
        return np.concatenate([np.repeat(share, counts, axis=-1) * inside for share in (alpha, beta)], axis=-1)

    def pull_back(self, shares: Floats, own: Floats, gradient: Floats) -> tuple[Floats, Floats]:
        counts, inside = np.asarray(self.channels), self._inside(own)
        by_kind = gradient.reshape(2, -1)
        by_channel = (np.repeat(shares.reshape(2, -1), counts, axis=1) * by_kind).sum(axis=0)
        # of a softmax, stage by stage: inside_j (g_j - sum of inside g)
        by_slope = inside * (by_channel - np.repeat(self._sums(inside * by_channel), counts))
        return self._sums(inside * by_kind).ravel(), 2 * TILT * self._sums(by_slope * self.descriptors).ravel()

    def weights(self, parameters: Floats) -> Weights:
        alpha, beta = np.split(self.coefficients(parameters), 2)
        return Weights(self.channels, alpha, beta)

    def _inside(self, own: Floats) -> Floats:
        """(..., K S) tilts to (..., C) weights that sum to 1 within each stage."""
        counts = np.asarray(self.channels)
        tilts = own.reshape(*own.shape[:-1], len(self.descriptors), len(self.channels))
        slopes = np.repeat(TILT * (2 * tilts - 1), counts, axis=-1)
        raw = np.exp((slopes * self.descriptors).sum(axis=-2))
        inside: Floats = raw / np.repeat(self._sums(raw), counts, axis=-1)
        return inside

    def _sums(self, values: Floats) -> Floats:
        """(..., C) to the (..., S) sums over each stage's channels."""
        return np.add.reduceat(values, np.cumsum((0, *self.channels[:-1])), axis=-1)


class ConstantSpace(BackboneSpace):
    """Another space, and one number more: which of CONSTANTS c1 and c2 both are, log-uniform.

    Args:
        inner: the other space.
    """

    def __init__(self, inner: BackboneSpace) -> None:
        super().__init__(inner.channels, inner.prior)
        self.inner = inner
        self.name = inner.name + WITH_CONSTANT
        self.names = (*inner.names, "c")
        self.uniform = inner.uniform
        self.feature_type = inner.feature_type

    def similarities(self, protocol: Similarity) -> tuple[Similarity, ...]:
        return tuple(replace(protocol, c1=constant, c2=constant) for constant in CONSTANTS)

    def table(self, parameters: Floats) -> NDArray[np.intp]:
        last = len(CONSTANTS) - 1
        return np.minimum((parameters[..., -1] * len(CONSTANTS)).astype(np.intp), last)

    def constant(self, parameters: Floats) -> float | None:
        return CONSTANTS[int(self.table(parameters))]

    @property
    def own(self) -> tuple[str, ...]:
        return self.inner.own

    def features(self, l_losses: Floats, s_losses: Floats) -> Floats:
        return self.inner.features(l_losses, s_losses)

    def part(self, stages: range) -> Part:
        """Of the other space: the constant is of all stages alike."""
        return self.inner.part(stages)

    def coefficients(self, parameters: Floats) -> Floats:
        return self.inner.coefficients(parameters[..., :-1])

    def spread(self, shares: Floats, own: Floats) -> Floats:
        return self.inner.spread(shares, own)

    def pull_back(self, shares: Floats, own: Floats, gradient: Floats) -> tuple[Floats, Floats]:
        return self.inner.pull_back(shares, own, gradient)

    def parameters(self, shares: Floats, own: Floats, table: int = 0) -> Floats:
        return np.append(self.inner.parameters(shares, own), (table + 0.5) / len(CONSTANTS))

    def weights(self, parameters: Floats) -> Weights:
        return self.inner.weights(parameters[:-1])


_NONE: Final = np.empty(0, dtype=np.intp)


def _some(channels: Sequence[int], stages: range) -> tuple[int, ...]:
    return tuple(channels[stages.start : stages.stop])


def _channels_of(channels: Sequence[int], stages: range) -> Places:
    """Places of the channels of some stages among all."""
    starts = np.cumsum((0, *channels))
    return np.arange(starts[stages.start], starts[stages.stop])


def _of_both(places: Places, count: int) -> Places:
    """Places of alpha's, and then of beta's, where each has `count`."""
    return np.concatenate((places, places + count))


def tilts_of(name: str) -> int:
    """K of the space `stage+K`, with or without `+c`; 0 of the spaces `stage` and `channel`.

    Raises:
        InputError: when `name` is no space.
    """
    inner = name.removesuffix(WITH_CONSTANT)
    if inner in (StageSpace.name, ChannelSpace.name):
        return 0
    if name == COLUMNS:
        raise InputError("`space` columns: needs a features file; name one with `features`, or take stage")
    match = re.fullmatch(r"stage\+([1-9]\d?)", inner)
    if match is None:
        raise InputError(
            f"`space` {name}: unknown space; known: stage, channel, stage+K (K descriptors, as stage+2), each with +c"
        )
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
    if name.endswith(WITH_CONSTANT):
        return ConstantSpace(make_space(name.removesuffix(WITH_CONSTANT), channels, descriptors, prior))
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
