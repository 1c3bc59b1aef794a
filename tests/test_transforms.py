"""Pictures changed on purpose: what each transform does, and that pairs seen through one are pairs of such files."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve1d

from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.images import read_rgb
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.scoring.measured import read_pair
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import Prepared, prepare_pairs
from iqatune.transforms import read_transformed, transform_of

EVERY = ("side:20", "jpeg:30", "blur:1.5", "noise:0.1", "shift:1", "crop:3,5,48,40")


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    y, x = np.mgrid[:60, :80]
    waves = [127 + 100 * np.sin(x / (5 + k)) * np.cos(y / (7 - k)) for k in range(3)]
    noise = np.random.default_rng(0).normal(0, 10, (60, 80, 3))
    return np.clip(np.dstack(waves) + noise, 0, 255).astype(np.uint8)


def test_each_does_what_it_says(picture: NDArray[np.uint8]) -> None:
    image = Image.fromarray(picture)
    small = image.resize((26, 20), Image.Resampling.BILINEAR).resize((80, 60), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(transform_of("side:20")(picture), np.array(small))
    np.testing.assert_array_equal(transform_of("side:60")(picture), picture)

    stored = io.BytesIO()
    image.save(stored, format="JPEG", quality=30, subsampling="4:2:0")
    np.testing.assert_array_equal(transform_of("jpeg:30")(picture), np.array(Image.open(stored)))

    kernel = np.exp(-(np.arange(-6, 7) ** 2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    expected = picture.astype(float)
    for axis in (0, 1):
        expected = convolve1d(expected, kernel, axis=axis, mode="nearest")
    np.testing.assert_allclose(transform_of("blur:1.5")(picture), expected, atol=0.51)

    noise = transform_of("noise:0.1")(picture).astype(float) - picture
    inside = (picture > 80) & (picture < 175)  # nothing is clipped there
    assert noise[inside].std() == pytest.approx(25.5, rel=0.05)
    assert abs(noise[inside].mean()) < 1

    shifted = transform_of("shift:2")(picture)
    np.testing.assert_array_equal(shifted[:, 2:], picture[:, :-2])
    np.testing.assert_array_equal(shifted[:, :2], picture[:, [0, 0]])
    np.testing.assert_array_equal(transform_of("shift:-1")(picture)[:, :-1], picture[:, 1:])
    np.testing.assert_array_equal(transform_of("crop:3,5,48,40")(picture), picture[5:45, 3:51])
    np.testing.assert_array_equal(transform_of("")(picture), picture)


def test_noise_is_the_pictures_own(picture: NDArray[np.uint8]) -> None:
    noisy = transform_of("noise:0.2")
    np.testing.assert_array_equal(noisy(picture), noisy(picture.copy()))
    other = picture.copy()
    other[0, 0, 0] ^= 1
    assert (noisy(other) != noisy(picture)).mean() > 0.5


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        ("jpg:30", "did you mean 'jpeg'"),
        ("jpeg", "quality from 1 to 100"),
        ("jpeg:0", "quality from 1 to 100"),
        ("jpeg:30,4", "quality from 1 to 100"),
        ("jpeg:inf", "quality from 1 to 100"),
        ("blur:0", "sigma above 0"),
        ("noise:nan", "sigma above 0"),
        ("side:1.5", "short side in pixels"),
        ("shift:half", "whole number"),
        ("crop:0,0,64", "corner and the size"),
    ],
)
def test_what_is_no_transform_is_refused(transform: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        transform_of(transform)


def test_a_crop_beyond_the_picture_names_the_file(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    Image.fromarray(picture).save(tmp_path / "x.png")
    with pytest.raises(InputError, match=r"x\.png: 64x64 at 40, 0 is not inside its 80x60 pixels"):
        read_transformed(tmp_path / "x.png", "crop:40,0,64,64")


def _table(folder: Path, pictures: dict[str, NDArray[np.uint8]]) -> PairTable:
    """Every picture beside the first, as files."""
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    first, *others = (folder / f"{name}.png" for name in pictures)
    pairs = [
        Pair(first, other, first.name, "changed", level=None, score=float(row), quality=float(row))
        for row, other in enumerate(others)
    ]
    return PairTable("tried", tuple(pairs), "none", "0" * 64, better="higher")


def _prepared(table: PairTable, cache: Path) -> Prepared:
    backbone = BackboneOptions(backbone="squeezenet", backbone_weights="random", resize=48, device="cpu")
    return prepare_pairs(table, backbone, cache=Cache(cache), progress=Progress())


@pytest.mark.parametrize("transform", EVERY)
def test_pairs_seen_through_a_transform_are_pairs_of_such_files(
    transform: str, picture: NDArray[np.uint8], tmp_path: Path
) -> None:
    versions = {"whole": picture, "dark": picture // 2, "flat": picture // 4 + 90}
    change = transform_of(transform)
    (tmp_path / "plain").mkdir()
    (tmp_path / "changed").mkdir()
    plain = _table(tmp_path / "plain", versions)
    files = _table(tmp_path / "changed", {name: change(version) for name, version in versions.items()})
    seen = [replace(pair, reference_transform=transform, distorted_transform=transform) for pair in plain.pairs]
    both = _prepared(replace(plain, pairs=tuple(seen)), tmp_path / "cache")
    np.testing.assert_array_equal(both.moments, _prepared(files, tmp_path / "other").moments)
    for pair, of_files in zip(seen, files.pairs, strict=True):
        for one, other in zip(read_pair(pair, 48), read_pair(of_files, 48), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_cache_keeps_what_is_seen_through_transforms_apart(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    plain = _table(tmp_path, {"whole": picture, "dark": picture // 2})
    (pair,) = plain.pairs
    kinds = [
        pair,
        replace(pair, distorted_transform="jpeg:20"),
        replace(pair, reference_transform="jpeg:20"),
        replace(pair, reference_transform="jpeg:20", distorted_transform="jpeg:20"),
        replace(pair, distorted=pair.reference, distorted_transform="blur:2"),
    ]
    cache = tmp_path / "cache"
    apart = [_prepared(replace(plain, pairs=(kind,)), cache) for kind in kinds]
    assert [prepared.computed for prepared in apart] == [1] * len(kinds)
    assert len({np.asarray(prepared.moments).tobytes() for prepared in apart}) == len(kinds)
    assert len({prepared.protocol.dataset_sha256 for prepared in apart}) == len(kinds)
    together = _prepared(replace(plain, pairs=tuple(kinds[::-1])), cache)
    assert together.computed == 0
    np.testing.assert_array_equal(np.asarray(together.moments)[::-1], np.concatenate([each.moments for each in apart]))
    # one table of all of them is measured as each by itself
    anew = _prepared(replace(plain, pairs=tuple(kinds)), tmp_path / "new")
    assert anew.computed == len(kinds)
    np.testing.assert_allclose(anew.moments, np.asarray(together.moments)[::-1], rtol=2e-5, atol=1e-6)


def test_no_transform_leaves_the_file_as_it_is(picture: NDArray[np.uint8], tmp_path: Path) -> None:
    Image.fromarray(picture).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_transformed(tmp_path / "x.png", "", 48), read_rgb(tmp_path / "x.png", 48))
