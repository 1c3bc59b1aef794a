"""`--dry-run`: says what the verb then does, refuses what it refuses, and changes no file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")
SEARCH = (*RANDOM_SQUEEZENET, "--searcher", "random", "--samples", 8, "--folds", 2)

FOLDER = "runs/csv/squeezenet/pairs=labels.csv,better=higher,backbone_weights=random"

REFERENCES, VERSIONS = 6, 8
"""Of the small set."""


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with its size and when it was changed."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture
def planned(iqatune: Callable[..., Any], small_set: Any, tmp_path: Path) -> Callable[..., Any]:
    """The document of a dry run over the small set, after which every file is as it was."""

    def run(*line: object) -> Any:
        before = state_of(tmp_path), state_of(small_set.folder)
        ran = iqatune(*line, "--cache-dir", tmp_path / "kept", "--dry-run", "--json")
        assert ran.code == 0, ran.err
        assert (state_of(tmp_path), state_of(small_set.folder)) == before
        return json.loads(ran.out)

    (tmp_path / "kept").mkdir()
    return run


def test_images_are_those_that_then_pass_the_cnn(
    planned: Callable[..., Any], iqatune: Callable[..., Any], small_set: Any, tmp_path: Path
) -> None:
    line = ("extract", *small_set.options, *RANDOM_SQUEEZENET)
    cold = planned(*line)["statistics"]
    assert [(each["pairs"], each["pairs_cached"]) for each in cold] == [(48, 0)]
    assert cold[0]["images"] == cold[0]["images_to_compute"] == REFERENCES * (1 + VERSIONS)
    assert cold[0]["seconds"] is None  # no rate is known yet
    done = json.loads(iqatune(*line, "--cache-dir", tmp_path / "kept", "--json").out)
    assert done["computed"] == cold[0]["pairs"] - cold[0]["pairs_cached"]
    warm = planned(*line)
    assert (warm["statistics"][0]["images_to_compute"], warm["seconds"]) == (0, 0)
    min((tmp_path / "kept" / "statistics").rglob("*.safetensors")).unlink()
    again = planned(*line)["statistics"][0]
    assert (again["pairs_cached"], again["images_to_compute"]) == (48 - VERSIONS, 1 + VERSIONS)
    assert again["seconds"] == pytest.approx((1 + VERSIONS) / again["images_a_second"])
    assert json.loads(iqatune(*line, "--cache-dir", tmp_path / "kept", "--json").out)["computed"] == VERSIONS


def test_an_image_that_changed_is_not_cached(
    planned: Callable[..., Any], iqatune: Callable[..., Any], small_set: Any, tmp_path: Path
) -> None:
    line = ("extract", *small_set.options, *RANDOM_SQUEEZENET)
    assert iqatune(*line, "--cache-dir", tmp_path / "kept").code == 0
    image = small_set.folder / "blur0_1.png"
    before = image.stat()
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    try:
        found = planned(*line)["statistics"][0]
    finally:
        os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (found["pairs_cached"], found["images_to_compute"]) == (47, 2)


def test_a_search_says_where_it_goes_and_how_long_such_searches_took(
    planned: Callable[..., Any], iqatune: Callable[..., Any], small_set: Any, tmp_path: Path
) -> None:
    line = ("search", *small_set.options, *SEARCH)
    first = planned(*line)
    assert first["runs"][0] | {"seconds": None} == {
        "folder": f"{FOLDER}/random-stage-folds=2-samples=8-s0",
        "state": "new",
        "dataset": "csv",
        "pairs": 48,
        "references": REFERENCES,
        "searcher": "random",
        "space": "stage",
        "samples": 8,
        "folds": 2,
        "seconds": None,
    }
    assert "no rate known here yet: `iqatune bench --backbone squeezenet` measures it" in first["notes"]
    ran = iqatune(*line, "--cache-dir", tmp_path / "kept", "--json")
    timing = json.loads(ran.out)["timing"]
    done = planned(*line)["runs"][0]
    assert (done["state"], done["seconds"]) == ("complete", 0)
    other = planned(*line, "--seed", 1, "--samples", 16)
    assert other["runs"][0]["state"] == "new"
    assert other["seconds"] == other["runs"][0]["seconds"] == pytest.approx(2 * (timing["search"] + timing["folds"]))
    assert planned(*line, "--samples", 16)["runs"][0]["state"] == "new"


def test_a_name_that_another_run_has_is_refused(
    planned: Callable[..., Any], iqatune: Callable[..., Any], small_set: Any, tmp_path: Path
) -> None:
    line = ("search", *small_set.options, *SEARCH, "--name", "first")
    assert planned(*line)["runs"][0]["folder"] == "runs/csv/squeezenet/first"
    assert iqatune(*line, "--cache-dir", tmp_path / "kept", "--quiet").code == 0
    assert planned(*line)["runs"][0]["state"] == "complete"
    other = (*line, "--seed", 1, "--cache-dir", tmp_path / "kept")
    dry = iqatune(*other, "--dry-run")
    earnest = iqatune(*other, "--quiet")
    assert (dry.code, dry.last_line) == (earnest.code, earnest.last_line)
    assert earnest.code == 2
    assert "first/result.json: is of another run (other seed)" in earnest.last_line


def test_a_sweep_and_a_frontier(planned: Callable[..., Any], small_set: Any) -> None:
    grid: dict[str, object] = {
        "datasets": "csv",
        "pairs": str(small_set.labels),
        "better": "higher",
        "backbone": "squeezenet",
    }
    grid |= {"backbone_weights": "random", "searchers": ["random", "bohb"], "seeds": [0, 1], "folds": 2}
    Path("grid.json").write_text(json.dumps(grid))
    sweep = planned("sweep", "grid.json")
    assert len(sweep["statistics"]) == 1
    assert [run["folder"].rpartition("/")[2] for run in sweep["runs"]] == [
        f"{searcher}-stage-folds=2-s{seed}" for searcher in ("random", "bohb") for seed in (0, 1)
    ]
    frontier = planned("frontier", *small_set.options, *RANDOM_SQUEEZENET, "--folds", 2)
    assert frontier["runs"][0]["folder"] == f"{FOLDER}/frontier-stage-folds=2-s0"
    assert frontier["statistics"][0]["images_to_compute"] == 54


def test_robustness_and_a_fusion(
    planned: Callable[..., Any], iqatune: Callable[..., Any], small_set: Any, tmp_path: Path
) -> None:
    for seed in (0, 1):
        ran = iqatune(
            "search", *small_set.options, *SEARCH, "--seed", seed, "--cache-dir", tmp_path / "kept", "--quiet"
        )
        assert ran.code == 0
    records = sorted(Path("runs").rglob("result.json"))
    line = ("robust", *records, *small_set.options, "--kinds", "jpeg")
    (found,) = planned(*line)["statistics"]
    # as they are, which is cached, and in five severities
    assert (found["pairs"], found["pairs_cached"], found["images"], found["images_to_compute"]) == (288, 48, 324, 270)
    assert iqatune(*line, "--cache-dir", tmp_path / "kept", "--quiet").code == 0
    assert planned(*line)["statistics"][0]["images_to_compute"] == 0
    fuse = ("fuse", *records, *small_set.options, "--folds", 2, "--samples", 8, "--searcher", "random")
    plan = planned(*fuse)
    assert (plan["statistics"][0]["images_to_compute"], plan["runs"][0]["state"]) == (0, "new")
    ran = iqatune(*fuse, "--cache-dir", tmp_path / "kept", "--quiet")
    assert ran.code == 0
    assert (Path(plan["runs"][0]["folder"]) / "fusion.json").is_file()
    assert planned(*fuse)["runs"][0]["state"] == "complete"


def test_images_that_are_not_made_yet_are_not_made(planned: Callable[..., Any], tmp_path: Path) -> None:
    found = planned("extract", "--dataset", "demo", "--data-root", tmp_path / "demo", *RANDOM_SQUEEZENET)
    assert (found["statistics"][0]["pairs"], found["statistics"][0]["images"]) == (350, 360)
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    "line",
    [
        ("search", *SEARCH, "--space", "stages"),
        ("search", *SEARCH, "--backbone", "vgg17"),
        ("search", *SEARCH, "--searcher", "bohbb"),
        ("search", *SEARCH, "--backbone-weights", "nowhere.pth"),
        ("search", *SEARCH, "--objective", "worst-distortion", "--engine", "ray"),
        ("search", *SEARCH, "--stop", "auto", "--searcher", "fit"),
        ("search", *SEARCH, "--device", "cuda:77"),
        ("extract", *RANDOM_SQUEEZENET, "--exclude", "snow"),
        ("frontier", *RANDOM_SQUEEZENET, "--folds", 0),
        ("search", *SEARCH, "--output", "file/runs"),
    ],
)
def test_what_is_wrong_is_refused_in_the_same_words(
    line: tuple[object, ...], iqatune: Callable[..., Any], small_set: Any, tmp_path: Path
) -> None:
    Path("file").write_text("")
    command = (line[0], *small_set.options, *line[1:], "--cache-dir", tmp_path / "kept", "--quiet")
    dry = iqatune(*command, "--dry-run")
    earnest = iqatune(*command)
    assert (dry.code, dry.err) == (2, earnest.err)
    assert earnest.code == 2


def test_for_people(iqatune: Callable[..., Any], small_set: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in ("60", "200"):
        monkeypatch.setenv("COLUMNS", width)
        ran = iqatune("search", *small_set.options, *SEARCH, "--dry-run", "--cache-dir", "kept")
        assert ran.code == 0
        assert "54" in ran.out
        # at 60 letters the folder is on several lines
        assert width == "60" or f"{FOLDER}/random-stage-folds=2-samples=8-s0" in ran.out
        assert ran.out.splitlines()[-1] == "Nothing was computed or written (--dry-run)."
