"""The ask-and-tell loop, Hyperband's brackets, nested subsets and isolation."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from iqatune.metric.spaces import ChannelSpace
from iqatune.records.trial import Trial
from iqatune.search.choice import best_trial
from iqatune.search.fidelity import nested_subsets
from iqatune.search.isolation import Isolation
from iqatune.search.loop import search
from iqatune.search.objective import Objective
from iqatune.search.searchers.base import Problem, WorstSeen
from iqatune.search.searchers.hyperband import brackets, promoted
from iqatune.search.searchers.registry import make_searcher


def trial(sample: int, srcc: float, budget: float = 1.0) -> Trial:
    return Trial(
        sample=sample,
        trial_id=str(sample),
        parameters=np.zeros(1),
        srcc=srcc,
        budget=budget,
        chosen_by="random",
        seconds=0.0,
    )


class TestBest:
    def test_highest_on_all_references(self) -> None:
        trials = [trial(0, 0.2), trial(1, 0.9, budget=1 / 3), trial(2, math.nan), trial(3, 0.5), trial(4, 0.5)]
        best = best_trial(trials)
        assert best is not None
        assert best.sample == 3

    def test_a_negative_one_beats_an_undefined_one(self) -> None:
        best = best_trial([trial(0, math.nan), trial(1, -0.4)])
        assert best is not None
        assert best.sample == 1

    @pytest.mark.parametrize("trials", [[], [trial(0, math.nan)], [trial(0, 0.5, budget=0.5)]])
    def test_none(self, trials: list[Trial]) -> None:
        assert best_trial(trials) is None


class TestSearch:
    problem = Problem(("a", "b"), 5)

    def test_keeps_every_trial_before_the_next(self) -> None:
        kept: list[Trial] = []

        def objective(parameters: NDArray[np.float64], budget: int) -> float:
            if len(kept) == 3:
                raise KeyboardInterrupt
            return 0.1

        with pytest.raises(KeyboardInterrupt):
            search(make_searcher("random", self.problem), objective, keep=kept.extend)
        assert [trial.sample for trial in kept] == [0, 1, 2]

    def test_evaluates_no_recorded_trial_again(self) -> None:
        whole = search(make_searcher("random", self.problem), lambda parameters, budget: 0.1)
        evaluated: list[NDArray[np.float64]] = []
        kept: list[Trial] = []

        def objective(parameters: NDArray[np.float64], budget: int) -> float:
            evaluated.append(parameters)
            return 0.1

        again = search(make_searcher("random", self.problem), objective, whole[:3], kept.extend)
        assert len(again) == 5
        assert len(evaluated) == len(kept) == 2

    @pytest.mark.parametrize("recorded", [0, 1, 70])
    def test_batches_find_what_single_samples_find(self, recorded: int) -> None:
        rng = np.random.default_rng(3)
        space = ChannelSpace((3, 40))
        features: np.ndarray = rng.normal(0.3, 0.02, (500, 86)).astype(np.float32)
        features[7] = features[400]  # identical images tie, whatever the kernel does
        objective = Objective(space, (features,), rng.normal(size=500).round(1))
        problem = Problem(space.names, 150)
        one_by_one = search(make_searcher("random", problem), lambda parameters, budget: objective(parameters, budget))
        kept: list[Trial] = []
        batches = search(make_searcher("random", problem), objective, one_by_one[:recorded], kept.extend)
        assert kept == batches[recorded:]
        assert [trial.trial_id for trial in batches] == [trial.trial_id for trial in one_by_one]
        assert [trial.srcc for trial in batches] == [trial.srcc for trial in one_by_one]

    def test_undefined_stays_undefined(self) -> None:
        trials = search(make_searcher("random", self.problem), lambda parameters, budget: math.nan)
        assert all(math.isnan(trial.srcc) for trial in trials)

    def test_stands_in_for_undefined(self) -> None:
        worst = WorstSeen()
        assert [worst(srcc) for srcc in (math.nan, 0.5, 0.2, math.nan, 0.9, math.nan)] == [-1, 0.5, 0.2, 0.2, 0.9, 0.2]


class TestBrackets:
    @given(st.integers(1, 5), st.integers(1, 400), st.integers(1, 6000))
    def test_spend_exactly_the_samples(self, budgets: int, samples: int, widest: int) -> None:
        spent = brackets(budgets, samples, widest)
        assert sum(bracket.size for bracket in spent) == samples
        assert all(bracket.size > 0 and 0 <= bracket.lowest < budgets for bracket in spent)

    def test_one_round_is_hyperbands(self) -> None:
        """Table 1 of Li et al. for R = 9, eta = 3."""
        assert [(bracket.lowest, bracket.size) for bracket in brackets(3, 17, 1)] == [(0, 9), (1, 5), (2, 3)]

    def test_a_round_widens_for_the_model(self) -> None:
        assert [(bracket.lowest, bracket.size) for bracket in brackets(3, 50, 26)] == [(0, 27), (1, 14), (2, 9)]

    @given(st.integers(1, 1000))
    def test_promotes_a_third_and_never_none(self, size: int) -> None:
        assert 1 <= promoted(size) <= max(1, size / 3)


reference_ids = st.lists(st.sampled_from([f"I{i:02d}" for i in range(30)]), min_size=1, max_size=200)


class TestNestedSubsets:
    @given(reference_ids, st.integers(0, 1000))
    def test_whole_references_each_within_the_next(self, ids: list[str], seed: int) -> None:
        subsets = nested_subsets(ids, seed=seed)
        held = [{ids[row] for row in rows} for rows in subsets]
        for rows, references in zip(subsets, held, strict=True):
            assert rows.tolist() == [row for row, identity in enumerate(ids) if identity in references]
        assert all(smaller < larger for smaller, larger in pairwise(held))
        assert subsets[-1].tolist() == list(range(len(ids)))
        assert len(held[0]) >= min(2, len(set(ids)))

    @given(reference_ids, st.integers(0, 1000))
    def test_do_not_depend_on_the_order_of_the_pairs(self, ids: list[str], seed: int) -> None:
        held = [{ids[row] for row in rows} for rows in nested_subsets(ids, seed=seed)]
        turned = ids[::-1]
        assert [{turned[row] for row in rows} for rows in nested_subsets(turned, seed=seed)] == held

    @pytest.mark.parametrize(
        ("references", "sizes"), [(81, [9, 27, 81]), (25, [3, 8, 25]), (8, [2, 3, 8]), (6, [2, 6]), (2, [2]), (1, [1])]
    )
    def test_sizes(self, references: int, sizes: list[int]) -> None:
        assert [len(rows) for rows in nested_subsets([str(i) for i in range(references)])] == sizes

    def test_the_seed_chooses(self) -> None:
        ids = [str(i) for i in range(27)]
        chosen = {tuple(nested_subsets(ids, seed=seed)[0]) for seed in range(5)}
        assert len(chosen) == 5

    @pytest.mark.parametrize("fractions", [(), (0.5,), (0.0, 1.0), (0.5, 0.5, 1.0), (1.0, 0.5)])
    def test_bad_fractions(self, fractions: tuple[float, ...]) -> None:
        with pytest.raises(ValueError, match="ascend"):
            nested_subsets(["a", "b"], fractions)


class TestIsolation:
    def test_continues_its_own_sequence_and_leaves_no_trace(self) -> None:
        import torch

        def draw() -> tuple[float, ...]:
            return np.random.rand(), random.random(), torch.rand(1).item()

        np.random.seed(1), random.seed(1), torch.manual_seed(1)
        outside = [draw(), draw()]
        with Isolation(7):
            inside = [draw(), draw()]

        np.random.seed(1), random.seed(1), torch.manual_seed(1)
        isolation = Isolation(7)
        with isolation:
            first = draw()
        between = draw()
        with isolation:
            second = draw()
        assert [first, second] == inside
        assert [between, draw()] == outside
        assert Isolation(7)._seed != Isolation(8)._seed

    def test_after_an_error_too(self) -> None:
        np.random.seed(1)
        expected = np.random.rand()
        np.random.seed(1)
        with pytest.raises(ZeroDivisionError), Isolation(0):
            np.random.rand(1 // 0)
        assert np.random.rand() == expected

    def test_one_thread_inside(self) -> None:
        import torch

        before = torch.get_num_threads(), [pool["num_threads"] for pool in threadpool_info()]
        torch.set_num_threads(2)
        try:
            with Isolation(0):
                assert torch.get_num_threads() == 1
                assert {pool["num_threads"] for pool in threadpool_info()} == {1}
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(before[0])
        assert [pool["num_threads"] for pool in threadpool_info()] == before[1]
