"""`iqatune score --scale score`: the score that people would give, with its interval, as typed."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iqatune as package

RANDOM = ("--backbone", "squeezenet", "--backbone-weights", "random", "--searcher", "random", "--samples", 5)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def record(finished: Callable[..., Path]) -> Path:
    return finished() / "result.json"


@pytest.fixture
def pairs(small_set: Any, tmp_path: Path) -> Path:
    """Two pairs of the small set, and one whose file does not exist."""
    lines = ["reference,distorted", "ref0.png,noise0_1.png", "ref0.png,noise0_5.png", "ref0.png,absent.png"]
    file = tmp_path / "pairs.csv"
    file.write_text(
        "\n".join(
            [lines[0], *(",".join(str(small_set.folder / name) for name in line.split(",")) for line in lines[1:])]
        )
    )
    return file


def test_scores_are_those_of_the_record(iqatune: Callable[..., Any], record: Path, pairs: Path) -> None:
    ran = iqatune("score", record, "--pairs", pairs, "--scale", "score", "--keep-going", "--json")
    assert ran.code == 2  # of the file that is absent
    found = json.loads(ran.out)
    (scale,) = json.loads(record.read_text())["scales"]
    assert found["scale"] == {"name": scale["name"], "better": "higher", "simulated": False, "level": 0.95}
    assert scale["name"].startswith("score of labels.csv, ")
    for pair in found["pairs"][:2]:
        for name, knots in (
            ("score", scale["scores"]),
            ("low", scale["interval"]["low"]),
            ("high", scale["interval"]["high"]),
        ):
            assert pair[name] == pytest.approx(np.interp(pair["distance"], scale["distances"], knots), abs=1e-9)
        assert pair["low"] <= pair["score"] <= pair["high"]
    slight, strong, absent = found["pairs"]
    assert slight["score"] > strong["score"]
    assert (absent["score"], absent["low"], absent["high"]) == (None, None, None)

    ran = iqatune("score", record, "--pairs", pairs, "--scale", "score", "--keep-going", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert list(rows[0]) == ["reference", "distorted", "distance", "score", "low", "high"]
    assert [float(rows[0][name]) for name in ("score", "low", "high")] == [
        slight[name] for name in ("score", "low", "high")
    ]
    assert rows[2]["score"] == ""


def test_a_table_says_which_scale(iqatune: Callable[..., Any], record: Path, small_set: Any) -> None:
    images = (small_set.folder / "ref0.png", small_set.folder / "noise0_1.png")
    ran = iqatune("score", record, *images, "--scale", "score")
    assert ran.code == 0
    assert "95 % interval" in " ".join(ran.out.split())
    assert "Score: score of labels.csv, " in ran.out
    plain = iqatune("score", record, *images)
    assert "interval" not in plain.out
    assert json.loads(iqatune("score", record, *images, "--json").out)["pairs"][0]["score"] is None

    other = iqatune("score", record, *images, "--scale", "score", "--resize", "32")
    assert "--resize 32: the scale was made for images at 256" in " ".join(other.err.split())


def test_an_export_gives_the_same_scores_and_names_the_scale(
    iqatune: Callable[..., Any], record: Path, small_set: Any, tmp_path: Path
) -> None:
    images = (small_set.folder / "ref0.png", small_set.folder / "blur0_2.png")
    ran = iqatune("export", record, "--output", tmp_path / "metric.safetensors")
    assert ran.code == 0, ran.err
    assert "Scale: score of labels.csv, " in ran.out
    first, second = (
        json.loads(iqatune("score", file, *images, "--scale", "score", "--json").out)["pairs"][0]
        for file in (record, tmp_path / "metric.safetensors")
    )
    for name in ("score", "low", "high"):
        assert first[name] == pytest.approx(second[name], abs=1e-6)
    found = package.score_images(record, *images, scale="score", progress="none").pairs[0]
    assert found.score == pytest.approx(first["score"], abs=1e-6)


def test_what_has_no_scale_is_told_in_a_line(
    iqatune: Callable[..., Any], own_copy: Callable[..., Path], forge: Callable[..., None], small_set: Any
) -> None:
    file = own_copy() / "result.json"
    forge(file, lambda content: content.pop("scales"))  # as earlier releases wrote it
    images = (small_set.folder / "ref0.png", small_set.folder / "noise0_1.png")
    assert iqatune("score", file, *images).code == 0
    ran = iqatune("score", file, *images, "--scale", "score")
    assert ran.code == 2
    assert ran.out == ""
    assert "result.json: has no scale of human scores" in ran.last_line
    assert "search again" in ran.last_line
    exported = iqatune("export", file, "--output", "old.safetensors")
    assert exported.code == 0
    assert "Scale: none, D alone" in exported.out
    ran = iqatune("score", file, *images, "--scale-of", "csv")
    assert (ran.code, ran.last_line) == (2, "iqatune: --scale-of csv: only possible with --scale score")
    with pytest.raises(package.InputError, match="give 'distance' or 'score'"):
        package.score_images(file, *images, scale="mos")  # type: ignore[arg-type]


def test_an_earlier_record_replays(
    iqatune: Callable[..., Any], own_copy: Callable[..., Path], forge: Callable[..., None], small_cache: Path
) -> None:
    file = own_copy() / "result.json"
    forge(file, lambda content: content.pop("scales"))
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.out
    assert any(note.startswith("scales: none") for note in json.loads(ran.out)["notes"])


@pytest.mark.parametrize("folds", [2, 0])
def test_replay_proves_every_number_of_a_scale(
    folds: int,
    iqatune: Callable[..., Any],
    own_copy: Callable[..., Path],
    forge: Callable[..., None],
    small_cache: Path,
) -> None:
    file = own_copy(folds=folds) / "result.json"
    (scale,) = json.loads(file.read_text())["scales"]
    assert ("of the folds" in scale["interval"]["method"]) == (folds > 0)
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.out
    names = {figure["name"] for figure in json.loads(ran.out)["figures"]}
    assert {"scales[0].distances[0]", "scales[0].scores[3]", "scales[0].interval.low[8]"} <= names

    def altered(content: Json) -> None:
        content["scales"][0]["interval"]["high"][0] += 0.1
        content["scales"][0]["name"] = "MOS of everything, 0 to 1"

    forge(file, altered)
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 1
    found = json.loads(ran.out)
    assert [figure["name"] for figure in found["figures"] if not figure["same"]] == ["scales[0].interval.high[0]"]
    assert [changed["name"] for changed in found["changed"]] == ["scales"]


def test_every_one_of_several_sets_has_a_scale(
    iqatune: Callable[..., Any], two_sets: Any, small_cache: Path, tmp_path: Path
) -> None:
    ran = iqatune(
        "search", *two_sets.options, *RANDOM, "--folds", 2, "--cache-dir", small_cache, "--json", "--output", tmp_path
    )
    assert ran.code == 0, ran.err
    tid, own = json.loads(ran.out)["scales"]
    assert (tid["dataset"], tid["name"], tid["better"]) == ("tid2013", "MOS of TID2013, 0 to 9", "higher")
    assert tid["interval"]["low"][-1] >= 0
    assert tid["interval"]["high"][0] <= 9
    assert (own["dataset"], own["better"]) == ("csv", "lower")
    assert all(first < second for first, second in zip(own["scores"], own["scores"][1:], strict=False))
    (file,) = tmp_path.rglob("result.json")
    images = (two_sets.tid2013 / "reference_images/I01.png", two_sets.tid2013 / "distorted_images/i01_01_3.png")
    ran = iqatune("score", file, *images, "--scale", "score")
    assert ran.code == 2
    assert "was tuned on tid2013, csv, which have a scale each; name one" in ran.last_line
    found = json.loads(iqatune("score", file, *images, "--scale", "score", "--scale-of", "csv", "--json").out)
    assert found["scale"]["better"] == "lower"
    assert iqatune("replay", file, "--cache-dir", small_cache).code == 0


def test_a_real_set_of_lower_scores(
    iqatune: Callable[..., Any], test_data: Path, small_cache: Path, tmp_path: Path
) -> None:
    """LIVE release 2's own images of two references left out: their DMOS is where the interval says."""
    rows = list(csv.DictReader((test_data / "live_r2" / "labels.csv").open(newline="")))
    names = sorted({row["reference"] for row in rows})
    held_out = set(names[:2])
    labels = tmp_path / "tuned.csv"
    with labels.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["reference", "distorted", "score"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in rows if row["reference"] not in held_out)
    weights = test_data / "weights" / "squeezenet1_1_imagenet_fp16.pth"
    ran = iqatune(
        *("search", "--dataset", "csv", "--pairs", labels, "--better", "lower", "--data-root", test_data / "live_r2"),
        *("--backbone", "squeezenet", "--backbone-weights", weights, "--searcher", "random", "--samples", 20),
        *("--cache-dir", small_cache, "--output", tmp_path / "runs", "--quiet"),
    )
    assert ran.code == 0, ran.err
    (record,) = (tmp_path / "runs").rglob("result.json")
    new = tmp_path / "new.csv"
    mine = [row for row in rows if row["reference"] in held_out]
    lines = [f"{test_data / 'live_r2' / row['reference']},{test_data / 'live_r2' / row['distorted']}" for row in mine]
    new.write_text("\n".join(["reference,distorted", *lines]))
    ran = iqatune("score", record, "--pairs", new, "--scale", "score", "--json", "--quiet")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["scale"]["better"] == "lower"
    scores = np.array([float(row["score"]) for row in mine])
    low, score, high = (np.array([pair[name] for pair in found["pairs"]]) for name in ("low", "score", "high"))
    assert np.mean((low <= scores) & (scores <= high)) >= 0.8
    assert np.corrcoef(score, scores)[0, 1] > 0.8
