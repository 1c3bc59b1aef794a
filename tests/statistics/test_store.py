"""The store, pair by pair: whatever was kept together, any part of it is found again, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iqatune.statistics.store import Reader, Shelf, read_head, shelf_of_scores, write_group
from iqatune.transforms import read_transformed

REFERENCES = ("a" * 64, "b" * 64)
DISTORTED = tuple(f"{number:064x}" for number in range(9))

subsets = st.lists(st.sampled_from(DISTORTED), min_size=1, max_size=9)


def _value(reference: str, distorted: str) -> float:
    return REFERENCES.index(reference) * 100 + DISTORTED.index(distorted) + 0.25


def _write(shelf: Shelf, reference: str, distorted: list[str]) -> None:
    write_group(shelf.place(reference, distorted), np.array([_value(reference, image) for image in distorted]))


@given(
    written=st.lists(st.tuples(st.sampled_from(REFERENCES), subsets), max_size=6),
    wanted=st.tuples(st.sampled_from(REFERENCES), subsets),
    older=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_part_of_what_was_kept_is_found_whatever_it_was_kept_with(
    written: list[tuple[str, list[str]]],
    wanted: tuple[str, list[str]],
    older: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    shelf = shelf_of_scores(tmp_path_factory.mktemp("store"), "psnr", {"version": 1})
    for reference, distorted in written:
        _write(shelf, reference, distorted)
    if older:
        _rename_as_older(shelf.folder)
    reference, distorted = wanted
    found = Reader(shelf).read(reference, distorted)
    kept = {image for of, images in written if of == reference for image in images}
    assert found.there.tolist() == [image in kept for image in distorted]
    right = [_value(reference, image) for image in distorted if image in kept]
    assert found.values[found.there].tolist() == right
    assert found.damaged == {}


def _rename_as_older(folder: Path) -> None:
    """Earlier releases left the reference out of a file's name."""
    for path in list(folder.glob("*.safetensors")):
        path.rename(path.with_name(path.name.partition("-")[2]))


def test_a_shelf_of_other_settings_is_another_folder(tmp_path: Path) -> None:
    one, other = (shelf_of_scores(tmp_path, "psnr", {"version": 1, "resize": size}) for size in (256, None))
    _write(one, REFERENCES[0], [DISTORTED[0]])
    assert Reader(other).read(REFERENCES[0], [DISTORTED[0]]).there.tolist() == [False]
    # nor is a file believed that was copied from there
    other.folder.mkdir()
    (file,) = one.folder.iterdir()
    (other.folder / file.name).write_bytes(file.read_bytes())
    found = Reader(other).read(REFERENCES[0], [DISTORTED[0]])
    assert found.there.tolist() == [False]
    (fault,) = found.damaged.values()
    assert "it is not of what its name says" in fault


