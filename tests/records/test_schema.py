"""The published JSON Schemas are the documents' own, and what verbs write is valid under them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from iqatune.records.schemas import DOCUMENTS, json_schema
from tests.run_paths import run_at

DOCS = Path(__file__).parents[2] / "docs"
RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_published_schema_is_the_documents(name: str) -> None:
    published = (DOCS / f"{name}.schema.json").read_text()
    assert published == json_schema(name), "run `make schemas`"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


def test_there_is_no_schema_of_anything_else() -> None:
    assert {path.name.removesuffix(".schema.json") for path in DOCS.glob("*.schema.json")} == set(DOCUMENTS)


def _check(name: str, text: str) -> None:
    jsonschema.validate(json.loads(text), json.loads((DOCS / f"{name}.schema.json").read_text()))


def test_what_verbs_write_is_valid(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> None:
    cache = ("--cache-dir", small_cache)
    search = ("--searcher", "random", "--samples", 3)
    ran = iqatune("search", *small_set.options, *RANDOM_SQUEEZENET, *cache, *search, "--json")
    _check("result", ran.out)
    record = run_at("runs/csv/squeezenet/random-stage-s0/result.json")
    _check("result", record.read_text())
    for line in record.with_name("trials.jsonl").read_text().splitlines():
        _check("trial", line)
    _check(
        "evaluation", iqatune("evaluate", record, *small_set.options, *cache, "--by", "level", "--format", "json").out
    )
    robust = ("robust", record, *small_set.options, *cache, "--kinds", "side,unseen", "--output", "robust", "--json")
    _check("robust", iqatune(*robust).out)
    _check("robust", Path("robust/robust.json").read_text())
    _check("replay", iqatune("replay", record, *cache, "--json").out)
    _check("extraction", iqatune("extract", *small_set.options, *RANDOM_SQUEEZENET, *cache, "--json").out)
    _check("metric", iqatune("export", record, "--output", "metric.safetensors", "--json").out)
    _check("doctor", iqatune("doctor", *small_set.options, "--only", "data", "--json").out)
    pair = (small_set.folder / "ref0.png", small_set.folder / "noise0_1.png")
    _check("scores", iqatune("score", record, *pair, "--json").out)
    Path("grid.yaml").write_text(
        f"datasets: [{{dataset: csv, pairs: '{small_set.labels}', better: higher}}]\nsamples: 2\nfolds: 0\n"
        "backbones: [{backbone: squeezenet, backbone_weights: random}]\nsearchers: [random]\n"
    )
    _check("sweep", iqatune("sweep", "grid.yaml", *cache, "--output", "swept", "--jobs", 1, "--json").out)
    _check("sweep", Path("swept/sweep.json").read_text())


def test_a_document_that_is_not_one_is_refused() -> None:
    record = json.loads((Path(__file__).parents[2] / "results/quick/sweep.json").read_text())
    _check("sweep", json.dumps(record))
    with pytest.raises(jsonschema.ValidationError):
        _check("sweep", json.dumps({**record, "status": "perhaps"}))
