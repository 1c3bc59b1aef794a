"""The pair table: what every data set is read into."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqatune.records.vocabulary import Better


@dataclass(frozen=True)
class Pair:
    """A reference image and one distorted version of it, with its human score."""

    reference: Path
    """Absolute path of the reference image."""
    distorted: Path
    """Absolute path of the distorted image."""
    reference_id: str
    """The same for all pairs of one reference, different for different references."""
    distortion: str
    """The kind of damage, as the data set names it."""
    _: KW_ONLY
    level: int | None
    """The strength of the damage, 1 the weakest; None where the data set does not grade it."""
    score: float
    """The human score as published; the mean of `ratings` where there are any."""
    quality: float
    """The score oriented so that higher is better: `score` or `-score`."""
    score_std: float | None = None
    """Standard deviation, as published or of `ratings` (of a sample: n - 1); None where it is not known. What it is of,
    the score or the ratings behind it, differs from set to set: `PairTable.errors` knows."""
    ratings: tuple[float, ...] = ()
    """The scores of the rows that `raters` averages into this pair, in their order; empty without it."""
    features: tuple[float, ...] = ()
    """What other metrics say of the pair, a number for each of the table's columns; empty without a features file."""
    split: str = ""
    """What the column of `split_column` says of it; empty without one."""
    reference_transform: str = ""
    """How the reference is changed before it is seen (`iqatune.transforms`); empty where it is seen as it is."""
    distorted_transform: str = ""
    """How the distorted image is changed before it is seen; empty where it is seen as it is."""


@dataclass(frozen=True)
class PairTable:
    """All pairs of one data set, in the order of its label file."""

    dataset: str
    pairs: tuple[Pair, ...]
    label: str
    """Name of the label file."""
    label_sha256: str
    """SHA-256 of the label file; of the generator's parameters where the scores are simulated."""
    _: KW_ONLY
    better: Better
    excluded: tuple[str, ...] = ()
    """What the request or the set's own rule left out, in words."""
    missing: int = 0
    """Rows of the label file left out because an image is absent (only when that was allowed)."""
    first_missing: str = ""
    """The first image that is absent, as the label file names it; empty where none is."""
    simulated: bool = False
    """True where the scores come from simulated observers, not from people."""
    values: str = ""
    """What the scores are, in words, where label files of a set hold different ones: `realigned DMOS`."""
    layout: str = ""
    """The folders that the images are in, in words; empty where they are the user's own affair."""
    notes: tuple[str, ...] = ()
    """What is otherwise in this copy of a set than in the set itself, in words."""
    cautions: tuple[str, ...] = ()
    """Where the scores are of another kind than the set's usual ones, in words."""
    columns: tuple[str, ...] = ()
    """Names of the pairs' features; empty without a features file, which needs no images."""
    passed_over: tuple[str, ...] = ()
    """Further columns of a features file that were not taken, each with the reason."""
    score_column: str = "score"
    """What a user's CSV file calls the score."""
    read_as: str = ""
    """How a user's CSV file was read, in words, where that does not go without saying; empty where it does."""
    sets: "tuple[PairTable, ...]" = ()
    """The tables of several data sets that this one joins, in the order of its pairs; none where it is of one set."""
    pictures: tuple[str, ...] = ()
    """Of several sets the picture that each pair's reference shows, N names; see `groups`."""
    ratings_per_score: int | None = None
    """How many ratings a published standard deviation is of; None where it is the score's own."""

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def read_line(self) -> str | None:
        """What a user is told of how a CSV file was read; None where that goes without saying."""
        return f"{self.label}: {self.read_as}" if self.read_as else None

    def described(self) -> dict[str, Any]:
        """What a protocol says of the pairs, whatever they are seen through."""
        return {
            "pairs": len(self),
            "references": len(self.references),
            "label": self.label,
            "better": self.better,
            "excluded": self.excluded,
            "missing": self.missing,
            "ratings": self.ratings,
            "simulated": self.simulated,
        }

    @property
    def ratings(self) -> int | None:
        """Rows of the label file that `raters` averages into the pairs; None where every row is a pair."""
        return sum(len(pair.ratings) for pair in self.pairs) or None

    @property
    def quality(self) -> NDArray[np.float64]:
        """Quality of every pair, shape (N,), higher is better, on the data set's own scale."""
        return np.array([pair.quality for pair in self.pairs], dtype=np.float64)

    @property
    def errors(self) -> NDArray[np.float64] | None:
        """Standard error of every human score, (N,), 0 or more, on the data set's own scale.

        A deviation of ratings becomes one by the root of their number: those that `raters` averages, or as many as the
        set publishes its deviations of. Other published deviations are those of the scores themselves.

        Returns:
            None where any of the pairs has no standard deviation.
        """
        deviations = [pair.score_std for pair in self.pairs if pair.score_std is not None]
        if len(deviations) < len(self.pairs):
            return None
        counts = [len(pair.ratings) if len(pair.ratings) > 1 else self.ratings_per_score or 1 for pair in self.pairs]
        return np.asarray(np.array(deviations, dtype=np.float64) / np.sqrt(counts))

    @property
    def features(self) -> NDArray[np.float64]:
        """What other metrics say of every pair, shape (N, F), a column for each of `columns`, as in the file."""
        values = [pair.features for pair in self.pairs]
        return np.array(values, dtype=np.float64).reshape(len(self.pairs), len(self.columns))

    @property
    def reference_ids(self) -> tuple[str, ...]:
        """The reference of every pair, N names."""
        return tuple(pair.reference_id for pair in self.pairs)

    @property
    def set_ids(self) -> tuple[str, ...]:
        """The data set of every pair, N names; none where there is one set."""
        return tuple(table.dataset for table in self.sets for _ in table.pairs)

    @property
    def groups(self) -> tuple[str, ...]:
        """What has to be on one side of a split, N names: references, or all references that show one picture."""
        return self.pictures or self.reference_ids

    @property
    def references(self) -> tuple[str, ...]:
        """The different references, in the order in which they first appear."""
        return tuple(dict.fromkeys(self.reference_ids))
