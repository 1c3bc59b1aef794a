"""Priors: how numbers in [0, 1] become shares that sum to 1.

A searcher spreads its numbers over a cube. Divided by their sum, as the study does, they crowd around equal shares. As
quantiles of Gamma(A) they are shares of a Dirichlet distribution with every parameter A, for the shares of independent
Gamma(A) amounts are just that (Devroye 1986, Non-Uniform Random Variate Generation, XI.4): A = 1 is uniform on the
simplex, a small A prefers few large shares.
"""

from dataclasses import dataclass

import numpy as np

from iqatune.errors import InputError
from iqatune.metric.weights import Floats
from iqatune.records.prior import concentration

BELOW_ONE = float(np.nextafter(1.0, 0.0))
"""The largest double below 1: the quantile of 1 itself is infinite."""


@dataclass(frozen=True)
class Prior:
    """How numbers become shares.

    Attributes:
        concentration: A of the Dirichlet distribution that uniform numbers come to; None for the numbers themselves,
            divided by their sum.
    """

    concentration: float | None = None

    @classmethod
    def of(cls, name: str) -> "Prior":
        """The prior of that name: `cube`, `simplex` or `dirichlet:A`.

        Raises:
            InputError: when there is none.
        """
        try:
            return cls(concentration(name))
        except ValueError as error:
            raise InputError(f"`prior` {name}: {error}") from error

    def shares(self, parameters: Floats) -> Floats:
        """(..., P) numbers in [0, 1] to (..., P) shares that sum to 1; equal ones where no number comes to anything."""
        amounts = self._amounts(parameters)
        sums = amounts.sum(axis=-1, keepdims=True)
        equal = np.full_like(amounts, 1 / amounts.shape[-1])
        return np.where(sums > 0, amounts / np.where(sums > 0, sums, 1), equal)

    def numbers(self, shares: Floats) -> Floats:
        """(P,) numbers in [0, 1] that stand for (P,) shares, at least one above 0, up to their sum: `shares` undone."""
        amounts = shares / shares.max()
        if self.concentration is None:
            return np.asarray(amounts)
        from scipy.special import gammainc

        numbers: Floats = gammainc(self.concentration, amounts)
        return numbers

    def _amounts(self, parameters: Floats) -> Floats:
        if self.concentration is None:
            return parameters
        # here, not above: a light command has no use for scipy
        from scipy.special import gammaincinv

        quantiles: Floats = gammaincinv(self.concentration, np.minimum(parameters, BELOW_ONE))
        return quantiles


CUBE = Prior()
