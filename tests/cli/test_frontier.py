"""`iqatune frontier`: its record, its points, and what happens when it is interrupted or asked wrongly."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.run_paths import Runs

SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")
FOLDER = Runs("runs/csv/squeezenet/frontier-macs-stage-s0")


@pytest.fixture
def frontier(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> Callable[..., Any]:
    """`iqatune frontier --by macs`, whose points are the same on every machine, with two folds."""

    def run(*options: object, code: int = 0) -> Any:
        settings = (*small_set.options, *SQUEEZENET, "--cache-dir", small_cache, "--folds", 2, "--by", "macs")
        ran = iqatune("frontier", *settings, *options)
        assert ran.code == code, ran.err
        return ran

    return run


@pytest.fixture(scope="module")
def found(small_set: Any, small_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same from Python, found once, for reading alone."""
    import iqatune

    names = (name.removeprefix("--").replace("-", "_") for name in small_set.options[::2])
    return iqatune.frontier(
        **dict(zip(names, small_set.options[1::2], strict=True)),
        backbone="squeezenet",
        backbone_weights="random",
        by="macs",
        folds=2,
        output=tmp_path_factory.mktemp("frontier"),
        cache_dir=small_cache,
        progress="none",
    )


@pytest.fixture
def own_copy(found: Any, iqatune: Callable[..., Any]) -> Path:
    """It in the folder `runs`, for tests that spoil it."""
    return Path(shutil.copytree(found.folder, FOLDER.path))


def test_every_point_is_a_record_and_the_cheapest_good_one_is_marked(found: Any) -> None:
    content = json.loads((found.folder / "frontier.json").read_text())
    assert content["schema"] == "iqatune.frontier/1"
    assert {"frontier.svg", "frontier.png"} <= {path.name for path in found.folder.iterdir()}
    points = content["points"]
    macs = [point["cost"]["macs"] for point in points]
    assert macs == sorted(macs)
    assert macs[0] == 0
    assert points[0]["stages"] == [0]
    assert points[0]["cost"]["parameters"] == 0
    # of conv1, by hand: 64 kernels of 3x3 on 3 channels with stride 2 and no padding, two images
    width, height = content["image"]
    positions = ((width - 3) // 2 + 1) * ((height - 3) // 2 + 1)
    assert content["stages"][1]["up_to"]["macs"] == 2 * 64 * 27 * positions
    marginal = [stage["marginal"] for stage in content["stages"]]
    np.testing.assert_allclose(np.cumsum(marginal), [stage["up_to"]["macs"] for stage in content["stages"]], rtol=2e-3)
    assert content["chosen"] == next(point for point in points if point["within"])["name"]
    figures = {
        point["name"]: np.array([fold["srcc"] for fold in _record(found, point)["held_out"]["per_fold"]])
        for point in points
    }
    best = figures[content["best"]]
    assert best.mean() == max(folds.mean() for folds in figures.values())
    for point in points:
        folds = figures[point["name"]]
        assert point["held_out_srcc"] == pytest.approx(folds.mean())
        losses = best - folds
        # Nadeau and Bengio: two folds of three references each, so that n_test / n_train is 1
        error = np.sqrt((1 / 2 + 1) * losses.var(ddof=1))
        assert (point["loss"], point["loss_error"]) == (pytest.approx(losses.mean()), pytest.approx(error))
        assert point["within"] == (losses.mean() <= error + 1e-9)


def test_a_point_is_proven_as_any_search(found: Any, iqatune: Callable[..., Any], small_cache: Path) -> None:
    penalised = [point for point in found.points if point.penalty > 0]
    for point in (penalised[-1], found.point(found.chosen)):
        ran = iqatune("replay", found.folder / point.result, "--cache-dir", small_cache, "--json")
        assert (ran.code, json.loads(ran.out)["changed"], json.loads(ran.out)["notes"]) == (0, [], [])


def test_a_point_exports_what_it_computes_and_nothing_more(found: Any, iqatune: Callable[..., Any]) -> None:
    point = next(point for point in found.points if point.last_stage == 1)
    ran = iqatune("export", found.folder / point.result, "--include-backbone", "--output", "small.safetensors")
    assert ran.code == 0, ran.err
    from safetensors import safe_open

    with safe_open("small.safetensors", framework="pt") as file:
        sizes = {name: file.get_tensor(name).numel() for name in file.keys()}  # noqa: SIM118 - no mapping
    held = sum(size for name, size in sizes.items() if name.startswith("backbone."))
    assert held == point.cost.parameters == 64 * 27 + 64


def test_a_killed_frontier_goes_on_with_the_points_that_there_are(found: Any, frontier: Callable[..., Any]) -> None:
    from iqatune.tuning import run

    searched = run.search_prepared
    done: list[Any] = []

    def killed(*arguments: Any, **options: Any) -> Any:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(searched(*arguments, **options))
        return done[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iqatune.tuning.frontier.search_prepared", killed)
        frontier(code=130)
    assert json.loads((FOLDER / "frontier.json").read_text())["status"] == "running"
    kept = {path: path.stat().st_mtime_ns for path in FOLDER.glob("*/result.json")}
    assert len(kept) == 3
    again = json.loads(frontier("--json").out)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    whole = json.loads((found.folder / "frontier.json").read_text())
    assert list(map(_unmeasured, again["points"])) == list(map(_unmeasured, whole["points"]))
    repeated = frontier()
    assert "this frontier is complete; delete it to compute it again" in repeated.err
    assert "the cheapest point that loses no more than a standard error" in repeated.out


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--folds", 0), "iqatune: --folds 0: a frontier compares held-out figures; give 2 and more"),
        (("--space", "wide"), "iqatune: --space wide: unknown space; known: stage, channel, stage+K"),
        (("--features", "a.csv"), "iqatune: --features a.csv: cost"),
        (("--c1", 0), "iqatune: --c1 0.0: give a number above 0, as 1e-6"),
    ],
)
def test_bad_input_is_told_in_a_line(frontier: Callable[..., Any], options: tuple[object, ...], line: str) -> None:
    ran = frontier(*options, code=2)
    assert ran.last_line.startswith(line)
    assert not Path("runs").exists()


