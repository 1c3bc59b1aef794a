"""Drawings show the numbers that they are given."""

import math
import os
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from iqatune.evaluation.correlation import logistic_fit
from iqatune.records.trial import Trial
from iqatune.records.vocabulary import Better, ChosenBy
from iqatune.report.figures import (
    COLOUR_OF,
    Dot,
    Progressed,
    Scatter,
    Searched,
    as_pdf,
    as_svg,
    curves,
    dots,
    draw_scatter,
    draw_search,
    history,
    importance_figure,
    look,
    scatter_by_distortion,
    scatter_figure,
)
from iqatune.search.importance import Importance, Number


@pytest.fixture
def axes() -> Axes:
    return Figure(layout="constrained").add_subplot()


def trial(sample: int, srcc: float, *, budget: float = 1.0, chosen_by: ChosenBy = "random") -> Trial:
    return Trial(
        sample=sample,
        trial_id=f"{sample}-{budget}",
        parameters=np.zeros(1),
        srcc=srcc,
        budget=budget,
        chosen_by=chosen_by,
        seconds=0.0,
    )


TRIALS = [
    trial(0, 0.99, budget=1 / 9),
    trial(3, 0.84, chosen_by="model"),
    trial(1, 0.80),
    trial(2, math.nan),
    trial(4, 0.79, chosen_by="model"),
    trial(0, 0.70),
    trial(5, 0.86, chosen_by="local"),
]
"""Out of order, as evaluations on growing budgets come."""


def line(axes: Axes, name: str) -> Line2D:
    (found,) = [line for line in axes.get_lines() if line.get_label() == name]
    return found


def figure_of(axes: Axes) -> Figure:
    assert isinstance(axes.figure, Figure)
    return axes.figure


def legend_of(axes: Axes) -> Legend:
    found = axes.get_legend()
    assert found is not None
    return found


def legend(axes: Axes) -> list[str]:
    return [text.get_text() for text in legend_of(axes).get_texts()]


def points(drawn: Line2D) -> list[tuple[float, float]]:
    xs, ys = np.asarray(drawn.get_xdata()), np.asarray(drawn.get_ydata())
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]


