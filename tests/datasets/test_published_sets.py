"""The four published data sets at full size, from their real layout."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iqatune.datasets.registry import DATASETS, available, load_pairs
from iqatune.datasets.table import PairTable
from iqatune.records.options import DataOptions
from iqatune.runtime.files import sha256_of_file

SETS = ("tid2013", "kadid10k", "live", "csiq")
LISTS = {"tid2013": "TID2013", "kadid10k": "KADID-10k", "live": "LIVE", "csiq": "CSIQ"}
LABELS = {
    "tid2013": "mos_with_names.txt",
    "kadid10k": "dmos.csv",
    "live": "dmos_realigned.mat",
    "csiq": "csiq.DMOS.xlsx",
}


@pytest.fixture(scope="session")
def trees(tid2013_tree: Path, kadid10k_tree: Path, live_tree: Path, csiq_tree: Path) -> dict[str, Path]:
    return dict(zip(SETS, (tid2013_tree, kadid10k_tree, live_tree, csiq_tree), strict=True))


@pytest.fixture(scope="session")
def tables(trees: dict[str, Path]) -> dict[str, PairTable]:
    return {name: load_pairs(DataOptions(dataset=name, data_root=root)) for name, root in trees.items()}


@pytest.mark.parametrize(
    ("name", "pairs", "references"),
    [("tid2013", 3000, 25), ("kadid10k", 10125, 81), ("live", 779, 29), ("csiq", 866, 30)],
)
def test_every_pair_and_reference_is_there(
    tables: dict[str, PairTable], trees: dict[str, Path], name: str, pairs: int, references: int
) -> None:
    table = tables[name]
    info = DATASETS.find(name).info
    assert (len(table), len(table.references)) == (pairs, references) == (info.pairs, info.references)
    assert len(table.reference_ids) == pairs
    assert table.dataset == name
    assert table.label == LABELS[name]
    assert table.label_sha256 == sha256_of_file(trees[name] / LABELS[name])
    assert table.missing == 0
    assert not table.simulated


@pytest.mark.parametrize("name", SETS)
def test_every_path_is_absolute_and_exists(tables: dict[str, PairTable], name: str) -> None:
    for pair in tables[name].pairs:
        assert pair.reference.is_absolute()
        assert pair.reference.is_file()
        assert pair.distorted.is_absolute()
        assert pair.distorted.is_file()
    assert len({pair.distorted for pair in tables[name].pairs}) == len(tables[name])


@pytest.mark.parametrize("name", SETS)
def test_scores_and_references_are_those_of_the_public_list(
    tables: dict[str, PairTable], label_rows: Callable[[str], list[dict[str, str]]], name: str
) -> None:
    """Whatever the order, each distorted image keeps its own score and its own reference."""
    published = {
        Path(row["dis_img_path"]).parent.name.lower() + "/" + Path(row["dis_img_path"]).name.lower(): row
        for row in label_rows(LISTS[name])
    }
    for pair in tables[name].pairs:
        row = published[f"{pair.distorted.parent.name.lower()}/{pair.distorted.name.lower()}"]
        assert pair.score == pytest.approx(float(row["score"]), abs=1e-5)
        assert pair.reference.name.lower() == Path(row["ref_img_path"]).name.lower()
        assert pair.reference.stem.lower() == pair.reference_id.lower()


@pytest.mark.parametrize("name", SETS)
def test_distortions_match_the_public_list(
    tables: dict[str, PairTable], label_rows: Callable[[str], list[dict[str, str]]], name: str
) -> None:
    """Each of our names stands for the same images as one name of the list (TID2013's list merges two of them)."""
    listed = {
        Path(row["dis_img_path"]).parent.name.lower() + "/" + Path(row["dis_img_path"]).name.lower(): row["dis_type"]
        for row in label_rows(LISTS[name])
    }
    ours = {
        (pair.distortion, listed[f"{pair.distorted.parent.name.lower()}/{pair.distorted.name.lower()}"])
        for pair in tables[name].pairs
    }
    assert len(ours) == len({distortion for distortion, _ in ours})
    assert len({kind for _, kind in ours}) == len(ours) - (name == "tid2013")


def test_counts_per_distortion_and_level(tables: dict[str, PairTable]) -> None:
    tid = Counter((pair.distortion, pair.level) for pair in tables["tid2013"].pairs)
    assert len(tid) == 24 * 5
    assert set(tid.values()) == {25}
    kadid = Counter((pair.distortion, pair.level) for pair in tables["kadid10k"].pairs)
    assert len(kadid) == 25 * 5
    assert set(kadid.values()) == {81}
    live = Counter(pair.distortion for pair in tables["live"].pairs)
    assert live == {"jp2k": 169, "jpeg": 175, "wn": 145, "gblur": 145, "fastfading": 145}
    assert {pair.level for pair in tables["live"].pairs} == {None}
    csiq = Counter(pair.distortion for pair in tables["csiq"].pairs)
    assert csiq == {"awgn": 150, "jpeg": 150, "jpeg2000": 150, "fnoise": 150, "blur": 150, "contrast": 116}


@pytest.mark.parametrize(
    ("name", "distortion"), [("tid2013", "gaussian-blur"), ("kadid10k", "gaussian-blur"), ("csiq", "blur")]
)
def test_quality_falls_as_blur_grows(tables: dict[str, PairTable], name: str, distortion: str) -> None:
    """Holds only where the orientation is right: KADID-10k's 'dmos' rises with quality, CSIQ's falls."""
    by_level = {
        level: np.mean(
            [pair.quality for pair in tables[name].pairs if (pair.distortion, pair.level) == (distortion, level)]
        )
        for level in range(1, 6)
    }
    assert list(by_level.values()) == sorted(by_level.values(), reverse=True)


def test_orientation(tables: dict[str, PairTable]) -> None:
    assert {name: table.better for name, table in tables.items()} == {
        "tid2013": "higher",
        "kadid10k": "higher",
        "live": "lower",
        "csiq": "lower",
    }
    for table in tables.values():
        sign = 1 if table.better == "higher" else -1
        np.testing.assert_array_equal(table.quality, [sign * pair.score for pair in table.pairs])


def test_tid2013_finds_names_in_any_case(tables: dict[str, PairTable]) -> None:
    names = {pair.distorted.name for pair in tables["tid2013"].pairs}
    assert any(name.startswith("I") for name in names)
    assert any(name.startswith("i") for name in names)
    assert any(name.endswith(".BMP") for name in names)
    assert {pair.reference.name for pair in tables["tid2013"].pairs if pair.reference_id == "I25"} == {"i25.bmp"}


def test_tid2013_keeps_the_two_types_apart_that_the_list_merges(tables: dict[str, PairTable]) -> None:
    for pair in tables["tid2013"].pairs:
        number = pair.distorted.name.split("_")[1]
        assert (number == "21") == (pair.distortion == "noisy-compression")
        assert (number == "24") == (pair.distortion == "sparse-sampling")


def test_live_leaves_out_the_copies_of_references_and_says_so(tables: dict[str, PairTable]) -> None:
    assert tables["live"].excluded == ("copies of references, orgs = 1 (203 images)",)
    assert 0.0 not in tables["live"].quality


def test_live_offers_its_older_labels(tables: dict[str, PairTable], trees: dict[str, Path]) -> None:
    older = load_pairs(DataOptions(dataset="live", data_root=trees["live"], label="DMOS.mat"))
    assert older.label == "dmos.mat"
    assert older.label_sha256 != tables["live"].label_sha256
    np.testing.assert_allclose(older.quality, tables["live"].quality / 2)


def test_live_adapter_reads_the_real_images_that_are_there(
    tmp_path: Path, test_data: Path, write_live_labels: Callable[[Path], None]
) -> None:
    """97 real images, PNG where the set has BMP, in a folder that lacks the rest."""
    write_live_labels(tmp_path)
    for folder in ("refimgs", "jp2k", "jpeg", "wn", "gblur", "fastfading"):
        (tmp_path / folder).symlink_to(test_data / "live_r2" / folder)
    table = load_pairs(DataOptions(dataset="live", data_root=tmp_path, allow_missing=True))
    assert (len(table), table.missing, len(table.references)) == (97, 779 - 97, 8)
    assert {pair.distorted.suffix for pair in table.pairs} == {".png"}
    own = load_pairs(DataOptions(dataset="csv", pairs=test_data / "live_r2" / "labels.csv", better="lower"))
    scores = {(pair.distortion, pair.distorted.name): pair.score for pair in own.pairs}
    for pair in table.pairs:
        assert pair.score == pytest.approx(scores[pair.distortion, pair.distorted.name])


def test_csiq_without_contrast_is_the_750_pairs_of_the_papers(trees: dict[str, Path]) -> None:
    table = load_pairs(DataOptions(dataset="csiq", data_root=trees["csiq"], exclude=("Contrast",)))
    assert len(table) == 750
    assert table.excluded == ("distortion contrast (116 pairs)",)


def test_root_falls_back_to_the_environment(
    trees: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "csiq").symlink_to(trees["csiq"])
    monkeypatch.setenv("IQATUNE_DATA", str(tmp_path))
    assert len(load_pairs(DataOptions(dataset="csiq"))) == 866


def test_the_registry_tells_of_every_set() -> None:
    infos = {listed.info.name: listed.info for listed in available()}
    assert list(infos) == [*SETS, "pipal", "cid22", "tid2008", "csv", "demo"]
    assert all(infos[name].source.startswith("https://") for name in SETS)
    assert infos["live"].labels[:2] == ("dmos_realigned.mat", "dmos.mat")
    assert "SIMULATED" in infos["demo"].description