def test_a_folder_of_another_frontier_is_left_alone(own_copy: Path, frontier: Callable[..., Any]) -> None:
    before = (own_copy / "frontier.json").read_bytes()
    ran = frontier("--folds", 3, "--name", own_copy.name, code=2)
    assert "is of another frontier (folds); delete it, or give another --name" in ran.last_line
    assert (own_copy / "frontier.json").read_bytes() == before
    (own_copy / "frontier.json").write_bytes(before.replace(b'"rounds": 9', b'"rounds": 8'))
    assert "its seal is broken" in frontier("--name", own_copy.name, code=2).last_line


def test_a_report_shows_frontiers_and_counts_no_point_as_a_search(
    own_copy: Path, search: Callable[..., Any], iqatune: Callable[..., Any]
) -> None:
    alone = iqatune("report", "runs")
    assert alone.code == 2
    assert "contains frontiers alone" in alone.last_line
    search("--searcher", "fit", "--output", "runs")
    ran = iqatune("report", "runs")
    assert ran.code == 0, ran.err
    page = Path("runs/report/report.md").read_text()
    assert "What agreement costs" in page
    assert "Left out, for another run has its setting" not in page
    assert list(Path("runs/report").rglob("frontier-*.csv"))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--penalty", "1", "--stage-costs", "0,1"), "--stage-costs: 2 numbers, and squeezenet has 6 stages"),
        (("--penalty", "1"), "--penalty and --stage-costs: belong together; give both, or neither"),
        (("--last-stage", "6"), "--last-stage 6: the last stage of squeezenet is 5"),
        (("--penalty", "1", "--stage-costs", "1,1,1,1,1,1"), "--stage-costs: the image costs 0"),
    ],
)
def test_a_search_takes_what_a_point_is_made_of(
    search: Callable[..., Any], options: tuple[str, ...], line: str
) -> None:
    assert line in search("--searcher", "fit", *options, code=2).last_line


def test_limits_on_stages_are_of_a_fit(search: Callable[..., Any]) -> None:
    ran = search("--searcher", "random", "--last-stage", "2", code=2)
    assert "--last-stage: only possible with --searcher fit; leave it out" in ran.last_line


def test_from_python_the_chosen_point_is_a_metric(found: Any) -> None:
    import iqatune

    metric = iqatune.Metric.load(found.file())
    assert isinstance(metric, iqatune.Metric)
    assert len(metric.backbone.channels) == max(found.point(found.chosen).stages) + 1
    with pytest.raises(ValueError, match="no point is called best of all"):
        found.file("best of all")


def _record(found: Any, point: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((found.folder / point["result"]).read_text())
    return content


def _unmeasured(point: dict[str, Any]) -> dict[str, Any]:
    """Without what a clock says."""
    cost = {key: value for key, value in point["cost"].items() if key != "milliseconds"}
    return {**point, "speedup": None, "cost": cost}