def test_a_dot_for_every_sample_with_an_srcc_on_all_references(axes: Axes) -> None:
    draw_search(axes, TRIALS, uniform=None)
    kinds: tuple[ChosenBy, ...] = ("random", "model", "local")
    found = {kind: points(line(axes, kind)) for kind in kinds}
    assert found == {"random": [(0, 0.70), (1, 0.80)], "model": [(3, 0.84), (4, 0.79)], "local": [(5, 0.86)]}
    assert all(line(axes, kind).get_color() == COLOUR_OF[kind] for kind in kinds)
    assert legend(axes) == ["random", "model", "local", "best so far"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("sample", "SRCC")


def test_every_kind_of_sample_has_a_colour_of_its_own() -> None:
    assert set(COLOUR_OF) == set(get_args(ChosenBy))
    assert len(set(COLOUR_OF.values())) == len(COLOUR_OF)


def test_the_best_so_far_never_falls_and_ends_at_the_best(axes: Axes) -> None:
    draw_search(axes, TRIALS, uniform=None)
    best = line(axes, "best so far")
    assert points(best) == [(0, 0.70), (1, 0.80), (3, 0.84), (4, 0.84), (5, 0.86)]
    assert best.get_drawstyle() == "steps-post"


def test_uniform_weights_are_a_dashed_line(axes: Axes) -> None:
    draw_search(axes, TRIALS, uniform=0.75)
    uniform = line(axes, "uniform weights")
    assert set(np.asarray(uniform.get_ydata())) == {0.75}
    assert uniform.get_linestyle() == "--"


@pytest.mark.parametrize("trials", [[], [trial(0, math.nan), trial(1, 0.5, budget=0.5)]])
def test_a_search_without_an_srcc_has_no_dots(axes: Axes, trials: list[Trial]) -> None:
    draw_search(axes, trials, uniform=math.nan)
    assert axes.get_lines() == []
    assert axes.get_legend() is None


def planted(distortions: int, pairs: int = 8) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(N,) qualities and distances, and the pairs' distortions in turns."""
    rng = np.random.default_rng(0)
    distances = rng.gamma(2.0, 0.1, distortions * pairs)
    quality = 1 + 4 / (1 + np.exp(15 * (distances - 0.2))) + rng.normal(0, 0.2, distances.size)
    return quality, distances, [f"distortion {row % distortions}" for row in range(distances.size)]


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_the_curve_is_the_fit_that_plcc_is_taken_through(axes: Axes, better: Better) -> None:
    quality, distances, distortions = planted(3)
    sign = 1 if better == "higher" else -1
    draw_scatter(axes, sign * quality, distances, distortions=distortions, better=better)
    order = np.argsort(distances)
    curve = line(axes, "logistic fit")
    assert np.array_equal(curve.get_xdata(), distances[order])
    assert np.array_equal(curve.get_ydata(), sign * logistic_fit(quality, -distances)[order])
    assert axes.get_ylabel() == f"human score ({better} is better)"


@pytest.mark.parametrize(("distortions", "beside"), [(2, False), (8, False), (9, True), (25, True)])
def test_every_distortion_has_a_look_of_its_own(axes: Axes, distortions: int, beside: bool) -> None:
    scores, distances, names = planted(distortions)
    draw_scatter(axes, scores, distances, distortions=names, better="higher")
    dots = {name: line(axes, name) for name in dict.fromkeys(names)}
    for name, drawn in dots.items():
        rows = [row for row, other in enumerate(names) if other == name]
        assert points(drawn) == [(distances[row], scores[row]) for row in rows]
    assert len({(drawn.get_color(), drawn.get_marker()) for drawn in dots.values()}) == distortions
    if distortions <= 8:
        assert len({drawn.get_color() for drawn in dots.values()}) == distortions
    assert legend(axes) == [*dots, "logistic fit"]
    figure_of(axes).draw_without_rendering()
    legend_box = legend_of(axes).get_window_extent()
    assert (legend_box.x0 >= axes.get_window_extent().x1) == beside
    assert legend_box.x1 <= figure_of(axes).bbox.x1
    assert legend_box.height <= figure_of(axes).bbox.height


@pytest.mark.parametrize(
    "distances", [[0.1, 0.2, 0.3, 0.4, 0.5], [0.1] * 7, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, math.nan]], ids=str
)
def test_what_no_curve_fits_is_drawn_without_one(axes: Axes, distances: list[float]) -> None:
    scores = np.arange(float(len(distances)))
    draw_scatter(axes, scores, distances, distortions=["blur"] * len(distances), better="higher")
    assert [drawn.get_label() for drawn in axes.get_lines()] == ["blur"]
    figure_of(axes).draw_without_rendering()


def test_scores_and_distances_must_be_of_the_same_pairs(axes: Axes) -> None:
    with pytest.raises(ValueError, match="as long"):
        draw_scatter(axes, [1.0, 2.0], [0.1, 0.2], distortions=["blur"], better="higher")


def test_names_are_drawn_as_they_are_written() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    draw_search(left, TRIALS, uniform=0.75)
    draw_scatter(right, [1.0, 2.0], [0.1, 0.2], distortions=["$\\frac$", "b"], better="higher")  # no formula
    figure.draw_without_rendering()


def test_the_same_numbers_give_the_same_document() -> None:
    rows = {"random": np.array([[0.1, np.nan, 0.3]]), "bohb": np.array([[0.2, 0.2, 0.2]])}
    looks = {row: look(row) for row in rows}
    documents = [as_svg(curves({"": Progressed(rows=rows)}, looks, x_name="samples", y_name="SRCC")) for _ in range(2)]
    assert documents[0] == documents[1]
    assert "<svg" in documents[0]
    assert "<dc:date>" not in documents[0]


def of_planted(distortions: int, pairs: int = 8, *, better: Better = "higher") -> Scatter:
    quality, distances, names = planted(distortions, pairs)
    errors = np.linspace(0.1, 0.3, distances.size)
    sign = 1 if better == "higher" else -1
    return Scatter.of(sign * quality, distances, distortions=names, better=better, errors=errors)


