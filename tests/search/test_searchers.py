"""The contract of every registered searcher."""

import json
import math
import os
import pickle
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from iqatune.errors import InputError
from iqatune.records.trial import Trial
from iqatune.search.loop import Objective, OtherSearch, search
from iqatune.search.searchers.base import (
    AwaitingResults,
    Problem,
    Searcher,
    SearchExhausted,
    TuneSearcher,
)
from iqatune.search.searchers.compat import truncated_normal
from iqatune.search.searchers.registry import SearcherInfo, available, find, make_searcher
from iqatune.version import package_version

NAMES = tuple(info.name for info in available() if not find(info.name).fits)  # tests of a fit are in test_fit.py
FAST = ("random", "blendsearch", "bohb", "nevergrad")
GAUSSIAN_PROCESS = ("ax", "bayesopt")
MEMBERS = ("nevergrad:PSO", "nevergrad:DE", "nevergrad:CMA", "nevergrad:NelderMead", "nevergrad:ChainCMAPowell")
SAMPLERS = ("optuna:tpe", "optuna:gp", "optuna:cmaes", "optuna:nsga2")
GOLDEN = Path(__file__).with_name("golden_samples.json")


class Bowl:
    """A stand-in objective: highest at a point off the centre, a little different on every budget."""

    def __init__(self, dimension: int) -> None:
        self.peak = np.linspace(0.2, 0.9, dimension)

    def __call__(self, parameters: NDArray[np.float64], budget: int) -> float:
        return float(1 - np.mean((parameters - self.peak) ** 2) - 0.01 * budget)


def problem(
    samples: int, dimension: int = 3, seed: int = 0, budgets: tuple[float, ...] = (1 / 9, 1 / 3, 1.0)
) -> Problem:
    return Problem(tuple(f"alpha_{i}" for i in range(dimension)), samples, seed, budgets)


def run(name: str, task: Problem, objective: Objective | None = None, recorded: Sequence[Trial] = ()) -> list[Trial]:
    return search(make_searcher(name, task), objective or Bowl(len(task.names)), recorded)


def samples(trials: list[Trial]) -> list[tuple[object, ...]]:
    return [
        (trial.sample, trial.trial_id, trial.budget, trial.chosen_by, trial.parameters.tolist()) for trial in trials
    ]


def enough_for_a_model(name: str) -> int:
    """The fewest samples in three parameters that reach the model of a searcher that has one, and a little more."""
    return {"ax": 8, "bayesopt": 13, "bohb": 14}.get(name, 16)


