"""What `evaluate` says of the human scores themselves, as a user types it, on sets with deviations and without."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from scipy.stats import norm

from iqatune.datasets.registry import DATASETS, load_pairs
from iqatune.evaluation.correlation import logistic_fit
from iqatune.records.documents import sealed
from iqatune.records.evaluation import Evaluation
from iqatune.records.options import DataOptions

Run = Callable[..., Any]

FIGURES = ("rmse", "outlier_ratio", "different_auc", "better_auc", "better_accuracy", "resolving_power")


@pytest.fixture
def record(iqatune: Run, small_set: Any, small_cache: Path) -> Path:
    """A run on the small set."""
    ran = iqatune(
        "search", *small_set.options, "--backbone", "squeezenet", "--backbone-weights", "random",
        "--searcher", "random", "--samples", 4, "--folds", 0, "--cache-dir", small_cache, "--quiet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    return next(Path("runs").rglob("result.json"))


def with_deviations(small_set: Any, deviation: Callable[[int], object]) -> tuple[str, ...]:
    """The options of the small set's pairs with a column score_std."""
    labels = small_set.folder / "labels_with_deviations.csv"
    frame = pandas.read_csv(small_set.labels)
    frame["score_std"] = [deviation(row) for row in range(len(frame))]
    frame.to_csv(labels, index=False)
    return ("--dataset", "csv", "--pairs", str(labels), "--better", "higher")


def test_evaluate_sets_metrics_beside_what_the_human_scores_allow(
    iqatune: Run, record: Path, small_set: Any, small_cache: Path
) -> None:
    options = with_deviations(small_set, lambda row: 0.3 + 0.01 * (row % 5))
    arguments = ("evaluate", record, *options, "--baseline", "psnr", "--cache-dir", small_cache)
    ran = iqatune(*arguments, "--format", "json")
    assert ran.code == 0, ran.err
    evaluation = json.loads(ran.out)
    scores = evaluation["human_scores"]
    assert 0.9 < scores["ceiling"]["low"] < scores["ceiling"]["srcc"] < scores["ceiling"]["high"] < 1
    assert scores["mean_error"] == pytest.approx(np.mean([0.3 + 0.01 * (row % 5) for row in range(48)]))
    assert scores["couples"] == 48 * 47 // 2

    # PSNR's figures from its definition, without iqatune's own of couples
    table = load_pairs(DataOptions(dataset="csv", pairs=options[3], better="higher"))
    assert table.errors is not None
    psnr = np.array([_psnr(pair.reference, pair.distorted) for pair in table.pairs])
    fitted = logistic_fit(table.quality, psnr)
    found = evaluation["results"][1]
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((table.quality - fitted) ** 2)), abs=1e-4)
    assert found["outlier_ratio"] == np.mean(np.abs(table.quality - fitted) > 1.96 * table.errors)
    i, j = np.triu_indices(48, 1)
    gap = table.quality[i] - table.quality[j]
    different = 2 * norm.cdf(np.abs(gap) / np.hypot(table.errors[i], table.errors[j])) - 1 > 0.95
    assert scores["different"] == different.sum()
    right = np.sign(psnr[i] - psnr[j])[different] == np.sign(gap)[different]
    assert found["better_accuracy"] == pytest.approx(right.mean(), abs=1e-9)

    shown = iqatune(*arguments)
    assert shown.code == 0
    for words in ("RMSE", "resolving power", "Noise ceiling: SRCC 0.9", "simulated from the standard errors"):
        assert words in " ".join(shown.out.split())
    assert "1128 couples of images apart" in " ".join(shown.out.split())
    rows = list(csv.DictReader(iqatune(*arguments, "--by", "distortion", "--format", "csv").out.splitlines()))
    assert [float(rows[0][name]) for name in FIGURES] == [evaluation["results"][0][name] for name in FIGURES]
    assert [rows[1][name] for name in FIGURES] == [""] * 6  # of a group there are none


def _psnr(reference: Path, distorted: Path) -> float:
    from PIL import Image

    a, b = (np.asarray(Image.open(path).convert("RGB"), dtype=np.float64) for path in (reference, distorted))
    return float(10 * np.log10(255**2 / np.mean((a - b) ** 2)))


