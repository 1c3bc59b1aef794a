"""The contract of a searcher."""

import inspect
import math
import random
from collections.abc import Sequence
from typing import ClassVar, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from iqatune.records.trial import Trial
from iqatune.records.vocabulary import ChosenBy
from iqatune.search.loop import Objective, search
from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, Searcher, SearchExhausted
from iqatune.search.searchers.registry import ANY, available, class_of, families, make_searcher
from iqatune.testing.common import generators_left_alone, is_a_line, other_generators

BUDGETS = (1 / 9, 1 / 3, 1.0)


class SearcherContract:
    """Tests of one searcher, which a derived class names.

    Attributes:
        name: of the searcher, as on the command line.
        dimensions: numbers of parameters that it is tried with.
        sample_counts: numbers of samples that it is tried with, for each of the dimensions. A slow searcher's tests
            may take fewer.
        samples: of the other tests, in three parameters: enough that a searcher with a model comes to use it.
    """

    name: ClassVar[str]
    dimensions: ClassVar[tuple[int, ...]] = (1, 2, 12, 40)
    sample_counts: ClassVar[tuple[int, ...]] = (1, 7, 50)
    samples: ClassVar[int] = 16

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for every size of problem."""
        if "dimension" in metafunc.fixturenames:
            metafunc.parametrize("dimension", self.dimensions, ids="{}-parameters".format)
            metafunc.parametrize("samples", self.sample_counts, ids="{}-samples".format)

    def make(self, problem: Problem) -> Searcher:
        """The searcher itself, without the checks that a search puts around a plug-in."""
        return class_of(self.name)(problem)

    def search(self, searcher: Searcher, objective: Objective, recorded: Sequence[Trial] = ()) -> list[Trial]:
        """A whole search, which fails where it finds no end."""
        most = len(BUDGETS) * searcher.problem.samples
        asked = 0

        def counting(parameters: NDArray[np.float64], budget: int) -> float:
            nonlocal asked
            asked += 1
            assert asked <= most, f"it goes on after {most} evaluations of {searcher.problem.samples} samples"
            return objective(parameters, budget)

        return search(searcher, counting, recorded)

    def test_is_a_searcher_of_its_name(self) -> None:
        found = class_of(self.name)
        assert issubclass(found, Searcher)
        assert not inspect.isabstract(found)
        assert found.name == self.name

    def test_describes_itself(self) -> None:
        (info,) = (info for info in (*available(), *families()) if info.name == _listed(self.name))
        assert is_a_line(info.description), f"its description is {info.description!r}"

    def test_proposes_what_is_asked_for(self, dimension: int, samples: int) -> None:
        problem = _problem(samples, dimension)
        proposals = _Proposals()
        trials = self.search(self.make(problem), proposals.of(Bowl(dimension)))
        assert list(dict.fromkeys(trial.sample for trial in trials)) == list(range(samples)), (
            "numbered from 0, in order"
        )
        assert len({trial.trial_id for trial in trials}) == len(trials), "a trial_id names one evaluation"
        for trial in trials:
            assert trial.parameters.dtype == np.float64
            assert trial.parameters.shape == (dimension,)
            assert ((trial.parameters >= 0) & (trial.parameters <= 1)).all(), "all in [0, 1]"
            assert trial.chosen_by in get_args(ChosenBy)
        for trial, asked in zip(trials, proposals.parameters, strict=True):
            assert trial.parameters.tolist() == asked, "an array that was proposed does not change any more"

    def test_keeps_to_the_budgets(self) -> None:
        trials = self.search(self.make(_problem(self.samples)), Bowl(3))
        budgets = {trial.budget for trial in trials}
        if class_of(self.name).wants_budgets:
            assert 1.0 in budgets, "no configuration came to the last budget"
        else:
            assert budgets == {1.0}, "it does not want budgets, so all is on the last one"
        promoted: dict[int, tuple[object, ...]] = {}
        for trial in trials:
            same = promoted.setdefault(trial.sample, (trial.chosen_by, *trial.parameters))
            assert same == (trial.chosen_by, *trial.parameters), "a promoted sample stays what it was"

    def test_the_same_problem_gives_the_same_samples(self) -> None:
        problem = _problem(self.samples, seed=5)
        searcher = self.make(problem)
        if not searcher.repeatable:
            pytest.skip(f"{self.name} says that it does not repeat this problem")
        first = self.search(searcher, Bowl(3))
        with other_generators(1):
            assert _samples(self.search(self.make(problem), Bowl(3))) == _samples(first)

    @pytest.mark.parametrize("seed", [0, 1, 2**32 + 7])
    def test_any_seed_will_do(self, seed: int) -> None:
        trials = self.search(self.make(_problem(3, seed=seed)), Bowl(3))
        assert {trial.sample for trial in trials} == {0, 1, 2}

    def test_goes_on_from_recorded_trials(self) -> None:
        problem = _problem(self.samples, seed=3)
        searcher = self.make(problem)
        if not searcher.repeatable:
            pytest.skip(f"{self.name} says that it does not repeat this problem")
        whole = self.search(searcher, Bowl(3))
        for done in sorted({1, len(whole) // 2, len(whole) - 1}):
            with other_generators(done):
                continued = self.search(self.make(problem), Bowl(3), recorded=whole[:done])
            assert _samples(continued) == _samples(whole), f"after {done} recorded trials"

    def test_does_not_mind_what_others_draw_meanwhile(self) -> None:
        problem = _problem(self.samples, seed=4)
        searcher = self.make(problem)
        if not searcher.repeatable:
            pytest.skip(f"{self.name} says that it does not repeat this problem")
        bowl = Bowl(3)

        def disturbing(parameters: NDArray[np.float64], budget: int) -> float:
            np.random.seed(int(np.random.randint(1000)))
            random.seed(random.random())
            return bowl(parameters, budget)

        undisturbed = self.search(searcher, bowl)
        with other_generators(2):
            disturbed = self.search(self.make(problem), disturbing)
        assert _samples(disturbed) == _samples(undisturbed)

    def test_takes_an_undefined_srcc(self) -> None:
        bowl = Bowl(3)

        def undefined_below(parameters: NDArray[np.float64], budget: int) -> float:
            return math.nan if parameters[0] < 0.5 else bowl(parameters, budget)

        for objective in (undefined_below, lambda parameters, budget: math.nan):
            trials = self.search(self.make(_problem(self.samples)), objective)
            assert {trial.sample for trial in trials} == set(range(self.samples))

    def test_takes_an_objective_that_is_the_same_everywhere(self) -> None:
        trials = self.search(self.make(_problem(self.samples)), lambda parameters, budget: 0.5)
        assert {trial.sample for trial in trials} == set(range(self.samples))

    def test_leaves_the_global_generators_alone(self) -> None:
        problem = _problem(self.samples)
        self.make(problem)  # a library that is imported now may seed them
        with generators_left_alone():
            self.search(self.make(problem), Bowl(3))

    def test_results_may_come_late(self) -> None:
        """Up to three evaluations are out, and the last one asked for is told first, as may happen on a cluster."""
        searcher, bowl = self.make(_problem(self.samples)), Bowl(3)
        out: list[Proposal] = []
        seen: set[int] = set()
        exhausted = False
        while out or not exhausted:
            try:
                while len(out) < 3 and not exhausted:
                    out.append(searcher.propose())
            except SearchExhausted:
                exhausted = True
            except AwaitingResults:
                assert out, "it awaits results where none is out"
            if out:
                proposal = out.pop()
                seen.add(proposal.sample)
                assert len(seen) <= self.samples, "it proposes more than it was asked for"
                searcher.observe(proposal, bowl(proposal.parameters, proposal.budget))
        assert seen == set(range(self.samples))

    def test_can_be_asked_ahead_where_it_says_so(self) -> None:
        if not class_of(self.name).needs_no_results:
            pytest.skip(f"{self.name} needs results")
        problem = _problem(self.samples)
        searcher = self.make(problem)
        ahead = [searcher.propose() for _ in range(self.samples)]
        trials = self.search(self.make(problem), Bowl(3))
        assert [proposal.budget for proposal in ahead] == [len(BUDGETS) - 1] * self.samples, "all on the last budget"
        assert [proposal.parameters.tolist() for proposal in ahead] == [trial.parameters.tolist() for trial in trials]

    def test_the_total_changes_no_first_samples_where_it_says_so(self) -> None:
        if class_of(self.name).plans_by_total:
            pytest.skip(f"{self.name} plans by the number of samples")
        shorter = self.search(self.make(_problem(self.samples)), Bowl(3))
        longer = self.search(self.make(_problem(2 * self.samples)), Bowl(3))
        assert _samples(longer)[: len(shorter)] == _samples(shorter)

    def test_ends_with_search_exhausted(self) -> None:
        searcher = self.make(_problem(2))
        self.search(searcher, Bowl(3))
        for _ in range(2):
            with pytest.raises(SearchExhausted):
                searcher.propose()

    def test_says_beforehand_what_there_is_to_say(self) -> None:
        found = class_of(self.name)
        for samples, dimension in ((1, 1), (50, 12), (50, 500)):
            problem = _problem(samples, dimension)
            for line in (found.degenerate(problem), found.caution(problem)):
                assert line is None or is_a_line(line)
            seconds = found.expected_seconds(problem)
            assert seconds is None or (math.isfinite(seconds) and seconds >= 0)

    def test_keeps_details_as_text(self) -> None:
        searcher = self.make(_problem(3))
        self.search(searcher, Bowl(3))
        assert all(isinstance(text, str) for text in (*searcher.details, *searcher.details.values()))
        assert isinstance(searcher.repeatable, bool)

    def test_passes_the_checks_of_a_search(self) -> None:
        """What a search puts around a plug-in lets everything through, and changes nothing."""
        problem = _problem(self.samples)
        searcher = make_searcher(self.name, problem)
        trials = self.search(searcher, Bowl(3))
        assert {trial.sample for trial in trials} == set(range(self.samples))
        if searcher.repeatable:
            assert _samples(trials) == _samples(self.search(self.make(problem), Bowl(3)))


def _listed(name: str) -> str:
    """What lists call a searcher: itself, or the family that it is one of."""
    family, colon, _ = name.partition(":")
    return f"{family}:{ANY}" if colon else name


class Bowl:
    """An objective with its highest value off the centre, a little different on every budget."""

    def __init__(self, dimension: int) -> None:
        self._peak = np.linspace(0.2, 0.9, dimension)

    def __call__(self, parameters: NDArray[np.float64], budget: int) -> float:
        return float(1 - np.mean((parameters - self._peak) ** 2) - 0.01 * budget)


class _Proposals:
    """Remembers what an objective was asked for."""

    def __init__(self) -> None:
        self.parameters: list[list[float]] = []

    def of(self, objective: Objective) -> Objective:
        def remembering(parameters: NDArray[np.float64], budget: int) -> float:
            self.parameters.append(parameters.tolist())
            return objective(parameters, budget)

        return remembering


def _problem(samples: int, dimension: int = 3, seed: int = 0) -> Problem:
    return Problem(tuple(f"p{place}" for place in range(dimension)), samples, seed, BUDGETS)


def _samples(trials: Sequence[Trial]) -> list[tuple[object, ...]]:
    return [
        (trial.sample, trial.trial_id, trial.budget, trial.chosen_by, *trial.parameters.tolist()) for trial in trials
    ]
