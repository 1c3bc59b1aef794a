"""What a search may maximise beside the SRCC over all pairs: one figure of how well distances agree with quality."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqatune.evaluation.agreement import FEWEST_PAIRS
from iqatune.evaluation.correlation import Floats, krcc, plcc, srcc
from iqatune.records.vocabulary import ObjectiveName


@dataclass(frozen=True)
class Measure:
    """An objective on some pairs.

    Attributes:
        objective: its name.
        quality: (N,) human scores, higher is better.
        groups: rows of the references, or distortions, that a grouped objective looks at; none for the others.
        left_out: references, or distortions, that have no SRCC whatever the weights.
    """

    objective: ObjectiveName
    quality: Floats
    groups: tuple[NDArray[np.intp], ...] = ()
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, objective: ObjectiveName, quality: Floats, features: Floats, labels: "Labels") -> "Measure":
        """The objective on pairs of (N,) quality and (N, F) features.

        A group is left out where it has fewer than 3 pairs, one human score for all, or the same features for all.
        """
        names = labels.of(objective)
        groups, left_out = [], []
        for name in dict.fromkeys(names):
            rows = np.flatnonzero(np.asarray(names) == name)
            has_srcc = len(rows) >= FEWEST_PAIRS and np.ptp(quality[rows]) > 0 and np.ptp(features[rows], axis=0).any()
            if has_srcc:
                groups.append(rows)
            else:
                left_out.append(name)
        return cls(objective, quality, tuple(groups), tuple(left_out))

    def __call__(self, distances: Floats) -> float:
        """The figure of (N,) distances, in [-1, 1]; NaN where it is undefined.

        A group that has an SRCC under other weights, and none under these, makes it undefined: where it were left out,
        weights that tell nothing apart in it would win by it.
        """
        if len(distances) < 2 or not np.isfinite(distances).all():
            return float("nan")
        match self.objective:
            case "krcc":
                return krcc(self.quality, -distances)
            case "plcc":
                return plcc(self.quality, -distances)
            case "reference-srcc":
                return float(np.mean(self._of_groups(distances)))
            case "worst-distortion":
                return float(np.min(self._of_groups(distances)))
            case _:
                return srcc(self.quality, -distances)

    def _of_groups(self, distances: Floats) -> list[float]:
        return [srcc(self.quality[rows], -distances[rows]) for rows in self.groups] or [float("nan")]


@dataclass(frozen=True)
class Labels:
    """The reference and the distortion of every pair, N names each; `distortions` may be left out where not needed."""

    references: Sequence[str]
    distortions: Sequence[str] = ()

    def of(self, objective: ObjectiveName) -> Sequence[str]:
        """What an objective groups pairs by; empty where it does not."""
        return {"reference-srcc": self.references, "worst-distortion": self.distortions}.get(objective, ())
