"""Nothing in a drawing stands on anything else or is cut off, whatever the number of records and their names."""

import math

import numpy as np
import pytest

from iqatune.records.trial import Inner, Trial
from iqatune.records.vocabulary import ChosenBy
from iqatune.report import figures
from iqatune.report.figures import (
    Dot,
    FrontPoint,
    Panel,
    Progressed,
    Scatter,
    Searched,
    looks_of,
)
from iqatune.search.importance import Importance, Number
from tests.report.drawings import assert_legible

LONG = "timm:convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_384 (file of parameters with a name without end, {})"
UNBROKEN = "x" * 150 + "{}"
PLAIN = "squeezenet {}"


def names(count: int, form: str) -> list[str]:
    return [form.format(place) for place in range(count)]


def trials(count: int, kind: ChosenBy = "random") -> tuple[Trial, ...]:
    values = np.random.default_rng(count).normal(0.8, 0.05, 40)
    values[3] = -0.4
    return tuple(
        Trial(
            sample=sample,
            trial_id=str(sample),
            parameters=np.zeros(1),
            srcc=float(value),
            budget=1.0,
            chosen_by=kind if sample % 3 else "model",
            seconds=0.0,
        )
        for sample, value in enumerate(values)
    )


OF_RECORDS = pytest.mark.parametrize(("count", "form"), [(1, PLAIN), (3, UNBROKEN), (12, LONG), (30, LONG)])
OF_PANELS = pytest.mark.parametrize(("count", "form"), [(1, LONG), (3, UNBROKEN), (12, LONG)])


@OF_RECORDS
def test_dots(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        Dot(name=name, value=0.8 if place else math.nan, interval=(0.7, 0.9) if place % 2 else None, uniform=0.75)
        for place, name in enumerate(names(count, form))
    ]
    assert_legible(figures.dots({form.format("set"): rows, "another": rows[:1]}, x_name="SRCC"), monkeypatch)


@OF_RECORDS
def test_the_best_so_far_of_many_searchers(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {name: np.linspace(0.5, 0.9, 60).reshape(3, 20) for name in names(count, form)}
    drawing = figures.curves(
        {"": Progressed(rows=rows, uniform=0.7)}, looks_of(dict(zip(rows, rows, strict=True))), x_name="x", y_name="y"
    )
    assert_legible(drawing, monkeypatch)


@OF_PANELS
def test_the_best_so_far_in_many_cases(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Progressed(rows={"random": np.linspace(0.5, 0.9, 20)[None]}, uniform=0.7)
    drawing = figures.curves(
        dict.fromkeys(names(count, form), row), looks_of({"random": "random"}), x_name="samples", y_name="best so far"
    )
    assert_legible(drawing, monkeypatch)


@OF_PANELS
def test_history(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    panels = {name: Searched(trials=trials(place), uniform=0.8) for place, name in enumerate(names(count, form))}
    assert_legible(figures.history(panels), monkeypatch)


@OF_RECORDS
def test_importance(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = tuple(Number(name=name, share=1 / count, low=0.0, high=1.0) for name in names(count, form))
    assert_legible(figures.importance_figure(Importance(numbers=numbers, noise=0.05, samples=100)), monkeypatch)


@OF_RECORDS
def test_ranks(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {name: np.array([place + 1.0, count - place]) for place, name in enumerate(names(count, form))}
    assert_legible(figures.ranks(rows), monkeypatch)


@OF_RECORDS
def test_stage_shares(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = np.random.default_rng(0).dirichlet(np.full(14, 0.5), count).reshape(count, 2, 7)
    assert_legible(figures.stage_shares(dict(zip(names(count, form), shares, strict=True))), monkeypatch)


@OF_RECORDS
def test_points(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    span = 1.5 if count < 12 else 1e6
    rows = {name: [(span ** (place / count), 0.8)] for place, name in enumerate(names(count, form))}
    drawing = figures.points(rows, looks_of(dict(zip(rows, rows, strict=True))), x_name="seconds", y_name="SRCC")
    assert_legible(drawing, monkeypatch)


@OF_PANELS
def test_fit_paths(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = [Inner(shrinkage=None, mean=0.8, error=math.nan)]
    path += [Inner(shrinkage=10.0**-power, mean=0.8 + power / 100, error=0.01) for power in range(12)]
    rows = dict.fromkeys(names(count, form), path)
    assert_legible(figures.fit_paths(rows, looks_of(dict.fromkeys(rows, "fit"))), monkeypatch)


@OF_PANELS
def test_fronts(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    close = [FrontPoint(x=1 + place / 1000, y=0.9, reach=0.01, label=f"0.0{place} to 3") for place in range(10)]
    rows = dict.fromkeys(names(count, form), close)
    assert_legible(figures.front(rows, {}, x_name="tolerance", y_name="SRCC"), monkeypatch)


@OF_PANELS
def test_line_panels(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places = ["as it is", "0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03"]
    lines = {name: np.linspace(1, 0.1 * place, 7) for place, name in enumerate(names(count, form))}
    panel = Panel(places=places, lines=lines, bounds=dict.fromkeys(lines, np.full((7, 2), np.nan)), x_name="noise")
    assert_legible(figures.line_panels(dict.fromkeys("abcd", panel), y_name="agreement retained"), monkeypatch)


@OF_PANELS
def test_scatter(count: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).random(count * 6)
    scatter = Scatter.of(1 - x, x, distortions=names(count, form) * 6, better="higher")
    assert_legible(figures.scatter_figure(scatter), monkeypatch)
    assert_legible(figures.scatter_by_distortion(scatter), monkeypatch)
    assert_legible(figures.scatter_panels(dict.fromkeys(names(min(count, 9), form), scatter)), monkeypatch)
