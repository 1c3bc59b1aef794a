"""`iqatune fuse` as a user types it: weights, held-out figures, metric files, replay, report, Python, and refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import rankdata, spearmanr

import iqatune as package
from iqatune.metric.fused import FusedMetric
from iqatune.metric.module import Metric
from iqatune.metric.priors import Prior
from iqatune.metric.spaces import ColumnSpace, StageSpace
from iqatune.metric.weights import Weights
from iqatune.statistics.prepare import Prepared

Command = Callable[..., Any]

TAPPED = "squeezenet@features.1,features.4"


@pytest.fixture
def members(finished: Callable[..., Path]) -> list[Path]:
    """Two tuned records of two backbones with the same folds."""
    first = finished(searcher="fit", folds=3)
    second = finished(backbone=TAPPED, samples=6, folds=3)
    return [first / "result.json", second / "result.json"]


@pytest.fixture
def fuse(iqatune: Command, small_set: Any, small_cache: Path) -> Command:
    """`iqatune fuse` over the small set with three folds; gives the record and its file."""

    def run(*given: object, data: tuple[object, ...] = small_set.options) -> tuple[dict[str, Any], Path]:
        ran = iqatune("fuse", *given, *data, "--cache-dir", small_cache, "--folds", 3, "--json")
        assert ran.code == 0, ran.err
        record = json.loads(ran.out)
        files = [path for path in Path("runs").rglob("fusion.json") if json.loads(path.read_text()) == record]
        assert len(files) == 1
        return record, files[0]

    return run


@pytest.fixture
def figures(small_set: Any, tmp_path: Path) -> Path:
    """Two other metrics' figures of the same pairs, the one a quality and the other a distance."""
    frame = pd.read_csv(small_set.labels)
    rng = np.random.default_rng(5)
    frame["quality"] = 30 + 2 * frame["score"] + rng.normal(0, 1.0, len(frame))
    frame["loss"] = 0.3 - 0.02 * frame["score"] + rng.normal(0, 0.02, len(frame))
    file = tmp_path / "figures.csv"
    frame.to_csv(file, index=False)
    return file


