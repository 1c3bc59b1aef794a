"""Extraction by several tasks at once; the GPUs are made up, the CNN runs on the CPU."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from iqatune.backbones.devices import gpu_count
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.cli.progress import Console
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions, DataOptions
from iqatune.runtime.cluster import cluster
from iqatune.statistics.cache import Cache, Lookup, settings_of
from iqatune.statistics.extract import Statistics, extract
from iqatune.statistics.multi_gpu import fill_store

FEATURES = BackboneOptions(backbone="squeezenet", backbone_weights="random", resize=None)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return build_backbone("squeezenet", "random")


@pytest.fixture(scope="module")
def two_gpus() -> Iterator[None]:
    """A Ray that believes in two GPUs, for all of these tests."""
    with cluster(None, 2, gpus=2):
        yield


@pytest.fixture
def table(small_set: Any) -> PairTable:
    return load_pairs(DataOptions(dataset="csv", pairs=str(small_set.labels), better="higher"))


@pytest.mark.usefixtures("two_gpus")
def test_shards_fill_the_store_with_what_one_device_computes(
    table: PairTable, backbone: Backbone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def looked_up(folder: str, table: PairTable = table) -> Lookup:
        return Cache(tmp_path / folder).lookup(table, settings_of(backbone.identity, FEATURES), Progress())

    def extracted(lookup: Lookup) -> Statistics:
        return extract(lookup, backbone, torch.device("cpu"), resize=None, progress=Progress())

    alone = extracted(looked_up("alone"))
    # a part of the references is there already, and one file of them is damaged
    first = replace(table, pairs=table.pairs[:16])
    extracted(looked_up("cache", first))
    damaged = next((tmp_path / "cache").rglob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"ruined it")

    lookup = looked_up("cache")
    assert lookup.missing_pairs == 48 - 8
    filled = fill_store(lookup, FEATURES, gpus=2, progress=Console(), device="cpu")
    assert filled.missing_pairs == 0
    told = capsys.readouterr().err
    assert "damaged cache file, computed again" in told
    assert "48/48" in told
    found = extracted(looked_up("cache"))
    assert found.computed == 0
    np.testing.assert_array_equal(found.moments, filled.values)
    # batches are filled otherwise, and convolutions round by what else is in a batch
    np.testing.assert_allclose(found.moments, alone.moments, rtol=1e-5, atol=1e-6)
    assert fill_store(looked_up("cache"), FEATURES, gpus=2, progress=Progress(), device="cpu").missing_pairs == 0


@pytest.mark.thorough
@pytest.mark.usefixtures("two_gpus")
def test_a_parameter_file_is_found_from_the_folder_of_the_command(
    table: PairTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the tasks' processes may have been started in another folder
    torch.save(torchvision.models.squeezenet1_1().state_dict(), tmp_path / "some.pth")
    monkeypatch.chdir(tmp_path)
    features = FEATURES.model_copy(update={"backbone_weights": "some.pth"})
    identity = build_backbone("squeezenet", "some.pth").identity
    lookup = Cache(Path("cache")).lookup(table, settings_of(identity, features), Progress())
    assert lookup.missing_pairs == 48
    assert fill_store(lookup, features, gpus=2, progress=Progress(), device="cpu").missing_pairs == 0


@pytest.mark.thorough
@pytest.mark.usefixtures("two_gpus")
def test_an_image_that_cannot_be_read_is_named(table: PairTable, backbone: Backbone, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(table.pairs[3].distorted.read_bytes()[:-40])
    pairs = (*table.pairs[:3], replace(table.pairs[3], distorted=broken), *table.pairs[4:])
    table = replace(table, pairs=pairs)
    lookup = Cache(tmp_path / "cache").lookup(table, settings_of(backbone.identity, FEATURES), Progress())
    with pytest.raises(InputError, match=r"broken\.png"):
        fill_store(lookup, FEATURES, gpus=2, progress=Progress(), device="cpu")


def test_only_a_device_without_a_number_stands_for_every_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [gpu_count(name) for name in ("auto", "cuda", "cuda:2", "cpu")] == [4, 4, 1, 0]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_count("auto") == 0