def test_a_file_says_what_it_is_of(tmp_path: Path) -> None:
    shelf = shelf_of_scores(tmp_path, "psnr", {"version": 1, "resize": 256})
    _write(shelf, REFERENCES[1], [DISTORTED[3], DISTORTED[0]])
    (file,) = shelf.folder.iterdir()
    head = read_head(file)
    assert head is not None
    assert head.settings == {"version": 1, "resize": 256}
    assert head.images == (REFERENCES[1], DISTORTED[3], DISTORTED[0])
    file.write_bytes(b"short")
    assert read_head(file) is None


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the images that extraction decodes."""
    names: list[str] = []

    def counting(path: Path, transform: str, resize: int | None) -> Any:
        names.append(path.name)
        return read_transformed(path, transform, resize)

    monkeypatch.setattr("iqatune.statistics.extract.read_transformed", counting)
    return names


EXTRACT = ("--backbone", "squeezenet", "--backbone-weights", "random", "--resize", 64, "--device", "cpu", "--json")


def _live(folder: Path, test_data: Path, rows: Callable[[list[str]], list[str]]) -> tuple[object, ...]:
    header, *lines = (test_data / "live_r2/labels.csv").read_text().splitlines()
    labels = folder / "labels.csv"
    labels.write_text("\n".join([header, *rows(lines)]) + "\n")
    return ("--dataset", "csv", "--pairs", labels, "--better", "lower", "--data-root", test_data / "live_r2")


def test_of_98_pairs_with_one_new_one_is_computed(
    iqatune: Callable[..., Any], test_data: Path, tmp_path: Path, decoded: list[str]
) -> None:
    """96 real pairs are kept; with the 97th its two images pass the CNN, and without JPEG none does."""
    extract = ("extract", *EXTRACT, "--cache-dir", tmp_path / "cache")
    data = _live(tmp_path, test_data, lambda lines: lines[:40] + lines[41:])
    assert json.loads(iqatune(*extract, *data).out)["computed"] == 96
    decoded.clear()
    added = ""

    def everything(lines: list[str]) -> list[str]:
        nonlocal added
        added = lines[40]
        return lines

    data = _live(tmp_path, test_data, everything)
    assert json.loads(iqatune(*extract, *data).out)["computed"] == 1
    assert len(decoded) == 2
    assert all(name in added for name in decoded)
    decoded.clear()
    # a part of what is kept, and that in another order
    for part in (("--exclude", "jpeg"), ()):
        data = _live(tmp_path, test_data, lambda lines: lines[::-1])
        ran = iqatune(*extract, *data, *part)
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["computed"] == 0
    assert decoded == []


def test_what_an_earlier_release_kept_is_read_pair_by_pair(
    iqatune: Callable[..., Any], small_set: Any, tmp_path: Path, decoded: list[str]
) -> None:
    cache = tmp_path / "cache"
    extract = ("extract", *small_set.options, *EXTRACT, "--cache-dir", cache)
    assert json.loads(iqatune(*extract).out)["computed"] == 48
    (shelf,) = (cache / "statistics").iterdir()
    _rename_as_older(shelf)
    decoded.clear()
    for part in (("--exclude", "noise"), ()):
        assert json.loads(iqatune(*extract, *part).out)["computed"] == 0
    assert decoded == []
    assert iqatune("cache", "--cache-dir", cache, "--json").code == 0
    # one of them is damaged: it is told, its pairs are computed, and it goes
    damaged = sorted(shelf.iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:-3])
    ran = iqatune(*extract, "--quiet")
    assert f"warning: damaged cache file, computed again: {damaged}: " in ran.err
    assert json.loads(ran.out)["computed"] == 8
    assert not damaged.exists()
    assert iqatune(*extract, "--quiet").err == ""


def test_a_baseline_is_measured_on_what_is_new(
    iqatune: Callable[..., Any],
    small_set: Any,
    finished: Callable[..., Path],
    small_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from iqatune.scoring import baselines

    measured: list[str] = []
    measure = baselines._Measure.__call__

    def counting(self: Any, pair: Any) -> float:
        measured.append(pair.distorted.name)
        return measure(self, pair)

    monkeypatch.setattr(baselines._Measure, "__call__", counting)
    record = finished() / "result.json"
    cache = tmp_path / "cache"
    (cache / "statistics").parent.mkdir()
    (cache / "statistics").symlink_to(small_cache / "statistics")
    evaluate = ("evaluate", record, *small_set.options, "--baseline", "psnr", "--cache-dir", cache, "--format", "json")
    assert iqatune(*evaluate, "--exclude", "blur").code == 0
    assert len(measured) == 30
    assert all(name.startswith("noise") for name in measured)
    measured.clear()
    whole = iqatune(*evaluate)
    assert len(measured) == 18
    assert all(name.startswith("blur") for name in measured)
    again = iqatune(*evaluate)
    assert len(measured) == 18
    assert json.loads(again.out) == json.loads(whole.out)
