"""Objectives beside the SRCC over all pairs, against scipy and a slow calculation, and what has no figure."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from iqatune.evaluation.correlation import plcc
from iqatune.evaluation.measures import Labels, Measure
from iqatune.records.vocabulary import ObjectiveName

REFERENCES = [f"r{place // 6}" for place in range(24)]
DISTORTIONS = [("blur", "noise", "jpeg")[place % 3] for place in range(24)]
RNG = np.random.default_rng(0)
QUALITY = RNG.normal(size=24).round(1)
FEATURES = RNG.uniform(size=(24, 4))
DISTANCES = -QUALITY + RNG.normal(size=24)


def measure(objective: ObjectiveName, quality: np.ndarray = QUALITY, features: np.ndarray = FEATURES) -> Measure:
    return Measure.of(objective, quality, features, Labels(REFERENCES, DISTORTIONS))


def within(labels: Sequence[str]) -> list[float]:
    groups = [np.array([label == name for label in labels]) for name in dict.fromkeys(labels)]
    return [float(spearmanr(QUALITY[rows], -DISTANCES[rows]).statistic) for rows in groups]


def test_figures_are_those_of_scipy_and_of_the_groups() -> None:
    assert measure("srcc")(DISTANCES) == pytest.approx(spearmanr(QUALITY, -DISTANCES).statistic)
    assert measure("krcc")(DISTANCES) == pytest.approx(kendalltau(QUALITY, -DISTANCES, variant="b").statistic)
    assert measure("plcc")(DISTANCES) == plcc(QUALITY, -DISTANCES)
    assert measure("reference-srcc")(DISTANCES) == pytest.approx(np.mean(within(REFERENCES)))
    assert measure("worst-distortion")(DISTANCES) == pytest.approx(min(within(DISTORTIONS)))


@pytest.mark.parametrize("objective", get_args(ObjectiveName))
def test_better_distances_have_a_higher_figure(objective: ObjectiveName) -> None:
    assert measure(objective)(-QUALITY) > measure(objective)(DISTANCES) > measure(objective)(QUALITY)


@pytest.mark.parametrize("objective", get_args(ObjectiveName))
def test_what_is_no_number_or_constant_is_undefined(objective: ObjectiveName) -> None:
    broken = DISTANCES.copy()
    broken[3] = np.inf
    for distances in (np.ones(24), np.full(24, np.nan), broken):
        assert np.isnan(measure(objective)(distances))


def test_references_that_have_no_srcc_are_left_out_and_named() -> None:
    quality, features = QUALITY.copy(), FEATURES.copy()
    quality[:6] = 1.0  # r0: one score
    features[6:12] = 0.0  # r1: equal to its reference throughout
    found = measure("reference-srcc", quality, features)
    assert found.left_out == ("r0", "r1")
    others = np.arange(24) >= 12
    alone = Measure.of("reference-srcc", quality[others], features[others], Labels(REFERENCES[12:]))
    assert found(DISTANCES) == alone(DISTANCES[others])
    few = Measure.of("reference-srcc", quality[10:], features[10:], Labels(REFERENCES[10:]))
    assert few.left_out == ("r1",)


def test_weights_do_not_win_by_telling_nothing_apart_in_the_worst_distortion() -> None:
    rows = np.array([kind == "jpeg" for kind in DISTORTIONS])
    distances = np.where(rows, 0.5, DISTANCES)
    assert np.isnan(measure("worst-distortion")(distances))


def test_nothing_to_look_at_is_undefined() -> None:
    assert np.isnan(measure("reference-srcc", np.ones(24))(DISTANCES))