def _by_hand(record: dict[str, Any], prepared: list[Prepared], results: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Figures of each fold from the stored parameters alone, slow and obvious."""
    table = prepared[0].table
    ids, quality = np.array(table.reference_ids), table.quality
    names = tuple(member["name"] for member in record["members"])
    found = []
    for place, fold in enumerate(record["held_out"]["per_fold"]):
        columns = []
        for seen, result in zip(prepared, results, strict=True):
            own = result["held_out"]["per_fold"][place]
            assert own["references"] == fold["references"]
            space = StageSpace(seen.channels, seen.space("stage", result["run"]["prior"]).prior)
            weights = space.weights(np.array([own["parameters"][name] for name in space.names]))
            columns.append(seen.distances(Weights(seen.channels, weights.alpha, weights.beta)))
        held_out = np.isin(ids, fold["references"])
        matrix = np.stack(columns, axis=1)
        scaled = matrix / matrix[~held_out].std(axis=0)
        shared = ColumnSpace(names, Prior.of(record["options"]["prior"]))
        shares = shared.coefficients(np.array([fold["parameters"][name] for name in shared.names]))
        ranks = np.stack([rankdata(column[held_out]) for column in matrix.T], axis=1).mean(axis=1)

        def srcc(distances: Any, rows: Any = held_out) -> float:
            return float(spearmanr(quality[rows], -distances).statistic)

        found.append(
            {
                "fusion": srcc(scaled[held_out] @ shares),
                "uniform": srcc(scaled[held_out].mean(axis=1)),
                "ranks": srcc(ranks),
                **{name: srcc(column[held_out]) for name, column in zip(names, matrix.T, strict=True)},
            }
        )
    return found


def test_held_out_figures_are_those_of_a_plain_calculation(
    fuse: Command, members: list[Path], small_set: Any, small_cache: Path
) -> None:
    record, _ = fuse(*members)
    results = [json.loads(file.read_text()) for file in members]
    data: dict[str, Any] = {
        "pairs": str(small_set.labels),
        "better": "higher",
        "backbone_weights": "random",
        "cache_dir": small_cache,
    }
    prepared = [package.prepare("csv", name, **data) for name in ("squeezenet", TAPPED)]

    by_hand = _by_hand(record, prepared, results)
    for fold, expected in zip(record["held_out"]["per_fold"], by_hand, strict=True):
        assert fold["srcc"] == pytest.approx(expected["fusion"], abs=1e-9)
        assert fold["uniform_srcc"] == pytest.approx(expected["uniform"], abs=1e-9)
    assert record["rank_mean"]["held_out_srcc"] == pytest.approx(np.mean([fold["ranks"] for fold in by_hand]), abs=1e-9)
    for member, result in zip(record["members"], results, strict=True):
        alone = np.mean([fold[member["name"]] for fold in by_hand])
        assert member["held_out_srcc"] == pytest.approx(alone, abs=1e-9)
        assert member["held_out_srcc"] == pytest.approx(result["held_out"]["srcc_mean"], abs=1e-9)
        assert member["held_out_how"] == "of its record"
        assert member["tuned_here"] == {"pairs": True, "references": 6}
    assert record["notes"] == []
    assert sum(member["weight"] for member in record["members"]) == pytest.approx(1)


def test_a_record_with_other_folds_is_tuned_anew_without_each(
    fuse: Command, members: list[Path], finished: Callable[..., Path]
) -> None:
    with_others = finished(searcher="fit", folds=2) / "result.json"
    record, _ = fuse(with_others, members[1])
    same, _ = fuse(*members)

    assert record["members"][0]["held_out_how"] == "refitted"
    assert record["members"][0]["held_out_srcc"] == same["members"][0]["held_out_srcc"]
    assert record["held_out"] == same["held_out"]


def test_a_fusion_is_a_metric_like_any_other(
    fuse: Command, members: list[Path], iqatune: Command, small_set: Any, small_cache: Path
) -> None:
    record, file = fuse(*members, "--searcher", "random", "--samples", 5)
    weights = [member["weight"] for member in record["members"]]
    assert min(weights) > 0

    loaded = Metric.load(file)
    assert isinstance(loaded, FusedMetric)
    per_unit = np.array(weights) / [member["scale"] for member in record["members"]]
    assert [member.weight for member in loaded.members] == pytest.approx((per_unit / per_unit.sum()).tolist())
    x, y = (loaded.read(small_set.folder / name) for name in ("ref0.png", "noise0_3.png"))
    alone = [Metric.load(path)(x, y) for path in members]
    torch.testing.assert_close(loaded(x, y), sum(w * d for w, d in zip(per_unit / per_unit.sum(), alone, strict=True)))
    assert loaded.scales[0].interval is not None

    assert iqatune("export", file, "--output", "fused.safetensors").code == 0
    exported = Metric.load("fused.safetensors")
    torch.testing.assert_close(exported(x, y), loaded(x, y), atol=1e-7, rtol=0)
    scored = iqatune("score", file, small_set.folder / "ref0.png", small_set.folder / "noise0_3.png", "--json")
    assert json.loads(scored.out)["pairs"][0]["distance"] == pytest.approx(float(loaded(x, y)), abs=1e-6)

    ran = iqatune(
        "evaluate", file, "fused.safetensors", *small_set.options, "--cache-dir", small_cache, "--format", "json"
    )
    assert ran.code == 0, ran.err
    first, second = json.loads(ran.out)["results"]
    assert first["srcc"] == pytest.approx(record["figures"]["srcc"], abs=1e-9)
    assert second["srcc"] == pytest.approx(first["srcc"], abs=2e-3)  # of D from images, where near ones may tie
    assert first["backbone"] == f"squeezenet + {TAPPED}"
    assert first["tuned_here"]["pairs"]
    assert second["tuned_here"]["pairs"]


def test_metrics_of_one_backbone_are_one_metric_of_it(fuse: Command, finished: Callable[..., Path]) -> None:
    files = [finished(searcher=searcher, folds=3) / "result.json" for searcher in ("fit", "random")]
    record, file = fuse(*files, "--searcher", "random", "--samples", 4)

    assert [member["name"] for member in record["members"]] == ["squeezenet/fit-stage", "squeezenet/random-stage"]
    assert type(Metric.load(file)) is Metric


def test_it_replays_and_what_was_altered_does_not(
    fuse: Command, members: list[Path], iqatune: Command, small_cache: Path
) -> None:
    record, file = fuse(*members)
    ran = iqatune("replay", file, "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.out
    assert len(json.loads(ran.out)["figures"]) > 60

    altered = json.loads(file.read_text())
    altered["held_out"]["srcc_mean"] = 0.99
    file.write_text(json.dumps(altered))
    ran = iqatune("replay", file, "--cache-dir", small_cache)
    assert ran.code == 1
    assert "seal has changed" in ran.out
    assert "held_out.srcc_mean" in ran.out
    ran = iqatune("score", file, "a.png", "b.png")
    assert ran.code == 2
    assert iqatune("evaluate", file, "--cache-dir", small_cache).err.startswith(f"iqatune: {file}: its seal is broken")
    assert record["seal"] == altered["seal"]


def test_a_member_that_is_another_file_by_now_is_named(
    fuse: Command, members: list[Path], own_copy: Callable[..., Path], iqatune: Command
) -> None:
    own = own_copy(searcher="fit", folds=3) / "result.json"
    _, file = fuse(own, members[1])
    own.write_text(own.read_text() + " ")
    ran = iqatune("export", file, "--output", "fused.safetensors")
    assert ran.code == 2
    assert "its member squeezenet" in ran.err
    assert "is not the file that was fused; fuse again" in ran.err
    own.unlink()
    assert "put it there, or fuse again" in iqatune("export", file, "--output", "fused.safetensors").err
    assert not Path("fused.safetensors").exists()


def test_the_same_fusion_is_not_made_twice_and_another_has_its_own_folder(
    fuse: Command, members: list[Path], figures: Path
) -> None:
    first, file = fuse(*members)
    written = file.stat().st_mtime_ns
    again, same = fuse(*members)
    assert (again, same, same.stat().st_mtime_ns) == (first, file, written)
    _, other = fuse(*members, "--seed", 1)
    _, third = fuse(*members, "--features", figures)
    assert len({file, other, third}) == 3


def test_columns_alone_are_fused_evaluated_and_replayed_and_take_no_images(
    fuse: Command, figures: Path, iqatune: Command
) -> None:
    record, file = fuse("--features", figures, "--better", "higher", data=())

    assert [(each["name"], each["direction"]) for each in record["members"]] == [
        ("quality", "quality"),
        ("loss", "distance"),
    ]
    assert "what it was tuned on is not known" in record["notes"][0]
    assert iqatune("replay", file).code == 0
    ran = iqatune("evaluate", file, "--format", "json")
    assert json.loads(ran.out)["results"][0]["srcc"] == pytest.approx(record["figures"]["srcc"], abs=1e-9)
    for verb in (("score", file, "a.png", "b.png"), ("export", file, "--output", "m.safetensors")):
        ran = iqatune(*verb)
        assert ran.code == 2
    assert "fuses figures of other metrics (quality" in ran.err
    assert not Path("m.safetensors").exists()


def test_records_and_columns_are_fused_and_the_record_says_what_each_is(
    fuse: Command, figures: Path, members: list[Path], iqatune: Command, small_cache: Path
) -> None:
    record, file = fuse(f"tuned={members[0]}", "LOSS", "--features", figures)

    tuned, loss = record["members"]
    assert (tuned["name"], tuned["kind"], tuned["direction"]) == ("tuned", "record", "distance")
    assert (loss["name"], loss["kind"], loss["column"], loss["held_out_how"]) == ("LOSS", "column", "loss", "as it is")
    assert iqatune("replay", file, "--cache-dir", small_cache).code == 0
    ran = iqatune("evaluate", file, "--cache-dir", small_cache, "--format", "json")
    assert json.loads(ran.out)["results"][0]["srcc"] == pytest.approx(record["figures"]["srcc"], abs=1e-9)


def test_an_export_tuned_here_is_said_to_be(
    fuse: Command, members: list[Path], iqatune: Command, small_set: Any, small_cache: Path
) -> None:
    iqatune("export", members[0], "--output", "tuned.safetensors", "--include-backbone")
    record, _ = fuse("tuned.safetensors", members[1])
    assert record["members"][0]["held_out_how"] == "as it is"
    assert record["members"][0]["tuned_here"]["pairs"]
    assert record["notes"][0].startswith("tuned: tuned on these very pairs, and cannot be tuned anew")

    given = ("fuse", "tuned.safetensors", members[1], *small_set.options, "--folds", 3, "--cache-dir", small_cache)
    ran = iqatune(*given)
    assert "TUNED ON THESE PAIRS" in ran.out
    assert "the held-out figures are optimistic" in ran.out


def test_what_earns_nothing_gets_nothing(fuse: Command, figures: Path, iqatune: Command) -> None:
    frame = pd.read_csv(figures)
    frame["noise"] = np.random.default_rng(0).normal(size=len(frame))
    frame.to_csv(figures, index=False)
    record, _ = fuse("--features", figures, "--better", "higher", data=())
    ran = iqatune("fuse", "--features", figures, "--better", "higher", "--folds", 3)

    weights = {member["name"]: member["weight"] for member in record["members"]}
    assert weights["noise"] < 0.05 < weights["quality"]
    if weights["noise"] == 0:
        assert "Without weight: noise." in ran.out


def test_options_come_from_a_file_and_variables_and_python_gives_the_same(
    members: list[Path], iqatune: Command, small_set: Any, small_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("fuse.yaml").write_text(f"pairs: {small_set.labels}\ndataset: csv\nbetter: higher\nfolds: 3\n")
    monkeypatch.setenv("IQATUNE_SEED", "4")
    ran = iqatune("fuse", *members, "--config", "fuse.yaml", "--cache-dir", small_cache, "--json")
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    assert (record["options"]["folds"], record["options"]["seed"]) == (3, 4)
    assert "unknown key" in iqatune("fuse", *members, "--config", _written("sede: 1\n")).err

    fusion = package.fuse(
        members,
        "csv",
        pairs=small_set.labels,
        better="higher",
        folds=3,
        seed=4,
        cache_dir=small_cache,
        output="python",
        progress="none",
    )
    assert [member.weight for member in fusion.members] == [member["weight"] for member in record["members"]]
    assert fusion.held_out is not None
    assert fusion.held_out.srcc_mean == record["held_out"]["srcc_mean"]
    assert package.replay(fusion, cache_dir=small_cache, progress="none").same
    evaluation = package.evaluate(fusion, cache_dir=small_cache, progress="none")
    assert evaluation.results[0].srcc == pytest.approx(fusion.figures.srcc)


def _written(text: str) -> Path:
    Path("other.yaml").write_text(text)
    return Path("other.yaml")


def test_a_report_lists_fusions(
    fuse: Command, members: list[Path], search: Command, iqatune: Command, finished: Callable[..., Path]
) -> None:
    search("--searcher", "random")
    record, _ = fuse(*members)
    ran = iqatune("report", "runs", "--output", "report")
    assert ran.code == 0, ran.err
    page = Path("report", "report.md").read_text()
    assert "Fusions" in page
    assert f"{record['held_out']['srcc_mean']:.4f}" in page


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((), "no metric to fuse; name at least two"),
        (("A",), "1 metric to fuse; name at least two"),
        (("A", "missing.json"), "missing.json: no such file; name a result.json"),
        (("A", "fsim"), "fsim: neither a file nor a column"),
        (("A", "B", "--backbone-weights", "vgg16=x.pth"), "--backbone-weights vgg16: no member's backbone"),
        (("x=A", "x=B"), "--members x: named twice"),
        (("A", "COARSE"), "was tuned at resize 32, squeezenet at 256; take metrics of one resize"),
        (("A", "B", "--folds", "1"), "--folds 1: give 0 for none, or 2 and more"),
        (("A", "B", "--searcher", "annealing"), "annealing"),
        (("A", "B", "--feature-columns", "x"), "--feature-columns: only possible with --features"),
        (
            ("A", "loss", "--features", "FIGURES", "--feature-columns", "los"),
            "--feature-columns los: no numeric column",
        ),
    ],
)
def test_bad_input_is_refused_in_a_line(
    given: tuple[str, ...],
    line: str,
    members: list[Path],
    figures: Path,
    finished: Callable[..., Path],
    iqatune: Command,
    small_set: Any,
    small_cache: Path,
) -> None:
    def named(text: str) -> str:
        prefix, equals, last = text.rpartition("=")
        if last == "COARSE":
            return str(finished(backbone=TAPPED, resize=32, folds=3) / "result.json")
        files = {"A": members[0], "B": members[1], "FIGURES": figures}
        return f"{prefix}{equals}{files.get(last, last)}"

    ran = iqatune("fuse", *map(named, given), *small_set.options, "--cache-dir", small_cache)
    assert ran.code == 2
    assert line in ran.err
    assert len([each for each in ran.err.splitlines() if each.startswith("iqatune: ")]) == 1
    assert not list(Path("runs").rglob("fusion.json"))


def test_metrics_of_images_are_not_fused_on_a_features_file_alone(
    members: list[Path], figures: Path, iqatune: Command
) -> None:
    ran = iqatune("fuse", members[0], "loss", "--features", figures, "--better", "higher")
    assert ran.code == 2
    assert "squeezenet: takes images, and --features has none; name the images with --dataset" in ran.err


def test_twelve_published_metrics_reach_what_they_can(iqatune: Command, test_data: Path) -> None:
    file = test_data / "scores" / "tid2013.csv"
    if not file.exists():
        pytest.skip(f"needs {file}")
    ran = iqatune("fuse", "--features", file, "--better", "higher", "--json")
    record = json.loads(ran.out)
    assert record["held_out"]["srcc_mean"] >= 0.867
    assert record["best_member_held_out"]["name"] == "fsim"
    frame = pd.read_csv(file)
    by_fold = []
    for fold in record["held_out"]["per_fold"]:
        rows = frame[frame["reference"].isin(fold["references"])]
        by_fold.append(spearmanr(rows["score"], -rows["fsim"]).statistic)
    assert record["best_member_held_out"]["srcc"] == pytest.approx(np.mean(by_fold), abs=1e-9)
