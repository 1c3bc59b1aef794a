"""The words of `--prior`, and what they say."""

import re
from typing import Final

from iqatune.errors import did_you_mean

CUBE: Final = "cube"
"""The numbers themselves, divided by their sum: what the study did, and records without a prior mean."""

DEFAULT_PRIOR: Final = "dirichlet:0.3"
"""Of searches unless told otherwise; docs/searchers.md says what it was chosen by."""
SIMPLEX: Final = "simplex"

SMALLEST: Final = 0.05
LARGEST: Final = 100.0
"""Bounds of A: below them quantiles leave the range of doubles, above them shares hardly differ."""

_DIRICHLET = re.compile(r"dirichlet:(\d{1,20}\.?\d{0,20}|\.\d{1,20})", re.ASCII)


def concentration(prior: str) -> float | None:
    """A of the Dirichlet distribution that a prior draws shares from: 1 for `simplex`; None for `cube`, which has none.

    Raises:
        ValueError: when it is no prior; the message says which there are.
    """
    if prior == CUBE:
        return None
    if prior == SIMPLEX:
        return 1.0
    match = _DIRICHLET.fullmatch(prior)
    if match is None:
        known = did_you_mean(prior.partition(":")[0], (CUBE, SIMPLEX, "dirichlet:A"))
        raise ValueError(f"no prior; {known} (A: a number from {SMALLEST} to {LARGEST:g}, as dirichlet:0.3)")
    number = float(match[1])
    if not SMALLEST <= number <= LARGEST:
        raise ValueError(f"A must be from {SMALLEST} to {LARGEST:g}, as in dirichlet:0.3")
    return number


def canonical(prior: str) -> str:
    """The one spelling of a prior, as `dirichlet:0.3` for `dirichlet:.30`, and `simplex` for `dirichlet:1`.

    Raises:
        ValueError: as of `concentration`.
    """
    number = concentration(prior)
    if number is None:
        return CUBE
    return SIMPLEX if number == 1 else f"dirichlet:{str(number).removesuffix('.0')}"
