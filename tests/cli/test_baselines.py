"""Other metrics beside tuned ones, as a user asks for them: files of scores, exports, marks, and each beside each."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import kendalltau, spearmanr

Run = Callable[..., Any]


@pytest.fixture
def record(finished: Callable[..., Path]) -> Path:
    return finished() / "result.json"


@pytest.fixture
def evaluate(iqatune: Run, record: Path, small_set: Any, small_cache: Path) -> Run:
    """`iqatune evaluate` of the record on the small set."""

    def run(*more: object) -> Any:
        return iqatune("evaluate", record, *small_set.options, "--cache-dir", small_cache, *more)

    return run


@pytest.fixture
def rows(small_set: Any) -> list[dict[str, str]]:
    """The small set's pairs with a metric that falls as quality rises, and another column."""
    with small_set.labels.open(newline="") as file:
        labels = list(csv.DictReader(file))
    noise = np.random.default_rng(1).normal(0, 1.0, len(labels))
    return [
        {"reference": row["reference"], "distorted": row["distorted"], "mine": f"{extra - float(row['score']):.6f}"}
        for row, extra in zip(labels, noise, strict=True)
    ]


def written(rows: list[dict[str, str]], name: str = "scores.csv") -> Path:
    with Path(name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Path(name)


def results(ran: Any) -> list[dict[str, Any]]:
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)["results"]
    return found


def test_a_file_of_scores_is_a_baseline(evaluate: Run, rows: list[dict[str, str]], small_set: Any) -> None:
    ran = evaluate("--baseline", f"mine={written(rows)}", "--format", "json")
    _, baseline = results(ran)
    scores = np.array([float(row["mine"]) for row in rows])
    with small_set.labels.open(newline="") as file:
        quality = np.array([float(row["score"]) for row in csv.DictReader(file)])
    assert baseline["srcc"] == pytest.approx(-spearmanr(quality, scores).statistic, abs=1e-12)
    assert baseline["krcc"] == pytest.approx(-kendalltau(quality, scores).statistic, abs=1e-12)
    assert (baseline["kind"], baseline["file"]) == ("scores", "mine (scores.csv)")
    of_file = baseline["scores"]
    assert (of_file["better"], of_file["better_found"], of_file["column"]) == ("lower", True, "mine")
    assert len(of_file["sha256"]) == 64
    assert "mine (scores.csv): lower is better, by the sign of its SRCC" in ran.err
    # said the other way round, it is what was said
    ran = evaluate("--baseline", "mine=scores.csv", "--baseline-better", "mine=higher", "--format", "json")
    other = results(ran)[1]
    assert other["srcc"] == pytest.approx(-baseline["srcc"], abs=1e-12)
    assert other["scores"]["better_found"] is False


def test_rows_are_found_by_their_files(evaluate: Run, rows: list[dict[str, str]], small_set: Any) -> None:
    _, plain = results(evaluate("--baseline", f"mine={written(rows)}", "--format", "json"))
    folder = small_set.folder.name
    other = [
        {
            "Reference": f"{folder}\\{row['reference'].upper()}",
            "distorted": f"{folder}/./{row['distorted'].replace('.png', '.BMP')}",
            "distortion": "7",
            "figure": row["mine"],
        }
        for row in reversed(rows)
    ]
    other += [{**other[0], "distorted": "elsewhere.png", "figure": "nan"}]
    ran = evaluate("--baseline", f"another={written(other, 'other.csv')}", "--format", "json")
    _, found = results(ran)
    assert found["srcc"] == plain["srcc"]
    assert found["scores"]["column"] == "figure"
    assert found["scores"]["other_rows"] == 1
    assert "1 row is of other pairs, and not used" in ran.err


def test_files_in_folders_are_told_apart(iqatune: Run, record: Path, small_set: Any, small_cache: Path) -> None:
    """Pictures of one name in several folders, as LIVE has them, and one that lies above them."""
    with small_set.labels.open(newline="") as file:
        labels = list(csv.DictReader(file))[:8]
    lines, scores = ["reference,distorted,score"], []
    for number, row in enumerate(labels):
        place = Path("set", *(() if number == 0 else (f"kind{number}",)), "img.png")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((small_set.folder / row["distorted"]).read_bytes())
        lines.append(f"{row['reference']},{place.relative_to('set').as_posix()},{row['score']}")
        name = place.relative_to("set").as_posix()
        scores.append({"reference": row["reference"], "distorted": name, "m": str(number**2)})
    Path("set", "ref0.png").write_bytes((small_set.folder / "ref0.png").read_bytes())
    Path("set/labels.csv").write_text("\n".join(lines))
    options = ("--dataset", "csv", "--pairs", "set/labels.csv", "--better", "higher", "--cache-dir", small_cache)
    baseline = ("--baseline", f"m={written(scores)}", "--baseline-better", "m=lower", "--format", "json")
    ran = iqatune("evaluate", record, *options, *baseline)
    expected = -spearmanr([float(row["score"]) for row in labels], [int(row["m"]) for row in scores]).statistic
    assert results(ran)[1]["srcc"] == pytest.approx(expected, abs=1e-12)
    scores[3]["distorted"] = "img.png"
    written(scores)
    assert "are both of" in iqatune("evaluate", record, *options, *baseline).last_line
    del scores[0]
    written(scores)
    assert "no row for" in iqatune("evaluate", record, *options, *baseline).last_line


