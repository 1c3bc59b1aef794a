"""Extraction: figures, the store, and every way in which files can be wrong."""

import copy
import itertools
import json
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iqatune.backbones.network import Backbone, build_backbone
from iqatune.cli.progress import Console, WarningsOnly
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.images import read_rgb
from iqatune.metric.weights import uniform_weights
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.records.vocabulary import Precision
from iqatune.statistics import extract as extraction
from iqatune.statistics import fused_cpu
from iqatune.statistics.cache import Cache, ReferenceGroup, settings_of
from iqatune.statistics.distances import distances
from iqatune.statistics.extract import Statistics, extract
from iqatune.transforms import read_transformed

MakeTable = Callable[..., PairTable]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return build_backbone("squeezenet", "random")


@pytest.fixture
def make_table(tmp_path: Path) -> MakeTable:
    """A table of noisy versions of small smooth images; the first "distorted" image is a copy of its reference."""

    def make(references: int = 2, distorted: int = 6, size: tuple[int, int] = (72, 64), seed: int = 0) -> PairTable:
        rng = np.random.default_rng(seed)
        pairs = []
        for r in range(references):
            coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8))
            base = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))
            reference = tmp_path / f"r{r}.png"
            Image.fromarray(base).save(reference)
            for d in range(distorted):
                noisy = np.clip(base + rng.normal(0, 12 * d, base.shape), 0, 255).astype(np.uint8)
                path = tmp_path / f"r{r}d{d}.png"
                Image.fromarray(noisy).save(path)
                pairs.append(Pair(reference, path, f"r{r}", "noise", level=d, score=float(d), quality=-float(d)))
        # not in the order of the references: rows must find their way back
        return PairTable("csv", tuple(pairs[::-1]), "labels.csv", "", better="lower")

    return make


def _extract(
    table: PairTable,
    backbone: Backbone,
    cache: Path,
    *,
    resize: int | None = 256,
    precision: Precision = "fp32",
    progress: Progress | None = None,
) -> Statistics:
    progress = progress or WarningsOnly()
    options = BackboneOptions(backbone="squeezenet", resize=resize, precision=precision)
    lookup = Cache(cache).lookup(table, settings_of(backbone.identity, options), progress)
    device = torch.device("cpu")
    return extract(lookup, backbone, device, resize=resize, precision=precision, progress=progress)


