"""`iqatune report` as a user types it, on small real searches."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iqatune.records.result import read_result, write_result
from iqatune.runtime.locks import locked
from tests.run_paths import run_at

Run = Callable[..., Any]


@pytest.fixture
def runs(iqatune: Run, small_set: Any, small_cache: Path) -> Path:
    """Two searchers' runs on the small set, in the folder `runs` of the working directory."""
    for searcher in ("random", "nevergrad"):
        ran = iqatune(
            "search", *small_set.options, "--backbone", "squeezenet", "--backbone-weights", "random",
            "--searcher", searcher, "--samples", 6, "--folds", 3, "--cache-dir", small_cache, "--quiet",
        )  # fmt: skip
        assert ran.code == 0, ran.err
    return Path("runs")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_report_of_records_and_of_scores(iqatune: Run, runs: Path, small_set: Any, small_cache: Path) -> None:
    ran = iqatune("report", runs)
    assert ran.code == 0, ran.err
    assert ran.out.strip() == str(runs / "report" / "report.html")
    name = small_set.labels.stem
    tables = runs / "report" / "tables"
    record = json.loads(run_at(runs / "csv/squeezenet/random-stage-s0/result.json").read_text())
    tuned, uniform = read(tables / "scores-random-stage-6.csv")
    assert float(tuned[f"csv:{name} SRCC"]) == record["best"]["srcc"]
    assert float(tuned[f"csv:{name} held-out"]) == pytest.approx(record["held_out"]["srcc_mean"], abs=1e-12)
    assert float(uniform[f"csv:{name} KRCC"]) == record["baselines"]["uniform"]["krcc"]
    assert not list(tables.glob("distortions-*"))
    markdown = (runs / "report" / "report.md").read_text()
    _, _, missing = markdown.partition("## Not in this report")
    assert "SRCC per distortion: give --score" in missing
    assert "Speed: no bench is in the folder" in missing

    files = sorted(runs.rglob("result.json"))
    ran = iqatune(
        "evaluate", *files, *small_set.options, "--cache-dir", small_cache, "--by", "distortion", "--format", "json",
        "--baseline", "psnr", "--baseline", "uniform",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    evaluation = json.loads(ran.out)
    assert [result["kind"] for result in evaluation["results"]] == ["tuned", "tuned", "uniform", "baseline"]
    record_uniform = record["baselines"]["uniform"]
    assert evaluation["results"][2]["srcc"] == pytest.approx(record_uniform["srcc"], abs=1e-9)

    # from the data and from a kept evaluation come the same figures by distortion
    scored = iqatune("report", runs, "--output", "scored", "--score", "--baseline", "psnr", "--cache-dir", small_cache)
    assert scored.code == 0, scored.err
    (runs / "evaluation.json").write_text(ran.out)
    kept = iqatune("report", runs, "--output", "kept")
    assert kept.code == 0, kept.err
    (table,) = Path("scored").glob("tables/distortions-*.csv")
    rows = read(table)
    assert rows == read(Path("kept") / "tables" / table.name)
    psnr = {group["group"]: group for group in evaluation["results"][3]["groups"]}
    assert {row["distortion"]: float(row["psnr SRCC"]) for row in rows} == {name: psnr[name]["srcc"] for name in psnr}
    assert {row["distortion"]: int(float(row["pairs"])) for row in rows} == {"noise": 30, "blur": 18}

    # pictures of a data set only enter the page when they are asked for
    assert "data:image/jpeg" not in (Path("scored") / "report.html").read_text()
    assert list(Path("scored").glob("tables/examples-*.csv"))
    pictured = iqatune("report", runs, "--output", "pictured", "--score", "--images", "--cache-dir", small_cache)
    assert pictured.code == 0, pictured.err
    assert (Path("pictured") / "report.html").read_text().count("data:image/jpeg") == 6 + 10


def test_report_changes_nothing_that_it_reads(iqatune: Run, runs: Path, small_set: Any, small_cache: Path) -> None:
    searching = run_at(runs / "csv/squeezenet/nevergrad-stage-s0")
    record = read_result(searching / "result.json")
    ran = iqatune(
        "evaluate", *runs.rglob("result.json"), *small_set.options, "--cache-dir", small_cache, "--format", "json"
    )
    (runs / "evaluation.json").write_text(ran.out)
    for status in ("complete", "running"):
        if status == "running":  # as a search leaves it while it writes a line
            write_result(searching / "result.json", record.model_copy(update={"status": status, "trials_file": None}))
            with (searching / "trials.jsonl").open("a") as file:
                file.write('{"sample": 6, "tri')
        before = _files_beside_reports(runs)
        with locked(runs), locked(searching):
            for options in ((), ("--score", "--baseline", "psnr", "--cache-dir", small_cache)):
                for output in (runs / "report", "elsewhere"):
                    ran = iqatune("report", runs, "--output", output, *options)
                    assert ran.code == 0, ran.err
        assert _files_beside_reports(runs) == before


def _files_beside_reports(runs: Path) -> dict[Path, tuple[bytes, int]]:
    """What they hold and when they were changed; the locks are the test's own."""
    files = [path for path in runs.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files if runs / "report" not in path.parents}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "nowhere: no such folder"),
        ((".",), "contains no complete run"),
        ((".", "--baseline", "psnr"), "only possible with the data (--score, or --dataset NAME)"),
        ((".", "--images"), "only possible with the data (--score, or --dataset NAME)"),
    ],
)
def test_report_refuses(iqatune: Run, arguments: tuple[str, ...], words: str) -> None:
    ran = iqatune("report", *arguments)
    assert ran.code == 2
    assert words in ran.last_line


