"""scripts/screenshots.py as a user runs it."""

import runpy
import shutil
from pathlib import Path

import pytest
from PIL import Image

from iqatune.progress import Progress
from iqatune.report.build import write_report

ROOT = Path(__file__).parents[2]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Path) -> None:
    monkeypatch.setattr("sys.argv", ["screenshots.py", *map(str, arguments)])
    runpy.run_path(str(ROOT / "scripts" / "screenshots.py"), run_name="__main__")


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium on PATH")
def test_pictures_of_a_real_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("playwright.sync_api")
    write_report(ROOT / "results" / "scatter", tmp_path / "report", scoring=None, progress=Progress())
    run(monkeypatch, tmp_path / "report", tmp_path / "pictures")
    sizes = {"desktop": (1280, 960), "phone": (390, 844), "print": (794, 1123)}
    for name, size in sizes.items():
        path = tmp_path / "pictures" / f"{name}.png"
        assert path.stat().st_size < 300_000
        with Image.open(path) as picture:
            assert picture.size == size
            # text stands on a light page, and the margins of the sheet are empty
            assert len(picture.convert("RGB").getcolors(maxcolors=2**16) or ()) > 16
            corner = picture.convert("RGB").crop((0, 0, 48, 52)).getcolors()
            assert name != "print" or corner == [(48 * 52, (255, 255, 255))]


def test_a_folder_without_a_report_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="no such file"):
        run(monkeypatch, tmp_path, tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()
