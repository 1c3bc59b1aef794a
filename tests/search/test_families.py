"""Searchers by the names of a library's algorithms: which there are, and what their samples were."""

import math
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.records.options import Run
from iqatune.records.trial import Trial
from iqatune.search.loop import search
from iqatune.search.searchers import optuna_names
from iqatune.search.searchers.base import Problem
from iqatune.search.searchers.registry import families, find, make_searcher, members
from iqatune.tuning.checks import checked_run


def _problem(samples: int, dimension: int = 12, seed: int = 0) -> Problem:
    return Problem(tuple(f"p{place}" for place in range(dimension)), samples, seed)


def _bowl(parameters: NDArray[np.float64], budget: int) -> float:
    return 1 - float(np.mean((parameters - np.linspace(0.2, 0.9, len(parameters))) ** 2))


def _run(name: str, problem: Problem) -> list[Trial]:
    return search(make_searcher(name, problem), _bowl)


class TestNames:
    def test_the_library_s_spelling_is_recorded(self) -> None:
        assert find("nevergrad:pso").name == "nevergrad:PSO"
        assert find("Nevergrad:neldermead").name == "nevergrad:NelderMead"
        assert find("OPTUNA:TPE").name == "optuna:tpe"
        assert find("nevergrad:pso") is find("nevergrad:PSO")
        run = checked_run(Run(dataset="demo", backbone="squeezenet", searcher="nevergrad:pso"))
        assert run.searcher == "nevergrad:PSO"

    def test_every_name_of_the_library_is_there_or_is_refused_with_the_reason(self) -> None:
        from nevergrad.optimization import registry

        fit = {name.partition(":")[2] for name in members("nevergrad")}
        assert {"PSO", "DE", "CMA", "OnePlusOne", "NelderMead", "Powell", "TBPSA", "EMNA"} - fit == {"EMNA"}
        assert len(fit) > 400
        for name in registry:
            if name.strip() not in fit:
                with pytest.raises(InputError, match=rf"nevergrad:{name.strip()}: it (needs|tries|takes|is|has) "):
                    find(f"nevergrad:{name.strip()}")

    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("nevergrad:PS0", "`searcher` nevergrad:PS0: no such algorithm; did you mean 'nevergrad:PSO'?"),
            ("optuna:tpa", "`searcher` optuna:tpa: no such algorithm; did you mean 'optuna:tpe'?"),
            ("nevergrad:qqqqqqqq", "'iqatune list searchers nevergrad' lists those that there are"),
            ("nevergrad:", "'iqatune list searchers nevergrad' lists those that there are"),
            ("nevergrad:SMAC3", "it needs the package smac, which is not installed"),
            ("nevergrad:NoisyOnePlusOne", "it tries the same points over and over"),
            ("nevergard:PSO", "unknown searcher; did you mean 'nevergrad'?"),
        ],
    )
    def test_a_wrong_one_is_refused_in_a_line(self, name: str, line: str) -> None:
        with pytest.raises(InputError) as refused:
            find(name)
        assert line in refused.value.line

    def test_a_sampler_whose_package_is_missing_says_which(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(optuna_names, "find_spec", lambda name: None)
        with pytest.raises(InputError, match=r"optuna:cmaes: it needs the package cmaes, .*pip install cmaes"):
            find("optuna:cmaes")
        assert members("optuna") == ("optuna:tpe", "optuna:nsga2")

    def test_lists_have_one_line_for_each(self) -> None:
        assert [info.name for info in families()] == ["nevergrad:NAME", "optuna:NAME"]


class TestWhatEachSampleWas:
    """A sample counts as blind as long as other results would not have changed it."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("nevergrad:PSO", {"random": 40, "local": 10}),  # its population
            ("nevergrad:DE", {"random": 30, "local": 20}),
            ("nevergrad:NelderMead", {"initial": 13, "local": 37}),  # its simplex, for every seed the same
            ("nevergrad:HammersleySearch", {"initial": 50}),
            ("nevergrad:RandomSearch", {"random": 50}),
            ("optuna:tpe", {"random": 10, "model": 40}),  # its default `n_startup_trials`
            ("optuna:nsga2", {"random": 50}),  # its default population
        ],
    )
    def test_in_twelve_parameters(self, name: str, expected: dict[str, int]) -> None:
        assert Counter(trial.chosen_by for trial in _run(name, _problem(50))) == expected

    def test_after_them_better_ones_are_found(self) -> None:
        trials = _run("nevergrad:CMA", _problem(50))
        blind = [trial.srcc for trial in trials if trial.chosen_by == "random"]
        assert 0 < len(blind) < 20
        assert max(trial.srcc for trial in trials) > max(blind)

    def test_once_it_has_converged_it_is_random_again(self) -> None:
        trials = search(make_searcher("nevergrad:Cobyla", _problem(150, 2)), _bowl)
        assert trials[-1].chosen_by in ("random", "local")
        assert Counter(trial.chosen_by for trial in trials)["local"] > 10

    def test_a_search_that_never_uses_a_result_is_warned_of(self) -> None:
        line = find("nevergrad:PSO").degenerate(_problem(40))
        assert line is not None
        assert "nevergrad:PSO proposes 40 samples of 12 parameters before any of their results" in line
        assert find("nevergrad:PSO").degenerate(_problem(41)) is None
        assert find("optuna:nsga2").degenerate(_problem(50)) is not None
        # what is random by its nature does what its name says
        assert find("nevergrad:RandomSearch").degenerate(_problem(40)) is None

    @pytest.mark.parametrize("name", ["optuna:tpe", "optuna:gp", "optuna:cmaes", "optuna:nsga2"])
    @pytest.mark.parametrize("dimension", [2, 12])
    def test_what_optuna_draws_blindly_is_known_beforehand(self, name: str, dimension: int) -> None:
        blind = optuna_names.BLIND[name.partition(":")[2]](dimension)
        trials = _run(name, _problem(blind + 1, dimension))
        assert [trial.chosen_by for trial in trials[:-1]] == ["random"] * blind
        assert trials[-1].chosen_by in ("model", "local")
        assert "at random" in (find(name).degenerate(_problem(blind, dimension)) or "")
        assert find(name).degenerate(_problem(blind + 1, dimension)) is None

    def test_undefined_results_are_told_to_the_twin_as_well(self) -> None:
        task = _problem(20, 3)
        trials = search(make_searcher("optuna:tpe", task), lambda parameters, budget: math.nan)
        assert len(trials) == 20


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("no\nuse"), "nevergrad fails on this problem (ValueError: no); take another"),
        (
            ModuleNotFoundError("none", name="nlopt"),
            "on this problem it needs the package nlopt, which is not installed",
        ),
    ],
)
def test_an_algorithm_that_fails_is_told_in_a_line(
    error: Exception, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nevergrad.optimization.optimizerlib import _PSO

    def failing(self: object) -> None:
        raise error

    searcher = make_searcher("nevergrad:PSO", _problem(4, 3))
    monkeypatch.setattr(_PSO, "_internal_ask_candidate", failing)
    with pytest.raises(InputError) as raised:
        searcher.propose()
    assert f"`searcher` nevergrad:PSO: {says}" in raised.value.line


def test_numbers_that_are_none_are_told_in_a_line() -> None:
    """Of one sample, whose logarithm is the scale of this design."""
    with pytest.raises(InputError, match=r"nevergrad:RescaleScrHammersleySearch: .*numbers that are not in \[0, 1\]"):
        _run("nevergrad:RescaleScrHammersleySearch", _problem(1, 3))


def test_samples_that_follow_the_clock_are_owned_up_to() -> None:
    searcher = make_searcher("nevergrad:CmaFmin2", _problem(4, 3))
    assert not searcher.repeatable
    assert "clock" in (find("nevergrad:CmaFmin2").caution(_problem(4, 3)) or "")
    assert find("nevergrad:PSO").caution(_problem(4, 3)) is None


@pytest.mark.parametrize(
    "name", ["random", "nevergrad:PSO", "nevergrad:CMAsmall", "nevergrad:TwoPointsDE", "nevergrad:ES", "optuna:nsga2"]
)
def test_the_first_samples_are_those_of_a_longer_search(name: str) -> None:
    assert not find(name).plans_by_total
    longer = _run(name, _problem(80, 5, seed=3))
    for count in (1, 50):
        shorter = _run(name, _problem(count, 5, seed=3))
        assert [trial.parameters.tolist() for trial in shorter] == [
            trial.parameters.tolist() for trial in longer[:count]
        ]
        assert [trial.chosen_by for trial in shorter] == [trial.chosen_by for trial in longer[:count]]


@pytest.mark.skipif(find_spec("cmaes") is None, reason="needs the package cmaes")
def test_cmaes_of_optuna_finds_the_peak() -> None:
    trials = _run("optuna:cmaes", _problem(90, 3))
    assert max(trial.srcc for trial in trials) > 0.99
