"""References that are the same picture in files of other names: one reference, whatever runs on them."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import iqatune

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")
SEARCH = (*BACKBONE, "--searcher", "random", "--samples", 2, "--folds", 3)
SUFFIXES = ("png", "bmp", "tif", "png")


@pytest.fixture(scope="module")
def folders(small_set: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small set with a folder for every pair: a copy of its reference as PNG, BMP or TIFF, and the distorted image.

    right.csv names the first copy of each reference in all rows; pairs.csv the copy in the pair's own folder.
    """
    root = tmp_path_factory.mktemp("folders")
    with small_set.labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    first: dict[str, str] = {}
    lines = {"pairs.csv": ["reference,distorted,score"], "right.csv": ["reference,distorted,score"]}
    for number, row in enumerate(rows):
        folder = root / f"{number:02}"
        folder.mkdir()
        name = f"{folder.name}/ref.{SUFFIXES[number % len(SUFFIXES)]}"
        with Image.open(small_set.folder / row["reference"]) as reference:
            reference.save(root / name)
        shutil.copy(small_set.folder / row["distorted"], folder / "dist.png")
        right = first.setdefault(row["reference"], name)
        lines["pairs.csv"].append(f"{name},{folder.name}/dist.png,{row['score']}")
        lines["right.csv"].append(f"{right},{folder.name}/dist.png,{row['score']}")
    for name, text in lines.items():
        (root / name).write_text("\n".join(text) + "\n")
    return root


def _options(folders: Path, name: str) -> tuple[Any, ...]:
    return ("--dataset", "csv", "--pairs", folders / name, "--better", "higher")


SAYS = "48 reference files show 6 pictures"


def test_a_search_finds_what_it_finds_with_one_file_for_each_reference(
    folders: Path, iqatune: Callable[..., Any]
) -> None:
    records = {}
    for name in ("pairs.csv", "right.csv"):
        ran = iqatune("search", *_options(folders, name), *SEARCH, "--cache-dir", "c", "--output", name, "--json")
        assert ran.code == 0, ran.err
        assert (SAYS in ran.err) == (name == "pairs.csv")
        records[name] = json.loads(ran.out)
    found, right = records["pairs.csv"], records["right.csv"]
    assert found["protocol"]["references"] == right["protocol"]["references"] == 6
    for part in ("best", "baselines", "held_out", "confidence", "channels"):
        assert found[part] == right[part]
    # and both have the moments of the same groups
    assert (right["timing"]["pairs_extracted"], found["timing"]["pairs_extracted"]) == (0, 48)
    ran = iqatune("replay", next(Path("pairs.csv").rglob("result.json")), "--cache-dir", "c")
    assert ran.code == 0, ran.out


def test_evaluate_sweep_doctor_and_python_count_pictures(
    folders: Path, iqatune: Callable[..., Any], small_cache: Path
) -> None:
    cache = ("--cache-dir", small_cache)
    grid = {
        "datasets": [{"dataset": "csv", "pairs": str(folders / "pairs.csv"), "better": "higher"}],
        "backbones": ["squeezenet"],
        "backbone_weights": "random",
        "searchers": ["random"],
        "seeds": [0, 1],
        "samples": 2,
        "folds": 3,
    }
    Path("grid.yaml").write_text(yaml.safe_dump(grid))
    ran = iqatune("sweep", "grid.yaml", "--output", "swept", *cache)
    assert ran.code == 0, ran.err
    assert ran.err.count(SAYS) == 1
    results = sorted(Path("swept").rglob("result.json"))
    assert [json.loads(result.read_text())["protocol"]["references"] for result in results] == [6, 6]

    evaluations = {
        name: iqatune("evaluate", *results, *_options(folders, name), *cache, "--by", "reference", "--format", "json")
        for name in ("pairs.csv", "right.csv")
    }
    found, right = (json.loads(ran.out)["results"] for ran in evaluations.values())
    assert SAYS in evaluations["pairs.csv"].err
    for ours, theirs in zip(found, right, strict=True):
        assert ours["confidence"] == theirs["confidence"]
        assert ours["groups"] == theirs["groups"]
        assert len(ours["groups"]) == 6

    ran = iqatune("doctor", *_options(folders, "pairs.csv"), "--only", "data", "--json")
    findings = {finding["check"]: finding for finding in json.loads(ran.out)["findings"]}
    assert findings["pictures"]["level"] == "warning"
    assert SAYS in findings["pictures"]["says"]
    assert findings["counts"]["says"].startswith("48 pairs, 6 references")


def test_python_prepares_one_reference_for_a_picture(folders: Path, small_cache: Path) -> None:
    options: dict[str, Any] = {"pairs": folders / "pairs.csv", "better": "higher"}
    prepared = iqatune.prepare(
        "csv", "squeezenet", backbone_weights="random", cache_dir=small_cache, progress="none", **options
    )
    assert prepared.protocol.references == len(prepared.table.references) == 6
    assert len(iqatune.load_pairs("csv", **options).references) == 48


