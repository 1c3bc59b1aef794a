"""Correlations and their intervals, as records hold them."""

import math
from collections.abc import Sequence

from iqatune.evaluation.bootstrap import bootstrap
from iqatune.evaluation.correlation import Floats, correlations
from iqatune.records.result import Confidence, Correlation

FEWEST_PAIRS = 3
"""Pairs that a correlation takes: two agree fully or not at all, whatever the metric."""

RESAMPLES = 2000
LEVEL = 0.95


def correlation(quality: Floats, distances: Floats) -> Correlation:
    """How well -D agrees with quality."""
    found = correlations(quality, -distances)
    return Correlation(srcc=found.srcc, krcc=found.krcc, plcc=found.plcc)


def confidence(quality: Floats, distances: Floats, reference_ids: Sequence[str]) -> Confidence | None:
    """Intervals over references of the agreement of -D with quality; None where there is one reference only."""
    if len(set(reference_ids)) < 2:
        return None
    found = bootstrap(quality, -distances, reference_ids, resamples=RESAMPLES, seed=0, level=LEVEL)
    return Confidence(
        srcc=found.srcc, krcc=found.krcc, plcc=found.plcc, level=LEVEL, method=found.method, resamples=RESAMPLES
    )


def against_the_scores(name: str, quality: Floats, distances: Floats, *, reference_ids: Sequence[str]) -> str | None:
    """One line where D clearly rises with quality, so that the direction of the scores is probably wrong; else None.

    Clearly: the upper end of the SRCC's interval over references is below 0. Where there is no interval (a single
    reference, or too few pairs), the SRCC is below 0 by two standard errors of unrelated ranks, 1 / sqrt(N - 1).

    Args:
        name: what the distances are of, such as "uniform weights".
    """
    found = correlation(quality, distances).srcc
    if not found < 0:
        return None
    intervals = confidence(quality, distances, reference_ids)
    low, high = intervals.srcc if intervals is not None else (math.nan, math.nan)
    if math.isnan(high):
        high = found + 2 / math.sqrt(len(quality) - 1)
        shown = f"{found:.3f}"
    else:
        shown = f"{found:.3f} [{low:.3f}, {high:.3f}]"
    if high >= 0:
        return None
    return (
        f"{name}: SRCC {shown}, so images of better scores are farther from their references; the direction of the "
        "scores is probably wrong: check `better`, or the label file"
    )
