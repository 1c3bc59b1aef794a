"""Features files: which columns are taken, and the line that a user gets for one that cannot be used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iqatune.datasets.features_csv import taken_line
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.records.options import DataOptions

Load = Callable[..., PairTable]

LINES = [
    "reference,distorted,distortion,level,score,score_std,PSNR,LPIPS,note,gone",
    "a.png,a1.png,blur,1,5,0.1,30,0.1,good,",
    "a.png,a2.png,blur,2,3,0.2,25,0.3,bad,",
    "b.png,b1.png,blur,1,4,0.3,28,0.2,12,",
    "B.PNG,b2.png,blur,2,2,0.1,-20.5,4e-1,,",
]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write lines into a file and load it as features."""

    def loaded(lines: list[str], **options: Any) -> PairTable:
        file = tmp_path / "metrics.csv"
        file.write_text("\n".join(lines) + "\n")
        return load_pairs(DataOptions.parsed({"features": file, "better": "higher", **options}))

    return loaded


@pytest.fixture
def refused(load: Load) -> Callable[..., str]:
    """The line of the error."""

    def line(lines: list[str], **options: Any) -> str:
        with pytest.raises(InputError) as error:
            load(lines, **options)
        return error.value.command_line

    return line


def test_numeric_columns_are_taken_labels_and_text_are_not_and_no_image_is_needed(load: Load) -> None:
    table = load(LINES)
    assert table.dataset == "csv"
    assert table.columns == ("psnr", "lpips")
    np.testing.assert_array_equal(table.features, [[30, 0.1], [25, 0.3], [28, 0.2], [-20.5, 0.4]])
    line = taken_line(table)
    assert line.startswith("metrics.csv: features are psnr, lpips; not taken: ")
    for reason in ("distortion (a label)", "score_std (a label)", "note (row 2 has 'good')", "gone (empty)"):
        assert reason in line


def test_references_whose_names_differ_in_case_are_one(load: Load) -> None:
    assert load(LINES).references == ("a.png", "b.png")


def test_columns_that_are_asked_for_are_taken_in_that_order(load: Load) -> None:
    table = load(LINES, feature_columns="LPIPS, level")
    assert table.columns == ("lpips", "level")
    np.testing.assert_array_equal(table.features[:, 1], [1, 2, 1, 2])
    assert load(LINES, feature_columns=["psnr", "lpips"]).columns == ("psnr", "lpips")


def test_excluded_distortions_leave_the_features_beside_their_pairs(load: Load) -> None:
    lines = [line.replace("a2.png,blur", "a2.png,noise") for line in LINES]
    np.testing.assert_array_equal(load(lines, exclude=("noise",)).features[:, 0], [30, 28, -20.5])


def test_rows_of_raters_are_averaged_and_a_pair_has_one_set_of_features(
    load: Load, refused: Callable[..., str]
) -> None:
    again = "a.png,a1.png,blur,1,3,0.1,30,0.1,good,"
    table = load([*LINES, again], raters=True)
    assert (len(table), table.pairs[0].score, table.pairs[0].features) == (4, 4.0, (30.0, 0.1))
    assert "whose features differ" in refused([*LINES, again.replace("0.1,good", "0.2,good")], raters=True)


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "inf", "1e200", "NA", "#DIV/0!"])
def test_a_hole_in_a_column_is_named_with_its_row(cell: str, refused: Callable[..., str]) -> None:
    lines = [*LINES[:2], LINES[2].replace(",25,", f",{cell},"), *LINES[3:]]
    line = refused(lines)
    assert f"metrics.csv: row 3 has {f'the psnr {cell!r}' if cell else 'no psnr'}" in line
    assert "--feature-columns" in line


def test_a_hole_in_a_column_that_is_not_taken_is_none(load: Load) -> None:
    assert load([LINES[0], LINES[1].replace(",30,", ",,"), *LINES[2:]], feature_columns="lpips").columns == ("lpips",)


def test_text_in_a_column_that_was_asked_for_is_named_with_its_row(refused: Callable[..., str]) -> None:
    assert "row 2 has the note 'good', where a finite number belongs" in refused(LINES, feature_columns="note")


def test_a_file_without_features_is_refused(refused: Callable[..., str]) -> None:
    line = refused([",".join(line.split(",")[:5]) for line in LINES])
    assert "no column of features beside reference, distorted, score" in line


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"feature_columns": "psmr"}, "--feature-columns psmr: no column of {file}; did you mean 'psnr'?"),
        ({"feature_columns": "score"}, "--feature-columns score: is no feature of a pair"),
        ({"pairs": "pairs.csv"}, "--pairs pairs.csv: not possible with --features"),
        ({"data_root": "images"}, "--data-root images: not possible with --features"),
        ({"dataset": "tid2013"}, "--features {file}: contains pairs and scores of its own; leave out --dataset"),
        ({"better": None}, "--better: needed with --features"),
        ({"label": "other.csv"}, "--label other.csv: csv offers no other labels"),
        ({"features": "nowhere.csv"}, "--features nowhere.csv: no such file"),
        ({"features": None, "dataset": "demo", "better": None, "feature_columns": "psnr"}, "--feature-columns: only"),
    ],
)
def test_options_that_do_not_go_together(
    options: dict[str, Any], says: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    assert refused(LINES, **options).startswith(says.format(file=tmp_path / "metrics.csv"))
