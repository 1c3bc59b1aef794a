"""docs/python.md runs as it is written, as a script and as a notebook."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.run_paths import run_at

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a user without settings, whose cache is empty at first."""
    home = tmp_path_factory.mktemp("home")
    return {**os.environ, "XDG_CACHE_HOME": str(home / "cache"), "MPLBACKEND": "agg", "IPYTHONDIR": str(home)}


@pytest.mark.thorough
def test_the_page_runs_as_a_script(tmp_path: Path, environment: dict[str, str]) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks()))
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "<Result: random on demo through squeezenet, complete; SRCC 0." in ran.stdout
    assert "searcher=bobh: unknown searcher; did you mean 'bohb'?" in ran.stdout
    assert re.search(r"searching \(bohb\) 10 of 10 samples", ran.stdout)
    assert "extracting squeezenet" in ran.stderr  # a bar
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")
    assert run_at(tmp_path / "my-runs/csv/squeezenet/bohb-stage-s0/result.json").exists()


def test_the_page_runs_as_a_notebook(
    tmp_path: Path, environment: dict[str, str], user_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**environment, "XDG_CACHE_HOME": str(user_cache)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MPLBACKEND")
    cells = [nbformat.v4.new_code_cell(block) for block in blocks()]
    cells.append(nbformat.v4.new_code_cell("result.plot_scores()"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (shown,) = notebook.cells[-1].outputs
    assert "image/png" in shown.data
