"""Scores that are probably the wrong way round: warned of before the first sample, refused under --strict."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from iqatune.evaluation.agreement import against_the_scores
from tests.run_paths import run_at

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")
WORDS = "the direction of the scores is probably wrong"


def _wrong_way(small_set: Any) -> tuple[object, ...]:
    return (*small_set.options[:-1], "lower")


def test_a_search_warns_at_once_and_strict_refuses(
    iqatune: Callable[..., Any], small_set: Any, small_cache: Path
) -> None:
    search = ("--searcher", "random", "--samples", 3, "--folds", 0, "--cache-dir", small_cache, "--quiet")
    ran = iqatune("search", *_wrong_way(small_set), *BACKBONE, *search)
    assert ran.code == 0
    (warning,) = [line for line in ran.err.splitlines() if WORDS in line]
    assert warning.startswith("warning: uniform weights: SRCC -0.")
    assert "--better" in warning
    record = json.loads(run_at("runs/csv/squeezenet/random-stage-s0/result.json").read_text())
    assert record["strategy"]["warnings"] == [warning.removeprefix("warning: ")]

    refused = iqatune("search", *_wrong_way(small_set), *BACKBONE, *search, "--strict", "--output", "strict")
    assert refused.code == 2
    assert WORDS in refused.last_line
    assert not list(Path("strict").rglob("result.json"))

    right = iqatune("search", *small_set.options, *BACKBONE, *search, "--strict", "--output", "right")
    assert (right.code, right.err) == (0, "")


def test_evaluate_warns_and_strict_refuses(
    iqatune: Callable[..., Any], small_set: Any, small_cache: Path, finished: Callable[..., Path]
) -> None:
    record = finished() / "result.json"
    evaluate = ("evaluate", record, *_wrong_way(small_set), "--cache-dir", small_cache)
    ran = iqatune(*evaluate)
    assert ran.code == 0
    assert f"{record}: SRCC -0." in ran.err
    assert WORDS in ran.err
    ran = iqatune(*evaluate, "--strict")
    assert (ran.code, ran.out) == (2, "")
    assert WORDS in ran.last_line
    right = iqatune("evaluate", record, *small_set.options, "--cache-dir", small_cache, "--strict")
    assert right.code == 0
    assert WORDS not in right.err


@pytest.mark.parametrize(("slope", "references", "expected"), [(1, 8, True), (-1, 8, False), (1, 1, True)])
def test_clearly_negative(slope: float, references: int, expected: bool) -> None:
    rng = np.random.default_rng(3)
    quality = rng.normal(size=48)
    distances = slope * quality + rng.normal(size=48)
    ids = [f"r{place % references}" for place in range(48)]
    found = against_the_scores("it", quality, distances, reference_ids=ids)
    assert (found is not None) is expected
    if found is not None:
        assert f"SRCC {spearmanr(quality, -distances).statistic:.3f}" in found


def test_a_correlation_that_may_be_chance_is_not_clear() -> None:
    rng = np.random.default_rng(5)
    told = 0
    for _ in range(100):
        quality, distances = rng.normal(size=(2, 40))
        ids = [f"r{place % 8}" for place in range(40)]
        told += against_the_scores("it", quality, distances, reference_ids=ids) is not None
    assert told <= 8  # the upper end of a 95 % interval: 2.5 in a hundred are expected
