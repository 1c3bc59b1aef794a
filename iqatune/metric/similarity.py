"""The two similarities of DISTS, from moments.

Ding, Ma, Wang, Simoncelli: Image Quality Assessment: Unifying Structure and Texture Similarity (2020), equations 5
and 6. Plain arithmetic, so the same code serves NumPy arrays (tuning) and torch tensors (scoring, training).
"""

from dataclasses import dataclass, replace
from typing import Any

from iqatune.records.options import Run
from iqatune.records.result import Protocol, Result
from iqatune.records.vocabulary import C1, C2, Structure

Array = Any
"""A NumPy array or a torch tensor."""


@dataclass(frozen=True)
class Similarity:
    """How l and s compare moments.

    Attributes:
        structure: what s compares: the covariance (DISTS), or with `stddev` the product of standard deviations.
        c1, c2: the constants of l and of s, above 0; they keep flat maps from dividing by 0.
    """

    structure: Structure = "covariance"
    c1: float = C1
    c2: float = C2

    @classmethod
    def of(cls, said: Protocol | Run) -> "Similarity":
        """The similarity of a protocol, or the one that a search is asked for."""
        return cls(said.structure, said.c1, said.c2)

    @classmethod
    def tuned(cls, result: Result) -> "Similarity":
        """The similarity of a record's best configuration: its protocol's, with the constant that was chosen if any."""
        return cls.of(result.protocol).with_constant(None if result.best is None else result.best.c)

    def with_constant(self, constant: float | None) -> "Similarity":
        """The same with another constant for both c1 and c2; itself for None."""
        return self if constant is None else replace(self, c1=constant, c2=constant)

    def of_means(self, mean_x: Array, mean_y: Array) -> Array:
        """l, of spatial means of any matching shapes: (2 mx my + c1) / (mx^2 + my^2 + c1), in [-1, 1]."""
        return (2 * mean_x * mean_y + self.c1) / (mean_x * mean_x + mean_y * mean_y + self.c1)

    def of_covariance(self, var_x: Array, var_y: Array, cov: Array) -> Array:
        """s, of population moments of any matching shapes: (2 cov + c2) / (vx + vy + c2), in [-1, 1].

        With `stddev`, sqrt(vx vy) stands in the covariance's place, as the comparative study (Mady et al. 2024) prints
        it: that form compares contrast alone.
        """
        shared = cov if self.structure == "covariance" else _root(var_x * var_y)
        return (2 * shared + self.c2) / (var_x + var_y + self.c2)


DISTS = Similarity()
"""How DISTS compares, and a search unless told otherwise."""


def _root(values: Array) -> Array:
    """Square root whose gradient at 0 is 0: a dead channel has no variance, and the true one is infinite there."""
    return (values + (values == 0)) ** 0.5 * (values > 0)