def test_an_unknown_baseline_is_refused_before_any_work(iqatune: Run, runs: Path) -> None:
    ran = iqatune("report", runs, "--score", "--baseline", "psnrr")
    assert ran.code == 2
    assert "psnr" in ran.last_line
    assert not (runs / "report" / "report.html").exists()


def test_a_report_of_older_and_newer_records_keeps_their_optimism_apart(
    iqatune: Run, runs: Path, make_older: Callable[[Path], None]
) -> None:
    make_older(run_at(runs / "csv/squeezenet/random-stage-s0/result.json"))
    ran = iqatune("report", runs)
    assert ran.code == 0, ran.err
    folder = runs / "report"
    older = "tuned less held-out (older)"
    by_searcher = {row["searcher"]: row for row in read(folder / "tables" / "searchers.csv")}
    assert (by_searcher["random"]["optimism"], by_searcher["nevergrad"][older]) == ("", "")
    assert by_searcher["random"][older]
    assert by_searcher["nevergrad"]["optimism"]
    for name in ("report.md", "report.html", "report.tex"):
        text = (folder / name).read_text()
        assert older in text
        assert "what records of older releases call optimism" in text


def test_a_file_of_scores_and_each_beside_each_in_a_report(
    iqatune: Run, runs: Path, small_set: Any, small_cache: Path
) -> None:
    with small_set.labels.open(newline="") as file:
        labels = list(csv.DictReader(file))
    lines = ["reference,distorted,mine", *(f"{row['reference']},{row['distorted']},{row['score']}" for row in labels)]
    Path("mine.csv").write_text("\n".join(lines))
    Path("others.csv").write_text("reference,distorted,theirs\na.png,b.png,3\n")
    ran = iqatune(
        "report", runs, "--output", "scored", "--score", "--baseline", "psnr", "--baseline", "mine=mine.csv",
        "--baseline", "theirs=others.csv", "--cache-dir", small_cache,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    name = small_set.labels.stem
    slugged = f"csv-{name}"
    measured = {row["metric"]: row for row in read(Path("scored", "tables", f"measured-{slugged}.csv"))}
    (mine,) = (row for metric, row in measured.items() if metric.startswith("mine (mine.csv)"))
    assert float(mine["SRCC"]) == pytest.approx(1.0, abs=1e-12)
    assert mine["weights"] == "file of scores"
    compared = read(Path("scored", "tables", f"compared-{slugged}.csv"))
    assert [row["metric"] for row in compared][-2:] == ["psnr", "mine (mine.csv)"]
    p = float(compared[-1]["psnr"])
    assert p == float(compared[-2]["mine (mine.csv)"])
    page = (Path("scored") / "report.md").read_text()
    assert f"Each beside each on csv:{name}" in page
    assert ("better (p" in page) == (p < 0.05)
    assert "scores made by others: their resize is not known" in page
    assert f"No theirs (others.csv) on csv:{name}: the file has none of its pairs." in page
