"""A score on the scale of people: the curve is monotone and nearest to the pairs, and its interval covers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from scipy.stats import rankdata

from iqatune.evaluation.folds import by_reference
from iqatune.evaluation.scale import KNOTS, STEEPNESS, Refit, ScaleFit, fit_curve, fit_scale, leave_one_reference_out

Floats = np.ndarray[Any, np.dtype[np.float64]]

numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(st.floats(0, 2), numbers), min_size=6, max_size=60))
@example([(0.0, 0.0)] * 5 + [(5e-324, 0.0)])
@example([(1.0, 3.0)] * 5 + [(1.0 + 2.3e-16, 1.0)])
@example([(0.5, 3.0)] * 5 + [(0.5 + 3e-12, 1.0)])
def test_no_curve_rises_with_the_distance(pairs: list[tuple[float, float]]) -> None:
    distances, quality = np.array(pairs).T
    curve = fit_curve(distances, quality)
    assert (np.diff(curve.distances) > 0).all()
    assert (np.diff(curve.quality) <= 0).all()
    span = np.ptp(quality) + 1e-9
    assert quality.min() - 2 * span <= curve.quality.min() <= curve.quality.max() <= quality.max() + 2 * span


@given(st.integers(0, 2**32 - 1))
def test_bounds_hold_the_curve_and_do_not_rise_with_the_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [str(number) for number in rng.integers(0, int(rng.integers(2, 9)), 40)]
    distances, quality = rng.random(40), rng.normal(0, 5, 40)
    fit = fit_scale(
        distances, quality, ids, refits=leave_one_reference_out(distances, ids), limits=(quality.min(), quality.max())
    )
    assert fit.low is not None
    assert fit.high is not None
    for values in (fit.low, fit.high):
        assert (np.diff(values) <= 0).all()
    assert (fit.low <= fit.curve.quality).all()
    assert (fit.curve.quality <= fit.high).all()
    assert quality.min() <= fit.low.min()
    assert fit.high.max() <= quality.max()


def test_the_curve_is_the_nearest_of_its_kind() -> None:
    rng = np.random.default_rng(5)
    distances = rng.beta(2, 5, 300)
    quality = 80 / (1 + (distances / 0.25) ** 3) + rng.normal(0, 6, 300)
    curve = fit_curve(distances, quality)

    # the same problem in other unknowns, solved by another method: the quality at the first knot, and every fall
    knots = np.quantile(distances, np.linspace(0, 1, KNOTS))
    hats = np.stack([np.interp(distances, knots, row) for row in np.eye(KNOTS)], axis=1)
    falls = np.tril(np.ones((KNOTS, KNOTS)), -1)[:, :-1]
    line = -np.polyfit(distances, quality, 1)[0]
    least = STEEPNESS * line * np.diff(knots)
    design = np.column_stack([np.ones(300), -hats @ falls])
    found = lsq_linear(design, quality, (np.r_[-np.inf, least], np.inf), method="bvls", tol=1e-14).x
    np.testing.assert_allclose(curve.quality, found[0] - falls @ found[1:], atol=1e-6)
    np.testing.assert_allclose(curve.distances, knots)


def test_no_two_distances_get_one_score() -> None:
    rng = np.random.default_rng(1)
    distances = np.sort(rng.random(200))
    quality = np.where(distances < 0.5, 3.0, 1.0) + rng.normal(0, 0.5, 200)  # level on either side of a step
    assert np.diff(fit_curve(distances, quality)(distances)).max() < 0


def test_scores_in_other_units_are_the_same_scores() -> None:
    rng = np.random.default_rng(2)
    ids = [str(number) for number in np.repeat(np.arange(10), 12)]
    distances = rng.random(120)
    quality = 5 - 4 * distances + rng.normal(0, 0.5, 120)
    fits = [
        fit_scale(distances, each, ids, refits=leave_one_reference_out(distances, ids))
        for each in (quality, 20 * quality - 300)
    ]
    for one, other in ((fits[0].low, fits[1].low), (fits[0].curve.quality, fits[1].curve.quality)):
        assert one is not None
        assert other is not None
        np.testing.assert_allclose(20 * one - 300, other, atol=1e-8)


def test_a_single_reference_has_no_interval() -> None:
    distances = np.linspace(0, 1, 10)
    ids = ["one"] * 10
    fit = fit_scale(distances, 1 - distances, ids, refits=leave_one_reference_out(distances, ids))
    assert (fit.low, fit.high) == (None, None)


# planted data sets: a metric with weights that are tuned, people who see images of one D differently, and raters' noise

LIMITS = (0.0, 9.0)


class Pairs(NamedTuple):
    """(N, F) losses of the stages, the true and the rated opinions (N,), and the reference of each."""

    losses: Floats
    true: Floats
    rated: Floats
    ids: list[str]


def planted(rng: np.random.Generator, *, references: int, pairs: int, of_reference: float) -> Callable[[int], Pairs]:
    """Draws pairs of so many new references from one world."""
    weights = rng.dirichlet(np.full(12, 0.3))

    def draw(count: int) -> Pairs:
        severity = rng.random((count, pairs, 1))
        losses = 0.5 * severity * rng.random((count, pairs, 12)) ** 2
        mean = 9 / (1 + (losses @ weights / 0.12) ** 1.5)
        spread = 0.8 * (0.25 + mean * (9 - mean) / 20.25)  # people agree more at the ends of a scale
        shared, own = rng.normal(0, 1, (count, 1)), rng.normal(0, 1, (count, pairs))
        true = mean + spread * (np.sqrt(of_reference) * shared + np.sqrt(1 - of_reference) * own)
        true = np.clip(true, *LIMITS).ravel()
        rated = np.clip(true + rng.normal(0, 0.13, true.shape), *LIMITS)
        ids = [str(number) for number in np.repeat(np.arange(count), pairs)]
        return Pairs(losses.reshape(-1, 12), true, rated, ids)

    return draw


def searched(losses: Floats, rated: Floats) -> Floats:
    """The best of 50 random weights by SRCC, as a random search finds it."""
    proposed = np.random.default_rng(0).dirichlet(np.full(12, 0.3), 50)
    ranks = rankdata(-losses @ proposed.T, axis=0)
    return np.asarray(proposed[np.argmax([np.corrcoef(rankdata(rated), of)[0, 1] for of in ranks.T])])


def scale_of(pairs: Pairs) -> tuple[Floats, ScaleFit]:
    refits = [
        Refit(split, pairs.losses @ searched(pairs.losses[split.tuned], pairs.rated[split.tuned]))
        for split in by_reference(pairs.ids, 5, 0)
    ]
    weights = searched(pairs.losses, pairs.rated)
    return weights, fit_scale(pairs.losses @ weights, pairs.rated, pairs.ids, refits=refits, limits=LIMITS)


def coverage(worlds: int, *, references: int, pairs: int, of_reference: float) -> tuple[float, float, float]:
    """How often an interval holds the true opinion of one new image a world; of 240; and what people would rate it."""
    found = []
    for seed in range(worlds):
        draw = planted(np.random.default_rng(seed), references=references, pairs=pairs, of_reference=of_reference)
        weights, fit = scale_of(draw(references))
        new = draw(-(-240 // pairs))
        assert fit.low is not None
        assert fit.high is not None
        low, high = (np.interp(new.losses @ weights, fit.curve.distances, bound) for bound in (fit.low, fit.high))
        held = (low <= new.true) & (new.true <= high)
        found.append((held[0], held.mean(), ((low <= new.rated) & (new.rated <= high)).mean()))
    one, many, rated = np.mean(found, axis=0)
    return float(one), float(many), float(rated)


@pytest.mark.parametrize(("references", "pairs"), [(25, 12), (10, 12)])
def test_intervals_cover_what_people_would_say(references: int, pairs: int) -> None:
    _, many, rated = coverage(40, references=references, pairs=pairs, of_reference=0.3)
    assert 0.92 <= many <= 0.98
    assert 0.92 <= rated <= 0.98


@pytest.mark.thorough
@pytest.mark.parametrize("of_reference", [0.0, 0.3, 0.6])
@pytest.mark.parametrize(("references", "pairs"), [(25, 25), (29, 27), (8, 35)])
def test_intervals_cover_in_300_planted_data_sets(references: int, pairs: int, of_reference: float) -> None:
    one, many, rated = coverage(300, references=references, pairs=pairs, of_reference=of_reference)
    print(f"{references} references of {pairs}, {of_reference} shared: {one:.3f}, {many:.4f}, rated {rated:.4f}")
    assert 0.92 <= one <= 0.98
    assert 0.92 <= many <= 0.985
    assert 0.92 <= rated <= 0.985


@pytest.mark.parametrize(("name", "sign"), [("live", -1.0), ("tid2013", 1.0)])
def test_intervals_cover_other_references_of_a_real_set(test_data: Path, name: str, sign: float) -> None:
    """DISTS on LIVE and TID2013, as published image by image: intervals of 15 references, on pairs of the others."""
    import pandas

    table = pandas.read_csv(test_data / "scores" / f"{name}.csv")
    ids, distances = table["reference"].to_numpy(), table["dists"].to_numpy()
    quality = sign * table["score"].to_numpy()
    held = []
    for seed in range(12):
        mine = np.isin(ids, np.random.default_rng(seed).permutation(np.unique(ids))[:15])
        names = list(ids[mine])
        fit = fit_scale(distances[mine], quality[mine], names, refits=leave_one_reference_out(distances[mine], names))
        assert fit.low is not None
        assert fit.high is not None
        low, high = (np.interp(distances[~mine], fit.curve.distances, bound) for bound in (fit.low, fit.high))
        held.append(((low <= quality[~mine]) & (quality[~mine] <= high)).mean())
    assert 0.92 <= np.mean(held) <= 0.98
