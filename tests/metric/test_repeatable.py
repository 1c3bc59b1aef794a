"""Two exports of one record are equal byte for byte, also from processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import iqatune


def _export(record: Path, file: Path, seed: str, *options: str) -> bytes:
    """An export by a process whose sets and dictionaries are in another order."""
    command = [sys.executable, "-m", "iqatune", "export", str(record), "--output", str(file), "--quiet", *options]
    settings = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(iqatune.__file__).parents[1])}
    subprocess.run(command, check=True, env=settings, stdout=subprocess.DEVNULL, timeout=300)
    return file.read_bytes()


def test_safetensors_in_one_process(finished: Callable[..., Path], tmp_path: Path) -> None:
    from iqatune.metric.export import save_metric
    from iqatune.metric.module import Metric

    metric = Metric.load(finished() / "result.json")
    contents = set()
    for place in range(12):
        file = tmp_path / f"{place}.safetensors"
        save_metric(metric, file)
        contents.add(file.read_bytes())
    assert len(contents) == 1
    assert Metric.load(tmp_path / "0.safetensors").channels == metric.channels


@pytest.mark.thorough
@pytest.mark.parametrize("suffix", ["safetensors", "pt2", "onnx"])
def test_every_kind_in_processes_of_their_own(suffix: str, finished: Callable[..., Path], tmp_path: Path) -> None:
    if suffix == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    record = finished() / "result.json"
    first, second = (_export(record, tmp_path / f"{seed}.{suffix}", seed) for seed in ("1", "2"))
    assert first == second
