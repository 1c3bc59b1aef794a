"""The csv adapter: one's own pairs."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqatune.datasets.columns import read_columns
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.records.options import DataOptions

GOOD = "reference,distorted,score\nr.png,a.png,1\nr.png,b.png,2\nr.png,c.png,3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("r.png", "a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def load(folder: Path, text: str, **changes: Any) -> PairTable:
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return load_pairs(DataOptions(dataset="csv", **{"pairs": path, "better": "higher", **changes}))


def refused(folder: Path, text: str, **changes: Any) -> str:
    with pytest.raises(InputError) as error:
        load(folder, text, **changes)
    return error.value.command_line


def test_real_live_images(test_data: Path) -> None:
    file = test_data / "live_r2" / "labels.csv"
    table = load_pairs(DataOptions(dataset="csv", pairs=file, better="lower"))
    assert (len(table), len(table.references), table.label) == (97, 8, "labels.csv")
    assert {pair.distortion for pair in table.pairs} == {"jp2k", "jpeg", "wn", "gblur", "fastfading"}
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    np.testing.assert_allclose(table.quality, [-float(row["score"]) for row in rows])
    assert [str(pair.distorted.relative_to(file.parent.resolve())) for pair in table.pairs] == [
        row["distorted"] for row in rows
    ]


def test_columns_in_any_order_and_extra_ones(folder: Path) -> None:
    rows = ("x,1,a.png,2,r.png,fog", ",2,b.png,,r.png,", ",3,c.png,1,r.png,fog")
    text = "\n".join(("\ufeffNote, Score ,distorted,level,reference,Distortion", *rows))
    table = load(folder, text)
    assert [(pair.score, pair.level, pair.distortion) for pair in table.pairs] == [
        (1.0, 2, "fog"),
        (2.0, None, "unnamed"),
        (3.0, 1, "fog"),
    ]
    assert [pair.quality for pair in load(folder, text, better="lower").pairs] == [-1.0, -2.0, -3.0]


def test_paths_are_relative_to_the_root_else_to_the_file(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("labels")
    assert "r.png: no such image, though row 2" in refused(elsewhere, GOOD)
    table = load(elsewhere, GOOD, data_root=folder)
    assert table.pairs[0].distorted == folder / "a.png"
    absolute = GOOD.replace("a.png", str(folder / "a.png"))
    assert load(folder, absolute).pairs[0].distorted == folder / "a.png"


def test_spellings_of_one_reference_are_one_reference(folder: Path) -> None:
    """Two names for one reference would put it on both sides of a fold."""
    text = GOOD.replace("r.png,b", "./R.PNG,b").replace("r.png,c", "..\\" + folder.name + "\\r.png,c")
    table = load(folder, text)
    assert table.references == ("r.png",)
    assert {pair.reference for pair in table.pairs} == {folder / "r.png"}


def test_identical_pairs_with_different_scores_are_kept(folder: Path) -> None:
    assert len(load(folder, GOOD + "r.png,a.png,2.5\n")) == 4


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty file"),
        ("reference,distorted\nr.png,a.png\n", "no column score"),
        ("reference|distorted|score\nr.png|a.png|1\n", "no column reference or distorted or score"),
        ("reference,distorted,score,score\nr.png,a.png,1,2\n", "two columns are named score"),
        (GOOD.replace("b.png,2", "b.png,"), "row 3 has no score"),
        (GOOD.replace("b.png,2", "b.png,nan"), "row 3 has the score nan"),
        (GOOD.replace("b.png,2", "b.png,good"), "row 3 has the score 'good'"),
        (GOOD.replace("r.png,b.png", ",b.png"), "row 3 has no reference"),
        (GOOD.replace("b.png,2", ",2"), "row 3 has no distorted"),
        (GOOD.replace("b.png,2", "b.png,2,7"), "row 3 has 4 cells for 3 columns"),
        (GOOD.replace("\nr.png,b.png", "\n\n\nr.png,x.png"), "row 5"),
        (GOOD.replace("b.png", "x.png"), "x.png: no such image, though row 3"),
        ("reference,distorted,score,level\nr.png,a.png,1,hard\n", "row 2 has the level 'hard'"),
        (GOOD.replace(",1\n", ",2\n").replace(",3\n", ",2\n"), "every score is 2"),
        (GOOD.rsplit("r.png", 1)[0], "2 usable pairs"),
        ("reference,distorted,score\n", "0 usable pairs"),
    ],
)
def test_bad_files(folder: Path, text: str, complaint: str) -> None:
    message = refused(folder, text)
    assert complaint in message
    assert "pairs.csv" in message


def test_bad_options(folder: Path) -> None:
    assert "--better" in refused(folder, GOOD, better=None)
    assert "--pairs" in refused(folder, GOOD, pairs=None)
    assert "nowhere.csv" in refused(folder, GOOD, pairs=folder / "nowhere.csv")
    assert "--label" in refused(folder, GOOD, label="other.csv")
    assert "--data-root" in refused(folder, GOOD, data_root=folder / "nowhere")
    (folder / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert "binary.csv" in refused(folder, GOOD, pairs=folder / "binary.csv")


cells = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_cells_survive_as_any_csv_writer_writes_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    kept = [row for row in rows if any(row)]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([("one", "two"), *rows])
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    path.write_text(buffer.getvalue(), encoding="utf-8", newline="")
    assert [tuple(row.values()) for _, row in read_columns(path, ("one", "two"))] == kept


def test_names_that_differ_in_case_are_left_out_together(small_set: Any) -> None:
    labels = small_set.folder / "cases.csv"
    labels.write_text(small_set.labels.read_text().replace(",noise,", ",NOISE,", 7))
    table = load_pairs(DataOptions(dataset="csv", pairs=labels, better="higher", exclude=("Noise",)))
    labels.unlink()
    assert {pair.distortion for pair in table.pairs} == {"blur"}
    assert sorted(table.excluded) == ["distortion NOISE (7 pairs)", "distortion noise (23 pairs)"]


def test_levels_with_a_point_and_doubled_columns(
    small_set: Any, iqatune: Callable[..., Any], small_cache: Path
) -> None:
    lines = small_set.labels.read_text().splitlines()
    labels = small_set.folder / "levels.csv"
    labels.write_text("\n".join([lines[0], *(f"{line}.0" for line in lines[1:])]))
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--cache-dir", small_cache)
    backbone = ("--backbone", "squeezenet", "--backbone-weights", "random")
    ran = iqatune("extract", *options, *backbone)
    assert ran.code == 0, ran.err
    labels.write_text("\n".join([lines[0] + ",level", *(f"{line},1" for line in lines[1:])]))
    ran = iqatune("extract", *options, *backbone)
    labels.unlink()
    assert ran.code == 2
    assert ran.last_line.endswith("two columns are named level; rename one")


def test_a_name_too_long_for_a_disk_is_a_missing_image(
    small_set: Any, iqatune: Callable[..., Any], small_cache: Path
) -> None:
    labels = small_set.folder / "long.csv"
    labels.write_text(small_set.labels.read_text() + f"ref0.png,{'x' * 300}/y.png,3,noise,1\n")
    options = ("--dataset", "csv", "--pairs", labels, "--better", "higher", "--cache-dir", small_cache)
    ran = iqatune("extract", *options, "--backbone", "squeezenet", "--backbone-weights", "random")
    labels.unlink()
    assert ran.code == 2
    assert "no such image" in ran.last_line
