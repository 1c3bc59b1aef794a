"""Moments that stay in the store: the same figures as from memory, whatever the order of the pairs, in less room."""

import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.metric.spaces import make_space
from iqatune.metric.weights import uniform_weights
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions, DataOptions
from iqatune.statistics import by_group
from iqatune.statistics.by_group import Block, MomentsByGroup, one_after_the_other, side_by_side, taken
from iqatune.statistics.cache import Cache
from iqatune.statistics.distances import channel_descriptors, distances, feature_table
from iqatune.statistics.prepare import Prepared, prepare
from iqatune.statistics.store import Moments, Settings, write_group

CHANNELS = (3, 7, 11)


@pytest.fixture
def whole() -> Moments:
    """(40, 5, 21) moments that could be of images."""
    rng = np.random.default_rng(5)
    moments = rng.uniform(0.1, 1, (40, 5, sum(CHANNELS))).astype(np.float32)
    moments[:, 4] = 0.5 * np.sqrt(moments[:, 2] * moments[:, 3])
    return moments


def away(moments: Moments, group: int = 6, seed: int = 0) -> MomentsByGroup:
    """The same in groups whose rows stand anywhere in the table."""
    order = np.random.default_rng(seed).permutation(len(moments))

    def read() -> Iterator[Block]:
        for start in range(0, len(order), group):
            rows = order[start : start + group]
            yield rows, moments[rows]

    return MomentsByGroup((len(moments), moments.shape[1], moments.shape[2]), read)


@pytest.mark.parametrize("name", ["stage", "channel", "stage+2"])
def test_figures_are_those_of_moments_in_memory(name: str, whole: Moments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_group, "ROWS", 4)
    space = make_space(name, CHANNELS, channel_descriptors(whole, [0, 3, 17]))
    np.testing.assert_array_equal(channel_descriptors(away(whole), [0, 3, 17]), channel_descriptors(whole, [0, 3, 17]))
    np.testing.assert_array_equal(feature_table(away(whole), space), feature_table(whole, space))
    weights = uniform_weights(CHANNELS)
    np.testing.assert_array_equal(distances(away(whole), weights), distances(whole, weights))
    np.testing.assert_array_equal(taken(away(whole), [9, 2, 30]), whole[[9, 2, 30]])


def test_several_sets_and_views_are_put_together(whole: Moments) -> None:
    for parts in ((away(whole), whole), (whole, away(whole)), (away(whole), away(whole))):
        found = one_after_the_other(parts)
        assert found.shape == (80, 5, 21)
        np.testing.assert_array_equal(np.asarray(found), np.concatenate([whole, whole]))
        views = side_by_side(parts, [slice(0, 3), slice(10, 21)])
        assert views.shape == (40, 5, 14)
        np.testing.assert_array_equal(np.asarray(views), np.concatenate([whole[:, :, :3], whole[:, :, 10:]], axis=2))


def test_a_copy_for_another_process_holds_the_numbers(whole: Moments) -> None:
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(away(whole))), whole)


def _prepared(small_set: Any, cache: Path) -> Prepared:
    data = DataOptions.parsed({"dataset": "csv", "pairs": small_set.labels, "better": "higher"})
    backbone = BackboneOptions.parsed({"backbone": "squeezenet", "backbone_weights": "random", "device": "cpu"})
    return prepare(data, backbone, cache=Cache(cache), progress=Progress())


def test_what_was_lost_meanwhile_is_told(
    small_set: Any, small_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = shutil.copytree(small_cache, tmp_path / "cache")
    in_memory = np.asarray(_prepared(small_set, cache).moments)
    monkeypatch.setattr(by_group, "IN_MEMORY", 0)
    stored = _prepared(small_set, cache)
    assert isinstance(stored.moments, MomentsByGroup)
    np.testing.assert_array_equal(np.asarray(stored.moments), in_memory)
    for group in (cache / "statistics").rglob("*.safetensors"):  # some may be of other tests' sets
        group.unlink()
    with pytest.raises(InputError, match=r"\.safetensors: was removed or damaged meanwhile; run it again"):
        stored.uniform()


def test_a_sweep_maps_what_stays_in_the_store(whole: Moments, tmp_path: Path) -> None:
    from iqatune.tuning.workers import _save

    for moments in (whole, away(whole)):
        _save(tmp_path / "moments.npy", moments)
        np.testing.assert_array_equal(np.load(tmp_path / "moments.npy"), whole)


PAIRS, OF_EACH = 1000, 50
WIDE = Settings(
    backbone="squeezenet",
    parameters_sha256="0" * 64,
    pooling="native",
    resize=None,
    precision="fp32",
    channels=(3, 3997),
)
"""1000 pairs of so many channels have 80 MB of moments."""

MEASURED = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]) / "code"))
from iqatune.metric.spaces import make_space
from iqatune.metric.weights import uniform_weights
from iqatune.progress import Progress
from iqatune.statistics import by_group
from iqatune.statistics.cache import Cache
from iqatune.statistics.distances import distances, feature_table
from wide import WIDE, table_of
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
by_group.IN_MEMORY = int(sys.argv[2])
table, before = table_of(Path(sys.argv[1])), peak()
lookup = Cache(Path(sys.argv[1]) / "cache").lookup(table, WIDE, Progress())
assert not lookup.missing
features = feature_table(lookup.values, make_space("stage", WIDE.channels))
found = distances(lookup.values, uniform_weights(WIDE.channels))
print(peak() - before, features.sum().hex(), found.sum().hex())
"""


def table_of(folder: Path) -> PairTable:
    """PAIRS pairs of files in a folder, those of a reference apart from one another."""
    count = PAIRS // OF_EACH
    pairs = [
        Pair(
            folder / f"r{row % count}",
            folder / f"d{row}",
            f"r{row % count}",
            "",
            level=None,
            score=float(row),
            quality=float(row),
        )
        for row in range(PAIRS)
    ]
    return PairTable("csv", tuple(pairs), "labels", "0" * 64, better="higher")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux, which says what memory was taken")
def test_moments_in_the_store_take_a_fraction_of_their_size_in_memory(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    for path in {path for pair in table.pairs for path in (pair.reference, pair.distorted)}:
        path.write_text(path.name)  # whose content nobody decodes: all moments are there
    lookup = Cache(tmp_path / "cache").lookup(table, WIDE, Progress())
    rng = np.random.default_rng(0)
    for group in lookup.missing:
        write_group(group.place, rng.uniform(0.1, 1, (len(group.rows), 5, 4000)).astype(np.float32))
    (tmp_path / "code").mkdir()
    shutil.copy(__file__, tmp_path / "code" / "wide.py")

    def measured(in_memory: int) -> tuple[int, list[str]]:
        command = [sys.executable, "-c", MEASURED, str(tmp_path), str(in_memory)]
        megabytes, *figures = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return int(megabytes), figures

    (away_mb, away_figures), (whole_mb, whole_figures) = measured(0), measured(1 << 30)
    assert away_figures == whole_figures
    assert whole_mb > 80  # so that the bound below would fail if they were loaded
    assert away_mb < 60
