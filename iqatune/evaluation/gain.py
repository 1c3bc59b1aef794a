"""Does tuning help on references never seen? The folds' gains over the uniform weights, and how sure they are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from iqatune.records.base import ROUNDING
from iqatune.records.result import HeldOut
from iqatune.records.vocabulary import Verdict

LEVEL: Final = 0.95
"""Of the interval that must leave 0 out: a verdict is a two-sided test at 5 %."""

FEWEST_FOLDS: Final = 3
"""With two folds a difference has one degree of freedom: nothing can be shown."""


@dataclass(frozen=True)
class Gain:
    """What tuning brought on references never seen.

    Attributes:
        mean: held-out SRCC minus the uniform weights' on the same pairs, averaged over folds; NaN where undefined.
        error: its corrected standard error (`corrected_error`), NaN where undefined.
        verdict: whether that is a gain, a loss, or not to be told from none.
    """

    mean: float
    error: float
    verdict: Verdict


def corrected_error(values: ArrayLike, test_to_train: float) -> float:
    """The standard error of the mean of figures of folds, whose tuning sets overlap; NaN of fewer than two.

    sqrt((1 / k + n_test / n_train) s^2), s^2 being the sample variance of the k figures: the correction of the
    resampled t test (Nadeau and Bengio 2003, 'Inference for the Generalization Error', Machine Learning 52). Over
    repetitions of the folds k is their number in all, as Bouckaert and Frank (2004, 'Evaluating the Replicability of
    Significance Tests for Comparing Learning Algorithms') use it.

    Args:
        values: (k,) a figure of each fold, of all repetitions.
        test_to_train: n_test / n_train, of the independent units: the references.
    """
    figures = np.asarray(values, dtype=np.float64)
    if figures.size < 2:
        return math.nan
    return float(np.sqrt((1 / figures.size + test_to_train) * figures.var(ddof=1)))


def gain_of(repetitions: Sequence[HeldOut]) -> Gain:
    """The gain over the uniform weights on the folds of one run, or of several that differ in their seed alone.

    Tuning helped where the two-sided 95 % interval of the mean difference, Student's t with one degree of freedom less
    than there are folds in all, lies above 0, and harmed where it lies below. Fewer than 3 folds a run, an undefined
    SRCC, and differences that are rounding show nothing.

    Raises:
        ValueError: for no repetition.
    """
    from scipy.stats import t as student

    if not repetitions:
        raise ValueError("a gain needs the folds of one run at least")
    folds = [fold for held_out in repetitions for fold in held_out.per_fold]
    differences = np.array([fold.srcc - fold.uniform_srcc for fold in folds])
    mean = float(differences.mean())
    if len(folds) < 2:
        return Gain(mean, math.nan, "not shown to help")
    error = corrected_error(differences, test_to_train(repetitions))
    if min(held_out.folds for held_out in repetitions) < FEWEST_FOLDS:
        return Gain(mean, error, "not shown to help")
    reach = error * float(student.ppf((1 + LEVEL) / 2, differences.size - 1)) + ROUNDING
    # NaN is neither above nor below
    verdict: Verdict = "helped" if mean > reach else "harmed" if mean < -reach else "not shown to help"
    return Gain(mean, error, verdict)


def test_to_train(repetitions: Sequence[HeldOut]) -> float:
    """References held out for each that was tuned on, averaged over folds: every one is held out once a repetition.

    Of folds that hold out sets or distortions, those: their pairs for each of the others'. Of a single fold NaN.
    """
    ratios = []
    for held_out in repetitions:
        by_reference = held_out.split == "references"
        sizes = [len(fold.references) if by_reference else fold.pairs for fold in held_out.per_fold]
        ratios += [size / (sum(sizes) - size) if len(sizes) > 1 else math.nan for size in sizes]
    return float(np.mean(ratios))
