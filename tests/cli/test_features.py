"""`--features` as a user types it: search, record, folds, replay, evaluate, sweep, report, Python, and refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma, spearmanr

import iqatune as package
from tests.run_paths import Runs, run_at

Command = Callable[..., Any]

LABELS = ["reference", "distorted", "score", "distortion", "level"]


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    """48 pairs of 6 references with three metrics of different worth, one the same for all, and text."""
    rng = np.random.default_rng(3)
    quality = rng.normal(size=48)
    frame = pd.DataFrame(
        {
            "reference": [f"r{row % 6}.png" for row in range(48)],
            "distorted": [f"d{row}.png" for row in range(48)],
            "distortion": ["noise" if row % 2 else "blur" for row in range(48)],
            "score": quality.round(3),
            "psnr": 30 + 5 * quality + rng.normal(0, 4, 48),
            "lpips": 0.3 - 0.1 * quality + rng.normal(0, 0.05, 48),
            "noise": rng.normal(size=48),
            "flat": 0.1,
            "note": "text",
        }
    )
    file = tmp_path / "metrics.csv"
    frame.to_csv(file, index=False)
    return file


@pytest.fixture
def fuse(iqatune: Command, metrics: Path) -> Command:
    """`iqatune search --features` over them with 8 random samples and 3 folds."""

    def run(*options: object) -> Any:
        given = ("--features", metrics, "--better", "higher", "--searcher", "random", "--samples", 8, "--folds", 3)
        ran = iqatune("search", *given, *options)
        assert ran.code == 0, ran.err
        return ran

    return run


RECORD = Runs("runs", "csv", "metrics", "random-columns-s0", "result.json")


def _record(file: Path | Runs = RECORD) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(file.read_text())
    return record


def _scaled(frame: pd.DataFrame, columns: list[str], quality: Any, rows: Any) -> Any:
    """Columns that fall with quality, at a standard deviation of 1, both as on some rows: slow and obvious."""
    signs = [-np.sign(spearmanr(quality[rows], frame[name][rows]).statistic) for name in columns]
    return np.stack([sign * frame[name] / frame[name][rows].std(ddof=0) for sign, name in zip(signs, columns)], axis=1)  # noqa: B905


@pytest.mark.parametrize(
    ("name", "better", "prior"), [("tid2013", "higher", "cube"), ("live", "lower", "dirichlet:0.3")]
)
def test_figures_of_real_metrics_are_those_of_numpy_and_scipy(
    name: str, better: str, prior: str, iqatune: Command, test_data: Path
) -> None:
    file = test_data / "scores" / f"{name}.csv"
    if not file.exists():
        pytest.skip(f"needs {file}")
    given = ("--features", file, "--better", better, "--searcher", "random", "--samples", 10, "--prior", prior)
    assert iqatune("search", *given).code == 0
    folder = f"random-columns{'-cube' if prior == 'cube' else ''}-s0"
    record = _record(run_at(Path("runs", "csv", name, folder, "result.json")))
    frame = pd.read_csv(file)
    quality = frame["score"] if better == "higher" else -frame["score"]
    columns = [column for column in frame.columns if column not in LABELS]
    assert record["protocol"]["columns"] == columns
    assert (record["run"]["backbone"], record["run"]["space"], record["channels"]) == ("", "columns", [])
    assert (record["protocol"]["pairs"], record["best"]["alpha"], record["best"]["beta"]) == (len(frame), [], [])

    def shares(parameters: dict[str, float]) -> Any:
        numbers = np.array([parameters[f"share_{column}"] for column in columns])
        amounts = numbers if prior == "cube" else gamma.ppf(numbers, 0.3)
        return amounts / amounts.sum()

    everything = np.ones(len(frame), dtype=bool)
    best, scaled = record["best"], _scaled(frame, columns, quality, everything)
    weights = [best["columns"][column]["weight"] for column in columns]
    np.testing.assert_allclose(weights, shares(best["parameters"]), rtol=1e-9)
    assert best["srcc"] == pytest.approx(-spearmanr(quality, scaled @ weights).statistic, abs=1e-7)
    uniform = -spearmanr(quality, scaled.sum(axis=1)).statistic
    assert record["baselines"]["uniform"]["srcc"] == pytest.approx(uniform, abs=1e-7)
    alone = {column: -spearmanr(quality, scaled[:, place]).statistic for place, column in enumerate(columns)}
    assert record["baselines"]["best_column"]["name"] == max(alone, key=lambda column: alone[column])
    assert record["baselines"]["best_column"]["srcc"] == pytest.approx(max(alone.values()), abs=1e-12)
    assert (best["columns"]["psnr"]["direction"], best["columns"]["fsim"]["direction"]) == ("quality", "distance")
    for column in columns:
        assert best["columns"][column]["scale"] == pytest.approx(frame[column].std(ddof=0), rel=1e-9)

    for fold in record["held_out"]["per_fold"]:
        held_out = frame["reference"].isin(fold["references"]).to_numpy()
        scaled = _scaled(frame, columns, quality, ~held_out)
        distances = scaled @ shares(fold["parameters"])
        assert fold["srcc"] == pytest.approx(-spearmanr(quality[held_out], distances[held_out]).statistic, abs=1e-7)
        assert fold["tuned_srcc"] == pytest.approx(
            -spearmanr(quality[~held_out], distances[~held_out]).statistic, abs=1e-7
        )
        uniform = -spearmanr(quality[held_out], scaled[held_out].sum(axis=1)).statistic
        assert fold["uniform_srcc"] == pytest.approx(uniform, abs=1e-7)
        figures = [-spearmanr(quality[~held_out], scaled[~held_out, place]).statistic for place in range(len(columns))]
        place = int(np.argmax(figures))
        there = -spearmanr(quality[held_out], scaled[held_out, place]).statistic
        assert fold["best_column"]["name"] == columns[place]
        assert fold["best_column"]["srcc"] == pytest.approx(there, abs=1e-12)
    folds = record["held_out"]["per_fold"]
    mean = np.mean([fold["best_column"]["srcc"] for fold in folds])
    assert record["held_out"]["best_column_srcc_mean"] == pytest.approx(mean)


def test_a_search_says_which_columns_it_took_and_where_the_weight_is(fuse: Command) -> None:
    ran = fuse()
    assert "metrics.csv: features are psnr, lpips, noise, flat; not taken: distortion (a label), note" in ran.err
    assert "left out, for the same in every pair: flat" in ran.err
    for words in ("best column (lpips)", "quality", "distance", "Gain over the best column, lpips:", "metrics.csv"):
        assert words in ran.out
    record = _record()
    assert record["protocol"]["columns"] == ["psnr", "lpips", "noise"]
    assert set(record["best"]["parameters"]) == {"share_psnr", "share_lpips", "share_noise"}


@pytest.mark.parametrize("options", [(), ("--prior", "simplex"), ("--objective", "worst-distortion"), ("--folds", 0)])
def test_a_record_replays_wholly(options: tuple[object, ...], fuse: Command, iqatune: Command, metrics: Path) -> None:
    printed = json.loads(fuse(*options, "--json").out)
    (file,) = Path("runs", "csv", "metrics").rglob("result.json")
    assert _record(file) == printed
    moved = metrics.rename(metrics.with_name("moved.csv"))
    ran = iqatune("replay", file, "--features", moved)
    assert ran.code == 0, "the same file under another name"
    assert "figures are as recorded" in ran.out
    assert "Label: metrics.csv is now called moved.csv, with the same pairs and scores." in ran.out
    moved.rename(metrics)
    ran = iqatune("replay", file)
    assert ran.code == 0, ran.out
    assert "not proven" not in ran.out.lower()


def test_a_replay_finds_changed_weights_and_changed_features(
    fuse: Command, iqatune: Command, metrics: Path, forge: Command
) -> None:
    fuse()

    def forged(content: dict[str, Any]) -> None:
        content["best"]["columns"]["psnr"]["direction"] = "distance"

    before = RECORD.read_bytes()
    forge(RECORD, forged)
    ran = iqatune("replay", RECORD, "--json")
    assert ran.code == 1
    assert "best.columns" in {change["name"] for change in json.loads(ran.out)["changed"]}
    RECORD.write_bytes(before)
    frame = pd.read_csv(metrics)
    frame.loc[3, "psnr"] += 20
    frame.to_csv(metrics, index=False)
    ran = iqatune("replay", RECORD, "--json")
    assert ran.code == 1
    assert "dataset_sha256" in {change["name"] for change in json.loads(ran.out)["changed"]}


def test_a_search_goes_on_and_another_file_is_another_run(fuse: Command, metrics: Path) -> None:
    fuse()
    assert "this run is complete" in fuse().err
    metrics.write_text(metrics.read_text().replace("text", "words"))
    before = RECORD.read_bytes()
    with pytest.raises(
        AssertionError, match=r"is of another run \(other images or scores\); give this one another --name"
    ):
        fuse()
    assert RECORD.read_bytes() == before


def test_columns_that_are_named_are_in_the_folder_and_in_the_record(fuse: Command) -> None:
    fuse("--feature-columns", "lpips,psnr")
    record = _record(run_at("runs/csv/metrics/random-columns-lpips+psnr-s0/result.json"))
    assert record["run"]["feature_columns"] == record["protocol"]["columns"] == ["lpips", "psnr"]


def test_another_file_is_scored_with_the_directions_and_scales_of_the_record(
    fuse: Command, iqatune: Command, metrics: Path
) -> None:
    fuse()
    frame = pd.read_csv(metrics).sample(frac=0.5, random_state=1).drop(columns="noise")
    frame["noise"] = np.random.default_rng(9).normal(size=len(frame))
    frame["holes"] = [np.nan, *range(len(frame) - 1)]  # a column that the record has no use for
    frame["score"] = -frame["score"]
    other = metrics.with_name("other.csv")
    frame.to_csv(other, index=False)
    given = ("evaluate", RECORD, "--features", other, "--better", "lower", "--baseline", "uniform", "--format", "json")
    ran = iqatune(*given)
    assert ran.code == 0, ran.err
    tuned, uniform = json.loads(ran.out)["results"]
    columns = _record()["best"]["columns"]

    def added(name: str) -> Any:
        sign = 1 if columns[name]["direction"] == "distance" else -1
        return sign * frame[name] / columns[name]["scale"]

    distances = sum(columns[name]["weight"] * added(name) for name in columns)
    assert tuned["srcc"] == pytest.approx(-spearmanr(-frame["score"], distances).statistic, abs=1e-9)
    equal = -spearmanr(-frame["score"], sum(added(name) for name in columns)).statistic
    assert uniform["srcc"] == pytest.approx(equal, abs=1e-9)


def test_a_record_is_scored_where_it_was_tuned_unless_told_otherwise(fuse: Command, iqatune: Command) -> None:
    fuse()
    ran = iqatune("evaluate", RECORD, "--format", "json", "--by", "distortion")
    assert ran.code == 0, ran.err
    (tuned,) = json.loads(ran.out)["results"]
    assert tuned["srcc"] == _record()["best"]["srcc"]
    assert {group["group"] for group in tuned["groups"]} == {"blur", "noise"}


def test_records_of_different_columns_stand_side_by_side(fuse: Command, iqatune: Command) -> None:
    fuse("--feature-columns", "noise")
    fuse("--feature-columns", "psnr,lpips")
    files = sorted(Path("runs", "csv", "metrics").rglob("result.json"))
    ran = iqatune("evaluate", *files, "--baseline", "uniform")
    assert ran.code == 0, ran.err
    assert "another protocol" not in ran.out
    ran = iqatune("evaluate", *files, "--baseline", "uniform", "--format", "json")
    found = json.loads(ran.out)["results"]
    assert [metric["srcc"] for metric in found[:2]] == [_record(file)["best"]["srcc"] for file in files]
    assert len({metric["file"] for metric in found}) == 4


def test_a_sweep_takes_features_and_resumes(iqatune: Command, metrics: Path) -> None:
    grid = Path("grid.yaml")
    searches = "searchers: [random]\npriors: [cube, simplex]\nsamples: 6\nfolds: 2\n"
    grid.write_text(f"features: {metrics}\nbetter: higher\nfeature_columns: [psnr, lpips]\n{searches}")
    ran = iqatune("sweep", grid, "--jobs", 2, "--json")
    assert ran.code == 0, ran.err
    cells = json.loads(ran.out)["cells"]
    assert {cell["state"] for cell in cells} == {"done"}
    assert cells[0]["folder"] == "csv/metrics/better=higher/random-columns-psnr+lpips-cube-folds=2-samples=6-s0"
    assert (cells[0]["backbone"], cells[0]["features"]) == ("", str(metrics))
    ran = iqatune("sweep", grid, "--jobs", 2)
    assert ran.code == 0, ran.err
    assert "metrics" in ran.out


def test_a_report_scores_the_columns_again(fuse: Command, iqatune: Command) -> None:
    fuse()
    ran = iqatune("report", "runs", "--output", "report", "--score", "--baseline", "psnr")
    assert ran.code == 0, ran.err
    assert "No psnr on csv:metrics: it is measured on images" in ran.err
    text = Path("report", "report.md").read_text()
    for words in ("csv:metrics by distortion", "distorted versions of", "The best column alone: 0."):
        assert words in text


def test_a_report_shows_the_columns_beside_a_backbone(fuse: Command, iqatune: Command, search: Command) -> None:
    fuse()
    search("--searcher", "random")
    ran = iqatune("report", "runs", "--output", "report")
    assert ran.code == 0, ran.err
    text = Path("report", "report.md").read_text()
    for words in ("share of each column", "Features of csv:metrics: psnr, lpips, noise.", "short side 256"):
        assert words in text
    assert "instead of" not in text, "a features file differs from no protocol of images"


def test_python_does_the_same(metrics: Path, tmp_path: Path) -> None:
    where: dict[str, Any] = {"cache_dir": tmp_path / "cache", "progress": "none"}
    result = package.tune(
        features=metrics, better="higher", searcher="random", samples=6, folds=2, output=tmp_path / "runs", **where
    )
    assert result.best is not None
    assert list(result.best.columns) == ["psnr", "lpips", "noise"]
    assert "over metrics.csv" in repr(result)
    assert "share_psnr" in result.trials().columns
    assert package.replay(result, **where).same
    found = package.evaluate(result, features=metrics, better="higher", **where)
    assert found.results[0].srcc == result.best.srcc
    assert result.plot(cache_dir=tmp_path / "cache").axes
    with pytest.raises(package.InputError, match="made of figures of other metrics"):
        _ = result.weights


def test_what_needs_images_refuses_in_a_line(
    fuse: Command, iqatune: Command, metrics: Path, small_set: Any, search: Command, tmp_path: Path
) -> None:
    fuse()
    images = (small_set.folder / "ref0.png", small_set.folder / "noise0_1.png")
    on_file = ("--features", metrics, "--better", "higher")
    search("--searcher", "random")
    of_backbone = run_at("runs/csv/squeezenet/random-stage-s0/result.json")
    for given, words in (
        (("score", RECORD, *images), "made of figures of other metrics (psnr, lpips, noise) and not of images"),
        (("export", RECORD, "--output", tmp_path / "metric.safetensors"), "made of figures of other metrics"),
        (("extract", *on_file, "--backbone", "squeezenet"), "figures of other metrics, which take no backbone"),
        (("evaluate", RECORD, *small_set.options), "name one that has them with --features"),
        (("evaluate", of_backbone, *on_file), "was tuned through squeezenet, which takes images"),
        (("evaluate", RECORD, *on_file, "--baseline", "psnr"), "--baseline psnr: is measured on images"),
        (("bench", "--features", metrics), "No such option '--features'"),
    ):
        ran = iqatune(*given)
        assert ran.code == 2, given
        assert words in ran.last_line, given
    assert not (tmp_path / "metric.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--backbone", "squeezenet"), "not possible together with a backbone; leave out one of the two"),
        (("--space", "stage"), "--space stage: needs a backbone; with --features the only space is columns"),
        (("--pooling", "l2"), "--pooling l2: needs a backbone, and --features has none"),
        (("--c2", "0.01"), "--c2 0.01: needs a backbone, and --features has none"),
        (("--dataset", "demo"), "contains pairs and scores of its own; leave out --dataset"),
        (("--feature-columns", "lpisp"), "did you mean 'lpips'?"),
        (("--feature-columns", "flat"), "every column (flat) is the same for every pair"),
    ],
)
def test_a_search_refuses_what_does_not_go_with_features(
    options: tuple[str, ...], words: str, iqatune: Command, metrics: Path
) -> None:
    ran = iqatune("search", "--features", metrics, "--better", "higher", "--searcher", "random", *options)
    assert ran.code == 2
    assert words in ran.last_line
    assert not Path("runs").exists() or not list(Path("runs").rglob("*.json*"))


def test_a_search_needs_a_backbone_or_features(iqatune: Command) -> None:
    ran = iqatune("search", "--dataset", "demo", "--searcher", "random")
    assert (ran.code, ran.last_line) == (
        2,
        "iqatune: --backbone: needed; name one, or give --features FILE.csv in its place",
    )
    ran = iqatune("search", "--dataset", "demo", "--backbone", "vgg16", "--searcher", "random", "--space", "columns")
    assert (ran.code, "--space columns: needs a features file" in ran.last_line) == (2, True)


@pytest.mark.parametrize("searcher", ["random", "nevergrad", "bohb"])
def test_columns_may_have_any_names(searcher: str, iqatune: Command, metrics: Path) -> None:
    odd = metrics.with_name("odd metrics.csv")
    frame = pd.read_csv(metrics).rename(columns={"psnr": "x|y/<b>", "lpips": "=µ, metric", "noise": "x|y <b>"})
    frame.drop(columns="flat").to_csv(odd)  # with pandas' index, a column without a name
    given = ("search", "--features", odd, "--better", "higher", "--searcher", searcher, "--samples", 8, "--folds", 2)
    ran = iqatune(*given, "--json")
    assert ran.code == 0, ran.err
    (file,) = Path("runs").rglob("result.json")
    assert file.parts[2].startswith("odd_metrics-")
    assert list(_record(file)["best"]["columns"]) == ["x|y/<b>", "=µ, metric", "x|y <b>"]
    ran = iqatune("replay", file)
    assert ran.code == 0, ran.out


def test_rows_that_repeat_a_pair_are_told(fuse: Command, metrics: Path) -> None:
    lines = metrics.read_text().splitlines()
    metrics.write_text("\n".join([*lines, lines[1]]) + "\n")
    assert "1 row repeats a pair (the same score)" in fuse().err


def test_a_config_file_and_variables_name_features(
    iqatune: Command, metrics: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("fuse.yaml").write_text(
        f"features: {metrics}\nbetter: higher\nfeature-columns: [psnr, lpips]\nsearcher: random\n"
    )
    assert iqatune("search", "--config", "fuse.yaml", "--samples", 3, "--folds", 0).code == 0
    assert _record(run_at("runs/csv/metrics/random-columns-psnr+lpips-s0/result.json"))["run"]["samples"] == 3
    monkeypatch.setenv("IQATUNE_FEATURES", str(metrics))
    monkeypatch.setenv("IQATUNE_FEATURE_COLUMNS", "psnr,noise")
    assert iqatune("search", "--better", "higher", "--searcher", "random", "--samples", 3, "--folds", 0).code == 0
    assert _record(run_at("runs/csv/metrics/random-columns-psnr+noise-s0/result.json"))["run"]["samples"] == 3


def test_doctor_says_which_way_each_column_runs(iqatune: Command, metrics: Path) -> None:
    ran = iqatune("doctor", "--features", metrics, "--better", "higher", "--only", "data", "--json")
    assert ran.code == 0, ran.err
    says = {finding["check"]: finding["says"] for finding in json.loads(ran.out)["findings"]}
    assert says["constant"] == "the same for every pair: flat"
    assert "psnr (SRCC 0." in says["qualities"]
    assert "lpips (SRCC -0." in says["distances"]


def test_other_splits_of_a_features_file(iqatune: Command, metrics: Path) -> None:
    frame, named = pd.read_csv(metrics), ("--features", metrics, "--better", "higher", "--searcher", "random")
    assert iqatune("search", *named, "--samples", 8, "--leave-one-distortion-out").code == 0
    file = run_at("runs/csv/metrics/random-columns-leave-one-distortion-out-s0/result.json")
    held_out = _record(file)["held_out"]
    assert [fold["name"] for fold in held_out["per_fold"]] == ["blur", "noise"]
    assert all(fold["best_column"] for fold in held_out["per_fold"])
    assert iqatune("replay", file).code == 0
    frame["part"] = [1 if row % 6 < 2 else 2 for row in range(48)]
    frame.to_csv(metrics, index=False)
    assert iqatune("search", *named, "--samples", 8, "--split-column", "Part").code == 0
    file = run_at("runs/csv/metrics/random-columns-split=Part-s0/result.json")
    record = _record(file)
    assert list(record["best"]["columns"]) == ["psnr", "lpips", "noise"]
    for fold, part in zip(record["held_out"]["per_fold"], (1, 2), strict=True):
        assert (fold["name"], fold["pairs"]) == (str(part), int((frame["part"] == part).sum()))
        rows, names = frame["part"] == part, list(record["best"]["columns"])
        # directions and scales are those of the pairs that the fold was tuned on
        features = _scaled(frame, names, frame["score"], ~rows)
        figure = -spearmanr(frame["score"][rows], features[rows].mean(axis=1)).statistic
        assert fold["uniform_srcc"] == pytest.approx(figure, abs=1e-9)
    assert iqatune("replay", file).code == 0
    split = ("--split-column", "part")
    assert "is no feature of a pair" in iqatune("search", *named, *split, "--feature-columns", "psnr,part").last_line
    assert iqatune("search", *named, *split, "--folds", 3).code == 2
    assert iqatune("evaluate", file).code == 0
