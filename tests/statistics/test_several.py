"""Several backbones in one pass: each image decoded and hashed once, and the very numbers of each by itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import iqatune as package
from iqatune.runtime.files import sha256_of_file
from iqatune.statistics import digests
from iqatune.statistics import extract as extraction
from iqatune.transforms import read_transformed

BACKBONES = ("squeezenet", "alexnet")
OPTIONS = ("--backbone-weights", "random", "--device", "cpu", "--resize", 80)


def _moments(small_set: Any, cache: Path, backbone: str) -> Any:
    return package.prepare(
        "csv",
        backbone,
        pairs=small_set.labels,
        better="higher",
        backbone_weights="random",
        resize=80,
        device="cpu",
        cache_dir=cache,
        progress="none",
    ).moments


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names of the files that are decoded and hashed."""
    found: dict[str, list[str]] = {"decoded": [], "hashed": []}
    read, sha256 = read_transformed, sha256_of_file

    def reading(path: Path, transform: str, resize: int | None) -> Any:
        found["decoded"].append(path.name)
        return read(path, transform, resize)

    def hashing(path: Path) -> str:
        found["hashed"].append(path.name)
        return sha256(path)

    monkeypatch.setattr(extraction, "read_transformed", reading)
    monkeypatch.setattr(digests, "sha256_of_file", hashing)
    return found


def test_each_image_is_decoded_and_hashed_once(
    iqatune: Callable[..., Any], small_set: Any, tmp_path: Path, opened: dict[str, list[str]]
) -> None:
    asked = [text for name in BACKBONES for text in ("--backbone", name)]
    together = ("extract", *small_set.options, *asked, *OPTIONS, "--cache-dir", tmp_path / "all", "--json")
    ran = iqatune(*together)
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert document["schema"] == "iqatune.extractions/1"
    assert [each["backbone"] for each in document["extractions"]] == list(BACKBONES)
    assert all(each["computed"] == each["pairs"] > 0 for each in document["extractions"])
    images = {path.name for path in small_set.folder.glob("*.png")}
    assert sorted(opened["decoded"]) == sorted(images)
    assert sorted(name for name in opened["hashed"] if name in images) == sorted(images)
    for name in BACKBONES:
        alone = _moments(small_set, tmp_path / name, name)
        np.testing.assert_array_equal(_moments(small_set, tmp_path / "all", name), alone)
    again = json.loads(iqatune(*together).out)
    assert [each["computed"] for each in again["extractions"]] == [0, 0]


def test_what_one_backbone_has_of_the_pairs_it_does_not_see_again(
    iqatune: Callable[..., Any], small_set: Any, tmp_path: Path
) -> None:
    some = tmp_path / "some.csv"
    header, *rows = small_set.labels.read_text().splitlines()
    some.write_text("\n".join([header, *rows[::3]]) + "\n")
    some_options = ("--dataset", "csv", "--pairs", some, "--better", "higher", "--data-root", small_set.folder)
    cache = ("--cache-dir", tmp_path / "all", "--json")
    first = iqatune("extract", *some_options, "--backbone", "alexnet", *OPTIONS, *cache)
    assert first.code == 0, first.err
    part = json.loads(first.out)["computed"]
    ran = iqatune("extract", *small_set.options, "--backbone", "squeezenet", "--backbone", "alexnet", *OPTIONS, *cache)
    squeezenet, alexnet = json.loads(ran.out)["extractions"]
    assert (squeezenet["computed"], alexnet["computed"]) == (len(rows), len(rows) - part)
    for name in BACKBONES:
        alone = _moments(small_set, tmp_path / name, name)
        np.testing.assert_allclose(_moments(small_set, tmp_path / "all", name), alone, rtol=2e-5, atol=1e-6)


def test_images_of_several_sizes(iqatune: Callable[..., Any], tmp_path: Path) -> None:
    """Batches hold images of one size: each backbone ends its own where the size changes."""
    rng = np.random.default_rng(0)
    rows = ["reference,distorted,score"]
    for number, size in enumerate(((90, 70), (70, 90), (96, 96))):
        for version in range(4):
            noise = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / f"{number}-{version}.png")
        rows += [f"{number}-0.png,{number}-{version}.png,{version}" for version in (1, 2, 3)]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("\n".join(rows) + "\n")
    data = ("--dataset", "csv", "--pairs", pairs, "--better", "lower")
    shared = ("--backbone", "squeezenet", "--backbone", "alexnet", *OPTIONS)
    ran = iqatune("extract", *data, *shared, "--cache-dir", tmp_path / "all")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0].endswith("9 computed, 0 from the cache")
    assert ran.out.splitlines()[2].endswith("s in all")


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (("random", "pretrained"), "give one, or NAME=FILE for each backbone"),
        (("squeezenet=random", "squeezenet=pretrained"), "is given twice for squeezenet"),
        (("random", "alexnet=none.pth"), "none.pth"),
    ],
)
def test_parameters_of_each(
    iqatune: Callable[..., Any], small_set: Any, tmp_path: Path, weights: tuple[str, ...], said: str
) -> None:
    given = [text for each in weights for text in ("--backbone-weights", each)]
    shared = ("--backbone", "squeezenet", "--backbone", "alexnet", *given, "--cache-dir", tmp_path)
    ran = iqatune("extract", *small_set.options, *shared, "--quiet")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert not list(tmp_path.rglob("*.safetensors"))


def test_an_unknown_backbone_is_told_before_parameters_are_downloaded(
    iqatune: Callable[..., Any], small_set: Any, tmp_path: Path
) -> None:
    shared = ("--backbone", "vgg16", "--backbone", "vgg99", "--cache-dir", tmp_path)
    ran = iqatune("extract", *small_set.options, *shared, "--quiet")
    assert (ran.code, ran.out) == (2, "")
    assert "--backbone vgg99" in ran.err
    assert "download" not in ran.err.lower()


def test_a_sweep_decodes_once_and_fails_only_where_something_is_wrong(
    iqatune: Callable[..., Any], small_set: Any, tmp_path: Path, opened: dict[str, list[str]]
) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        f"dataset: csv\npairs: {small_set.labels}\nbetter: higher\nbackbone: [squeezenet, alexnet]\n"
        "backbone_weights: random\nsearcher: random\nsamples: 2\nfolds: 0\nresize: 80\ndevice: cpu\n"
    )
    ran = iqatune("sweep", grid, "--output", tmp_path / "runs", "--cache-dir", tmp_path / "cache", "--jobs", 1)
    assert ran.code == 0, ran.err
    assert len(opened["decoded"]) == len(set(opened["decoded"])) > 0