@pytest.mark.parametrize("name", NAMES)
class TestEverySearcher:
    def test_proposes_what_was_asked_for_within_bounds(self, name: str) -> None:
        task = problem(enough_for_a_model(name))
        trials = run(name, task)
        assert {trial.sample for trial in trials} == set(range(task.samples))
        assert len({trial.trial_id for trial in trials}) == len(trials)
        for trial in trials:
            assert trial.parameters.dtype == np.float64
            assert trial.parameters.shape == (3,)
            assert np.all((trial.parameters >= 0) & (trial.parameters <= 1))
            assert trial.budget in task.budgets
            assert trial.chosen_by in ("random", "initial", "model", "local")
        assert any(trial.budget == 1.0 for trial in trials)
        if not find(name).wants_budgets:
            assert all(trial.budget == 1.0 for trial in trials)

    def test_goes_on_to_the_same_end_from_a_prefix(self, name: str) -> None:
        """And so the same seed gives the same samples, whatever the global generators do meanwhile."""
        task = problem(enough_for_a_model(name), seed=5)
        whole = run(name, task)

        def disturbing(parameters: NDArray[np.float64], budget: int) -> float:
            np.random.seed(np.random.randint(1000))
            random.seed(random.random())
            return Bowl(3)(parameters, budget)

        for done in range(0, len(whole), 3) if name in FAST else (len(whole) - 2,):
            assert samples(run(name, task, disturbing, whole[:done])) == samples(whole)

    def test_leaves_the_global_generators_alone(self, name: str) -> None:
        np.random.seed(3)
        random.seed(4)
        expected = np.random.rand(), random.random()
        np.random.seed(3)
        random.seed(4)
        run(name, problem(3))
        assert (np.random.rand(), random.random()) == expected

    def test_one_sample(self, name: str) -> None:
        trials = run(name, problem(1))
        assert {trial.sample for trial in trials} == {0}
        assert trials[-1].budget == 1.0

    def test_one_parameter_and_one_budget(self, name: str) -> None:
        trials = run(name, problem(4, dimension=1, budgets=(1.0,)))
        assert [trial.sample for trial in trials] == [0, 1, 2, 3]

    def test_undefined_srcc_is_recorded_and_does_not_stop_it(self, name: str) -> None:
        task = problem(enough_for_a_model(name))
        bowl = Bowl(3)

        def undefined_below(parameters: NDArray[np.float64], budget: int) -> float:
            return math.nan if parameters[0] < 0.5 else bowl(parameters, budget)

        trials = run(name, task, undefined_below)
        assert {trial.sample for trial in trials} == set(range(task.samples))
        assert any(math.isnan(trial.srcc) for trial in trials)
        everywhere = run(name, problem(3), lambda parameters, budget: math.nan)
        assert {trial.sample for trial in everywhere} == {0, 1, 2}

    def test_flat_objective(self, name: str) -> None:
        task = problem(enough_for_a_model(name))
        assert len({trial.sample for trial in run(name, task, lambda parameters, budget: 0.5)}) == task.samples

    def test_refuses_a_record_of_another_seed_or_searcher(self, name: str) -> None:
        task = problem(4)
        trials = run(name, task)
        altered = trials[1].parameters.copy()
        altered[0] = np.nextafter(altered[0], 0.5)
        other = replace(trials[1], parameters=altered)
        with pytest.raises(OtherSearch, match="1"):
            run(name, task, recorded=[trials[0], other])
        with pytest.raises(OtherSearch, match="ends before"):
            run(name, problem(1), recorded=[*run(name, problem(1)), trials[-1]])

    def test_results_may_come_late(self, name: str) -> None:
        """Two evaluations out at once, as on a cluster: told in the other order, or asked to wait."""
        searcher = make_searcher(name, problem(6))
        out, seen = [], []
        for _ in range(100):
            try:
                out.append(searcher.propose())
            except SearchExhausted:
                break
            except AwaitingResults:
                assert out
                searcher.observe(out[-1], 0.1)
                seen.append(out.pop().sample)
            if len(out) == 3:
                searcher.observe(out[-1], 0.1)
                seen.append(out.pop().sample)
        assert set(seen) | {proposal.sample for proposal in out} == set(range(6))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