def bars(axes: Axes) -> list[tuple[float, float, float]]:
    """x, lower and upper end of every vertical bar."""
    ends = [path.vertices for found in axes.collections for path in found.get_paths()]
    return sorted((float(end[0][0]), float(end[0][1]), float(end[1][1])) for end in np.asarray(ends))


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_bars_reach_1_96_standard_errors_to_both_sides(axes: Axes, better: Better) -> None:
    scatter = of_planted(3, better=better)
    assert scatter.errors is not None
    draw_scatter(
        axes,
        scatter.scores,
        scatter.distances,
        distortions=scatter.kinds.tolist(),
        better=better,
        errors=scatter.errors,
    )
    low, high = scatter.scores - 1.96 * scatter.errors, scatter.scores + 1.96 * scatter.errors
    right = sorted(zip(scatter.distances.tolist(), low.tolist(), high.tolist(), strict=True))
    assert np.allclose(bars(axes), right)


def test_a_panel_shows_its_distortion_as_the_whole_drawing_does_and_the_others_in_grey() -> None:
    scatter = of_planted(7)
    whole, parts = scatter_figure(scatter), scatter_by_distortion(scatter)
    panels = [axes for axes in parts.axes if axes.get_visible()]
    assert [axes.get_title().replace("\n", " ") for axes in panels] == [f"distortion {place} (8)" for place in range(7)]
    for axes in panels:
        name = axes.get_title().replace("\n", " ").removesuffix(" (8)")
        mine, drawn = line(axes, name), line(whole.axes[0], name)
        assert points(mine) == points(drawn)
        assert (mine.get_color(), mine.get_marker()) == (drawn.get_color(), drawn.get_marker())
        assert len(bars(axes)) == 8
        (others,) = [one for one in axes.get_lines() if len(points(one)) == 48]
        assert sorted(points(others) + points(mine)) == sorted(
            zip(scatter.distances.tolist(), scatter.scores.tolist(), strict=True)
        )
        assert axes.get_xlim() == panels[0].get_xlim()
        assert axes.get_ylim() == panels[0].get_ylim()


def test_many_pairs_make_small_documents() -> None:
    """10125 pairs of 25 distortions with bars; 6 MB dot by dot."""
    scatter = of_planted(25, 405)
    for figure in (scatter_figure(scatter), scatter_by_distortion(scatter)):
        document = as_svg(figure)
        assert len(document) < 1_200_000
        assert "distortion 24" in document  # letters stay letters
        assert len(as_pdf(figure)) < 1_200_000


