"""Numbers in label files are what they look like: no slip of the keyboard is taken for another number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqatune.datasets.numbers import number, whole_number


@pytest.mark.parametrize("text", ["48_50", "４８.５０", "٤٨", "4 8", "48,5", "0x1F", "1e", "--1", "", ".", "1__0", "¼"])
def test_a_slip_of_the_keyboard_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        number(text)
    with pytest.raises(ValueError, match="not a whole number"):
        whole_number(text)


@given(st.floats(allow_nan=False))
def test_every_float_is_read_as_python_writes_it(value: float) -> None:
    assert number(repr(value)) == value
    assert number(f" {value:+.17g} ") == value


@given(st.integers(-(10**12), 10**12))
def test_every_whole_number_is_read(value: int) -> None:
    assert whole_number(str(value)) == value
    assert whole_number(f"{value}.0") == value  # as pandas writes a column in which some are missing


@pytest.mark.parametrize(
    ("column", "text", "says"),
    [
        ("score", "48_50", "row 3 has the score '48_50', which is not a number"),
        ("score", "４８.５", "row 3 has the score '４８.５', which is not a number"),
        ("level", "1_0", "row 3 has the level '1_0', not a whole number"),
        ("level", "２", "row 3 has the level '２', not a whole number"),
    ],
)
def test_the_row_is_named(column: str, text: str, says: str, small_set: Any, iqatune: Callable[..., Any]) -> None:
    lines = small_set.labels.read_text().splitlines()
    place = lines[0].split(",").index(column)
    cells = lines[2].split(",")
    cells[place] = text
    lines[2] = ",".join(cells)
    Path("labels.csv").write_text("\n".join(lines), encoding="utf-8")
    data = ("--dataset", "csv", "--pairs", "labels.csv", "--data-root", small_set.folder, "--better", "higher")
    ran = iqatune("search", *data, "--backbone", "squeezenet", "--backbone-weights", "random", "--searcher", "random")
    assert ran.code == 2
    assert f"labels.csv: {says}" in ran.last_line
    assert not Path("runs").exists() or not list(Path("runs").rglob("result.json"))


@pytest.mark.parametrize("name", ["kadid10k", "tid2013"])
def test_the_published_sets_labels_too(name: str, request: pytest.FixtureRequest, tmp_path: Path, iqatune: Any) -> None:
    tree = request.getfixturevalue(f"{name}_tree")
    for entry in tree.iterdir():
        if entry.is_dir():
            (tmp_path / entry.name).symlink_to(entry)
    file = next(entry for entry in tree.iterdir() if entry.is_file())
    lines = file.read_text().splitlines()
    old = lines[1].split(",")[2] if name == "kadid10k" else lines[1].split()[0]
    lines[1] = lines[1].replace(old, f"{old}_1", 1)
    (tmp_path / file.name).write_text("\n".join(lines))
    ran = iqatune("doctor", "--dataset", name, "--data-root", tmp_path, "--only", "data", "--json")
    assert ran.code == 1
    assert f"has the score '{old}_1', which is not a number" in ran.out