def test_bad_files_of_scores(evaluate: Run, rows: list[dict[str, str]]) -> None:
    def refused(given: list[dict[str, str]], *more: str, name: str = "mine") -> str:
        ran = evaluate("--baseline", f"{name}={written(given)}", *more)
        assert (ran.code, ran.out) == (2, "")
        return str(ran.last_line)

    first = rows[0]
    assert "no row for 2 of the 48 pairs, the first of them" in refused([rows[0], *rows[3:]])
    for cell in ("", "nan", "inf", "high"):
        assert "row 2 has " in refused([{**first, "mine": cell}, *rows[1:]])
    line = refused([{**row, "yours": "1"} for row in rows], name="theirs")
    assert "several of numbers (mine, yours)" in line
    assert "row 2 and row 50 are both of" in refused([*rows, {**first, "mine": "3"}])
    assert "there are none of numbers" in refused([{**row, "mine": "x"} for row in rows], name="theirs")
    assert "these pairs do not tell which score is better" in refused([{**row, "mine": "3"} for row in rows])
    assert "none is called mime; did you mean 'mine'" in refused(rows, "--baseline-better", "mime=lower")
    assert "give NAME=higher or NAME=lower" in refused(rows, "--baseline-better", "mine=best")
    assert "no baseline is asked for that has a CNN" in refused(rows, "--baseline-weights", "squeeze.pth")
    ran = evaluate("--baseline", "mine=nowhere.csv")
    assert ran.last_line == "iqatune: --baseline mine=nowhere.csv: no such file; name a CSV file of scores"
    ran = evaluate("--baseline", "lpips", "--baseline", "dists", "--baseline-weights", "x.pth")
    assert "say of which: NAME=FILE, NAME one of lpips, dists" in ran.last_line


def test_an_export_is_evaluated_as_its_record(evaluate: Run, iqatune: Run, record: Path, small_set: Any) -> None:
    assert iqatune("export", record, "--output", "m.safetensors", "--include-backbone").code == 0
    ran = evaluate("m.safetensors", "--format", "json")
    of_record, of_file = results(ran)
    for name in ("srcc", "krcc", "plcc"):
        assert of_file[name] == pytest.approx(of_record[name], abs=2e-3)
    assert of_file["kind"] == "tuned"
    assert of_file["origin"].startswith("random (stage space) on csv")
    assert of_record["tuned_here"] == {"pairs": True, "references": 6}
    assert of_file["tuned_here"] == {"pairs": True, "references": 6}
    shown = evaluate("m.safetensors").out
    assert "csv:labels †" in shown
    assert "† tuned on these very pairs" in shown
    without = ("m.safetensors", "--exclude", "blur")
    seen = results(evaluate(*without, "--format", "json"))[1]["tuned_here"]
    assert seen == {"pairs": False, "references": None}
    assert (
        "m.safetensors: whether it was tuned on any of these references is not known (random" in evaluate(*without).out
    )
    ran = iqatune("evaluate", "m.safetensors")
    assert (ran.code, ran.last_line) == (
        2,
        "iqatune: --dataset: needed, because the files do not name the data set that they were tuned on; give one",
    )