def test_documents_do_not_depend_on_the_process() -> None:
    """Neither on the time nor on Python's random hashes, for which fonts in PDF files have been named."""
    code = """
import hashlib, sys, numpy as np
from iqatune.report.figures import Scatter, as_pdf, as_svg, scatter_by_distortion
x = np.linspace(0, 1, 1200)
scatter = Scatter.of(5 - x, x**2, distortions=["blur", "noise"] * 600, better="higher", errors=x)
for content in (as_svg(scatter_by_distortion(scatter)).encode(), as_pdf(scatter_by_distortion(scatter))):
    print(hashlib.sha256(content).hexdigest())
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert len(found[0].split()) == 2


def segments(axes: Axes) -> list[list[tuple[float, float]]]:
    """The ends of every line of a collection."""
    return [
        [(float(x), float(y)) for x, y in np.asarray(path.vertices)]
        for found in axes.collections
        for path in found.get_paths()
    ]


def test_dots_have_their_intervals_and_no_bar_begins_off_0() -> None:
    rows = [
        Dot(name="vgg19", value=0.9, interval=(0.85, 0.93), uniform=0.88),
        Dot(name="alexnet", value=0.8),
        Dot(name="resnet50", value=math.nan, uniform=0.7),
    ]
    (axes,) = dots({"live": rows}, x_name="SRCC").axes
    assert len(axes.patches) == 0  # what a bar would be
    assert [label.get_text() for label in axes.get_yticklabels()] == ["vgg19", "alexnet", "resnet50"]
    places = axes.get_yticks().tolist()
    assert places == sorted(places)
    low, high = axes.get_ylim()
    assert low > high  # the first on top
    found = {
        name: [points(one)[0] for one in axes.get_lines() if one.get_label() == name] for name in legend_names(axes)
    }
    assert found["tuned"] == [(0.9, places[0]), (0.8, places[1])]
    assert found["uniform weights"] == [(0.88, places[0]), (0.7, places[2])]
    assert segments(axes) == [[(0.85, places[0]), (0.93, places[0])]]
    assert [text.get_text() for text in axes.texts] == ["0.900", "0.800", "undefined"]


def legend_names(axes: Axes) -> set[str]:
    return set(axes.get_legend_handles_labels()[1])


def test_a_band_reaches_from_the_lowest_to_the_highest_seed() -> None:
    seeds = np.array([[np.nan, 0.80, 0.84, 0.84], [0.70, 0.82, 0.82, 0.88], [0.75, 0.81, 0.85, 0.86]])
    one = np.array([[0.6, 0.7, 0.7, 0.9]])
    panel = Progressed(rows={"bohb": seeds, "random": one}, uniform=0.65)
    looks = {"bohb": look("bohb"), "random": look("random")}
    (axes,) = curves({"": panel}, looks, x_name="samples", y_name="SRCC").axes
    mean = line(axes, "bohb")
    assert np.allclose(np.asarray(mean.get_ydata()), seeds.mean(axis=0), equal_nan=True)
    assert np.asarray(mean.get_xdata()).tolist() == [1, 2, 3, 4]
    assert (mean.get_color(), mean.get_marker()) == (look("bohb").colour, look("bohb").marker)
    (band,) = axes.collections  # one seed has none
    (outline,) = band.get_paths()
    at = {x: {float(y) for place, y in np.asarray(outline.vertices) if place == x} for x in (2.0, 3.0, 4.0)}
    for sample, reached in at.items():
        values = seeds[:, int(sample) - 1]
        assert {min(values), max(values)} <= reached
    assert not any(x < 2 for x, _ in np.asarray(outline.vertices))  # not before every seed has a value
    assert set(np.asarray(line(axes, "uniform weights").get_ydata())) == {0.65}


def test_history_has_every_sample_and_marks_what_lies_below_it() -> None:
    values = [0.80 + 0.001 * place for place in range(40)]
    values[7] = -0.3
    trials = [trial(sample, value) for sample, value in enumerate(values)]
    figure = history(
        {"random": Searched(trials=trials, uniform=0.81), "again": Searched(trials=trials[:2], uniform=None)}
    )
    axes = figure.axes[0]
    assert points(line(axes, "random")) == list(enumerate(values))
    floor = axes.get_ylim()[0]
    assert 0.7 < floor < 0.8
    (below,) = [one for one in axes.get_lines() if one.get_markerfacecolor() == "white"]
    assert points(below) == [(7.0, floor)]
    assert np.asarray(line(axes, "best so far").get_ydata())[-1] == max(values)
    assert set(np.asarray(line(axes, "uniform weights").get_ydata())) == {0.81}
    assert figure.axes[1].get_ylim() == axes.get_ylim()


def test_history_of_samples_that_are_alike_leaves_none_below() -> None:
    trials = [trial(sample, 0.5 + 0.01 * sample) for sample in range(30)]
    (axes,) = history({"random": Searched(trials=trials, uniform=0.4)}).axes
    assert axes.get_ylim()[0] < 0.4
    assert not [one for one in axes.get_lines() if one.get_markerfacecolor() == "white"]


def test_importance_is_drawn_as_it_is() -> None:
    numbers = (
        Number(name="beta_4", share=0.4, low=0.3, high=0.6),
        Number(name="alpha_0", share=0.1, low=0.0, high=0.2),
    )
    (axes,) = importance_figure(Importance(numbers=numbers, noise=0.03, samples=100)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["beta_4", "alpha_0"]
    dotted = [points(one)[0] for one in axes.get_lines() if one.get_label() == "mean of 8 resamples"]
    assert dotted == [(0.4, 0), (0.1, 1)]
    assert segments(axes) == [[(0.3, 0), (0.6, 0)], [(0.0, 1), (0.2, 1)]]
    assert set(np.asarray(line(axes, "a number that does nothing").get_xdata())) == {0.03}


def test_what_a_user_has_set_changes_no_figure() -> None:
    from matplotlib import style

    def document() -> tuple[str, bytes]:
        (figure,) = [dots({"live": [Dot(name="vgg19", value=0.9, interval=(0.8, 0.95), uniform=0.7)]}, x_name="SRCC")]
        return as_svg(figure), as_pdf(figure)

    plain = document()
    with style.context(["dark_background", {"font.size": 30, "svg.fonttype": "none", "lines.linewidth": 9}]):
        assert document() == plain
    assert "fill: #ffffff" in plain[0]  # white, whatever it stands on
    assert "fill: #000000" not in plain[0].split("</g>")[0]
