"""The demo set: made here, the same everywhere, safe with two processes at once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from iqatune.datasets import demo
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.records.options import DataOptions


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def table(root: Path) -> PairTable:
    return load_pairs(DataOptions(dataset="demo", data_root=root))


def test_size_and_words(table: PairTable) -> None:
    assert (len(table), len(table.references)) == (280, 8)
    assert (demo.INFO.pairs, demo.INFO.references) == (280, 8)
    assert table.simulated
    assert "simulated" in table.label
    assert len({(pair.reference_id, pair.distortion, pair.level) for pair in table.pairs}) == 280
    assert {pair.level for pair in table.pairs} == {1, 2, 3, 4, 5}
    assert table.label_sha256 == demo.parameters_sha256()


def test_images_are_small_photographs_of_one_size(table: PairTable) -> None:
    for pair in table.pairs:
        for path in (pair.reference, pair.distorted):
            with Image.open(path) as image:
                image.load()
                assert (image.size, image.mode) == ((192, 144), "RGB")


def test_damage_grows_with_the_level(table: PairTable) -> None:
    """Every distortion really does more harm at every level, on every reference."""
    images = {
        path: np.asarray(Image.open(path), float) for pair in table.pairs for path in (pair.reference, pair.distorted)
    }
    errors = {
        (pair.reference_id, pair.distortion, pair.level): np.mean(
            (images[pair.distorted] - images[pair.reference]) ** 2
        )
        for pair in table.pairs
    }
    for reference in table.references:
        for distortion in demo.DISTORTIONS:
            growing = [errors[reference, distortion, level] for level in range(1, 6)]
            assert growing[0] > 0
            assert growing == sorted(growing), (reference, distortion)


def test_simulated_scores_are_a_scale_of_five_that_falls_with_the_level(table: PairTable) -> None:
    scores = demo.simulated_scores()
    assert scores.shape == (8, 7, 5)
    assert scores.min() >= 1
    assert scores.max() <= 5
    mean = scores.mean(axis=0)
    assert (np.diff(mean, axis=1) < 0).all()
    levels = [pair.level for pair in table.pairs]
    assert -0.97 < spearmanr(table.quality, levels).statistic < -0.7  # by level, but not by level alone
    np.testing.assert_array_equal(table.quality, scores.ravel())


def test_complete_images_are_reused_and_lost_ones_made_again(
    table: PairTable, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {pair.distorted: pair.distorted.stat().st_mtime_ns for pair in table.pairs}
    load_pairs(DataOptions(dataset="demo", data_root=root))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    lost, emptied = table.pairs[3].distorted, table.pairs[8].distorted
    content = lost.read_bytes()
    lost.unlink()
    emptied.write_bytes(b"")
    load_pairs(DataOptions(dataset="demo", data_root=root))
    assert lost.read_bytes() == content
    assert emptied.stat().st_size > 0
    assert [path.name for path in root.iterdir()] == [lost.parent.name]  # no working folder stays


def test_images_that_are_not_as_they_were_made_are_made_again(table: PairTable, root: Path) -> None:
    content = {pair.distorted: pair.distorted.read_bytes() for pair in table.pairs}
    first, second, third, *_ = content
    flipped = bytearray(content[third])
    flipped[len(flipped) // 2] ^= 4
    made = first.parent / demo.MADE
    for harmed in ({first: content[second], third: bytes(flipped)}, {made: b"{}", second: content[first]}):
        for path, data in harmed.items():
            path.write_bytes(data)
        assert load_pairs(DataOptions(dataset="demo", data_root=root)) == table
        assert {path: path.read_bytes() for path in content} == content


def test_two_at_once_make_the_same_images_as_anywhere_else(table: PairTable, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(load_pairs, [DataOptions(dataset="demo", data_root=tmp_path)] * 2))
    assert both[0] == both[1]
    assert [pair.quality for pair in both[0].pairs] == [pair.quality for pair in table.pairs]
    for here, there in zip(both[0].pairs, table.pairs, strict=True):
        assert here.distorted.read_bytes() == there.distorted.read_bytes()


def test_without_a_root_it_goes_to_the_users_cache(
    table: PairTable, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_cache_folder", lambda: root)
    monkeypatch.setenv("IQATUNE_DATA", str(root / "elsewhere"))
    assert load_pairs(DataOptions(dataset="demo")) == table
    assert load_pairs(DataOptions(dataset="demo", exclude=("jpeg",))).excluded == ("distortion jpeg (40 pairs)",)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="data_root"):
        load_pairs(DataOptions(dataset="demo", data_root=tmp_path / "file"))


def test_the_room_needs_no_heavy_library() -> None:
    code = "import sys, iqatune.datasets; print({'torch', 'ray', 'scipy', 'openpyxl', 'skimage'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
