"""`iqatune cache`: where it is, what it holds, and how it is cleared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate

from iqatune.records.schemas import json_schema

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random", "--device", "cpu")


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def filled(iqatune: Callable[..., Any], small_set: Any, tmp_path: Path) -> Path:
    """A cache of the small set's statistics at two sizes, and of a third of its references at a third size."""
    cache = tmp_path / "cache"
    header, *rows = small_set.labels.read_text().splitlines()
    part = tmp_path / "part.csv"
    part.write_text("\n".join([header, *rows[:16]]) + "\n")
    for size, labels in ((24, small_set.labels), (30, small_set.labels), (36, part)):
        data = ("--dataset", "csv", "--pairs", labels, "--data-root", small_set.folder, "--better", "higher")
        ran = iqatune("extract", *data, *BACKBONE, "--resize", size, "--cache-dir", cache, "--quiet")
        assert ran.code == 0, ran.err
    return cache


def test_what_is_kept_is_listed_by_what_it_is_of(iqatune: Callable[..., Any], filled: Path) -> None:
    ran = iqatune("cache", "--cache-dir", filled, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    validate(found, json.loads(json_schema("cache")))
    statistics = [holding for holding in found["holdings"] if holding["kind"] == "statistics"]
    assert {(part["name"], part["settings"]["resize"], part["pairs"], part["files"]) for part in statistics} == {
        ("squeezenet", 24, 48, 6),
        ("squeezenet", 30, 48, 6),
        ("squeezenet", 36, 16, 2),
    }
    assert all(holding["readable"] for holding in found["holdings"])
    assert found["folder"] == str(filled)
    assert found["size"] == sum((filled / name).stat().st_size for name in _files(filled))
    shown = iqatune("cache", "--cache-dir", filled)
    assert f"{filled}: {len(_files(filled))} files" in shown.out
    assert "resize 36" in shown.out
    assert iqatune("cache", "where", "--cache-dir", filled).out == f"{filled}\n"


def test_one_data_set_or_one_backbone_is_cleared(
    iqatune: Callable[..., Any], small_set: Any, filled: Path, tmp_path: Path
) -> None:
    before = _files(filled)
    none = iqatune("cache", "clear", "--backbone", "vgg16", "--cache-dir", filled)
    assert (none.code, none.out) == (0, f"{filled}: removed 0 files, 0.0 kB\n")
    assert _files(filled) == before
    data = ("--dataset", "csv", "--pairs", tmp_path / "part.csv", "--data-root", small_set.folder, "--better", "higher")
    listed = json.loads(iqatune("cache", *data, "--cache-dir", filled, "--json").out)["holdings"]
    assert [(part["settings"]["resize"], part["pairs"]) for part in listed] == [(24, 16), (30, 16), (36, 16)]
    cleared = json.loads(iqatune("cache", "clear", *data, "--cache-dir", filled, "--json").out)
    assert cleared["cleared"] is True
    assert sum(part["files"] for part in cleared["holdings"]) == 6 == len(before - _files(filled))
    # what is left of the data set is found, and what was cleared computed again
    ran = iqatune("extract", *small_set.options, *BACKBONE, "--resize", 24, "--cache-dir", filled, "--json")
    assert json.loads(ran.out)["computed"] == 16
    assert iqatune("cache", "clear", "--backbone", "squeezenet", "--cache-dir", filled).code == 0
    assert _files(filled) == {"digests.json", "pictures.json", "backbones.json", "rates.json"}


def test_all_is_cleared_but_for_what_is_not_ours(iqatune: Callable[..., Any], filled: Path) -> None:
    (filled / "thesis.txt").write_text("mine")
    (filled / "statistics" / "notes.txt").write_text("mine")
    assert iqatune("cache", "clear", "--all", "--cache-dir", filled).code == 0
    assert _files(filled) == {"thesis.txt", "statistics/notes.txt"}
    empty = iqatune("cache", "--cache-dir", filled)
    assert (empty.code, empty.out) == (0, f"{filled}: nothing is kept\n")


def test_what_this_release_cannot_read_is_said(iqatune: Callable[..., Any], filled: Path) -> None:
    damaged = sorted((filled / "statistics").rglob("*.safetensors"))[0]
    damaged.write_bytes(b"of another time")
    (filled / "baselines").mkdir()
    (filled / "baselines" / "psnr-0123.json").write_text("[1.0]")
    found = json.loads(iqatune("cache", "--cache-dir", filled, "--json").out)["holdings"]
    unread = {(part["kind"], part["name"]): part for part in found if not part["readable"]}
    assert set(unread) == {("statistics", "squeezenet"), ("baseline", "psnr")}
    assert all(part["pairs"] is None for part in unread.values())
    assert "not read" in iqatune("cache", "--cache-dir", filled).out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("clear",), "say what to clear: either --all, or --backbone NAME, --dataset NAME or both"),
        (
            ("clear", "--all", "--backbone", "vgg16"),
            "say what to clear: either --all, or --backbone NAME, --dataset NAME or both",
        ),
        (("show", "--all"), "--all: only `iqatune cache clear` needs it; leave it out"),
        (("clear", "--pairs", "x.csv"), "--pairs: only possible with --dataset"),
    ],
)
def test_a_wrong_request_is_refused_and_removes_nothing(
    arguments: tuple[str, ...], line: str, iqatune: Callable[..., Any], filled: Path
) -> None:
    before = _files(filled)
    ran = iqatune("cache", *arguments, "--cache-dir", filled)
    assert (ran.code, ran.out, ran.err) == (2, "", f"iqatune: {line}\n")
    assert _files(filled) == before
