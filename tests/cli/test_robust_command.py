"""`iqatune robust`, beside a plain loop over `iqatune evaluate` on images that were degraded and written to files."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iqatune.transforms import transform_of

Run = Callable[..., Any]


@pytest.fixture
def record(finished: Callable[..., Path]) -> Path:
    return finished() / "result.json"


@pytest.fixture
def robust(iqatune: Run, record: Path, small_set: Any, small_cache: Path) -> Run:
    """`iqatune robust` of the record on the small set."""

    def run(*more: object) -> Any:
        return iqatune("robust", record, *small_set.options, "--cache-dir", small_cache, *more)

    return run


def found(ran: Any) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    document: dict[str, Any] = json.loads(ran.out)
    return document


def copies(small_set: Any, transform: str, *, both: bool) -> Path:
    """The small set as PNG files that were changed; its labels."""
    folder = Path(transform.replace(":", "-"))
    folder.mkdir()
    change = transform_of(transform)
    for path in small_set.folder.glob("*.png"):
        with Image.open(path) as image:
            picture = np.array(image.convert("RGB"))
        is_changed = both or not path.name.startswith("ref")
        Image.fromarray(change(picture) if is_changed else picture).save(folder / path.name)
    (folder / "labels.csv").write_text(small_set.labels.read_text())
    return folder / "labels.csv"


def test_the_figures_are_those_of_evaluate_on_degraded_copies(
    iqatune: Run, robust: Run, record: Path, small_set: Any, small_cache: Path
) -> None:
    document = found(robust("--kinds", "side,jpeg", "--baseline", "psnr", "--baseline", "uniform", "--json"))

    def evaluated(labels: Path) -> list[float]:
        options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--cache-dir", small_cache)
        more = ("--baseline", "psnr", "--baseline", "uniform", "--format", "json", "--quiet")
        return [each["srcc"] for each in found(iqatune("evaluate", record, *options, *more))["results"]]

    high = evaluated(small_set.labels)
    on_set = [metric["sets"][0] for metric in document["metrics"]]
    assert [metric["kind"] for metric in document["metrics"]] == ["tuned", "uniform", "baseline"]
    assert [each["srcc"] for each in on_set] == pytest.approx(high, abs=1e-12)
    checked = {"side:32": ("side", 4), "side:16": ("side", 5), "jpeg:7": ("jpeg", 5)}
    for transform, place in checked.items():
        low = evaluated(copies(small_set, transform, both=True))
        for each, before, after in zip(on_set, high, low, strict=True):
            (degraded,) = [one for one in each["degraded"] if one["transform"] == transform]
            assert (degraded["kind"], degraded["severity"]) == place
            assert degraded["srcc"] == pytest.approx(after, abs=1e-12)
            assert degraded["retained"] == pytest.approx(1 - (before - after) / before, abs=1e-9)
            factor = 1 - np.exp(-document["a"] * before**2)
            assert degraded["improved"] == pytest.approx((1 - (before - after) / before) * factor, abs=1e-9)
    for each in on_set:
        assert each["retained"] == pytest.approx(np.mean([one["retained"] for one in each["degraded"]]))
        low, high_end = each["interval"]
        assert low < each["retained"] < high_end
    # of images that are smaller, nothing is left out: no transform makes them larger
    assert [one["srcc"] for one in on_set[0]["degraded"][:3]] == [on_set[0]["srcc"]] * 3
    metric = document["metrics"][0]
    assert metric["war"] == pytest.approx(on_set[0]["improved"])
    assert metric["war_by_kind"]["jpeg"] == pytest.approx(
        np.mean([one["improved"] for one in on_set[0]["degraded"] if one["kind"] == "jpeg"])
    )
    assert document["sets"] == [
        {"dataset": "csv", "pairs": 48, "references": 6, "simulated": False, "weight": 1.0},
    ]


@pytest.mark.parametrize("transform", ["shift:1", "jpeg:95"])
def test_order_changes_are_those_of_distances_on_changed_copies(
    iqatune: Run, robust: Run, record: Path, small_set: Any, transform: str
) -> None:
    with small_set.labels.open(newline="") as file:
        labels = list(csv.DictReader(file))

    def distances(folder: Path) -> list[float]:
        lines = [f"{folder / row['reference']},{folder / row['distorted']}" for row in labels]
        Path("pairs.csv").write_text("\n".join(["reference,distorted", *lines]))
        scored = found(iqatune("score", record, "--pairs", "pairs.csv", "--json"))
        return [each["distance"] for each in scored["pairs"]]

    before = distances(small_set.folder)
    after = distances(copies(small_set, transform, both=False).parent.resolve())
    changed = sum((before[i] > before[j]) != (after[i] > after[j]) for i, j in combinations(range(48), 2))
    document = found(robust("--kinds", "unseen", "--json"))
    (unseen,) = [each for each in document["metrics"][0]["sets"][0]["unseen"] if each["transform"] == transform]
    assert unseen["all"]["couples"] == 48 * 47 // 2
    assert abs(unseen["all"]["changed"] - changed) <= 1  # the metric's own float32 may part what all but ties
    assert unseen["all"]["share"] == pytest.approx(unseen["all"]["changed"] / (48 * 47 // 2))
    assert changed > 0
    assert unseen["different"] is None  # no score has a deviation
    assert document["metrics"][0]["war"] is None
    assert document["metrics"][0]["sets"][0]["degraded"] == []


def test_what_stands_beside_and_what_is_written(robust: Run, record: Path) -> None:
    ran = robust("--kinds", "side", "--baseline", "psnr", "--output", "out")
    assert ran.code == 0, ran.err
    assert "csv: 48 pairs, 6 references, both images degraded alike" in ran.out
    assert "tuned on these very pairs" in ran.out
    assert "Of strongly degraded images they are no human scores" in ran.out
    assert "csv: both images through side:16 (5 of 5)" in ran.err
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"robust.json", "robust.csv", "robust-csv.svg", "robust-csv.pdf"}
    document = json.loads(Path("out/robust.json").read_text())
    assert document["seal"]
    metric, baseline = document["metrics"]
    assert metric["sets"][0]["tuned_here"]["pairs"] is True
    assert (metric["cost"]["width"], metric["cost"]["height"]) == (40, 36)
    assert metric["cost"]["milliseconds"] > 0
    assert (baseline["cost"]["macs"], baseline["cost"]["parameters"]) == (None, None)
    with Path("out/robust.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["transform"] for row in rows[:6]] == ["", *(f"side:{side}" for side in (224, 112, 64, 32, 16))]
    assert float(rows[5]["srcc"]) == metric["sets"][0]["degraded"][4]["srcc"]
    assert float(rows[11]["retained_low"]) == baseline["sets"][0]["degraded"][4]["interval"][0]
    drawn = Path("out/robust-csv.svg").read_text()
    assert "<svg" in drawn


def test_costs_are_those_of_the_cnn(robust: Run, record: Path) -> None:
    import torch

    from iqatune.metric.module import Metric

    cost = found(robust("--kinds", "side", "--json"))["metrics"][0]["cost"]
    counted = 0

    def count(module: Any, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal counted
        size = module.weight[0].numel()
        counted += output.numel() * size

    metric = Metric.load(record)
    layers = [layer for layer in metric.modules() if isinstance(layer, torch.nn.Conv2d)]
    for layer in layers:
        layer.register_forward_hook(count)
    metric(torch.rand(1, 3, 36, 40), torch.rand(1, 3, 36, 40))
    assert cost["macs"] == counted
    assert cost["parameters"] == sum(value.numel() for layer in layers for value in layer.parameters())


def test_an_export_is_a_metric_like_its_record(iqatune: Run, record: Path, small_set: Any, small_cache: Path) -> None:
    assert iqatune("export", record, "--output", "metric.safetensors", "--include-backbone").code == 0
    options = (*small_set.options, "--kinds", "side", "--cache-dir", small_cache, "--json")
    ours, exported = found(iqatune("robust", record, "metric.safetensors", *options))["metrics"]
    assert exported["sets"][0]["retained"] == pytest.approx(ours["sets"][0]["retained"], abs=1e-3)
    assert exported["cost"]["macs"] == ours["cost"]["macs"]
    assert exported["cost"]["parameters"] == ours["cost"]["parameters"]
    assert exported["backbone"] == "squeezenet"


def test_several_data_sets(iqatune: Run, record: Path, two_sets: Any, tmp_path: Path) -> None:
    more = ("--kinds", "blur", "--baseline", "psnr", "--cache-dir", tmp_path / "cache", "--quiet", "--json")
    document = found(iqatune("robust", record, *two_sets.options, *more))
    assert [each["dataset"] for each in document["sets"]] == ["tid2013", "csv"]
    weights = [each["weight"] for each in document["sets"]]
    assert sum(weights) == pytest.approx(1)
    for metric in document["metrics"]:
        assert metric["war"] == pytest.approx(np.dot(weights, [each["improved"] for each in metric["sets"]]))


def test_settings_come_from_a_file_and_variables(robust: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("robust.yaml").write_text("kinds: unseen\n")
    assert found(robust("--config", "robust.yaml", "--json"))["kinds"] == ["unseen"]
    monkeypatch.setenv("IQATUNE_KINDS", "unseen,side")
    assert found(robust("--json"))["kinds"] == ["side", "unseen"]


def test_bad_input(iqatune: Run, robust: Run, record: Path, small_set: Any, small_cache: Path) -> None:
    def line(ran: Any) -> str:
        assert (ran.code, ran.out) == (2, "")
        return str(ran.last_line)

    assert line(robust("--kinds", "side,blurr")) == (
        "iqatune: --kinds side,blurr: unknown kind 'blurr'; did you mean 'blur'?"
    )
    Path("scores.csv").write_text("reference,distorted,mine\n")
    assert "contains scores of the images as they are" in line(robust("--baseline", "mine=scores.csv"))
    assert "did you mean 'psnr'" in line(robust("--baseline", "psnrr"))
    Path("other.json").write_text("{}")
    assert "other.json" in line(iqatune("robust", "other.json", *small_set.options))
    assert "--kinds: of no use" not in line(iqatune("robust", record, "--pairs", small_set.labels))
    Path("features.csv").write_text("reference,distorted,score,a\nr.png,d.png,1,2\nr.png,e.png,2,3\n")
    features = ("--features", "features.csv", "--better", "higher", "--cache-dir", small_cache)
    assert "figures of other metrics, which take no backbone and no images" in line(
        iqatune("robust", record, *features)
    )
    Path("file").write_text("")
    assert "--output file: cannot be written" in line(robust("--output", "file"))
    assert not Path("out").exists()


def test_from_python(record: Path, small_set: Any, small_cache: Path, tmp_path: Path) -> None:
    import iqatune
    from iqatune.errors import InputError

    found = iqatune.robust(
        record,
        "csv",
        pairs=small_set.labels,
        better="higher",
        kinds=["side"],
        baselines=["psnr"],
        cache_dir=small_cache,
        progress="none",
    )
    frame = found.to_frame()
    assert list(frame["file"].unique()) == [str(record), "psnr"]
    assert frame["srcc"].notna().all()
    assert found.names == ("result.json", "psnr")
    assert len(found.plot("csv").axes) == 1
    found.write(tmp_path / "out")
    assert json.loads((tmp_path / "out/robust.json").read_text())["seal"] == found.seal
    with pytest.raises(InputError, match="was not scored"):
        found.plot("live")
    with pytest.raises(InputError, match="unknown kind 'sides'"):
        iqatune.robust(record, kinds=["sides"])


def test_a_killed_study_goes_on_where_it_was(
    iqatune: Run, record: Path, small_set: Any, small_cache: Path, tmp_path: Path
) -> None:
    """What was measured before it was killed is not measured again, and the figures are those of an undisturbed one."""
    cache = tmp_path / "cache"
    options = [*map(str, ("robust", record, *small_set.options, "--kinds", "jpeg", "--cache-dir", cache))]
    process = subprocess.Popen([sys.executable, "-m", "iqatune", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for said in process.stderr:
        if "(4 of 5)" in said:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*.safetensors")}
    assert kept
    time.sleep(0.01)
    again = found(iqatune(*options, "--json"))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    whole = found(iqatune(*options[:-1], small_cache, "--json"))
    for document in (again, whole):
        for metric in document["metrics"]:
            del metric["cost"]
        del document["seal"], document["environment"]["created"]
    assert again == whole
