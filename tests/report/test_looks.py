"""A searcher looks the same wherever it is drawn, and as no other does, also for people who see few colours."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import rgb2lab

from iqatune.report.figures.looks import LOOKS, look, looks_of
from iqatune.search.searchers.optuna_names import SAMPLERS
from iqatune.search.searchers.registry import _BUILTINS

DICHROMATS = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
"""What is left of linear RGB, after Machado, Oliveira and Fernandes (2009), severity 1."""


def seen(colour: str, by: str) -> np.ndarray:
    """CIE Lab of a colour as someone sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    left = (DICHROMATS[by] @ linear).clip(0, 1)
    back = np.where(left <= 0.0031308, left * 12.92, 1.055 * left ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(back[None, None])[0, 0])


def test_every_searcher_of_iqatune_has_its_own_look() -> None:
    assert set(LOOKS) == set(_BUILTINS) | {f"optuna:{name}" for name in SAMPLERS}
    assert len({(shown.colour, shown.marker) for shown in LOOKS.values()}) == len(LOOKS)


@pytest.mark.parametrize("by", DICHROMATS)
def test_searchers_differ_in_colour_or_clearly_in_marker_for_everybody(by: str) -> None:
    for (one, its), (other, others) in combinations(LOOKS.items(), 2):
        distance = float(np.linalg.norm(seen(its.colour, by) - seen(others.colour, by)))
        assert its.marker != others.marker or distance > 15, (one, other, distance)


def test_each_is_told_from_random_by_colour_marker_and_line_together_in_grey() -> None:
    looks = {(shown.marker, shown.line) for name, shown in LOOKS.items()}
    assert len(looks) == len(LOOKS)


def test_a_plug_in_has_the_same_look_in_every_process_and_none_of_the_others() -> None:
    code = "from iqatune.report.figures.looks import look; print(look('house of cards'), look('nevergrad:PSO'))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == f"{look('house of cards')} {look('nevergrad:PSO')}"
    markers = {shown.marker for shown in LOOKS.values()}
    plug_ins = [look(f"plug-in {place}") for place in range(300)]
    assert all(shown.marker not in markers for shown in plug_ins)
    assert len({(shown.colour, shown.marker, shown.line) for shown in plug_ins}) > 150


def test_variants_and_tints_keep_the_colours_family() -> None:
    assert look("bohb", 1).colour == look("bohb").colour
    assert look("bohb", 1).hollow
    assert not look("bohb").hollow
    rows = looks_of({"a": "bohb", "b": "bohb", "c": "random"})
    assert rows["c"] == look("random")
    assert rows["a"].colour == look("bohb").colour
    light = [seen(rows[row].colour, "none")[0] for row in ("a", "b")]
    assert light[0] < light[1]
    assert rows["a"].marker != rows["b"].marker


def test_a_look_stays() -> None:
    """Reports of different times are laid side by side: this changes for no reason but a promise that is broken."""
    assert [LOOKS[name].colour for name in ("random", "bohb", "ax", "bayesopt", "nevergrad", "blendsearch", "fit")] == [
        "#0072B2",
        "#D55E00",
        "#009E73",
        "#CC79A7",
        "#E69F00",
        "#56B4E9",
        "#000000",
    ]
