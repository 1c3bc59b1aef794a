"""References of different data sets that show one picture are found whatever was done to the file."""

import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from iqatune.datasets.table import Pair, PairTable
from iqatune.progress import Progress
from iqatune.statistics.cache import Cache
from iqatune.statistics.same_pictures import SAME, likeness, one_picture_a_group, shared_line

KODAK = {("caps", "I03"), ("lighthouse", "I19"), ("parrots", "I23"), ("stream", "I13"), ("womanhat", "I04")}
"""Which of LIVE's references are of which of TID2013's, looked at by eye."""


def test_the_photographs_that_live_and_tid2013_share_are_told_from_the_others(test_data: Path) -> None:
    live = sorted((test_data / "live_r2" / "refimgs").glob("*.png"))
    tid = sorted((test_data / "tid2013" / "reference_images").glob("*.png"))
    groups = one_picture_a_group([_table("live", live), _table("tid2013", tid)], Progress())
    found = {(one.stem, other.stem) for one in live for other in tid if groups[one] == groups[other]}
    assert found == KODAK
    assert (shared_line(groups) or "").startswith("5 pictures are a reference in several data sets (caps.png = I03.png")


@pytest.mark.thorough
def test_the_threshold_lies_far_from_all_that_was_measured(test_data: Path) -> None:
    paths = sorted((test_data / "live_r2" / "refimgs").glob("*.png"))
    paths += sorted((test_data / "tid2013" / "reference_images").glob("*.png"))
    found = {(one.stem, other.stem): likeness(one, other) for one, other in combinations(paths, 2)}
    assert min(found[couple] for couple in KODAK) > SAME + 0.1
    assert max(value for couple, value in found.items() if couple not in KODAK) < SAME - 0.1


def _crop(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 10, height // 5, width * 9 // 10, height * 19 // 20))


def _recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=8)
    return Image.open(buffer).convert("RGB")


def _half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


QUICK = "cropped, resized and recompressed"

CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda image: image.resize((image.width * 2 // 5, image.height * 2 // 5), Image.Resampling.BICUBIC),
    "enlarged": lambda image: image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
    "cropped": _crop,
    "recompressed": _recompressed,
    "grey": lambda image: image.convert("L"),
    QUICK: lambda image: _recompressed(_half(_crop(image))),
}


@pytest.mark.parametrize(
    "change", [pytest.param(change, marks=() if change == QUICK else pytest.mark.thorough) for change in CHANGES]
)
def test_one_photograph_under_another_name_is_found_and_no_other(
    change: str, photographs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = []
    photographs = photographs[:-1]  # of gravel nothing is left at a low resolution
    for place, path in enumerate(photographs):
        with Image.open(path) as image:
            CHANGES[change](image.convert("RGB")).save(tmp_path / f"{place}.png")
        changed.append(tmp_path / f"{place}.png")
    tables = [_table("a", photographs), _table("b", changed)]
    groups = one_picture_a_group(tables, Progress(), Cache(tmp_path).remembered(tables, Progress()))
    remembered = Cache(tmp_path).remembered(tables, Progress())
    monkeypatch.setattr("iqatune.statistics.same_pictures._picture", None)  # nothing is compared twice
    assert one_picture_a_group(tables, Progress(), remembered) == groups
    for one, mine in zip(photographs, changed, strict=True):
        assert [other for other in changed if groups[other] == groups[one]] == [mine]


def test_references_without_anything_in_them_are_no_picture(tmp_path: Path) -> None:
    for name, value in (("a", 0), ("b", 128), ("c", 128)):
        Image.new("RGB", (20, 20), (value, value, value)).save(tmp_path / f"{name}.png")
    assert likeness(tmp_path / "a.png", tmp_path / "b.png") == likeness(tmp_path / "b.png", tmp_path / "c.png") == -1


def _table(name: str, references: list[Path]) -> PairTable:
    pairs = tuple(Pair(path, path, path.name, "none", level=None, score=1.0, quality=1.0) for path in references)
    return PairTable(name, pairs, "labels", "0" * 64, better="higher")
