"""Optimism is of the same pairs: 0 where no score moved the weights, and the true one on data whose truth is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from iqatune.errors import InputError
from iqatune.evaluation.folds import by_reference
from iqatune.metric.spaces import make_space
from iqatune.records.result import HeldOut, Result, read_result, write_result
from iqatune.search.choice import best_trial
from iqatune.search.task import Task
from iqatune.tuning.folds import Folds, held_out_of

REFERENCES, PAIRS, DATA_SETS = 10, 10, 200
TRUTH = np.array((0.4, 0.1, 0.1, 0.1, 0.1, 0.2))

Arrays = tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]


def planted(rng: np.random.Generator, references: int) -> Arrays:
    """Pairs whose quality is the truth's, changed by every reference in its own way, and on a level of its own."""
    features = rng.random((references * PAIRS, 6))
    own = np.repeat(rng.normal(0, 0.1, (references, 6)), PAIRS, axis=0)
    level = np.repeat(rng.normal(0, 0.15, references), PAIRS)
    quality = level - (features * (TRUTH + own)).sum(axis=1) + rng.normal(0, 0.05, len(features))
    return features, quality, tuple(f"reference {pair // PAIRS}" for pair in range(len(features)))


def planted_task(rng: np.random.Generator, *, samples: int, seed: int = 0) -> Task:
    features, quality, references = planted(rng, REFERENCES)
    return Task(
        searcher="random",
        samples=samples,
        seed=seed,
        space=make_space("stage", (3, 4, 5)),
        tables=(features,),
        quality=quality,
        reference_ids=references,
    )


def searched(task: Task, folds: int) -> tuple[HeldOut, NDArray[np.float64], float]:
    """The held-out figures, the tuned parameters, and their SRCC over all pairs."""
    splits = by_reference(task.reference_ids, folds, task.seed)
    best, *of_folds = [best_trial(part.run()[1]) for part in (task, *(task.of_rows(each.tuned) for each in splits))]
    assert best is not None
    parameters = [None if trial is None else trial.parameters for trial in of_folds]
    uniform = task.tables[0].mean(axis=1)
    found = held_out_of(task, Folds("references", splits), parameters, tuned=best.parameters, uniform=uniform)
    return found, best.parameters, best.srcc


def test_uniform_weights_have_none() -> None:
    task = planted_task(np.random.default_rng(1), samples=1)
    folds = Folds("references", by_reference(task.reference_ids, 5, task.seed))
    uniform = np.full(len(task.space.names), 0.5)
    found = held_out_of(task, folds, [uniform] * 5, tuned=uniform, uniform=task.tables[0].mean(axis=1))
    assert found.optimism == 0.0
    assert found.verdict == "not shown to help"
    # over all pairs they reach another SRCC than within the folds: the difference of the two is no optimism
    over_all = spearmanr(task.quality, -task.tables[0].mean(axis=1)).statistic
    assert abs(over_all - found.srcc_mean) > 0.05


@pytest.mark.parametrize("searcher", ["random", "nevergrad"])
def test_a_search_that_cannot_choose_has_none(
    searcher: str, iqatune: Callable[..., Any], small_set: Any, small_cache: Path
) -> None:
    # one sample, the same whatever the scores say
    backbone = ("--backbone", "squeezenet", "--backbone-weights", "random", "--cache-dir", small_cache)
    ran = iqatune("search", *small_set.options, *backbone, "--searcher", searcher, "--samples", 1, "--json")
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    assert record["held_out"]["optimism"] == 0.0
    assert record["best"]["srcc"] != pytest.approx(record["held_out"]["srcc_mean"], abs=1e-3)


def test_it_is_the_difference_on_each_folds_own_pairs() -> None:
    task = planted_task(np.random.default_rng(2), samples=20)
    found, tuned, _ = searched(task, 5)
    differences = []
    for fold, split in zip(found.per_fold, by_reference(task.reference_ids, 5, task.seed), strict=True):
        mask = split.held_out
        without = np.array([fold.parameters[name] for name in task.space.names])
        high, low = (
            spearmanr(task.quality[mask], -task.tables[0][mask] @ parameters).statistic
            for parameters in (tuned, without)
        )
        assert fold.tuned_on_all_srcc == pytest.approx(high, abs=1e-12)
        assert fold.srcc == pytest.approx(low, abs=1e-12)
        differences.append(high - low)
    assert found.optimism == pytest.approx(np.mean(differences), abs=1e-12)


