"""Tables of other tool kits as they are: pyiqa's `meta_info_*.csv`, the label lists of IQA-Dataset."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.evaluation.folds import by_column, on_both_sides
from iqatune.records.options import DataOptions

SPLIT = "ratio802_seed123_split_01"


def load(path: Path, better: str, **options: Any) -> PairTable:
    return load_pairs(DataOptions(dataset="csv", **{"pairs": path, "better": better, **options}))


def write(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_pyiqas_tid2013_gives_the_pairs_of_the_set_itself(
    tid2013_tree: Path, label_rows: Callable[[str], list[dict[str, str]]], tmp_path: Path
) -> None:
    """Its names are without folders: the images are found in those of the set, and a line says so."""
    rows = label_rows("TID2013")
    references = sorted({Path(row["ref_img_path"]).stem for row in rows})
    test = set(references[:5])
    lines: list[list[object]] = [["ref_name", "dist_name", "mos", "std", SPLIT]]
    for place, row in enumerate(rows):
        stem = Path(row["ref_img_path"]).stem
        split = "test" if stem in test else "train"
        lines.append([f"{stem.upper()}.BMP", Path(row["dis_img_path"]).name, row["score"], place / 10_000, split])
    meta = write(tmp_path / "meta_info_TID2013Dataset.csv", lines)
    table = load(meta, "higher", data_root=tid2013_tree, split_column=SPLIT)
    own = load_pairs(DataOptions(dataset="tid2013", data_root=tid2013_tree))
    images = {pair.distorted: pair for pair in own.pairs}
    assert len(table) == len(own) == 3000
    for pair in table.pairs:
        assert (pair.reference, pair.quality) == (images[pair.distorted].reference, pair.score)
        assert pair.score == pytest.approx(images[pair.distorted].score, abs=5e-6)  # of 5 decimals
    assert [pair.score_std for pair in table.pairs] == [place / 10_000 for place in range(3000)]
    assert table.read_line == (
        "meta_info_TID2013Dataset.csv: reference is ref_name; distorted is dist_name; score is mos; score_std is std; "
        "references found in reference_images/; distorted images found in distorted_images/"
    )
    (fold,) = by_column([pair.split for pair in table.pairs], SPLIT)
    assert (fold.held_out.sum(), fold.tuned.sum()) == (600, 2400)
    assert on_both_sides([fold], table.groups) is None


def test_pyiqas_live_names_folders_and_may_lie_beside_a_nested_set(
    live_tree: Path, label_rows: Callable[[str], list[dict[str, str]]], tmp_path: Path
) -> None:
    rows = label_rows("LIVE")
    names = [["/".join(row[side].split("/")[1:]) for side in ("ref_img_path", "dis_img_path")] for row in rows]
    lines = [["ref_name", "dist_name", "mos"], *([*name, row["score"]] for name, row in zip(names, rows, strict=True))]
    meta = write(tmp_path / "meta_info_LIVEIQADataset.csv", lines)
    direct = load(meta, "lower", data_root=live_tree)
    np.testing.assert_array_equal(direct.quality, [-float(row["score"]) for row in rows])
    assert (
        direct.read_line == "meta_info_LIVEIQADataset.csv: reference is ref_name; distorted is dist_name; score is mos"
    )
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "databaserelease2").symlink_to(live_tree)
    nested = load(meta, "lower", data_root=tmp_path / "sets")
    assert [pair.distorted.name for pair in nested.pairs] == [pair.distorted.name for pair in direct.pairs]
    assert "distorted images found in databaserelease2/" in str(nested.read_line)


@pytest.mark.parametrize(
    ("name", "better", "references"), [("CSIQ", "lower", 30), ("KADID-10k", "higher", 81), ("LIVE", "lower", 29)]
)
def test_label_lists_of_iqa_dataset(
    name: str, better: str, references: int, label_rows: Callable[[str], list[dict[str, str]]], tmp_path: Path
) -> None:
    """dis_img_path, dis_type, ref_img_path, score; with the score as a feature too, so that no image is needed."""
    rows = label_rows(name)
    lines = [[*rows[0], "psnr"], *([*row.values(), row["score"]] for row in rows)]
    path = write(tmp_path / f"{name}.csv", lines)
    table = load_pairs(DataOptions(dataset="csv", features=str(path), better=better))
    assert (len(table), len(table.references), table.columns) == (len(rows), references, ("psnr",))
    sign = 1 if better == "higher" else -1
    np.testing.assert_array_equal(table.quality, [sign * float(row["score"]) for row in rows])
    assert [pair.distortion for pair in table.pairs] == [row["dis_type"] for row in rows]


PAIRS = ("r.png", "a.png", 3), ("r.png", "b.png", 2), ("r.png", "c.png", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("refs/r.png", "images/a.png", "images/b.png", "images/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def refused(path: Path, better: str | None = "higher", **options: Any) -> str:
    with pytest.raises(InputError) as error:
        load(path, better, **options)  # type: ignore[arg-type]  # without a direction
    return error.value.command_line


@pytest.mark.parametrize(("column", "usual"), [("mos", "higher"), ("dmos", "lower"), ("elo_score", "higher")])
def test_which_score_is_better_is_asked_for_and_the_usual_answer_told(column: str, usual: str, folder: Path) -> None:
    meta = write(folder / "meta.csv", [("hq_name", "dist_name", column), *PAIRS])
    assert refused(meta, None) == (
        "--better: needed with --dataset csv; say whether the higher or the lower score is better "
        f"(of {column} it is usually the {usual} one)"
    )
    assert load(meta, usual).score_column == column


def test_the_usual_names_win(folder: Path) -> None:
    rows = [(*pair, 10 - pair[2], pair[0]) for pair in PAIRS]
    meta = write(folder / "meta.csv", [("ref_name", "distorted", "score", "mos", "reference"), *rows])
    assert [pair.score for pair in load(meta, "higher").pairs] == [3, 2, 1]


@pytest.mark.parametrize(("column", "score"), [("std", "mos"), ("mos_std", "mos"), ("dmos_std", "score")])
def test_deviations_are_kept(column: str, score: str, folder: Path) -> None:
    rows = [(*pair, 0.25, 7) for pair in PAIRS]
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", score, column, "other_std"), *rows])
    assert [pair.score_std for pair in load(meta, "higher").pairs] == [0.25] * 3


def test_a_deviation_is_of_the_score_that_is_taken(folder: Path) -> None:
    rows = [(*pair, 0.25, 7) for pair in PAIRS]
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "mos", "mos_std", "dmos_std"), *rows])
    assert [pair.score_std for pair in load(meta, "higher").pairs] == [0.25] * 3
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "score", "note", "dmos_std"), *rows])
    assert [pair.score_std for pair in load(meta, "higher").pairs] == [7] * 3
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "dmos", "note", "mos_std"), *rows])
    assert [pair.score_std for pair in load(meta, "higher").pairs] == [None] * 3
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "score", "mos_std", "dmos_std"), *rows])
    assert "its columns mos_std and dmos_std may each be the score_std" in refused(meta)


def test_an_image_that_lies_elsewhere_is_named_and_not_taken_while_others_are_where_they_should_be(
    folder: Path,
) -> None:
    (folder / "images" / "a.png").rename(folder / "a.png")
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "mos"), *PAIRS])
    assert refused(meta) == (
        f"{folder}/b.png: no such image, though row 3 of {meta} names it; there is images/b.png: correct the path"
    )
    assert "a rank correlation needs" in refused(meta, allow_missing=True)


@pytest.mark.parametrize("name", ["C:\\images\\b.png", "D:/b.png", "\\\\server\\images\\b.png"])
def test_paths_of_windows_are_named_as_such(name: str, folder: Path) -> None:
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "mos"), *PAIRS, ("r.png", name, 4)])
    says = (
        f"no such image, though row 5 of {meta} names it, by a path of Windows; write it relative to the images' folder"
    )
    assert refused(meta).endswith(says)
    # those that are absolute throughout, too
    lines = [(pair[0], f"C:\\images\\{pair[1]}", pair[2]) for pair in PAIRS]
    assert "row 2 of" in refused(write(folder / "meta.csv", [("ref_name", "dist_name", "mos"), *lines]))


def test_two_images_of_one_name_are_not_chosen_between(folder: Path) -> None:
    (folder / "older").mkdir()
    (folder / "older" / "B.png").write_bytes(b"")
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "mos"), *PAIRS])
    assert refused(meta, allow_missing=True) == (
        f"{folder}/b.png: no such image, though row 3 of {meta} names it; images/b.png and older/B.png have this name: "
        "write the folder before it"
    )
    # of a distortion that is left out nothing is looked for
    rows = [(*pair, "blur" if pair[1] == "b.png" else "noise") for pair in (*PAIRS, ("r.png", "images/d.png", 4))]
    (folder / "images" / "images").mkdir()
    (folder / "images" / "images" / "d.png").write_bytes(b"")
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "mos", "distortion"), *rows])
    assert len(load(meta, "higher", exclude=("Blur",))) == 3


def test_a_column_of_a_split_that_is_not_there_is_suggested(folder: Path) -> None:
    rows = [(*pair, "train", "test") for pair in PAIRS]
    meta = write(folder / "meta.csv", [("ref_name", "dist_name", "mos", SPLIT, SPLIT[:-1] + "2"), *rows])
    said = refused(meta, split_column="ratio802_seed123_split01")
    assert said.startswith(f"--split-column ratio802_seed123_split01: no column of {meta}; did you mean '{SPLIT}'")


def test_what_was_taken_is_said_by_a_search_and_by_doctor(
    small_set: Any, iqatune: Callable[..., Any], small_cache: Path
) -> None:
    lines = small_set.labels.read_text().splitlines()
    assert lines[0] == "reference,distorted,score,distortion,level"
    meta = small_set.folder / "meta.csv"
    meta.write_text("\n".join(["ref_name,dist_name,dmos,distortion,level", *lines[1:]]).replace(",", ";"))
    data = ("--dataset", "csv", "--pairs", meta, "--better", "higher")
    says = "meta.csv: reference is ref_name; distorted is dist_name; score is dmos; semicolons between cells"
    ran = iqatune(
        "extract", *data, "--backbone", "squeezenet", "--backbone-weights", "random", "--cache-dir", small_cache
    )
    assert (ran.code, says in ran.err) == (0, True), ran.err
    ran = iqatune("doctor", *data, "--only", "data")
    meta.unlink()
    out = " ".join(ran.out.split())
    assert says in out
    assert (
        "of dmos the lower one is usually the better, and it is read as higher is better (as KADID-10k's dmos is)"
        in out
    )
