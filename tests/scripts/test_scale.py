"""The script that measures what many pairs take, on few of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "scale.py"


@pytest.mark.slow
def test_every_step_is_measured_once(tmp_path: Path) -> None:
    output = tmp_path / "scale.json"
    command = [sys.executable, str(SCRIPT), "--pairs", "60", "--references", "6", "--samples", "5"]
    command += ["--folder", str(tmp_path / "work"), "--output", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    document = json.loads(output.read_text())
    assert [step["verb"] for step in document["steps"]] == [
        "extract",
        "extract",
        "search",
        "search",
        "evaluate",
        "replay",
    ]
    assert all(step["peak_memory_mb"] > 50 and step["processor_seconds"] > 0 for step in document["steps"])
    assert document["disk_mb"]["cache/statistics"] >= round(60 * 5 * 1347 * 4 / 1e6, 1)
    # begun again it measures nothing anew
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert not again.stderr
    assert json.loads(output.read_text())["steps"] == document["steps"]
