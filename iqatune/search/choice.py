"""Which of a search's trials is taken?"""

import math
from collections.abc import Sequence

from iqatune.records.trial import Inner, Trial


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The trial of most merit on all references, the first of equals; None where no trial has a defined one.

    Of a fit's trials the one that its inner folds choose (`chosen`): their merit on all pairs, which they were fitted
    to, says nothing.
    """
    complete = [trial for trial in trials if trial.budget == 1.0 and not math.isnan(trial.merit)]
    fitted = [(trial, trial.inner) for trial in complete if trial.inner is not None]
    if fitted:
        return fitted[chosen([inner for _, inner in fitted])][0]
    return max(complete, key=lambda trial: trial.merit, default=None)


def chosen(path: Sequence[Inner]) -> int:
    """The place of the best configuration by inner folds, unless it is hardly better than the uniform weights.

    These are kept where the best is not above them by more than the standard error of that gain. Undefined figures are
    below everything.

    Args:
        path: one at least.
    """
    places = range(len(path))
    best = max(places, key=lambda place: _rank(path[place]))
    uniform = [place for place in places if path[place].shrinkage is None]
    if not uniform:
        return best
    even = max(uniform, key=lambda place: _rank(path[place]))
    # NaN is above nothing
    return best if path[best].mean - path[even].mean > path[best].error else even


def _rank(inner: Inner) -> tuple[bool, float]:
    return not math.isnan(inner.mean), inner.mean