@pytest.mark.parametrize(
    ("precision", "capabilities", "warned"),
    [
        ("bf16", {"avx512_fp16": True, "avx512_bf16": False}, True),
        ("bf16", {"avx512_bf16": True}, False),
        ("fp16", {"avx512_bf16": True}, True),
        ("fp16", {"fp16_arith": True}, False),
        ("fp32", {}, False),
    ],
)
def test_a_precision_that_takes_longer_than_fp32_is_warned_about(
    make_table: MakeTable,
    backbone: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    precision: Precision,
    capabilities: dict[str, bool],
    warned: bool,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    table = make_table(references=1, distorted=1)
    for _ in range(2):  # the second time the store has it
        _extract(table, backbone, tmp_path, precision=precision)
    assert capsys.readouterr().err.count(f"no instructions for {precision}") == warned


def test_figures_are_those_of_float64(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    table = make_table()
    found = _extract(table, backbone, tmp_path / "cache")
    assert found.moments.shape == (12, 5, sum(backbone.channels))
    assert found.computed == 12
    exact = copy.deepcopy(backbone).double()
    for row in (0, 5, 11):
        x, y = (_maps(exact, path) for path in (table.pairs[row].reference, table.pairs[row].distorted))
        centred = [[maps - maps.mean(1, keepdims=True) for maps in stages] for stages in (x, y)]
        deviations = np.concatenate([a.std(1) * b.std(1) for a, b in zip(x, y, strict=True)])
        covariance = np.concatenate([(a * b).mean(1) for a, b in zip(*centred, strict=True)])
        # the network itself rounds in float32: the moments of given maps are held to 1e-5 in test_moments.py
        means = [np.concatenate([maps.mean(1) for maps in stages]) for stages in (x, y)]
        variances = [np.concatenate([maps.var(1) for maps in stages]) for stages in (x, y)]
        np.testing.assert_allclose(np.asarray(found.moments)[row, :4], [*means, *variances], rtol=1e-3, atol=1e-5)
        assert np.all(np.abs(np.asarray(found.moments)[row, 4] - covariance) <= 1e-3 * deviations + 1e-5)


def _maps(backbone: Backbone, path: Path) -> list[np.ndarray]:
    image = torch.from_numpy(read_rgb(path)).permute(2, 0, 1)[None].double() / 255
    with torch.inference_mode():
        return [maps.numpy()[0].reshape(maps.shape[1], -1) for maps in backbone(image)]


@pytest.mark.parametrize("name", ["squeezenet", "resnet50"])
def test_identical_files_are_at_distance_zero(name: str, make_table: MakeTable, tmp_path: Path) -> None:
    # 7 distorted images do not fill whole batches: kernels that round by batch size would show here
    table = make_table(references=1, distorted=7)
    copy = build_backbone(name, "random")
    found = _extract(table, copy, tmp_path / "cache")
    measured = distances(found.moments, uniform_weights(copy.channels))
    identical = [pair.level == 0 for pair in table.pairs]
    np.testing.assert_allclose(measured[identical], 0, atol=1e-6)
    assert np.all(measured[np.logical_not(identical)] > 1e-4)


def test_flat_black_and_noise_are_like_themselves(backbone: Backbone, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = {
        "flat": np.full((64, 64, 3), 130, np.uint8),
        "black": np.zeros((64, 64, 3), np.uint8),
        "noise": rng.integers(0, 256, (64, 64, 3)).astype(np.uint8),
    }
    pairs = []
    for name, image in images.items():
        for role in ("reference", "distorted"):
            Image.fromarray(image).save(tmp_path / f"{name}-{role}.png")
        pairs.append(
            Pair(
                tmp_path / f"{name}-reference.png",
                tmp_path / f"{name}-distorted.png",
                name,
                "none",
                level=None,
                score=0,
                quality=0,
            )
        )
    table = PairTable("csv", tuple(pairs), "labels.csv", "", better="lower")
    found = _extract(table, backbone, tmp_path / "cache")
    np.testing.assert_allclose(distances(found.moments, uniform_weights(backbone.channels)), 0, atol=1e-6)


def test_a_second_extraction_runs_no_cnn(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    table = make_table()
    first = _extract(table, backbone, tmp_path / "cache")
    second = _extract(table, _Untouchable(backbone), tmp_path / "cache")  # type: ignore[arg-type]
    assert second.computed == 0
    np.testing.assert_array_equal(first.moments, second.moments)


def test_what_changes_the_figures_is_another_file(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    table = make_table()
    _extract(table, backbone, tmp_path / "cache")
    assert _extract(table, backbone, tmp_path / "cache", resize=48).computed == 12
    assert _extract(table, build_backbone("squeezenet", "random", seed=1), tmp_path / "cache").computed == 12
    assert _extract(table, build_backbone("squeezenet", "random", "l2"), tmp_path / "cache").computed == 12
    Image.fromarray(np.full((64, 72, 3), 9, np.uint8)).save(table.pairs[0].distorted)
    assert _extract(table, backbone, tmp_path / "cache").computed == 1  # its own pair
    assert _extract(table, backbone, tmp_path / "cache").computed == 0


def test_flipped_bits_are_found_and_computed_again(
    make_table: MakeTable, backbone: Backbone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = make_table()
    first = _extract(table, backbone, tmp_path / "cache")
    kept = sorted((tmp_path / "cache" / "statistics").rglob("*.safetensors"))
    assert len(kept) == 2
    damaged = bytearray(kept[0].read_bytes())
    damaged[-100] ^= 0b100
    kept[0].write_bytes(damaged)
    kept[1].write_bytes(kept[1].read_bytes()[:50])
    second = _extract(table, backbone, tmp_path / "cache")
    assert second.computed == 12
    assert capsys.readouterr().err.count("damaged cache file, computed again") == 2
    np.testing.assert_array_equal(first.moments, second.moments)


def test_a_damaged_memo_of_digests_is_told_and_made_anew(
    make_table: MakeTable, backbone: Backbone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = make_table()
    _extract(table, backbone, tmp_path / "cache")
    memo = tmp_path / "cache" / "digests.json"
    good = memo.read_text()
    # the last is as earlier releases wrote it
    for content in ("", "{", "[]", '{"a": 1}', "[" * 100_000, f'{{"{tmp_path}/r0.png": [1, 2, "{"0" * 64}"]}}'):
        memo.write_text(content)
        assert _extract(table, backbone, tmp_path / "cache").computed == 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"warning: damaged cache file, computed again: {memo}: ")
        assert memo.read_text() == good


def test_interrupted_extraction_resumes_at_the_next_reference(
    make_table: MakeTable, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_table(references=3)

    keep = ReferenceGroup.keep

    def stop_after_one(group: ReferenceGroup, moments: np.ndarray) -> None:
        keep(group, moments)
        raise KeyboardInterrupt

    monkeypatch.setattr(ReferenceGroup, "keep", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        _extract(table, backbone, tmp_path / "cache")
    monkeypatch.undo()
    resumed = _extract(table, backbone, tmp_path / "cache")
    assert resumed.computed == 12
    undisturbed = _extract(table, backbone, tmp_path / "other")
    np.testing.assert_array_equal(resumed.moments, undisturbed.moments)


def test_two_processes_may_fill_one_cache(small_set: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "iqatune", "extract", *small_set.options, "--backbone", "squeezenet"]
    command += ["--backbone-weights", "random", "--cache-dir", str(tmp_path / "cache"), "--json"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
    third = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(third.stdout)["computed"] == 0
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_every_image_passes_the_cnn_once(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    # 3 references of 6 distorted images are 21 images: batches run on from one group into the next
    counting = _Counting(backbone)
    _extract(make_table(references=3), counting, tmp_path / "cache")  # type: ignore[arg-type]
    batch = extraction.BATCH
    assert counting.batches == [batch] * -(-21 // batch)


def test_float32_is_never_less(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    # TF32 is what torch has convolutions compute in on a GPU unless it is told otherwise, here or anywhere
    seen: list[bool] = []

    class Watching(_Counting):
        def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
            seen.append(torch.backends.cudnn.allow_tf32)
            return super().__call__(images)

    before = torch.backends.cudnn.allow_tf32
    _extract(make_table(), Watching(backbone), tmp_path / "cache")  # type: ignore[arg-type]
    assert set(seen) == {False}
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_group_is_fetched_when_the_next_batch_is_under_way(
    make_table: MakeTable, backbone: Backbone, tmp_path: Path
) -> None:
    settings = settings_of(backbone.identity, BackboneOptions(backbone="squeezenet"))
    lookup = Cache(tmp_path).lookup(make_table(references=3, distorted=7), settings, Progress())
    counting = _Counting(backbone)
    device = torch.device("cpu")
    stream: extraction.Stream[ReferenceGroup] = extraction.Stream(counting, device, fused_cpu)  # type: ignore[arg-type]
    images = (
        extraction.GroupImage(group, row, pixels)
        for file, pixels in extraction.decoded(extraction.files_of([lookup.missing]), 256, device)
        for _, group, row in file.wanted_by
    )
    passed = [(group.place, len(counting.batches), moments.shape[0]) for group, moments in stream.moments(images)]
    # 8 images a group are two batches of 4; after the last there is none to wait for
    assert passed == [(group.place, min(2 * turn + 3, 6), 7) for turn, group in enumerate(lookup.missing)]


def test_all_groups_go_through_one_stream(
    make_table: MakeTable, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams: list[extraction.Stream[Any]] = []

    class Counted(extraction.Stream[Any]):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            streams.append(self)

    monkeypatch.setattr(extraction, "Stream", Counted)
    # more images than are decoded ahead: groups end while later ones are still to be read
    found = _extract(make_table(references=12, distorted=4), backbone, tmp_path / "cache")
    assert found.computed == 48
    assert len(streams) == 1


def test_low_precision_leaves_the_backbone_and_its_other_statistics_alone(
    make_table: MakeTable, backbone: Backbone, tmp_path: Path
) -> None:
    table = make_table(references=1)
    _extract(table, backbone, tmp_path / "cache", precision="bf16")
    found = _extract(table, backbone, tmp_path / "cache")
    exact = _extract(table, build_backbone("squeezenet", "random"), tmp_path / "other")
    np.testing.assert_array_equal(found.moments, exact.moments)


def test_figures_that_are_not_finite_are_refused_and_not_kept(make_table: MakeTable, tmp_path: Path) -> None:
    table = make_table(references=1)
    loud = build_backbone("squeezenet", "random")
    next(loud.parameters()).data *= 1e6
    with pytest.raises(InputError, match=r"precision=fp16: squeezenet leaves the range .*; give precision=fp32"):
        _extract(table, loud, tmp_path / "cache", precision="fp16")
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    _extract(table, loud, tmp_path / "cache")


def test_a_device_that_fails_is_not_taken_for_an_image_too_small(backbone: Backbone) -> None:
    def full(images: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("no memory")

    broken = copy.deepcopy(backbone)
    broken.__dict__.pop("minimum_size", None)
    broken._network.forward = full
    with pytest.raises(torch.OutOfMemoryError):
        _ = broken.minimum_size
    with pytest.raises(torch.OutOfMemoryError):
        broken(torch.rand(1, 3, 64, 64))


def test_reading_many_images_is_told(
    make_table: MakeTable,
    backbone: Backbone,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("iqatune.cli.progress.LINE_EVERY_S", 0)
    table = make_table(references=2)
    for is_new in (True, False):
        _extract(table, backbone, tmp_path / "cache", progress=Console())
        assert ("reading: 14/14, " in capsys.readouterr().err) is is_new


@pytest.mark.parametrize("name", ["digests.json", "backbones.json"])
def test_a_memo_that_cannot_be_read_is_named(name: str, small_set: Any, iqatune: Callable[..., Any]) -> None:
    Path("cache", name).mkdir(parents=True)
    options = ("--backbone", "squeezenet", "--backbone-weights", "random", "--cache-dir", "cache")
    ran = iqatune("extract", *small_set.options, *options)
    assert ran.code == 2
    assert f"cache/{name}: cannot be read" in ran.last_line
    assert "--cache-dir" in ran.last_line


def test_references_of_other_sizes_do_not_share_a_batch(backbone: Backbone, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pairs = []
    for number, size in enumerate([(64, 72), (72, 64), (72, 64)]):
        for name in ("x", "y"):
            Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(tmp_path / f"{name}{number}.png")
        pairs.append(
            Pair(
                tmp_path / f"x{number}.png",
                tmp_path / f"y{number}.png",
                str(number),
                "noise",
                level=1,
                score=0,
                quality=0,
            )
        )
    together = _extract(PairTable("csv", tuple(pairs), "", "", better="lower"), backbone, tmp_path / "cache")
    for row, pair in enumerate(pairs):
        alone = _extract(PairTable("csv", (pair,), "", "", better="lower"), backbone, tmp_path / f"cache{row}")
        np.testing.assert_allclose(
            np.asarray(together.moments)[row], np.asarray(alone.moments)[0], rtol=1e-5, atol=1e-6
        )


def test_memory_does_not_grow_with_the_pairs(
    make_table: MakeTable, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: set[int] = set()
    most = 0
    numbers = itertools.count(1)  # images are read by several threads

    def counted(path: Path, transform: str, resize: int | None) -> np.ndarray:
        nonlocal most
        image = read_transformed(path, transform, resize)
        number = next(numbers)
        alive.add(number)
        weakref.finalize(image, alive.discard, number)
        most = max(most, len(alive))
        return image

    monkeypatch.setattr(extraction, "read_transformed", counted)
    _extract(make_table(references=4, distorted=30), backbone, tmp_path / "cache")
    assert next(numbers) == 4 * 31 + 1
    assert 0 < most <= extraction.AHEAD["cpu"] + 2 * extraction.BATCH


def test_out_of_memory_loses_no_pair(
    make_table: MakeTable, backbone: Backbone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = make_table(references=3)
    tight = _Counting(backbone, largest=2)
    found = _extract(table, tight, tmp_path / "cache")  # type: ignore[arg-type]
    assert "out of memory; going on with batches of 2" in capsys.readouterr().err
    assert set(tight.batches) == {extraction.BATCH, 2}
    undisturbed = _extract(table, backbone, tmp_path / "other")
    np.testing.assert_allclose(found.moments, undisturbed.moments, rtol=1e-4, atol=1e-6)
    identical = [pair.level == 0 for pair in table.pairs]
    np.testing.assert_allclose(distances(found.moments, uniform_weights(backbone.channels))[identical], 0, atol=1e-6)


def test_too_little_memory_for_one_image_is_told(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too little free memory for one image"):
        _extract(make_table(), _Counting(backbone, largest=0), tmp_path / "cache")  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_is_near_and_exact_where_it_must_be(
    precision: Precision, make_table: MakeTable, backbone: Backbone, tmp_path: Path
) -> None:
    table = make_table(references=1, distorted=4)
    exact = _extract(table, backbone, tmp_path / "cache")
    low = _extract(table, copy.deepcopy(backbone), tmp_path / "cache", precision=precision)
    assert np.asarray(low.moments).dtype == np.float32
    np.testing.assert_allclose(
        np.asarray(low.moments)[:, :, :3], np.asarray(exact.moments)[:, :, :3], rtol=1e-6
    )  # the image itself
    weights = uniform_weights(backbone.channels)
    near = distances(low.moments, weights)
    np.testing.assert_allclose(near, distances(exact.moments, weights), rtol=0.02, atol=1e-6)
    np.testing.assert_allclose(near[[pair.level == 0 for pair in table.pairs]], 0, atol=1e-6)


def test_sizes_that_differ_are_named(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    table = make_table()
    Image.new("RGB", (64, 64)).save(table.pairs[3].distorted)
    with pytest.raises(InputError, match=rf"{table.pairs[3].distorted.name}: 64x64 differs .* \(72x64\)"):
        _extract(table, backbone, tmp_path / "cache")


def test_a_truncated_image_is_named(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    table = make_table()
    path = table.pairs[2].distorted
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=path.name):
        _extract(table, backbone, tmp_path / "cache")


def test_too_small_an_image_is_named(make_table: MakeTable, backbone: Backbone, tmp_path: Path) -> None:
    table = make_table(size=(8, 8))
    with pytest.raises(InputError, match=r"squeezenet: images of .* too small, it needs 17 x 17"):
        _extract(table, backbone, tmp_path / "cache")


class _Untouchable:
    """A backbone that must not be run: it has what decides the figures, and nothing that computes them."""

    def __init__(self, backbone: Backbone) -> None:
        self.identity, self.channels = backbone.identity, backbone.channels


class _Counting:
    """A backbone that notes the size of every batch, and has no memory for more than `largest` images."""

    def __init__(self, backbone: Backbone, largest: int = 100) -> None:
        self._backbone, self._largest = backbone, largest
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._backbone, name)

    def placed(self, device: torch.device, dtype: torch.dtype) -> "_Counting":
        self._backbone = self._backbone.placed(device, dtype)
        return self

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        self.batches.append(len(images))
        if len(images) > self._largest:
            raise torch.OutOfMemoryError("no memory")
        stages: list[torch.Tensor] = self._backbone(images)
        return stages
