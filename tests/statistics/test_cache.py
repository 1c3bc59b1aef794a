"""The cache is looked up once: what is kept is read and check-summed a single time, whatever else is to be computed."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iqatune.datasets.registry import load_pairs
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions, DataOptions
from iqatune.statistics import store
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import prepare

BACKBONE = BackboneOptions(backbone="squeezenet", backbone_weights="random")


@pytest.fixture
def data(small_set: Any) -> DataOptions:
    return DataOptions(dataset="csv", pairs=small_set.labels, better="higher")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[Path]:
    """How often each file of the store is opened, and its content check-summed."""
    counts: Counter[Path] = Counter()
    summed = Counter[str]()
    opened, checksum = store._opened, store._checksum

    def counted(path: Path) -> Any:
        counts[path] += 1
        return opened(path)

    def counted_sum(key: str, values: store.Values) -> str:
        summed["sums"] += 1
        counts[Path("sums")] = summed["sums"]
        return checksum(key, values)

    monkeypatch.setattr(store, "_opened", counted)
    monkeypatch.setattr(store, "_checksum", counted_sum)
    return counts


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_warm_but_incomplete_run_reads_every_kept_group_once(
    data: DataOptions, device: str, read: Counter[Path], tmp_path: Path
) -> None:
    cache = Cache(tmp_path)
    table = load_pairs(data)
    references = table.references
    some = replace(table, pairs=tuple(pair for pair in table.pairs if pair.reference_id in references[:4]))
    backbone = BACKBONE.model_copy(update={"device": device})
    prepare(data, backbone, cache=cache, progress=Progress(), table=some)
    kept = set(tmp_path.rglob("*.safetensors"))
    assert len(kept) == 4
    read.clear()
    found = prepare(data, backbone, cache=cache, progress=Progress(), table=table)
    assert found.computed == 16
    summed = read.pop(Path("sums"))
    assert read == dict.fromkeys(kept, 1)
    assert summed == 4 + 4 + 2  # written at first, read, written now
    read.clear()
    again = prepare(data, backbone, cache=cache, progress=Progress(), table=table)
    assert again.computed == 0
    read.pop(Path("sums"))
    assert read == dict.fromkeys(tmp_path.rglob("*.safetensors"), 1)
    np.testing.assert_array_equal(again.moments, found.moments)


def test_settings_of_built_in_backbones_keep_their_names(tmp_path: Path) -> None:
    """Statistics that earlier releases kept under this VERSION are found: their folder is a hash of the settings."""
    settings = store.Settings(
        backbone="squeezenet",
        parameters_sha256="0" * 64,
        pooling="native",
        resize=256,
        precision="fp32",
        channels=(3, 64, 128, 256, 384, 512),
    )
    folder = store.shelf_of_moments(tmp_path, settings).folder
    assert folder.name == "squeezenet-dbe6074869dabfd9"
    added = replace(settings, plugin="iqatune-toy 0.3.1")
    assert store.shelf_of_moments(tmp_path, added).folder != folder