class TestNothingFromTheLibrary:
    def make(self, name: str) -> TuneSearcher:
        searcher = make_searcher(name, problem(4))
        assert isinstance(searcher, TuneSearcher)
        return searcher

    def test_now_and_then_is_asked_again(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        searcher = self.make(name)
        suggest, asked = searcher._tune.suggest, []

        def reluctant(trial_id: str) -> Any:
            asked.append(trial_id)
            return None if len(asked) % 3 else suggest(trial_id)

        monkeypatch.setattr(searcher._tune, "suggest", reluctant)
        assert {trial.sample for trial in search(searcher, Bowl(3))} == {0, 1, 2, 3}
        assert len(asked) == 12

    def test_for_good_ends_the_search_and_says_so(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        searcher = self.make(name)
        first = searcher.propose()
        monkeypatch.setattr(searcher._tune, "suggest", lambda trial_id: None)
        with pytest.raises(AwaitingResults):
            searcher.propose()
        searcher.observe(first, 0.5)
        with pytest.raises(SearchExhausted, match="after 1"):
            searcher.propose()
        assert "1 sample" in searcher.details["stopped_early"]


def test_bayesopt_evaluates_a_repeated_point_again(monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = make_searcher("bayesopt", problem(14))
    assert isinstance(searcher, TuneSearcher)
    point = dict.fromkeys(searcher.problem.names, 0.25)
    monkeypatch.setattr(searcher._tune.optimizer, "suggest", lambda utility: dict(point))
    trials = search(searcher, Bowl(3))
    assert [trial.parameters.tolist() for trial in trials] == [[0.25] * 3] * 14


QUICK_TO_IMPORT = ("random", "bohb", "nevergrad")
"""Of which every run of the tests starts the other process."""


def fingerprint(name: str, count: int) -> str:
    return json.dumps(samples(run(name, problem(count, seed=11))))


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in NAMES if name in QUICK_TO_IMPORT),
        *(
            pytest.param(name, marks=pytest.mark.thorough)
            for name in (*NAMES, "nevergrad:ChainCMAPowell", "optuna:gp")
            if name not in QUICK_TO_IMPORT
        ),
    ],
)
def test_another_process_gives_the_same_samples(name: str) -> None:
    """With other hash seeds, another number of threads and other states of the global generators."""
    count = enough_for_a_model(name)
    code = (
        "import sys, importlib.util, numpy, random; numpy.random.seed(1); random.seed(2)\n"
        f"spec = importlib.util.spec_from_file_location('contract', {str(__file__)!r})\n"
        "contract = importlib.util.module_from_spec(spec); spec.loader.exec_module(contract)\n"
        f"sys.stdout.write(contract.fingerprint({name!r}, {count}))"
    )
    threads = {f"{library}_NUM_THREADS": "2" for library in ("OMP", "OPENBLAS", "MKL")}
    environment = {**os.environ, **threads, "PYTHONHASHSEED": "123", "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout == fingerprint(name, count)
    assert other.stderr == ""


AS_ROUNDED = {"optuna:gp": 0.02}
"""How far samples may be off where the fit of a model makes much of how a processor's BLAS rounds: .006 between two of
OpenBLAS's kernels."""


@pytest.mark.parametrize("name", [*NAMES, *MEMBERS, *SAMPLERS])
def test_golden_samples(name: str) -> None:
    """The first samples of each searcher, as recorded with these versions of its library and of numpy and scipy."""
    golden = json.loads(GOLDEN.read_text())[name]
    installed = {package: package_version(package) for package in golden["versions"]}
    if installed != golden["versions"]:
        pytest.skip(f"recorded with {golden['versions']}, installed are {installed}")
    np.testing.assert_allclose(first_samples(name), golden["samples"], rtol=0, atol=AS_ROUNDED.get(name, 1e-9))


PACKAGES = {
    "random": ("ray",),
    "blendsearch": ("ray", "flaml", "optuna"),
    "ax": ("ray", "ax-platform", "botorch", "torch"),
    "bayesopt": ("ray", "bayesian-optimization", "scikit-learn"),
    "bohb": ("ray", "hpbandster", "ConfigSpace", "statsmodels"),
    "nevergrad": ("ray", "nevergrad"),
    **dict.fromkeys(MEMBERS, ("ray", "nevergrad", "cma")),
    **dict.fromkeys(SAMPLERS, ("ray", "optuna", "torch")),
    "optuna:cmaes": ("ray", "optuna", "cmaes"),
}


def first_samples(name: str) -> list[list[float]]:
    """Three samples: the first of the six, and those after 42 others of the families' members, of populations."""
    if name in NAMES:
        return [trial.parameters.tolist() for trial in run(name, problem(10, dimension=4, seed=2))[:3]]
    return [trial.parameters.tolist() for trial in run(name, problem(45, dimension=4, seed=2))[-3:]]


def record_golden_samples() -> None:
    """Run `python -c "import test_searchers as t; t.record_golden_samples()"` in this folder after an upgrade."""
    golden = {
        name: {
            "versions": {package: version(package) for package in ("numpy", "scipy", *PACKAGES[name])},
            "samples": first_samples(name),
        }
        for name in (*NAMES, *MEMBERS, *SAMPLERS)
    }
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


class TestWhatEachSampleWas:
    def test_random(self) -> None:
        assert {trial.chosen_by for trial in run("random", problem(5))} == {"random"}

    def test_random_draws_what_ray_draws(self) -> None:
        from ray import tune
        from ray.tune.search.sample import _BackwardsCompatibleNumpyRng
        from ray.tune.search.variant_generator import generate_variants

        generator = _BackwardsCompatibleNumpyRng(7)
        space = {name: tune.uniform(0, 1) for name in problem(1).names}
        for trial in run("random", problem(4, seed=7)):
            _, spec = next(iter(generate_variants({"config": space}, random_state=generator)))
            assert list(spec["config"].values()) == trial.parameters.tolist()

    def test_ax_starts_with_its_sobol_points(self) -> None:
        trials = run("ax", problem(8))
        assert [trial.chosen_by for trial in trials] == ["initial"] * 6 + ["model"] * 2

    def test_ax_sobol_points_are_as_many_as_foretold(self) -> None:
        from iqatune.search.searchers.ax_search import sobol_points

        for dimension in (1, 3, 12, 40):
            searcher = make_searcher("ax", problem(2, dimension))
            assert isinstance(searcher, TuneSearcher)
            strategy = searcher._tune._ax.generation_strategy
            if not strategy._nodes[0].transition_criteria:  # chosen when the first trial is generated
                pytest.fail("Ax no longer decides its strategy beforehand")
            assert strategy._nodes[0].transition_criteria[0].threshold == sobol_points(dimension)

    def test_bayesopt_starts_at_random(self) -> None:
        trials = run("bayesopt", problem(12))
        assert [trial.chosen_by for trial in trials] == ["random"] * 10 + ["model"] * 2

    def test_blendsearch_starts_at_the_uniform_weights(self) -> None:
        trials = run("blendsearch", problem(50, dimension=12))
        assert trials[0].parameters.tolist() == [0.5] * 12
        assert trials[0].chosen_by == "initial"
        counts = Counter(trial.chosen_by for trial in trials)
        assert counts["initial"] == 1
        assert counts["model"] + counts["local"] >= 25

    def test_nevergrad_names_its_algorithm(self) -> None:
        searcher = make_searcher("nevergrad", problem(50, dimension=12))
        trials = search(searcher, Bowl(12))
        assert searcher.details == {"algorithm": "Cobyla"}
        assert searcher.repeatable
        assert [trial.chosen_by for trial in trials] == ["initial"] * 13 + ["local"] * 37
        assert max(trial.srcc for trial in trials) > trials[0].srcc

    def test_most_bohb_samples_after_the_first_model_are_its_choice(self) -> None:
        from iqatune.search.searchers.bohb import samples_before_model

        task = problem(50, dimension=12)
        trials = run("bohb", task)
        configurations = {trial.sample: trial.chosen_by for trial in trials}
        assert samples_before_model(task) == 26
        after = [configurations[sample] for sample in range(26, 50)]
        assert {configurations[sample] for sample in range(26)} == {"random"}
        assert after.count("model") > len(after) / 2
        assert Counter(trial.budget for trial in trials) == {1 / 9: 27, 1 / 3: 9 + 14, 1.0: 3 + 4 + 9}

    def test_bohb_promotes_the_best(self) -> None:
        trials = run("bohb", problem(9))
        first = [trial for trial in trials if trial.budget == 1 / 9]
        best = sorted(first, key=lambda trial: -trial.srcc)[: max(1, len(first) // 3)]
        second = [trial for trial in trials if trial.budget == 1 / 3]
        assert {trial.sample for trial in best} <= {trial.sample for trial in second}

    def test_bohb_without_budgets_is_a_plain_model_search(self) -> None:
        trials = run("bohb", problem(20, budgets=(1.0,)))
        assert len(trials) == 20
        assert "model" in {trial.chosen_by for trial in trials[8:]}


def test_truncated_normal_is_scipys() -> None:
    from scipy.stats import truncnorm

    for mean in (0.0, 1e-3, 0.4, 1.0):
        for width in (1e-3, 0.2, 3.0):
            bounds = (-mean / width, (1 - mean) / width)
            np.random.seed(1)
            expected = [truncnorm.rvs(*bounds, loc=mean, scale=width) for _ in range(5)]
            np.random.seed(1)
            drawn = [truncated_normal(*bounds, loc=mean, scale=width) for _ in range(5)]
            np.testing.assert_allclose(drawn, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FAST)
def test_thousands_of_parameters(name: str) -> None:
    slope = np.random.default_rng(0).normal(size=2694)
    trials = run(name, problem(50, dimension=2694), lambda parameters, budget: float(np.tanh(parameters @ slope / 100)))
    assert {trial.sample for trial in trials} == set(range(50))
    assert trials[-1].parameters.shape == (2694,)


class TestWarnsBeforehand:
    @pytest.mark.parametrize("name", NAMES)
    def test_not_in_the_stage_space(self, name: str) -> None:
        assert find(name).degenerate(problem(50, dimension=12)) is None

    @pytest.mark.parametrize("name", ["ax", "bayesopt", "bohb", "nevergrad"])
    def test_in_the_channel_space(self, name: str) -> None:
        line = find(name).degenerate(problem(50, dimension=2694))
        assert line is not None
        assert line.startswith(name)
        assert "\n" not in line
        assert "`space`" in line or "`samples`" in line

    @pytest.mark.parametrize(("samples", "warns"), [(24, True), (25, False)])
    def test_ax_is_right_about_its_design(self, samples: int, warns: bool) -> None:
        assert (find("ax").degenerate(problem(samples, dimension=12)) is not None) == warns

    @pytest.mark.parametrize(("samples", "model"), [(8, False), (9, True)])
    def test_bohb_is_right_about_its_model(self, samples: int, model: bool) -> None:
        """On a single budget every result counts towards the model of three parameters, which takes eight."""
        task = problem(samples, budgets=(1.0,))
        assert (find("bohb").degenerate(task) is None) == model
        assert (make_last := run("bohb", task)[-1]).sample == samples - 1
        if not model:
            assert make_last.chosen_by == "random"

    @pytest.mark.parametrize("name", GAUSSIAN_PROCESS)
    def test_says_how_long_the_slow_ones_take(self, name: str) -> None:
        few, many = (find(name).expected_seconds(problem(samples, dimension=12)) for samples in (30, 60))
        assert few is not None
        assert many is not None
        assert 0 < few < many

    @pytest.mark.parametrize("name", FAST)
    def test_the_others_are_quick(self, name: str) -> None:
        assert find(name).expected_seconds(problem(50, dimension=12)) is None


class TestRegistry:
    def test_unknown_searcher(self) -> None:
        with pytest.raises(InputError, match="did you mean 'bayesopt'"):
            make_searcher("bayesop", problem(1))

    def test_no_samples(self) -> None:
        with pytest.raises(InputError, match="samples=0"):
            make_searcher("random", problem(0))

    @pytest.mark.parametrize("info", available())
    def test_each_is_found_and_named_alike(self, info: SearcherInfo) -> None:
        assert issubclass(find(info.name), Searcher)
        assert find(info.name).name == info.name

    def test_listing_and_random_import_no_library(self) -> None:
        code = (
            "import sys; from iqatune.search.searchers.registry import available, find; available(); find('random');"
            "print([m for m in ('ray', 'torch', 'ax', 'nevergrad', 'flaml', 'optuna') if m in sys.modules])"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


def test_problems_and_trials_travel() -> None:
    task = problem(2)
    trials = run("random", task)
    assert pickle.loads(pickle.dumps(task)) == task
    assert samples(pickle.loads(pickle.dumps(trials))) == samples(trials)
