"""The demo set: made here, the same everywhere, safe with two processes at once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter
from scipy.stats import spearmanr

from iqatune.datasets import demo
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.records.options import DataOptions


@pytest.fixture(scope="session")
def table(demo_root: Path) -> PairTable:
    return load_pairs(DataOptions(dataset="demo", data_root=demo_root))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DataOptions:
    """The demo of two photographs and three distortions, in a folder that a test may spoil."""
    kinds = ("gaussian-noise", "jpeg", "jitter")
    monkeypatch.setattr(demo, "PHOTOGRAPHS", demo.PHOTOGRAPHS[:2])
    monkeypatch.setattr(demo, "DISTORTIONS", {kind: demo.DISTORTIONS[kind] for kind in kinds})
    return DataOptions(dataset="demo", data_root=tmp_path / "few")


def test_size_and_words(table: PairTable) -> None:
    assert (len(table), len(table.references)) == (350, 10)
    assert (demo.INFO.pairs, demo.INFO.references) == (350, 10)
    assert table.simulated
    assert "simulated" in table.label
    assert len({(pair.reference_id, pair.distortion, pair.level) for pair in table.pairs}) == 350
    assert {pair.level for pair in table.pairs} == {1, 2, 3, 4, 5}
    assert table.label_sha256 == demo.parameters_sha256()


def images_of(table: PairTable) -> dict[Path, NDArray[np.float64]]:
    paths = {path for pair in table.pairs for path in (pair.reference, pair.distorted)}
    return {path: np.asarray(Image.open(path), float) for path in paths}


def test_images_are_of_one_size_which_enlarges_no_photograph(table: PairTable) -> None:
    assert {image.shape for image in images_of(table).values()} == {(288, 384, 3)}
    for photograph in demo.PHOTOGRAPHS:
        with as_file(files(photograph.package) / photograph.file) as path, Image.open(path) as image:
            assert min(image.width / 384, image.height / 288) >= 1, photograph.name


def test_damage_grows_with_the_level(table: PairTable) -> None:
    """Every distortion really does more harm at every level, on every reference."""
    images = images_of(table)
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


def test_scores_are_means_of_simulated_opinions_and_say_how_far_these_spread(table: PairTable) -> None:
    opinions = demo.simulated_opinions()
    assert opinions.shape == (10, 7, 5, 30)
    assert set(np.unique(opinions)) == {1, 2, 3, 4, 5}
    np.testing.assert_allclose(table.quality, opinions.mean(axis=-1).ravel(), rtol=1e-12)
    spread = np.array([pair.score_std for pair in table.pairs], float)
    np.testing.assert_allclose(spread, opinions.std(axis=-1, ddof=1).ravel(), rtol=1e-12)
    levels = [pair.level for pair in table.pairs]
    assert -0.95 < spearmanr(table.quality, levels).statistic < -0.7  # by level, but not by level alone


@pytest.mark.parametrize("number", range(7))
def test_scores_fall_along_the_curve_of_their_distortion(number: int) -> None:
    """In the mean over references, within what observers and 10 references leave to chance."""
    kind = list(demo.DISTORTIONS.values())[number]
    worse = [(amount / kind.half) ** kind.slope for amount in kind.amounts]
    assert worse == sorted(worse)
    quality = [1 + 4 / (1 + each) for each in worse]
    scores = demo.simulated_opinions().mean(axis=(0, 3))[number]
    # whole steps from 1 to 5 pull the ends of the scale inwards
    assert np.abs(scores - quality).max() < 0.45
    assert spearmanr(scores, kind.amounts).statistic * np.sign(kind.slope) <= -0.85


def test_busy_references_hide_noise_and_the_busyness_is_that_of_the_images(table: PairTable) -> None:
    paths = {pair.reference_id: pair.reference for pair in table.pairs}
    for photograph in demo.PHOTOGRAPHS:
        luma = np.asarray(Image.open(paths[photograph.name]).convert("L"), float)
        variance = uniform_filter(luma**2, 7) - uniform_filter(luma, 7) ** 2
        assert np.sqrt(np.maximum(variance, 0)).mean() == pytest.approx(photograph.contrast, abs=0.1)
    contrast = [photograph.contrast for photograph in demo.PHOTOGRAPHS]
    masked = [kind.masking > 0.5 for kind in demo.DISTORTIONS.values()]
    shown = demo.simulated_opinions().mean(axis=(2, 3))[:, masked].mean(axis=1)
    assert spearmanr(shown, contrast).statistic > 0.6


def test_complete_images_are_reused_and_lost_ones_made_again(few: DataOptions) -> None:
    pairs = load_pairs(few).pairs
    before = {pair.distorted: pair.distorted.stat().st_mtime_ns for pair in pairs}
    load_pairs(few)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    lost, emptied = pairs[3].distorted, pairs[8].distorted
    content = lost.read_bytes()
    lost.unlink()
    emptied.write_bytes(b"")
    load_pairs(few)
    assert lost.read_bytes() == content
    assert emptied.stat().st_size > 0
    again = {path for path in before if path.stat().st_mtime_ns != before[path]}
    assert again == {lost, emptied}  # the others stay as they are
    assert [path.name for path in lost.parents[1].iterdir()] == [lost.parent.name]  # no working folder stays


def test_images_that_are_not_as_they_were_made_are_made_again(few: DataOptions) -> None:
    table = load_pairs(few)
    content = {pair.distorted: pair.distorted.read_bytes() for pair in table.pairs}
    first, second, third, *_ = content
    flipped = bytearray(content[third])
    flipped[len(flipped) // 2] ^= 4
    made = first.parent / demo.MADE
    for harmed in ({first: content[second], third: bytes(flipped)}, {made: b"{}", second: content[first]}):
        for path, data in harmed.items():
            path.write_bytes(data)
        assert load_pairs(few) == table
        assert {path: path.read_bytes() for path in content} == content


def test_two_at_once_make_the_same_images_as_anywhere_else(few: DataOptions, tmp_path: Path) -> None:
    table = load_pairs(few)
    elsewhere = few.model_copy(update={"data_root": tmp_path / "elsewhere"})
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(load_pairs, [elsewhere] * 2))
    assert both[0] == both[1]
    assert [pair.quality for pair in both[0].pairs] == [pair.quality for pair in table.pairs]
    for here, there in zip(both[0].pairs, table.pairs, strict=True):
        assert here.distorted.read_bytes() == there.distorted.read_bytes()


def test_without_a_root_it_goes_to_the_users_cache(
    table: PairTable, demo_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_cache_folder", lambda: demo_root)
    monkeypatch.setenv("IQATUNE_DATA", str(demo_root / "elsewhere"))
    assert load_pairs(DataOptions(dataset="demo")) == table
    assert load_pairs(DataOptions(dataset="demo", exclude=("jpeg",))).excluded == ("distortion jpeg (50 pairs)",)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="data_root"):
        load_pairs(DataOptions(dataset="demo", data_root=tmp_path / "file"))


def test_the_room_needs_no_heavy_library() -> None:
    heavy = "{'torch', 'ray', 'scipy', 'openpyxl', 'skimage', 'sklearn', 'matplotlib'}"
    code = f"import sys, iqatune.datasets; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
