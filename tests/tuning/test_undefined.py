"""A run in which every sample is undefined: why, in the same words in every verb."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.run_paths import run_at

Command = Callable[..., Any]

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")
SAME = "no sample of this run has a defined SRCC, so that there are no weights: D is 0 for every pair"


@pytest.fixture
def same_images(small_set: Any) -> tuple[str, ...]:
    """Pairs whose distorted image is the reference itself, with scores that differ."""
    lines = ["reference,distorted,score"]
    lines += [f"ref{r}.png,ref{r}.png,{score}" for r in range(6) for score in (1 + r, 7.5 - r, 3 + r / 2)]
    labels = small_set.folder / "same.csv"
    labels.write_text("\n".join(lines) + "\n")
    return ("--dataset", "csv", "--pairs", str(labels), "--better", "higher")


def test_the_words_are_the_same_in_every_verb(
    same_images: tuple[str, ...], iqatune: Command, small_set: Any, small_cache: Path
) -> None:
    cache = ("--cache-dir", small_cache)
    search = ("search", *same_images, *BACKBONE, "--searcher", "random", "--samples", 3, "--folds", 2, *cache)
    ran = iqatune(*search, "--json")
    record = run_at("runs/csv/squeezenet/random-stage-s0/result.json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.last_line.startswith(f"iqatune: {record}: {SAME}")
    # the work was done, and the record says what came of it
    content = json.loads(record.read_text())
    assert (content["status"], content["best"]) == ("complete", None)
    assert content["undefined"] in ran.last_line
    assert content["trials_file"]["lines"] == 3
    # nothing is searched again to learn the same
    before = record.read_bytes()
    assert iqatune(*search).last_line == ran.last_line
    assert record.read_bytes() == before

    pair = (small_set.folder / "ref0.png", small_set.folder / "noise0_1.png")
    for arguments in (
        ("score", record, *pair),
        ("export", record, "--output", "metric.safetensors"),
        ("evaluate", record, *same_images, *cache),
    ):
        again = iqatune(*arguments)
        assert (again.code, again.out) == (2, "")
        assert again.last_line == ran.last_line
    report = iqatune("report", "runs")
    assert report.code == 2
    assert f"{record}: {SAME}" in report.last_line
    replay = iqatune("replay", record, *cache)
    assert replay.code == 0
    assert SAME[1:] in replay.out.replace("\n", " ")

    Path("grid.yaml").write_text(
        f"datasets: [{{dataset: csv, pairs: '{same_images[3]}', better: higher}}]\nsamples: 2\nfolds: 0\n"
        "backbones: [{backbone: squeezenet, backbone_weights: random}]\nsearchers: [random]\n"
    )
    sweep = ("sweep", "grid.yaml", *cache, "--output", "swept", "--jobs", 1, "--json")
    for _ in range(2):
        swept = iqatune(*sweep)
        assert swept.code == 1
        (cell,) = json.loads(swept.out)["cells"]
        assert cell["state"] == "failed"
        assert cell["error"].startswith(SAME)


def test_a_report_of_others_leaves_it_out_and_says_why(
    same_images: tuple[str, ...], iqatune: Command, small_set: Any, small_cache: Path
) -> None:
    search = (*BACKBONE, "--searcher", "random", "--samples", 3, "--folds", 0, "--cache-dir", small_cache)
    assert iqatune("search", *same_images, *search, "--seed", 1).code == 2
    assert iqatune("search", *small_set.options, *search).code == 0
    assert iqatune("report", "runs").code == 0
    page = Path("runs/report/report.md").read_text()
    assert re.search(rf"Left out: csv/squeezenet/\S*/random-stage-\S*-s1/result.json: {SAME}", page)


def test_the_same_pair_again_and_again_is_told_apart_from_equal_images(
    iqatune: Command, small_set: Any, small_cache: Path
) -> None:
    lines = ["reference,distorted,score", *(f"ref0.png,noise0_3.png,{score}" for score in (1, 2, 3, 4, 5))]
    labels = small_set.folder / "one.csv"
    labels.write_text("\n".join(lines) + "\n")
    data = ("--dataset", "csv", "--pairs", labels, "--better", "higher")
    search = (*BACKBONE, "--searcher", "random", "--samples", 3, "--folds", 0, "--cache-dir", small_cache)
    ran = iqatune("search", *data, *search)
    assert ran.code == 2
    assert "D is the same for every pair, whatever the weights" in ran.last_line


def test_an_interrupted_search_is_not_told_that_there_is_none(
    iqatune: Command, small_set: Any, finished: Callable[..., Path], tmp_path: Path, forge: Callable[..., None]
) -> None:
    record = tmp_path / "result.json"
    record.write_bytes((finished() / "result.json").read_bytes())
    forge(record, lambda content: content.update(status="interrupted", best=None, confidence=None, trials_file=None))
    ran = iqatune("export", record, "--output", "metric.safetensors")
    assert ran.code == 2
    assert "has no sample with a defined SRCC yet; run it to its end first" in ran.last_line