def test_other_pairs_of_the_same_references_are_told(
    iqatune: Run, record: Path, small_set: Any, small_cache: Path
) -> None:
    """Four of the six references, as BMP and under other names, with pairs of their own."""
    folder = Path("own")
    folder.mkdir()
    lines = ["reference,distorted,score"]
    rng = np.random.default_rng(5)
    for number in range(4):
        with Image.open(small_set.folder / f"ref{number}.png") as image:
            image.save(folder / f"photo{number}.bmp")
            pixels = np.asarray(image).astype(float)
        for level in (1, 2, 3):
            noisy = np.clip(pixels + rng.normal(0, 11 * level, pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"noisy{number}-{level}.png")
            lines.append(f"photo{number}.bmp,noisy{number}-{level}.png,{5 - level + rng.normal(0, 0.3):.3f}")
    (folder / "labels.csv").write_text("\n".join(lines))
    options = ("--dataset", "csv", "--pairs", folder / "labels.csv", "--better", "higher", "--cache-dir", small_cache)
    (found,) = results(iqatune("evaluate", record, *options, "--format", "json"))
    assert found["tuned_here"] == {"pairs": False, "references": 4}
    ran = iqatune("evaluate", record, *options)
    assert "csv:labels ‡" in ran.out
    assert "‡ tuned on 4 of these 4 references, by other pairs of them." in ran.out
    head, line = csv.reader(iqatune("evaluate", record, *options, "--format", "csv").out.splitlines())
    assert dict(zip(head, line, strict=True))["tuned_on_references"] == "4"


def test_each_is_compared_with_each(evaluate: Run, rows: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    worse = [{**row, "mine": str(number)} for number, row in enumerate(rows)]
    files = ("--baseline", f"mine={written(rows)}", "--baseline", f"none={written(worse, 'worse.csv')}")
    given = (*files, "--baseline-better", "none=higher", "--baseline", "psnr", "--by", "distortion")
    ran = evaluate(*given, "--format", "json")
    found = results(ran)
    couples = json.loads(ran.out)["comparisons"]
    assert [(couple["first"], couple["second"]) for couple in couples] == [
        (first, second) for first in range(4) for second in range(first + 1, 4)
    ]
    for couple in couples:
        first, second = found[couple["first"]], found[couple["second"]]
        assert couple["difference"] == pytest.approx(first["srcc"] - second["srcc"], abs=1e-12)
        assert couple["low"] <= couple["difference"] <= couple["high"]
        assert couple["p_corrected"] >= couple["p"]
        significant = couple["p_corrected"] < 0.05
        assert couple["verdict"] == (("better" if couple["difference"] > 0 else "worse") if significant else "tie")
    assert {couple["verdict"] for couple in couples} >= {"better", "tie"}
    monkeypatch.setenv("COLUMNS", "80")
    shown = evaluate(*given).out.splitlines()
    start = next(place for place, line in enumerate(shown) if line.startswith("each beside each"))
    tables = [line for line in shown[start:] if line.startswith(" ")]
    assert max(map(len, tables)) <= 80
    assert sum("SRCC by distortion" in line for line in shown) == 1
    assert "C: none (worse.csv)" in shown
    (row,) = (line.split() for line in shown if line.startswith("blur "))
    figures = [next(group["srcc"] for group in metric["groups"] if group["group"] == "blur") for metric in found]
    assert row[1:] == ["18", *(f"{value:.3f}{'*' if value == max(figures) else ''}" for value in figures)]


def test_python_gives_what_the_command_line_gives(
    evaluate: Run, record: Path, rows: list[dict[str, str]], small_cache: Path
) -> None:
    import iqatune as package

    baseline = f"mine={written(rows)}"
    _, shown = results(evaluate("--baseline", baseline, "--baseline-better", "mine=lower", "--format", "json"))
    found = package.evaluate(
        record, baselines=[baseline], baseline_better={"mine": "lower"}, cache_dir=small_cache, progress="none"
    )
    assert found.results[1].srcc == shown["srcc"]
    assert found.comparisons[0].verdict in ("better", "worse", "tie")
    assert found.to_frame()["tuned_on_these_pairs"].tolist() == ["true", ""]
    with pytest.raises(package.InputError, match="no baseline is asked for that has a CNN"):
        package.evaluate(record, baseline_weights="x.pth", cache_dir=small_cache)


def test_published_dists_weights_are_evaluated_as_the_baseline(
    iqatune: Run, small_set: Any, small_cache: Path, test_data: Path, backbone_of: Callable[..., Any]
) -> None:
    """Two ways to DISTS over the same parameters: the published file as a metric, and the baseline of that name."""
    parameters = backbone_of("vgg16").state_dict()
    torch.save({key.removeprefix("_network."): value for key, value in parameters.items()}, "vgg16.pth")
    ran = iqatune(
        "evaluate", test_data / "weights" / "dists_vgg16_alpha_beta.pt", *small_set.options, "--format", "json",
        "--backbone-weights", "vgg16.pth", "--baseline", "dists", "--baseline-weights", "vgg16.pth",
        "--cache-dir", small_cache,
    )  # fmt: skip
    metric, baseline = results(ran)
    assert (metric["kind"], metric["backbone"], metric["origin"]) == ("tuned", "vgg16", "DISTS (Ding et al. 2020)")
    assert metric["srcc"] == baseline["srcc"]
    assert metric["protocol"]["backbone_sha256"] == baseline["protocol"]["backbone_sha256"]
    (couple,) = json.loads(ran.out)["comparisons"]
    assert (couple["difference"], couple["verdict"]) == (0.0, "tie")