@pytest.mark.parametrize("some", [False, True], ids=["none", "all but one"])
def test_without_deviations_there_is_the_rmse_and_a_line(
    some: bool, iqatune: Run, record: Path, small_set: Any, small_cache: Path
) -> None:
    options = with_deviations(small_set, lambda row: 0.3 if some and row else "")
    ran = iqatune("evaluate", record, *options, "--cache-dir", small_cache, "--format", "json")
    evaluation = json.loads(ran.out)
    assert evaluation["human_scores"] is None
    (metric,) = evaluation["results"]
    assert metric["rmse"] > 0
    assert [metric[name] for name in FIGURES[1:]] == [None] * 5
    shown = iqatune("evaluate", record, *options, "--cache-dir", small_cache)
    assert shown.out.count("comes with a standard deviation") == 1
    assert "RMSE" in shown.out
    assert "resolving power" not in shown.out


def test_scores_that_say_less_than_their_errors_have_no_ceiling(
    iqatune: Run, record: Path, small_set: Any, small_cache: Path
) -> None:
    options = with_deviations(small_set, lambda row: 50.0)
    ran = iqatune("evaluate", record, *options, "--cache-dir", small_cache, "--format", "json")
    assert ran.code == 0, ran.err
    evaluation = json.loads(ran.out)
    assert evaluation["human_scores"]["ceiling"] is None
    assert evaluation["human_scores"]["different"] == 0
    (metric,) = evaluation["results"]
    assert (metric["different_auc"], metric["better_auc"], metric["resolving_power"]) == (None, None, None)
    assert metric["outlier_ratio"] == 0
    shown = iqatune("evaluate", record, *options, "--cache-dir", small_cache)
    assert "the human scores spread no more than their standard errors do" in " ".join(shown.out.split())


def test_an_older_evaluation_is_read_and_says_nothing_of_it(
    iqatune: Run, record: Path, small_set: Any, small_cache: Path
) -> None:
    ran = iqatune("evaluate", record, *small_set.options, "--cache-dir", small_cache, "--format", "json")
    content = json.loads(ran.out)
    del content["human_scores"]
    for metric in content["results"]:
        for name in FIGURES:
            del metric[name]
    older = Evaluation.model_validate_json(json.dumps(content))
    assert older.human_scores is None
    assert older.results[0].rmse is None
    Path("runs/older.json").write_text(sealed(older.model_copy(update={"seal": None})).model_dump_json(by_alias=True))
    ran = iqatune("report", "runs")
    assert ran.code == 0, ran.err


def test_deviations_of_ratings_become_errors_by_the_root_of_their_number(small_set: Any) -> None:
    options = with_deviations(small_set, lambda row: 0.6)
    table = load_pairs(DataOptions(dataset="csv", pairs=options[3], better="higher"))
    assert table.errors == pytest.approx(np.full(48, 0.6))
    assert replace(table, ratings_per_score=36).errors == pytest.approx(np.full(48, 0.1))
    raters = small_set.folder / "raters.csv"
    frame = pandas.read_csv(small_set.labels)
    pandas.concat([frame.assign(score=frame["score"] + shift) for shift in (-0.2, 0.0, 0.2, 0.4)]).to_csv(raters)
    rated = load_pairs(DataOptions(dataset="csv", pairs=str(raters), better="higher", raters=True))
    assert rated.errors == pytest.approx(np.full(48, np.std([-0.2, 0.0, 0.2, 0.4], ddof=1) / 2))


def test_what_published_deviations_are_of() -> None:
    """KADID-10k's are of 30 ratings, the demo's of 30 simulated ones, the others' of the scores."""
    found = {
        name: DATASETS.find(name).info.ratings_per_score for name in ("tid2013", "kadid10k", "live", "csiq", "csv")
    }
    assert found == {"tid2013": None, "kadid10k": 30, "live": None, "csiq": None, "csv": None}


@pytest.mark.parametrize("text", ["-1", "much"])
def test_a_deviation_that_is_none_is_refused(text: str, iqatune: Run, small_set: Any) -> None:
    options = with_deviations(small_set, lambda row: text if row == 3 else 0.3)
    ran = iqatune("extract", *options, "--backbone", "squeezenet", "--backbone-weights", "random")
    assert ran.code == 2
    assert text in ran.last_line