@pytest.mark.thorough
def test_its_mean_is_the_true_one() -> None:
    """The truth: what the tuned weights reach on the pairs that they were tuned on above new references' pairs."""
    found, truth, older = [], [], []
    for seed in range(DATA_SETS):
        rng = np.random.default_rng(seed)
        # one reference a fold: the folds' weights are tuned on nearly as much as the weights that are judged
        held_out, tuned, srcc = searched(planted_task(rng, samples=25, seed=seed), REFERENCES)
        features, quality, _ = planted(rng, 100)
        ranks = [rankdata(values.reshape(-1, PAIRS), axis=1) for values in (quality, -features @ tuned)]
        # without ties a rank correlation is 1 - 6 sum d^2 / (n^3 - n)
        fresh = 1 - 6 * ((ranks[0] - ranks[1]) ** 2).sum(axis=1) / (PAIRS**3 - PAIRS)
        seen = [fold.tuned_on_all_srcc for fold in held_out.per_fold]
        found.append(held_out.optimism)
        truth.append(np.mean(np.array(seen, dtype=np.float64)) - np.mean(fresh))
        older.append(srcc - held_out.srcc_mean)
    apart, before = np.subtract(found, truth), np.subtract(older, truth)
    error = apart.std(ddof=1) / np.sqrt(DATA_SETS)
    assert np.mean(truth) > 4 * error  # there is something to find
    assert abs(apart.mean()) < 2 * error
    assert abs(before.mean()) > 2 * before.std(ddof=1) / np.sqrt(DATA_SETS)


def test_an_older_record_keeps_its_figure_and_says_so(
    own_copy: Callable[..., Path],
    make_older: Callable[[Path], None],
    iqatune: Callable[..., Any],
    small_cache: Path,
) -> None:
    file = own_copy() / "result.json"
    make_older(file)
    before = json.loads(file.read_text())["held_out"]
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.out
    replay = json.loads(ran.out)
    figures = {figure["name"]: figure for figure in replay["figures"] if figure["name"].startswith("held_out")}
    assert figures["held_out.optimism"]["recomputed"] == pytest.approx(before["optimism"], abs=1e-9)
    assert not [name for name in figures if "tuned_on_all" in name or "gain_error" in name]
    assert any("of an older release" in note for note in replay["notes"])
    # written again it is still older
    write_result(file, read_result(file))
    assert "tuned_on_all_srcc" not in file.read_text()
    again = read_result(file).held_out
    assert again is not None
    assert again.is_older


def test_an_undefined_figure_does_not_make_a_record_older(
    own_copy: Callable[..., Path], forge: Callable[..., None]
) -> None:
    file = own_copy() / "result.json"

    def undefined(content: Any) -> None:
        for fold in content["held_out"]["per_fold"]:
            fold["tuned_on_all_srcc"] = None

    forge(file, undefined)
    held_out = read_result(file).held_out
    assert held_out is not None
    assert not held_out.is_older
    write_result(file, read_result(file))
    assert file.read_text().count('"tuned_on_all_srcc": null') == 2

    forge(file, lambda content: content["held_out"]["per_fold"][0].pop("tuned_on_all_srcc"))
    with pytest.raises(InputError, match="some folds have a tuned_on_all_srcc and some have none"):
        read_result(file)


RESULTS = Path(__file__).parents[2] / "results" / "live_r2_subset"


def test_every_record_in_the_repository_has_the_optimism_of_its_release() -> None:
    records: list[Result] = [read_result(file) for file in sorted(RESULTS.rglob("result.json"))]
    with_folds = [(record.best, record.held_out) for record in records if record.best and record.held_out]
    assert with_folds
    for best, held_out in with_folds:
        expected = best.srcc - held_out.srcc_mean
        if not held_out.is_older:
            on_all = np.array([fold.tuned_on_all_srcc for fold in held_out.per_fold], dtype=np.float64)
            expected = on_all.mean() - held_out.srcc_mean
        assert held_out.optimism == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_a_record_in_the_repository_replays(test_data: Path, iqatune: Callable[..., Any], small_cache: Path) -> None:
    file = RESULTS / "csv" / "squeezenet" / "backbone_weights=random" / "random-stage-s0" / "result.json"
    labels = test_data / "live_r2" / "labels.csv"
    ran = iqatune("replay", file, "--pairs", labels, "--device", "cpu", "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.out
    assert json.loads(ran.out)["changed"] == []
