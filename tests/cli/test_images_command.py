"""Image files as people have them, through `iqatune score` and `iqatune doctor`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def metric(finished: Callable[..., Path]) -> Path:
    """A record."""
    return finished() / "result.json"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """ref.png and dis.png of 48x32, and dis.png as other programs would write it."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(3)
    small = Image.fromarray(rng.integers(20, 235, (4, 6, 3), dtype=np.uint8))
    reference = np.asarray(small.resize((48, 32), Image.Resampling.BICUBIC)).astype(int)
    damaged = np.clip(reference + rng.normal(0, 25, reference.shape), 0, 255).astype(np.uint8)
    Image.fromarray(reference.astype(np.uint8)).save(folder / "ref.png")
    image = Image.fromarray(damaged)
    image.save(folder / "dis.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png", exif=exif)
    imwrite(
        folder / "planes.tif", np.moveaxis(damaged.astype(np.uint16) * 257, 2, 0), photometric="rgb", planarconfig=2
    )
    image.save(folder / "frames.gif", save_all=True, append_images=[Image.fromarray(255 - damaged)])
    imwrite(folder / "signed.tif", (damaged[:, :, 0].astype(int) - 128).astype(np.int8), photometric="minisblack")
    return folder


def test_what_other_programs_write_has_the_same_distance(
    iqatune: Callable[..., Any], metric: Path, pictures: Path
) -> None:
    def distance(name: str) -> float:
        ran = iqatune("score", metric, pictures / "ref.png", pictures / name, "--json")
        assert ran.code == 0, ran.err
        found: float = json.loads(ran.out)["pairs"][0]["distance"]
        return found

    right = distance("dis.png")
    assert right > 0
    assert distance("turned.png") == right
    assert distance("planes.tif") == right


@pytest.mark.parametrize(
    ("name", "says"), [("frames.gif", "contains 2 frames"), ("signed.tif", "8-bit numbers of the kind INT")]
)
def test_what_cannot_be_read_exactly_is_refused(
    name: str, says: str, iqatune: Callable[..., Any], metric: Path, pictures: Path
) -> None:
    ran = iqatune("score", metric, pictures / "ref.png", pictures / name)
    assert (ran.code, ran.out) == (2, "")
    assert ran.last_line.startswith(f"iqatune: {pictures / name}: ")
    assert says in ran.last_line


def test_the_limit_of_pixels_is_an_option(
    iqatune: Callable[..., Any], metric: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IQATUNE_MAX_PIXELS", "1500")
    score = ("score", metric, pictures / "ref.png", pictures / "dis.png")
    ran = iqatune(*score)
    assert ran.code == 2
    assert "48x32 is over the limit of 1500 pixels; --max-pixels or IQATUNE_MAX_PIXELS sets it" in ran.last_line
    assert iqatune(*score, "--max-pixels", 1536).code == 0
    assert iqatune(*score, "--max-pixels", 1535).code == 2


def test_transparency_is_told_once_with_a_count(iqatune: Callable[..., Any], metric: Path, tmp_path: Path) -> None:
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[0, 0] = 254
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        for number in range(3):
            colours = np.random.default_rng(number).integers(0, 255, (32, 48, 3), dtype=np.uint8)
            Image.fromarray(np.dstack((colours, alpha))).save(tmp_path / side / f"{number}.png")
    ran = iqatune("score", metric, tmp_path / "a", tmp_path / "b", "--quiet")
    assert ran.code == 0
    first, second = ran.err.splitlines()
    assert first.startswith("warning: ")
    assert first.endswith(".png: transparent in places; the colours under it count as if they were seen")
    assert second.startswith("warning: the same of 5 other files as of this: ")