def tables_of(report: Path, name: str) -> list[dict[str, str]]:
    (path,) = report.glob(f"tables/{name}-*.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_report_draws_what_was_read_and_names_what_is_missed_most(
    iqatune: Run, record: Path, small_set: Any, small_cache: Path
) -> None:
    options = with_deviations(small_set, lambda row: 0.3)
    arguments = ("report", "runs", *options, "--baseline", "psnr", "--cache-dir", small_cache)
    ran = iqatune(*arguments, "--output", "scored", "--images")
    assert ran.code == 0, ran.err
    report = Path("scored")
    evaluation = json.loads(
        iqatune("evaluate", record, *options, "--baseline", "psnr", "--cache-dir", small_cache, "--format", "json").out
    )
    rows = tables_of(report, "human-scores")
    assert [row["metric"] for row in rows][-1] == "psnr"
    assert float(rows[-1]["RMSE"]) == evaluation["results"][-1]["rmse"]
    assert float(rows[-1]["resolving power"]) == evaluation["results"][-1]["resolving_power"]
    worst = tables_of(report, "residuals")
    assert len(worst) == 10
    sizes = [abs(float(row["residual"])) for row in worst]
    assert sizes == sorted(sizes, reverse=True)
    for row in worst:
        assert float(row["residual"]) == pytest.approx(float(row["human score"]) - float(row["fitted score"]))
        assert float(row["in standard errors"]) == pytest.approx(float(row["residual"]) / 0.3)
        assert (small_set.folder / row["distorted"]).exists()
    for kind in ("scatter", "scatter-distortions", "scatter-others"):
        assert len(list(report.glob(f"figures/{kind}-csv*.svg"))) == 1
        (pdf,) = report.glob(f"figures/{kind}-csv*.pdf")
        assert pdf.read_bytes().startswith(b"%PDF")
    page, markdown = (report / "report.html").read_text(), (report / "report.md").read_text()
    assert page.count("reference above, distorted below") == 10
    assert markdown.count("Noise ceiling: SRCC 0.9") == 1
    again = iqatune(*arguments, "--output", "again", "--images")
    assert again.code == 0, again.err
    files = sorted(path.relative_to("scored") for path in report.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to("again") for path in Path("again").rglob("*") if path.is_file())
    for name in files:
        assert (report / name).read_bytes() == (Path("again") / name).read_bytes(), name


def test_real_scores_of_live_of_which_the_lower_is_better(iqatune: Run, test_data: Path, tmp_path: Path) -> None:
    """Published figures of 97 images of LIVE, with its deviations."""
    folder = test_data / "live_r2"
    labels = pandas.read_csv(folder / "labels.csv").merge(
        pandas.read_csv(folder / "published_scores.csv"), on="distorted"
    )
    labels.to_csv(tmp_path / "live.csv", index=False)
    features = ("--features", tmp_path / "live.csv", "--better", "lower")
    ran = iqatune(
        "search", *features, "--feature-columns", "dists,one_minus_fsim", "--searcher", "fit", "--folds", 0, "--quiet"
    )
    assert ran.code == 0, ran.err
    ran = iqatune("evaluate", *Path("runs").rglob("result.json"), "--format", "json")
    assert ran.code == 0, ran.err
    evaluation = json.loads(ran.out)
    ceiling = evaluation["human_scores"]["ceiling"]
    assert 0.985 < ceiling["low"] < ceiling["srcc"] < ceiling["high"] < 1
    (found,) = evaluation["results"]
    assert 0 < found["rmse"] < 15
    assert found["better_auc"] > 0.95
    ran = iqatune("report", "runs", "--score", "--output", "report")
    assert ran.code == 0, ran.err
    worst = tables_of(Path("report"), "residuals")
    by_path = {
        (Path(name).name, kind): score for name, kind, score in labels[["distorted", "distortion", "score"]].values
    }
    for row in worst:
        assert float(row["human score"]) == by_path[row["distorted"], row["distortion"]]
    assert "lower is better" in (Path("report") / "report.md").read_text()
    assert list(Path("report").glob("figures/scatter-distortions-*.pdf"))
