"""A torchvision that does not belong to the torch beside it is the user's to mend, and said so."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_torchvision_for_another_torch_is_named(tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    broken = 'raise RuntimeError("operator torchvision::nms does not exist")\n'
    (tmp_path / "torchvision" / "__init__.py").write_text(broken)
    search = "search --dataset demo --backbone squeezenet --backbone-weights random --searcher random --samples 2"
    ran = subprocess.run(
        [sys.executable, "-m", "iqatune", *search.split(), "--cache-dir", tmp_path / "cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2, ran.stderr
    assert "torchvision does not load beside torch" in ran.stderr
    assert "nms does not exist); install both anew" in ran.stderr
    assert "Traceback" not in ran.stderr
