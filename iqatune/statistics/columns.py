"""A features file, prepared for search and scoring: other metrics' figures in the place of a backbone's statistics."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.evaluation.correlation import srcc
from iqatune.metric.priors import Prior
from iqatune.metric.spaces import ColumnSpace
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.prior import DEFAULT_PRIOR
from iqatune.records.result import Best, BestColumn, ColumnWeight, Protocol

NO_CNN: Final = "none: the features are of a file"
"""What a record says in the place of a device."""


@dataclass(frozen=True)
class Scaling:
    """How columns become parts of D: not negative, and each of standard deviation 1, on the pairs that it was made of.

    Attributes:
        signs: (F,) 1 of a distance, -1 of a quality, 0 of a column that is the same for every pair and has no say.
        scales: (F,) standard deviations.
        origins: (F,) best values.
    """

    signs: Floats
    scales: Floats
    origins: Floats

    @classmethod
    def of(cls, columns: Floats, quality: Floats, known: Floats | None = None) -> "Scaling":
        """The scaling of (N, F) columns; each runs as the sign of its SRCC with (N,) quality says, 0 as a distance.

        Args:
            known: (F,) 1 of a column that is a distance whatever these pairs say, -1 of a quality, 0 where they decide.
        """
        deviations = columns.std(axis=0)
        # of equal values that are no binary fractions the deviation need not be 0
        has_say = (np.ptp(columns, axis=0) > 0) & (deviations > 0)
        signs = np.array([-1.0 if srcc(quality, column) > 0 else 1.0 for column in columns.T])
        if known is not None:
            signs = np.where(known == 0, signs, known)
        signs = signs * has_say
        origins = np.where(signs < 0, columns.max(axis=0), columns.min(axis=0))
        return cls(signs, np.where(has_say, deviations, 1.0), origins)

    def __call__(self, columns: Floats) -> Floats:
        """(N, F) columns to (N, F) features that D is a weighted sum of; where they are better than all, negative."""
        # 0 added: -0 would sort below 0
        return self.signs * ((columns - self.origins) / self.scales) + 0.0


def best_column(features: Floats, quality: Floats) -> tuple[int, float]:
    """Which of (N, F) scaled columns has the highest SRCC with (N,) quality, and that SRCC; NaN where none has one."""
    found = np.array([srcc(quality, -column) for column in features.T])
    place = int(np.argmax(np.where(np.isnan(found), -np.inf, found)))
    return place, float(found[place])


@dataclass(frozen=True, kw_only=True)
class PreparedColumns:
    """A features file, as `Prepared` is a data set seen through a backbone.

    Attributes:
        table: the pairs.
        names: of the columns that differ from pair to pair.
        columns: (N, F) those, as in the file.
        protocol: what decides the figures.
        seconds: that reading took.
        directions: (F,) as `known` of `Scaling.of`; None where the pairs decide all of them.
    """

    table: PairTable
    names: tuple[str, ...]
    columns: Floats
    protocol: Protocol
    seconds: float
    device: str = NO_CNN
    computed: int = 0
    channels: tuple[int, ...] = ()
    set_protocols: Mapping[str, Protocol] = field(default_factory=dict)
    views: tuple[range, ...] = ()
    directions: Floats | None = None

    @property
    def textures(self) -> None:
        """None: there are no images."""
        return

    @cached_property
    def scaling(self) -> Scaling:
        """Directions and scales on all pairs."""
        return Scaling.of(self.columns, self.table.quality, self.directions)

    def space(self, _name: str, prior: str = DEFAULT_PRIOR) -> ColumnSpace:
        """The one space that there is over columns, its shares under a prior."""
        return ColumnSpace(self.names, Prior.of(prior))

    def tables(self, _space: ColumnSpace) -> tuple[Floats, ...]:
        """(N, F) columns, in their directions and at their scales on all pairs: one table."""
        return (self.scaling(self.columns),)

    def unlabelled_tables(self, _space: ColumnSpace) -> tuple[Floats, ...]:
        """None: images without scores have no columns either."""
        return ()

    def uniform(self) -> Floats:
        """(N,) distances with equal shares for all columns."""
        return _summed(self.scaling(self.columns), np.full(len(self.names), 1 / len(self.names)))

    def best_column(self) -> BestColumn:
        """The best column by itself: what a fusion has to beat."""
        place, figure = best_column(self.scaling(self.columns), self.table.quality)
        return BestColumn(name=self.names[place], srcc=figure)

    def weights(self, space: ColumnSpace, parameters: Floats) -> dict[str, Any]:
        """What a record says of (P,) parameters."""
        scaling = self.scaling
        columns = {
            name: ColumnWeight(
                weight=float(share), direction="quality" if sign < 0 else "distance", scale=scale, origin=origin
            )
            for name, share, sign, scale, origin in zip(
                self.names,
                space.coefficients(parameters),
                scaling.signs,
                scaling.scales.tolist(),
                scaling.origins.tolist(),
                strict=True,
            )
        }
        return {"alpha": (), "beta": (), "columns": columns}

    def distances_of(self, best: Best) -> Floats:
        """(N,) distances under recorded weights.

        Raises:
            ValueError: when they are of a column that there is none of.
        """
        if not best.columns or not set(best.columns) <= set(self.table.columns):
            raise ValueError("the weights are of other columns")
        return distances(self.table, best.columns)


def distances(table: PairTable, weights: Mapping[str, ColumnWeight]) -> Floats:
    """(N,) distances D of the pairs under weights of columns that the table has."""
    return weighted_sum(columns_of(table, tuple(weights)), tuple(weights.values()))


def weighted_sum(columns: Floats, weights: Sequence[ColumnWeight]) -> Floats:
    """(N,) distances D of (N, F) columns, as they are in the file, under a weight for each."""
    scaling = Scaling(
        np.array([-1.0 if weight.direction == "quality" else 1.0 for weight in weights]),
        np.array([weight.scale for weight in weights]),
        np.array([weight.origin for weight in weights]),
    )
    return _summed(scaling(columns), np.array([weight.weight for weight in weights]))


def prepare_columns(table: PairTable, progress: Progress) -> PreparedColumns:
    """The columns of a features file, but for those that are the same for every pair, which is said.

    Raises:
        InputError: when all are.
    """
    started = time.perf_counter()
    names = usable_columns(table)
    constant = [name for name in table.columns if name not in names]
    if not names:
        raise InputError(f"{table.label}: every column ({', '.join(constant)}) is the same for every pair; check them")
    if constant:
        progress.warn(f"{table.label}: left out, for the same in every pair: {', '.join(constant)}")
    return PreparedColumns(
        table=table,
        names=names,
        columns=columns_of(table, names),
        protocol=columns_protocol(table, names),
        seconds=time.perf_counter() - started,
    )


def usable_columns(table: PairTable) -> tuple[str, ...]:
    """Names of the columns that differ from pair to pair."""
    return tuple(np.array(table.columns)[Scaling.of(table.features, table.quality).signs != 0].tolist())


def columns_of(table: PairTable, names: Sequence[str]) -> Floats:
    """(N, F) the columns of these names, in their order."""
    return np.ascontiguousarray(table.features[:, [table.columns.index(name) for name in names]])


def columns_protocol(table: PairTable, names: Sequence[str]) -> Protocol:
    """The protocol of a features file: what it says of images and of a CNN says nothing."""
    return Protocol(
        **table.described(),
        resize=None,
        interpolation=None,
        pooling="native",
        structure="covariance",
        precision="fp32",
        dataset_sha256=file_sha256(table),
        backbone_weights="",
        backbone_sha256="",
        columns=tuple(names),
    )


def file_sha256(table: PairTable) -> str:
    """Hash of a features file and of which of its pairs are scored, whatever columns are taken."""
    pairs = [(pair.reference_id, pair.distorted.name, pair.score) for pair in table.pairs]
    return hashlib.sha256(json.dumps([table.label_sha256, pairs]).encode()).hexdigest()


def _summed(features: Floats, shares: Floats) -> Floats:
    # each row by itself: a product of matrices rounds a row by where it stands, and identical pairs would not tie
    summed: Floats = np.vecdot(features, shares)
    return summed
