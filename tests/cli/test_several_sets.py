"""Several data sets tuned on together, and other splits than folds by reference, as typed."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

import iqatune as package
from tests.run_paths import Runs, run_at

RANDOM = ("--backbone", "squeezenet", "--backbone-weights", "random", "--searcher", "random", "--samples", 5)
FOLDER = Runs("runs/tid2013+csv/squeezenet/random-stage-s0")
Json = dict[str, Any]


@pytest.fixture
def search(iqatune: Callable[..., Any], two_sets: Any, small_cache: Path) -> Callable[..., Json]:
    """`iqatune search` over both sets; the record."""

    def run(*options: object, data: tuple[object, ...] | None = None) -> Json:
        given = two_sets.options if data is None else data
        ran = iqatune("search", *given, *RANDOM, "--cache-dir", small_cache, *options, "--json", "--quiet")
        assert ran.code == 0, ran.err
        found: Json = json.loads(ran.out)
        return found

    return run


@pytest.fixture
def replay(iqatune: Callable[..., Any], small_cache: Path) -> Callable[..., Json]:
    def run(file: Path, *options: object) -> Json:
        ran = iqatune("replay", file, "--cache-dir", small_cache, "--json", "--quiet", *options)
        found: Json = json.loads(ran.out)
        assert ran.code == (0 if not found["changed"] and all(each["same"] for each in found["figures"]) else 1)
        return found

    return run


def _own(two_sets: Any, small_cache: Path, name: str) -> Any:
    """One of the sets by itself."""
    options: dict[str, Any] = {"data_root": two_sets.tid2013}
    if name == "csv":
        options = {"pairs": two_sets.labels, "better": "lower"}
    return package.prepare(
        name, "squeezenet", backbone_weights="random", cache_dir=small_cache, progress="none", **options
    )


def test_the_figures_are_weighted_means_of_each_sets_own(
    search: Callable[..., Json], two_sets: Any, small_cache: Path
) -> None:
    record = search("--dataset-weight", "csv=0.5", "--folds", 2)
    weights = package.read_result(run_at("runs/tid2013+csv/squeezenet/random-stage-csv=0.5-s0")).weights
    own = {}
    for name in ("tid2013", "csv"):
        prepared = _own(two_sets, small_cache, name)
        own[name] = spearmanr(prepared.table.quality, -prepared.distances(weights)).statistic
        assert record["sets"][name]["best"]["srcc"] == pytest.approx(own[name], abs=1e-9)
        assert record["sets"][name]["protocol"] == json.loads(prepared.protocol.model_dump_json())
        low, high = record["sets"][name]["confidence"]["srcc"]
        assert low <= own[name] <= high
    assert record["best"]["srcc"] == pytest.approx((2 * own["tid2013"] + own["csv"]) / 3, abs=1e-9)
    assert [record["sets"][name]["weight"] for name in ("tid2013", "csv")] == pytest.approx([2 / 3, 1 / 3])
    for fold in record["held_out"]["per_fold"]:
        parts = [fold["sets"][name]["srcc"] for name in ("tid2013", "csv")]
        assert fold["srcc"] == pytest.approx(np.average(parts, weights=(2, 1)), abs=1e-12)
    assert record["confidence"] is None
    assert [each["weight"] for each in record["run"]["datasets"]] == [1.0, 0.5]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_picture_that_two_sets_have_is_never_on_both_sides(
    seed: int, search: Callable[..., Json], two_sets: Any
) -> None:
    record = search("--seed", seed, "--folds", 2)
    folds = [set(fold["references"]) for fold in record["held_out"]["per_fold"]]
    assert set.union(*folds) == {f"tid2013/I0{n}" for n in range(1, 6)} | {
        f"csv/{name}.jpg" for name in ("face", "cup", "bike", "sky", "stones")
    }
    for one, other in two_sets.shared:
        assert [one in fold for fold in folds] == [other in fold for fold in folds]
    for fold in folds:  # a share of each set's
        assert {sum(name.startswith(of) for name in fold) for of in ("tid2013/", "csv/")} <= {2, 3}


def test_the_whole_way_of_a_record(
    search: Callable[..., Json],
    replay: Callable[..., Json],
    iqatune: Callable[..., Any],
    two_sets: Any,
    small_cache: Path,
    tmp_path: Path,
    forge: Callable[..., None],
) -> None:
    record = search("--folds", 2)
    assert (record["run"]["dataset"], record["held_out"]["split"]) == ("tid2013+csv", "references")
    names = {each["name"] for each in replay(FOLDER / "result.json")["figures"]}
    assert {"sets.csv.best.srcc", "held_out.per_fold[1].sets.tid2013.srcc", "sets.tid2013.confidence.srcc[0]"} <= names
    # the same run goes on, wherever its files are now
    moved = shutil.copytree(two_sets.tid2013, tmp_path / "moved")
    elsewhere = [str(option).replace(str(two_sets.tid2013), str(moved)) for option in two_sets.options]
    assert search("--folds", 2, data=tuple(elsewhere)) == record
    assert not replay(FOLDER / "result.json", "--data-root", f"tid2013={moved}")["changed"]

    def make_older(content: Json) -> None:
        for part in (content, *content["sets"].values()):
            del part["protocol"]["statistics"]

    older = shutil.copytree(FOLDER, tmp_path / "older") / "result.json"
    forge(older, make_older)
    told = replay(older)
    assert not told["changed"]
    assert sum("statistics: moments" in note for note in told["notes"]) == 1  # of all sets, not of each

    scored = iqatune("evaluate", FOLDER / "result.json", "--cache-dir", small_cache, "--format", "json", "--quiet")
    evaluations = json.loads(scored.out)["evaluations"]
    assert [each["dataset"] for each in evaluations] == ["tid2013", "csv"]
    for each in evaluations:
        assert each["results"][0]["srcc"] == pytest.approx(record["sets"][each["dataset"]]["best"]["srcc"], abs=1e-9)
        assert each["results"][0]["tuned_on"] == "tid2013+csv:labels"
    Path("runs/evaluations.json").write_text(scored.out)
    lines = iqatune("evaluate", FOLDER / "result.json", "--cache-dir", small_cache, "--format", "csv", "--quiet").out
    assert [row[6] for row in csv.reader(lines.splitlines())] == ["dataset", "tid2013", "csv"]

    single = ("--dataset", "tid2013", "--data-root", two_sets.tid2013)
    alone = search("--folds", 2, data=single)
    assert (alone["run"]["datasets"], alone["sets"]) == ([], {})
    assert "sets" not in alone["held_out"]["per_fold"][0]
    ran = iqatune("report", "runs", "--score", "--cache-dir", small_cache, "--quiet")
    assert ran.code == 0, ran.err
    text = Path("runs/report/report.md").read_text()
    for dataset in ("tid2013", "tid2013+csv:labels"):
        assert re.search(rf"\*\*Tuning (helped|is not shown to help|harmed) on {re.escape(dataset)}\.\*\*", text), text
    export = iqatune("export", FOLDER / "result.json", "--output", "metric.safetensors", "--quiet")
    assert "on tid2013+csv" in export.out

    def change(content: Json) -> None:
        content["sets"]["csv"]["best"]["srcc"] -= 0.01

    forge(FOLDER / "result.json", change)
    wrong = [each["name"] for each in replay(FOLDER / "result.json")["figures"] if not each["same"]]
    assert wrong == ["sets.csv.best.srcc"]


def test_a_set_left_out_is_tuned_without_its_pictures(
    search: Callable[..., Json], replay: Callable[..., Json], two_sets: Any, small_cache: Path
) -> None:
    record = search("--leave-one-set-out")
    held_out = record["held_out"]
    assert (held_out["split"], held_out["folds"], held_out["verdict"]) == ("sets", 2, "not shown to help")
    folder = run_at("runs/tid2013+csv/squeezenet/random-stage-leave-one-set-out-s0")
    assert not replay(folder / "result.json")["changed"]
    for fold, name, other in zip(held_out["per_fold"], ("tid2013", "csv"), ("csv", "tid2013"), strict=True):
        assert (fold["name"], list(fold["sets"])) == (name, [name])
        assert {reference.split("/")[0] for reference in fold["references"]} == {name}
        parameters = np.array(list(fold["parameters"].values()))
        mine, others = _own(two_sets, small_cache, name), _own(two_sets, small_cache, other)
        weights = mine.space("stage").weights(parameters)
        srcc = spearmanr(mine.table.quality, -mine.distances(weights)).statistic
        assert fold["srcc"] == pytest.approx(srcc, abs=1e-6)
        # the tuned side lacks what the set shows as well
        shared = {pair[0 if other == "tid2013" else 1].split("/")[1] for pair in two_sets.shared}
        rows = np.array([identity not in shared for identity in others.table.reference_ids])
        assert rows.sum() == len(rows) * 3 / 5
        tuned = spearmanr(others.table.quality[rows], -others.distances(weights)[rows]).statistic
        assert fold["tuned_srcc"] == pytest.approx(tuned, abs=1e-6)


def test_a_distortion_left_out(search: Callable[..., Json], replay: Callable[..., Json], two_sets: Any) -> None:
    record = search("--leave-one-distortion-out")
    names = [(fold["name"], fold["pairs"]) for fold in record["held_out"]["per_fold"]]
    assert names == [("gaussian-noise", 10), ("gaussian-blur", 10), ("noise", 10), ("blur", 10)]
    folder = run_at("runs/tid2013+csv/squeezenet/random-stage-leave-one-distortion-out-s0")
    assert not replay(folder / "result.json")["changed"]
    alone = search(
        "--leave-one-distortion-out", data=("--dataset", "csv", "--pairs", two_sets.labels, "--better", "lower")
    )
    assert [fold["pairs"] for fold in alone["held_out"]["per_fold"]] == [10, 10]


def test_what_a_column_says(
    search: Callable[..., Json], replay: Callable[..., Json], iqatune: Callable[..., Any], two_sets: Any
) -> None:
    data = ("--dataset", "csv", "--pairs", two_sets.labels, "--better", "lower")
    held_out = search("--split-column", "Part", data=data)["held_out"]
    assert (held_out["split"], held_out["folds"], held_out["srcc_std"]) == ("column", 1, None)
    assert (held_out["verdict"], held_out["gain_error"]) == ("not shown to help", None)
    assert held_out["per_fold"][0]["references"] == ["stones.jpg"]
    folder = run_at("runs/csv/squeezenet/random-stage-split=Part-s0")
    assert not replay(folder / "result.json")["changed"]
    table = iqatune("search", *data, *RANDOM, "--split-column", "part", "--output", "other", "--quiet")
    assert "1 fold is too few" in table.out
    assert "±" not in table.out
    # distortions as folds: each reference is then on both sides
    kinds = iqatune("search", *data, *RANDOM, "--split-column", "distortion", "--output", "other")
    assert "tuned on and held out" in kinds.err
    record = json.loads(run_at("other/csv/squeezenet/random-stage-split=distortion-s0/result.json").read_text())
    assert [fold["name"] for fold in record["held_out"]["per_fold"]] == ["noise", "blur"]
    assert any("tuned on and held out" in line for line in record["strategy"]["warnings"])


def test_python_a_sweep_and_budgets_know_them(
    iqatune: Callable[..., Any], two_sets: Any, small_cache: Path, tmp_path: Path
) -> None:
    own: dict[str, Any] = {"data_root": {"tid2013": two_sets.tid2013}, "pairs": two_sets.labels, "better": "lower"}
    result = package.tune(
        dataset=["tid2013", "csv"],
        **own,
        backbone="squeezenet",
        backbone_weights="random",
        searcher="bohb",
        samples=9,
        folds=2,
        objective="reference-srcc",
        cache_dir=small_cache,
        progress="none",
    )
    assert set(result.trials()["budget"]) > {1.0}
    assert package.replay(result, cache_dir=small_cache, progress="none").same
    assert len(result.plot(cache_dir=small_cache).axes) == 3
    with pytest.raises(package.InputError, match="name one of tid2013, csv"):
        package.evaluate(result, cache_dir=small_cache, progress="none")
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "datasets:\n"
        f"  - {{dataset: [tid2013, csv], data_root: {{tid2013: {two_sets.tid2013}}}, pairs: {two_sets.labels}, "
        "better: lower}\n"
        f"  - {{dataset: tid2013, data_root: {two_sets.tid2013}}}\n"
        "backbones: squeezenet\nbackbone_weights: random\nsearchers: random\nsamples: 4\nfolds: 2\n"
    )
    ran = iqatune("sweep", grid, "--jobs", 1, "--cache-dir", small_cache, "--output", "grid", "--json", "--quiet")
    assert ran.code == 0, ran.out
    assert [cell["dataset"] for cell in json.loads(ran.out)["cells"]] == ["tid2013+csv", "tid2013"]


@pytest.mark.parametrize("options", [("--objective", "krcc"), ("--searcher", "fit", "--samples", 50)])
def test_several_sets_with_the_constant(
    options: tuple[object, ...],
    search: Callable[..., Json],
    replay: Callable[..., Json],
    two_sets: Any,
    small_cache: Path,
) -> None:
    record = search(*options, "--space", "stage+c", "--folds", 2)
    best, objective = record["best"], record["run"]["objective"]
    own = []
    for name in ("tid2013", "csv"):
        prepared = _own(two_sets, small_cache, name)
        metric = package.read_result(next(Path("runs").rglob("result.json")))
        assert metric.best is not None
        distances = prepared.distances_of(metric.best)
        own.append((spearmanr if objective == "srcc" else kendalltau)(prepared.table.quality, -distances).statistic)
    assert 1e-9 < best["c"] < 10
    assert best["srcc" if objective == "srcc" else "value"] == pytest.approx(np.mean(own), abs=1e-9)
    (folder,) = {path.parent for path in Path("runs").rglob("result.json")}
    assert not replay(folder / "result.json")["changed"]
    lines = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert ("inner" in lines[0]) == (record["run"]["searcher"] == "fit")
    if "inner" in lines[0]:
        assert record["strategy"]["fitted"] > 0
        assert int(record["strategy"]["details"]["inner_folds"]) >= 2


LINES = {
    "--features metrics.csv: contains pairs and scores of its own": ("--features", "metrics.csv"),
    "of which data set? With several of them write tid2013=": ("--data-root", "/nowhere"),
    "no --dataset is live": ("--dataset-weight", "live=2"),
    "csv: given twice": ("--dataset", "csv"),
    "not a number": ("--dataset-weight", "csv=heavy"),
    "give a weight above 0": ("--dataset-weight", "csv=0"),
    "given twice for one data set": ("--dataset-weight", "csv=1", "--dataset-weight", "csv=2"),
    "--exclude noise: of which data set?": ("--exclude", "noise"),
    "both say what is held out": ("--leave-one-set-out", "--folds", 3),
    "--folds and another split both say what is held out": ("--leave-one-set-out", "--folds", 5),
    "--leave-one-set-out and --leave-one-distortion-out both": ("--leave-one-set-out", "--leave-one-distortion-out"),
    "needs one --dataset whose label file has columns": ("--split-column", "part"),
}


@pytest.mark.parametrize("says", LINES)
def test_what_does_not_go_together_is_refused_in_a_line(says: str, iqatune: Callable[..., Any], two_sets: Any) -> None:
    ran = iqatune("search", *two_sets.options, *RANDOM, *LINES[says])
    assert ran.code == 2
    assert says in ran.last_line
    assert len(ran.err.strip().splitlines()) == 1
    assert not Path("runs").exists()


def test_variables_and_a_file_name_several_sets(
    iqatune: Callable[..., Any],
    two_sets: Any,
    small_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spaced = shutil.copytree(two_sets.tid2013, tmp_path / "with: a space")
    own = shutil.copytree(two_sets.labels.parent, tmp_path / "own files")
    monkeypatch.setenv("IQATUNE_DATASET", "tid2013 csv")
    monkeypatch.setenv("IQATUNE_DATA_ROOT", f"tid2013={spaced}:csv={own}")
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"pairs: {two_sets.labels}\nbetter: lower\ndataset-weight: [csv=2, tid2013=1]\nfolds: 2\n")
    ran = iqatune("search", *RANDOM, "--config", settings, "--cache-dir", small_cache, "--json", "--quiet")
    assert ran.code == 0, ran.err
    sets = {each["dataset"]: each for each in json.loads(ran.out)["run"]["datasets"]}
    assert (sets["tid2013"]["data_root"], sets["csv"]["data_root"]) == (str(spaced), str(own))
    assert (sets["tid2013"]["weight"], sets["csv"]["weight"]) == (1.0, 2.0)
    monkeypatch.setenv("IQATUNE_DATASET", "tid2013")
    monkeypatch.setenv("IQATUNE_DATA_ROOT", str(spaced))
    ran = iqatune("search", *RANDOM, "--folds", 2, "--cache-dir", small_cache, "--json", "--quiet")
    assert json.loads(ran.out)["run"]["data_root"] == str(spaced)


def test_one_set_is_no_several(iqatune: Callable[..., Any], two_sets: Any, small_cache: Path) -> None:
    data = ("--dataset", "csv", "--pairs", two_sets.labels, "--better", "lower", "--cache-dir", small_cache)
    for options, says in (
        (("--leave-one-set-out",), "needs several data sets"),
        (("--dataset-weight", "csv=2"), "only possible with several data sets"),
        (("--split-column", "nothing"), "--split-column nothing: no column of"),
        (("--split-column", "level"), "--split-column level: no column of"),
        (("--split-column", "reference", "--folds", 0), "both say what is held out"),
    ):
        ran = iqatune("search", *data, *RANDOM, *options)
        assert (ran.code, says in ran.last_line) == (2, True), ran.err
    doctor = iqatune("doctor", *two_sets.options, "--only", "data", "--quiet", "--json")
    pictures = [each for each in json.loads(doctor.out)["findings"] if each["check"] == "pictures"]
    assert pictures[-1]["says"].startswith("2 pictures are a reference in several data sets")
