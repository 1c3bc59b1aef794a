"""The published JSON Schema is the record's, and records are valid under it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from iqatune.records.result import json_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "result.schema.json"


def test_the_published_schema_is_the_records() -> None:
    assert PUBLISHED.read_text() == json_schema(), "write iqatune.records.result.json_schema() to docs/"


def test_a_record_is_valid(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> None:
    backbone = ("--backbone", "squeezenet", "--backbone-weights", "random", "--cache-dir", small_cache)
    ran = iqatune("search", *small_set.options, *backbone, "--searcher", "random", "--samples", 3, "--json")
    jsonschema.validate(json.loads(ran.out), json.loads(PUBLISHED.read_text()))


def test_committed_records_are_valid() -> None:
    schema = json.loads(PUBLISHED.read_text())
    for path in (Path(__file__).parents[2] / "results").rglob("result.json"):
        jsonschema.validate(json.loads(path.read_text()), schema)
