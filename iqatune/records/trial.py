"""One evaluated configuration of a search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqatune.records.vocabulary import ChosenBy


@dataclass(frozen=True, kw_only=True)
class Inner:
    """What folds inside the pairs say of a configuration that was fitted, which is chosen by that.

    Attributes:
        shrinkage: towards the uniform weights; None for these themselves.
        mean: of the run's objective on references left out, over the folds; NaN where undefined.
        error: corrected standard error of the mean's gain over the uniform weights; NaN where undefined.
        mu: of `mutual`, how much the disagreement of its two views counts; None elsewhere.
    """

    shrinkage: float | None
    mean: float
    error: float
    mu: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One evaluated configuration.

    Attributes:
        sample: the configuration's number from 0.
        trial_id: names the evaluation, unique in its search.
        parameters: (P,) float64 in [0, 1].
        srcc: in [-1, 1], on the references of its budget; NaN where undefined (a constant prediction).
        value: of what is maximised, likewise, where that is another than the SRCC; else None. Textures may bring it
            below -1.
        budget: the fraction of the references it was computed on; 1.0 is all.
        chosen_by: how the searcher came to the configuration.
        seconds: of the searcher and the objective together.
        inner: of a fit, else None.
    """

    sample: int
    trial_id: str
    parameters: NDArray[np.float64]
    srcc: float
    budget: float
    chosen_by: ChosenBy
    seconds: float
    value: float | None = None
    inner: Inner | None = None

    @property
    def merit(self) -> float:
        """What the searcher is told, and the best trial is chosen by."""
        return self.srcc if self.value is None else self.value
