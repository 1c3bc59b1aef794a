"""Documents that nobody should have written: one line and exit code 2, whichever verb reads them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Copy = Callable[..., Path]
Command = Callable[..., Any]


def _refused(ran: Any, file: Path) -> str:
    assert ran.code == 2, (ran.code, ran.err)
    assert ran.out == ""
    (line,) = ran.err.strip().splitlines()
    assert line.startswith(f"iqatune: {file}: "), line
    assert len(line) < 500
    return str(line)


STRANGE: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "nested": (lambda text: "[" * 200_000, "nested too deeply"),
    "nested in place": (lambda text: text.replace('"best": {', '"best": ' + '{"a":' * 5000, 1), "nested too deeply"),
    "a list": (lambda text: "[]", "not a record"),
    "a number": (lambda text: "7", "not a record"),
    "empty": (lambda text: "", "not JSON"),
    "not UTF-8": (lambda text: text.encode().replace(b'"label": "', b'"label": "\xff', 1), "not JSON"),
    "NaN": (lambda text: text.replace('"total":', '"total": NaN, "x":', 1), "NaN is not a number"),
    "infinity": (lambda text: re.sub(r'"total": [^ \n]+', '"total": 1e999', text), "timing.total"),
    "a key twice": (lambda text: text.replace('"sample":', '"sample": 3, "sample":', 1), "'sample' is given twice"),
    "half": (lambda text: text[: len(text) // 2], "not JSON"),
    "an endless number": (lambda text: text.replace('"seed": 0', '"seed": ' + "9" * 5000, 1), "not JSON"),
    "a long key": (lambda text: text.replace('"status"', f'"{"k" * 100_000}": 1, "status"', 1), "kkk..."),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_record(name: str, own_copy: Copy, iqatune: Command, small_set: Any, small_cache: Path) -> None:
    record = own_copy() / "result.json"
    spoil, says = STRANGE[name]
    text = spoil(record.read_text())
    record.write_bytes(text if isinstance(text, bytes) else text.encode())
    pair = (small_set.folder / "ref0.png", small_set.folder / "noise0_1.png")
    for arguments in (
        ("score", record, *pair),
        ("score", record, *pair, "--force"),
        ("export", record, "--output", "metric.safetensors"),
        ("evaluate", record, *small_set.options, "--cache-dir", small_cache),
        ("replay", record, "--cache-dir", small_cache),
        ("report", record.parent, "--output", "report", "--force"),
    ):
        assert says in _refused(iqatune(*arguments), record)


def _put(place: tuple[Any, ...], value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for part in place[:-1]:
            content = content[part]
        content[place[-1]] = value

    return change


OUT_OF_BOUNDS: list[tuple[tuple[Any, ...], Any]] = [
    (("protocol", "c1"), 0),
    (("protocol", "c2"), -1e-6),
    (("protocol", "c2"), "1e-6"),
    (("protocol", "resize"), 0),
    (("protocol", "pairs"), 0),
    (("protocol", "references"), -1),
    (("protocol", "missing"), -1),
    (("protocol", "pooling"), "mean"),
    (("protocol", "precision"), "fp64"),
    (("protocol", "simulated"), "no"),
    (("protocol", "dataset_sha256"), "abc"),
    (("channels",), []),
    (("channels", 1), 0),
    (("channels", 1), 65),
    (("channels", 1), 64.5),
    (("best", "sample"), -1),
    (("best", "parameters", "alpha_0"), 1.5),
    (("best", "parameters", "alpha_0"), -0.1),
    (("best", "parameters", "alpha_0"), 1e308),
    (("best", "alpha", 0), -0.1),
    (("best", "alpha", 0), 0.9),
    (("best", "alpha", 0), 1e308),
    (("best", "alpha", 0), None),
    (("best", "alpha"), [1.0]),
    (("best", "srcc"), 1.5),
    (("best", "krcc"), -1e308),
    (("baselines", "uniform", "plcc"), 2),
    (("held_out", "folds"), 3),
    (("held_out", "srcc_std"), -0.1),
    (("held_out", "optimism"), 5),
    (("held_out", "per_fold", 0, "pairs"), 0),
    (("held_out", "per_fold", 0, "srcc"), "high"),
    (("confidence", "srcc"), [0.9, 0.1]),
    (("confidence", "level"), 95),
    (("confidence", "resamples"), 0),
    (("strategy", "random"), -5),
    (("strategy", "evaluations", "1"), -5),
    (("timing", "total"), -1),
    (("run", "samples"), 0),
    (("run", "seed"), -1),
    (("run", "folds"), 1),
    (("run", "concurrency"), 0),
    (("run", "resize"), -256),
    (("run", "samples"), "many"),
    (("status",), "perhaps"),
    (("environment", "threads"), "two"),
]


@pytest.mark.parametrize(("place", "value"), OUT_OF_BOUNDS, ids=lambda value: str(value)[:40])
def test_a_sealed_record_out_of_bounds(
    place: tuple[Any, ...], value: Any, own_copy: Copy, iqatune: Command, forge: Callable[..., None]
) -> None:
    record = own_copy() / "result.json"
    forge(record, _put(place, value))
    line = _refused(iqatune("export", record, "--output", "metric.safetensors"), record)
    assert "not a record of iqatune.result/1" in line
    assert _refused(iqatune("export", record, "--output", "metric.safetensors", "--force"), record) == line


def test_other_channels_than_the_backbones(own_copy: Copy, iqatune: Command, forge: Callable[..., None]) -> None:
    record = own_copy() / "result.json"
    # as many in all
    forge(record, lambda content: content.update(channels=[3, 128, 64, 256, 384, 512]))
    line = _refused(iqatune("export", record, "--output", "metric.safetensors"), record)
    assert "squeezenet has (3, 64, 128, 256, 384, 512)" in line


def _line(**changes: object) -> str:
    line = {"sample": 0, "trial_id": "0", "parameters": {}, "srcc": 0.1, "budget": 1.0, "chosen_by": "random"}
    return json.dumps({**line, "seconds": 0.0, **changes})


STRANGE_LINES = {
    "nested": "[" * 200_000,
    "NaN": _line(srcc=float("nan")),
    "twice": _line().replace('"sample": 0', '"sample": 0, "sample": 1'),
    "a word": _line(chosen_by="me"),
    "a parameter": _line(parameters={"alpha_0": 2}),
    "an SRCC": _line(srcc=1e308),
    "a budget": _line(budget=0),
    "a time": _line(seconds=-1),
    "a number": _line(sample="0"),
}


@pytest.mark.parametrize("name", STRANGE_LINES)
def test_a_strange_line_of_trials(name: str, own_copy: Copy, iqatune: Command, forge: Callable[..., None]) -> None:
    run = own_copy()
    # a record that says nothing of its trials, as those of the first releases
    forge(run / "result.json", lambda content: content.pop("trials_file"))
    (run / "trials.jsonl").write_text(STRANGE_LINES[name] + "\n")
    line = _refused(iqatune("report", run, "--output", "report"), run / "trials.jsonl")
    assert "line 1 is not a trial of this run" in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 200_000, "nested too deeply"),
        ('{"schema": "iqatune.evaluation/1", "schema": "x"}', "'schema' is given twice"),
        ('{"schema": "iqatune.evaluation/1", "dataset": NaN}', "NaN is not a number"),
        ('{"schema": "iqatune.evaluation/1", "dataset": "x", "by": "mood", "simulated": false, "results": []}', "by: "),
        ('{"schema": "iqatune.bench/1", "quick": "no"}', "quick: "),
    ],
    ids=["nested", "twice", "NaN", "by", "bench"],
)
def test_a_strange_document_beside_records(text: str, says: str, own_copy: Copy, iqatune: Command) -> None:
    run = own_copy()
    (run / "other.json").write_text(text)
    assert says in _refused(iqatune("report", run, "--output", "report"), run / "other.json")


def test_an_evaluation_out_of_bounds(own_copy: Copy, iqatune: Command, small_set: Any, small_cache: Path) -> None:
    run = own_copy()
    evaluate = ("evaluate", run / "result.json", *small_set.options, "--cache-dir", small_cache, "--format", "json")
    content = json.loads(iqatune(*evaluate).out)
    for key, value in (("srcc", 1e308), ("krcc", "0.5"), ("tied_with_best", 1)):
        changed = {**content, "results": [{**content["results"][0], key: value}]}
        (run / "evaluation.json").write_text(json.dumps(changed))
        line = _refused(iqatune("report", run, "--output", "report"), run / "evaluation.json")
        assert f"results.0.{key}" in line
