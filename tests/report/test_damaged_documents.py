"""Evaluations and benches in a results folder that are not what was written: a report never believes them."""

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

FLIPS = 40


@pytest.fixture
def results(finished: Callable[..., Path], small_set: Any, small_cache: Path, iqatune: Callable[..., Any]) -> Path:
    """A run, its evaluation, and a bench."""
    folder = Path("results").absolute()
    shutil.copytree(finished(), folder / "run")
    evaluate = ("evaluate", folder / "run/result.json", *small_set.options, "--cache-dir", small_cache)
    ran = iqatune(*evaluate, "--format", "json", "--quiet")
    assert ran.code == 0, ran.err
    (folder / "evaluation.json").write_text(ran.out)
    bench = json.loads((Path(__file__).parents[2] / "results/bench/bench.json").read_text())
    (folder / "bench.json").write_text(json.dumps(_sealed(bench)))
    return folder


def _sealed(content: dict[str, Any]) -> dict[str, Any]:
    from iqatune.records.bench import Bench
    from iqatune.records.documents import sealed

    document: dict[str, Any] = json.loads(sealed(Bench.model_validate(content)).model_dump_json(by_alias=True))
    return document


@pytest.mark.parametrize("name", ["evaluation.json", "bench.json"])
def test_flipped_bits_are_found(name: str, results: Path) -> None:
    from iqatune.errors import InputError
    from iqatune.report.collect import collect

    whole = collect(results)
    sound = (results / name).read_bytes()
    chance = random.Random(name)
    harmless = 0
    for _ in range(FLIPS):
        damaged = bytearray(sound)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        (results / name).write_bytes(damaged)
        with suppress(InputError):
            assert collect(results) == whole
            harmless += 1
    assert harmless <= 2


def test_a_broken_seal_is_refused_unless_it_is_forced(results: Path, iqatune: Callable[..., Any]) -> None:
    evaluation = json.loads((results / "evaluation.json").read_text())
    evaluation["results"][0]["srcc"] = 0.123
    (results / "evaluation.json").write_text(json.dumps(evaluation))
    ran = iqatune("report", results, "--quiet")
    assert ran.code == 2
    assert "evaluation.json: its seal is broken, it is not what was written" in ran.last_line
    assert iqatune("report", results, "--quiet", "--force").code == 0
    assert "evaluation.json: FORCED: its seal is broken" in (results / "report/report.md").read_text().replace("\\", "")
