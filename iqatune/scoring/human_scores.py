"""Metrics beside what the human scores allow: what they miss, and which images they tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iqatune.datasets.table import Pair, PairTable
from iqatune.evaluation.ceiling import DRAWS, noise_ceiling
from iqatune.evaluation.correlation import Floats
from iqatune.evaluation.differences import Couples, couples_of, differences, resolving_power
from iqatune.evaluation.residuals import fitted_scores, outlier_ratio, rmse
from iqatune.records.evaluation import Evaluation, HumanScores, NoiseCeiling

FIGURES = ("rmse", "outlier_ratio", "different_auc", "better_auc", "better_accuracy", "resolving_power")
"""The keys of an evaluated metric that `beside_human_scores` fills in."""


def beside_human_scores(evaluation: Evaluation, table: PairTable, distances: Sequence[Floats]) -> Evaluation:
    """The evaluation with each metric's figures beside the human scores and their standard errors.

    Args:
        distances: of each metric of the evaluation on the table's pairs, (N,), higher is worse.

    Returns:
        with `rmse` alone where a human score comes without a standard deviation.
    """
    errors = table.errors
    couples = None if errors is None else couples_of(table.quality, errors)
    results = tuple(
        metric.model_copy(update=_figures(table.quality, of_metric, errors, couples))
        for metric, of_metric in zip(evaluation.results, distances, strict=True)
    )
    found = None if errors is None or couples is None else _human_scores(table.quality, errors, couples)
    return evaluation.model_copy(update={"results": results, "human_scores": found})


def _human_scores(quality: Floats, errors: Floats, couples: Couples) -> HumanScores:
    try:
        found = noise_ceiling(quality, errors)
        ceiling = NoiseCeiling(srcc=found.srcc, low=found.low, high=found.high, draws=DRAWS)
    except ValueError:  # errors as large as the scores' spread, or scores that are all equal
        ceiling = None
    return HumanScores(
        mean_error=float(np.mean(errors)),
        ceiling=ceiling,
        couples=len(couples.z),
        different=int(couples.different.sum()),
    )


def _figures(
    quality: Floats, distances: Floats, errors: Floats | None, couples: Couples | None
) -> dict[str, float | None]:
    fitted = fitted_scores(quality, -distances)
    figures: dict[str, float | None] = dict.fromkeys(FIGURES)
    if fitted is not None:
        figures["rmse"] = rmse(quality, fitted)
    if couples is None or errors is None:
        return figures
    if fitted is not None:
        figures["outlier_ratio"] = outlier_ratio(quality, fitted, errors)
        figures["resolving_power"] = resolving_power(couples, fitted)
    if np.isfinite(distances).all():
        apart = differences(couples, -distances)
        figures |= {name: getattr(apart, name) for name in ("different_auc", "better_auc", "better_accuracy")}
    # in a record a figure that is not defined is null, as one that could not be had
    return {name: None if value is None or np.isnan(value) else value for name, value in figures.items()}


def ceiling_line(evaluation: Evaluation) -> str:
    """What the human scores allow, or why that is not known, in a sentence."""
    scores = evaluation.human_scores
    if scores is None:
        return (
            f"No noise ceiling, outliers or couples of images: not every human score of {evaluation.dataset} comes "
            "with a standard deviation."
        )
    if scores.ceiling is None:
        return (
            "No noise ceiling: the human scores spread no more than their standard errors do "
            f"({scores.mean_error:.3g} on average)."
        )
    ceiling = scores.ceiling
    return (
        f"Noise ceiling: SRCC {ceiling.srcc:.4f} [{ceiling.low:.4f}, {ceiling.high:.4f}], which a metric would have "
        f"that knows the true quality of every image; median and middle 95 % of {ceiling.draws} experiments, simulated "
        f"from the standard errors of the human scores ({scores.mean_error:.3g} on average)."
    )


def couples_line(scores: HumanScores) -> str:
    """How many couples of images people tell apart, in a sentence."""
    return f"People tell {scores.different} of {scores.couples} couples of images apart (beyond 1.96 standard errors)."


def has_figures(evaluation: Evaluation) -> bool:
    """Whether any metric has figures beside the human scores; those of older documents have not."""
    return any(getattr(metric, name) is not None for metric in evaluation.results for name in FIGURES)


@dataclass(frozen=True, kw_only=True)
class Residual:
    """By how much a metric misses the human score of a pair.

    Attributes:
        score, fitted: the human score, and what the logistic fit gives in its place, both on the scale as published.
        in_errors: the residual in standard errors of the human score; None where it has none, or one of 0.
    """

    pair: Pair
    score: float
    fitted: float
    in_errors: float | None

    @property
    def residual(self) -> float:
        """Human score less fitted score."""
        return self.score - self.fitted


def residuals(table: PairTable, distances: Floats) -> tuple[Residual, ...]:
    """Every pair's, the largest (of either sign) first; none where no fit is defined.

    Args:
        distances: a metric's on the table's pairs, (N,), higher is worse.
    """
    fitted = fitted_scores(table.quality, -distances)
    if fitted is None:
        return ()
    errors = table.errors
    sign = 1.0 if table.better == "higher" else -1.0
    found = []
    for row in np.argsort(-np.abs(table.quality - fitted), kind="stable").tolist():
        pair, value = table.pairs[row], sign * float(fitted[row])
        error = 0.0 if errors is None else float(errors[row])
        in_errors = (pair.score - value) / error if error > 0 else None
        found.append(Residual(pair=pair, score=pair.score, fitted=value, in_errors=in_errors))
    return tuple(found)
