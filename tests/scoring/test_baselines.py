"""Baselines on real images, against the scores that others published for the same files."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy.ndimage import convolve

from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.images import read_rgb
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.options import DataOptions
from iqatune.scoring.baselines import BASELINES, TooSmall, baseline_scores
from iqatune.statistics.cache import Cache


def measured_scores(name: str, table: PairTable, folder: Path, *, resize: int | None = None) -> Floats:
    where = Cache(folder)
    return baseline_scores(name, table, resize=resize, device="cpu", cache=where, progress=Progress()).scores


@pytest.fixture(scope="module")
def live(test_data: Path) -> tuple[PairTable, dict[str, list[float]]]:
    """Every eighth of the real LIVE images, and the published scores of these."""
    labels = test_data / "live_r2" / "labels.csv"
    table = load_pairs(DataOptions(dataset="csv", pairs=labels, better="lower"))
    pairs = table.pairs[::8]
    with (test_data / "live_r2" / "published_scores.csv").open(newline="") as file:
        rows = {row.pop("distorted"): row for row in csv.DictReader(file)}
    names = [pair.distorted.relative_to(labels.parent).as_posix() for pair in pairs]
    published = {name: [float(rows[image][name]) for image in names] for name in next(iter(rows.values()))}
    return PairTable("csv", pairs, table.label, table.label_sha256, better=table.better), published


def test_psnr_is_the_published_one(live: tuple[PairTable, dict[str, list[float]]], tmp_path: Path) -> None:
    table, published = live
    measured = measured_scores("psnr", table, tmp_path)
    np.testing.assert_allclose(measured, published["psnr"], atol=6e-4)


def test_fsim_is_the_published_one(live: tuple[PairTable, dict[str, list[float]]], tmp_path: Path) -> None:
    table, published = live
    measured = measured_scores("fsim", table, tmp_path)
    # published as half of one minus FSIMc
    np.testing.assert_allclose((1 - measured) / 2, published["one_minus_fsim"], atol=5e-4)


def test_ms_ssim_is_nearly_the_published_one(live: tuple[PairTable, dict[str, list[float]]], tmp_path: Path) -> None:
    table, published = live
    measured = measured_scores("ms-ssim", table, tmp_path)
    # published as half of one minus MS-SSIM, of another implementation: of luma, with other rounding and borders
    np.testing.assert_allclose((1 - measured) / 2, published["one_minus_msssim"], rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("name", ["psnr", "ssim", "vif"])
def test_quality_rises_with_every_baseline(small_table: PairTable, tmp_path: Path, name: str) -> None:
    scores = measured_scores(name, small_table, tmp_path)
    assert (np.diff(scores) < 0).all()


def test_scores_are_kept(small_table: PairTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import piq

    first = measured_scores("psnr", small_table, tmp_path)
    other = measured_scores("psnr", small_table, tmp_path, resize=100)

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(piq, "psnr", refuse)
    np.testing.assert_array_equal(measured_scores("psnr", small_table, tmp_path), first)
    np.testing.assert_array_equal(measured_scores("psnr", small_table, tmp_path, resize=100), other)
    assert (first != other).all()


def test_images_too_small_are_refused(small_table: PairTable, tmp_path: Path) -> None:
    with pytest.raises(TooSmall, match="192 x 144, and it takes 161 pixels"):
        measured_scores("ms-ssim", small_table, tmp_path)


def test_an_unknown_baseline_is_refused_with_a_suggestion(small_table: PairTable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ssim"):
        measured_scores("sssim", small_table, tmp_path)
    assert set(BASELINES.names()) >= {"psnr", "ssim", "ms-ssim", "fsim", "vif"}


@pytest.fixture(scope="module")
def small_table(tmp_path_factory: pytest.TempPathFactory, photographs: list[Path]) -> PairTable:
    """A photograph of 192x144 with noise of five strengths."""
    folder = tmp_path_factory.mktemp("noisy")
    rng = np.random.default_rng(3)
    with Image.open(photographs[0]) as image:
        values = np.asarray(ImageOps.fit(image.convert("RGB"), (192, 144)), np.float64)
    lines = ["reference,distorted,score"]
    for level, sigma in enumerate((0, 6, 12, 22, 36, 60)):
        noisy = (values + rng.normal(0, sigma, values.shape)).clip(0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{level}.png")
        lines += [f"0.png,{level}.png,{5 - level}"] if level else []
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return load_pairs(DataOptions(dataset="csv", pairs=str(folder / "labels.csv"), better="higher"))


def _float64(path: Path) -> torch.Tensor:
    return torch.from_numpy(read_rgb(path)).permute(2, 0, 1)[None].double() / 255


@pytest.mark.parametrize(
    ("name", "function", "sign"),
    [("vsi", "vsi", 1), ("haarpsi", "haarpsi", 1), ("mdsi", "mdsi", -1), ("gmsd", "gmsd", -1)],
)
def test_piq_says_the_same(small_table: PairTable, tmp_path: Path, name: str, function: str, sign: int) -> None:
    import piq

    table = PairTable("demo", small_table.pairs, "", "", better="higher")
    expected = [
        sign * float(getattr(piq, function)(_float64(pair.distorted), _float64(pair.reference), data_range=1.0))
        for pair in table.pairs
    ]
    np.testing.assert_allclose(measured_scores(name, table, tmp_path), expected, rtol=2e-4, atol=2e-5)


def test_gmsd_is_its_papers(small_table: PairTable, tmp_path: Path) -> None:
    """Xue et al. 2014, in NumPy: luma halved by 2 x 2 means, Prewitt gradients, the deviation of their similarity."""
    table = PairTable("demo", small_table.pairs, "", "", better="higher")

    def gradient(path: Path) -> NDArray[np.float64]:
        luma = read_rgb(path).astype(np.float64) @ [0.299, 0.587, 0.114]
        height, width = (side // 2 * 2 for side in luma.shape)
        halved = luma[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        kernel = np.array([[1, 0, -1]] * 3) / 3
        across, down = (convolve(halved, each, mode="constant") for each in (kernel, kernel.T))
        return np.asarray(np.hypot(across, down), np.float64)

    expected = []
    for pair in table.pairs:
        x, y = gradient(pair.reference), gradient(pair.distorted)
        expected.append(-np.std((2 * x * y + 170) / (x**2 + y**2 + 170)))
    np.testing.assert_allclose(measured_scores("gmsd", table, tmp_path), expected, rtol=5e-3)