def test_a_warm_run_decodes_no_reference(
    folders: Path, iqatune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = ("extract", *_options(folders, "pairs.csv"), *BACKBONE, "--cache-dir", "c", "--json")
    first = iqatune(*extract)

    def refused(path: Path) -> str:
        raise AssertionError(f"{path} was decoded again")

    monkeypatch.setattr("iqatune.statistics.pictures.picture_digest", refused)
    again = iqatune(*extract)
    assert again.code == 0, again.err
    assert SAYS in again.err
    assert json.loads(again.out)["protocol"] == json.loads(first.out)["protocol"]


@pytest.mark.parametrize("damage", ["bit", "cut", "foreign", "deep"])
def test_a_damaged_memo_is_told_and_made_anew(damage: str, folders: Path, iqatune: Callable[..., Any]) -> None:
    extract = ("extract", *_options(folders, "pairs.csv"), *BACKBONE, "--cache-dir", "c", "--json")
    iqatune(*extract)
    memo = Path("c/pictures.json")
    content = memo.read_bytes()
    place = content.rindex(b'"') - 3
    changed = b"0" if content[place : place + 1] != b"0" else b"1"
    damaged = {
        "bit": content[:place] + changed + content[place + 1 :],
        "cut": content[: len(content) // 2],
        "foreign": b'{"x": [1]}',
        "deep": b"[" * 100_000,
    }
    memo.write_bytes(damaged[damage])
    ran = iqatune(*extract)
    assert ran.code == 0, ran.err
    assert "damaged cache file, computed again: c/pictures.json" in ran.err
    assert json.loads(ran.out)["protocol"]["references"] == 6
    assert memo.read_bytes() == content


def test_rows_of_one_image_and_two_copies_of_its_reference_are_ratings_of_one_pair(
    folders: Path, iqatune: Callable[..., Any], small_cache: Path
) -> None:
    lines = (folders / "pairs.csv").read_text().splitlines()
    second = lines[2].split(",")[0]
    labels = folders / "raters.csv"
    labels.write_text("\n".join([*lines, f"{second},{lines[1].split(',')[1]},9.5"]))
    options = (*_options(folders, "raters.csv"), *BACKBONE, "--cache-dir", small_cache, "--json")
    counted, averaged = iqatune("extract", *options), iqatune("extract", *options, "--raters")
    labels.unlink()
    assert "1 row repeats a pair (another score in 1), the first dist.png" in counted.err
    assert json.loads(counted.out)["pairs"] == 49
    assert (json.loads(averaged.out)["pairs"], json.loads(averaged.out)["protocol"]["ratings"]) == (48, 49)


def test_pictures_that_differ_in_one_value_are_two_references(
    small_set: Any, iqatune: Callable[..., Any], tmp_path: Path, small_cache: Path
) -> None:
    pixels = np.asarray(Image.open(small_set.folder / "ref0.png")).copy()
    pixels[20, 20, 1] ^= 1
    other = small_set.folder / "other.png"
    Image.fromarray(pixels).save(other)
    labels = small_set.folder / "other.csv"
    labels.write_text(small_set.labels.read_text().replace("ref0.png,noise0_2", "other.png,noise0_2"))
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--cache-dir", small_cache, "--json")
    ran = iqatune("extract", *options, *BACKBONE)
    other.unlink()
    labels.unlink()
    assert json.loads(ran.out)["protocol"]["references"] == 7
    assert "hold" not in ran.err


def test_pairs_that_are_left_out_are_told_by_every_verb(
    small_set: Any, iqatune: Callable[..., Any], small_cache: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(small_set.labels.read_text() + "ref0.png,gone1.png,3,blur,1\nref1.png,gone2.png,4,blur,1\n")
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--data-root", small_set.folder)
    here = ("--allow-missing", "--cache-dir", small_cache)
    says = "labels.csv: 2 rows are left out because an image is absent, the first gone1.png"
    ran = iqatune("search", *options, *SEARCH, *here, "--quiet", "--json")
    assert f"warning: {says}" in ran.err
    assert json.loads(ran.out)["protocol"]["missing"] == 2
    result = next(Path("runs").rglob("result.json"))
    ran = iqatune("evaluate", result, *options, *here, "--format", "json")
    assert says in ran.err
    assert json.loads(ran.out)["results"][0]["protocol"]["missing"] == 2
    assert says in iqatune("replay", result, "--cache-dir", small_cache).err
    assert says in iqatune("extract", *options, *BACKBONE, *here).err
    ran = iqatune("doctor", *options, "--allow-missing", "--only", "data", "--json")
    assert ("images", says) in [(found["check"], found["says"]) for found in json.loads(ran.out)["findings"]]
