"""Correlations and their intervals, as records hold them."""

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
