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
class Estimate:
    """A mean over folds.

    Attributes:
        mean: NaN where the figure of a fold is.
        error: its corrected standard error (`corrected_error`), NaN where undefined.
        low, high: its interval by Student's t, of one degree of freedom less than there are figures; NaN where there
            is none.
    """

    mean: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain(Estimate):
    """What tuning brought on references never seen: held-out SRCC minus the uniform weights' on the same pairs.

    Attributes:
        verdict: whether that is a gain, a loss, or not to be told from none.
    """

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


def estimate(values: ArrayLike, test_to_train: float, *, among: int = 1) -> Estimate:
    """The mean of figures of folds, and its interval of 95 %.

    Args:
        values: (k,) a figure of each fold, of all repetitions.
        test_to_train: as of `corrected_error`.
        among: how many means it was chosen from, or is looked at with. The interval is widened for it (Bonferroni), so
            that the best of many is not taken for better than it is.
    """
    from scipy.stats import t as student

    figures = np.asarray(values, dtype=np.float64)
    mean, error = float(figures.mean()), corrected_error(figures, test_to_train)
    reach = math.nan if figures.size < 2 else error * float(student.ppf(1 - (1 - LEVEL) / 2 / among, figures.size - 1))
    return Estimate(mean, error, mean - reach, mean + reach)


def gain_of(repetitions: Sequence[HeldOut], *, among: int = 1) -> Gain:
    """The gain over the uniform weights on the folds of one run, or of several that differ in their seed alone.

    Tuning helped where the two-sided 95 % interval of the mean difference (`estimate`) lies above 0, and harmed where
    it lies below. Fewer than 3 folds a run, an undefined SRCC, and differences that are rounding show nothing.

    Args:
        among: as of `estimate`.

    Raises:
        ValueError: for no repetition.
    """
    if not repetitions:
        raise ValueError("a gain needs the folds of one run at least")
    differences = [fold.srcc - fold.uniform_srcc for held_out in repetitions for fold in held_out.per_fold]
    gain = estimate(differences, test_to_train(repetitions), among=among)
    enough = min(held_out.folds for held_out in repetitions) >= FEWEST_FOLDS
    # NaN is neither above nor below
    verdict: Verdict = "not shown to help"
    if enough and gain.low > ROUNDING:
        verdict = "helped"
    elif enough and gain.high < -ROUNDING:
        verdict = "harmed"
    return Gain(gain.mean, gain.error, gain.low, gain.high, verdict)


def difference_of(couples: Sequence[tuple[HeldOut, HeldOut]], *, among: int = 1) -> Estimate | None:
    """How far the first of each couple is above the second on the same folds; None where their folds are not the same.

    Args:
        couples: of one seed each, whose folds are the same where the pairs and their number are.
        among: as of `estimate`.
    """
    folds = [fold for first, second in couples for fold in zip(first.per_fold, second.per_fold, strict=False)]
    as_many = all(first.folds == second.folds for first, second in couples)
    same = all((one.references, one.name, one.pairs) == (two.references, two.name, two.pairs) for one, two in folds)
    if not folds or not as_many or not same:
        return None
    return estimate(
        [one.srcc - two.srcc for one, two in folds], test_to_train([one for one, _ in couples]), among=among
    )


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
