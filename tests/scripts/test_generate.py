"""scripts/generate.py as a user runs it."""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from scipy import stats

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "results" / "tid2013_part"
LOSS = (RECORDS / "searchers/tid2013/squeezenet/nevergrad-stage+c-s0", "squeezenet1_1_imagenet_fp16.pth")
JUDGE = (RECORDS / "fit/tid2013/timm_mobilenetv2_100/fit-stage-s0", "mobilenetv2_100_imagenet_fp16.pth")


Generate = Callable[..., Result]


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> Generate:
    """Run the script in this process: what a run of its own would import is there."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    command = runpy.run_path(str(ROOT / "scripts" / "generate.py"))["main"]
    return lambda *arguments: CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory, test_data: Path) -> tuple[Path, Path]:
    """Two metrics tuned on real scores, with their CNNs: SqueezeNet's to train with, MobileNetV2's to judge."""
    from iqatune import Metric
    from iqatune.metric.export import save_metric

    folder = tmp_path_factory.mktemp("metrics")
    files = folder / "squeezenet.safetensors", folder / "mobilenetv2.safetensors"
    for (record, parameters), file in zip((LOSS, JUDGE), files, strict=True):
        if not (test_data / "weights" / parameters).is_file():
            pytest.skip(f"needs {parameters} among the real data")
        metric = Metric.load(record / "result.json", test_data / "weights" / parameters)
        save_metric(metric, file, include_backbone=True)
    return files


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, metrics: tuple[Path, Path]) -> Path:
    """What the quick form writes."""
    output = tmp_path_factory.mktemp("quick") / "out"
    command = [sys.executable, "scripts/generate.py", "--quick", "--output", str(output)]
    command += ["--metric", str(metrics[0]), "--judge", str(metrics[1])]
    # one thread: on a busy machine several would wait for each other
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (output / "table.md").read_text().strip()
    assert "fold 2 of 2, squeezenet: held-out psnr" in done.stderr
    return output


def figures(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "figures.json").read_text())
    return found


def test_every_photograph_is_left_out_once_and_measured(written: Path) -> None:
    document = figures(written)

    left_out = [name for fold in document["folds"] for name in fold]
    assert len(left_out) == len(set(left_out)) == 8
    assert set(document["measures"]) == {"psnr", "fsim", "judge mobilenetv2", "squeezenet"}
    for measure in document["measures"].values():
        for arm in ("pixel", "squeezenet"):
            assert set(measure["by_photograph"][arm]) == set(left_out)


def test_the_arms_begin_alike_and_learn(written: Path) -> None:
    arms = figures(written)["arms"]

    for arm in arms.values():
        for curve in arm["curves"]:
            assert curve["pixel"][-1] < 0.9 * curve["pixel"][0]
    assert "metric" not in arms["pixel"]["curves"][0]
    for curve in arms["squeezenet"]["curves"]:
        assert curve["metric"][-1] < curve["metric"][0]
    # the same crops, networks and noise: after a few steps the discriminators have seen nearly the same
    first, second = (arms[name]["curves"][0]["turn"][0] for name in ("pixel", "squeezenet"))
    assert first == pytest.approx(second, abs=0.02)


def test_differences_are_paired_by_photograph(written: Path) -> None:
    for measure in figures(written)["measures"].values():
        pixel, metric = (measure["by_photograph"][arm] for arm in ("pixel", "squeezenet"))
        differences = np.array([metric[name] - pixel[name] for name in pixel])
        half = stats.t.ppf(0.975, 7) * differences.std(ddof=1) / np.sqrt(8)
        told = measure["less_pixel"]["squeezenet"]

        assert told["mean"] == pytest.approx(differences.mean())
        assert (told["low"], told["high"]) == pytest.approx((differences.mean() - half, differences.mean() + half))
        assert told["photographs_higher"] == (differences > 0).sum()


def test_pictures_show_every_free_photograph_in_every_row(written: Path) -> None:
    for name, rows, columns in (("rebuilt.png", 3, 7), ("samples.png", 2, 8)):
        with Image.open(written / name) as image:
            assert image.height == 2 * rows * 66
            assert image.width == 2 * columns * 66 + 260
        assert (written / name).stat().st_size < 400_000


@pytest.mark.thorough
def test_mixed_precision_and_a_compiled_metric_change_little(
    written: Path, metrics: tuple[Path, Path], generate: Generate, tmp_path: Path
) -> None:
    done = generate(
        *("--quick", "--bf16", "--compile", "aot_eager"),
        *("--metric", metrics[0], "--judge", metrics[1], "--output", tmp_path),
    )
    assert done.exit_code == 0, done.stderr

    plain, other = figures(written)["arms"]["squeezenet"]["curves"], figures(tmp_path)["arms"]["squeezenet"]["curves"]
    for expected, found in zip(plain, other, strict=True):
        for name in ("pixel", "metric", "held-out psnr"):
            assert found[name] == pytest.approx(expected[name], rel=0.05), name
        assert found["metric"] != expected["metric"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--metric", 0, "--judge", 0), "has the CNN of squeezenet"),
        (("--metric", 0, "--metric", 0, "--judge", 1), "two arms would be called alike"),
        (("--metric", 0, "--judge", 1, "--compile", "gcc"), "--compile gcc: unknown to torch"),
    ],
)
def test_bad_input_ends_in_a_line(
    arguments: tuple[str | int, ...], line: str, metrics: tuple[Path, Path], generate: Generate, tmp_path: Path
) -> None:
    given = [metrics[argument] if isinstance(argument, int) else argument for argument in arguments]

    done = generate("--quick", *given, "--output", tmp_path / "out")

    assert done.exit_code == 2
    assert done.stderr.startswith("generate: --")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("out/*"))
