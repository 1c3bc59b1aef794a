"""CSV files as spreadsheets of any country save them: read as they were meant, or refused in a line."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from iqatune.datasets.numbers import decimal_mark, number
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.records.options import DataOptions
from iqatune.scoring.pairing import pairs_of_csv

HEADER = ("reference", "distorted", "score", "level", "distortion", "psnr")
ENCODINGS = {"utf-8": b"", "utf-8-sig": b"", "utf-16": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
"""What a file may be written in, with the byte order mark that Python leaves out."""

Row = tuple[float, int | None, str, float]
"""Score, level, distortion, psnr."""

scores = st.one_of(
    st.integers(-2000, 2000).map(float), st.floats(-1e4, 1e4).map(lambda value: round(value, 3)), st.floats(-1e9, 1e9)
)
words = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=8)
rows_of_a_table = st.lists(
    st.tuples(scores, st.none() | st.integers(0, 9), words, scores), min_size=3, max_size=8
).filter(lambda rows: len({row[0] for row in rows}) > 1)


def table_of(folder: Path, content: bytes, **options: Any) -> PairTable:
    """What a features file of that content holds: its images need not be there."""
    path = folder / "table.csv"
    path.write_bytes(content)
    return load_pairs(DataOptions(dataset="csv", **{"features": path, "better": "higher", **options}))


def written(rows: Sequence[Row], *, separator: str, decimal: str, quoting: Any, end: str) -> str:
    """A table as a CSV writer of that country writes it; whole numbers without decimals, as spreadsheets do."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(HEADER)
    for place, (score, level, distortion, psnr) in enumerate(rows):
        figures = [repr(value).removesuffix(".0").replace(".", decimal) for value in (score, psnr)]
        name = f"an image, {place}.png"
        writer.writerow(("r.png", name, figures[0], "" if level is None else level, distortion, figures[1]))
    return text.getvalue()


@settings(deadline=None, max_examples=150)
@given(
    rows_of_a_table,
    st.sampled_from(",;\t"),
    st.sampled_from(".,"),
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)),
    st.sampled_from(("\n", "\r\n", "\r")),
    st.sampled_from(("", "sep")),
)
def test_every_dialect_gives_the_same_pairs_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    separator: str,
    decimal: str,
    encoding: str,
    quoting: int,
    end: str,
    first: str,
) -> None:
    text = written(rows, separator=separator, decimal=decimal, quoting=quoting, end=end)
    if first:
        text = f"sep={separator}{end}{text}"
    content = ENCODINGS[encoding] + text.encode(encoding)
    # what is as any program of one country writes it has to be read: with numbers that could not be thousands
    figures = [repr(value).removesuffix(".0") for row in rows for value in (row[0], row[3])]
    sure = [figure for figure in figures if "." in figure and len(figure.split(".")[1]) != 3]
    must = decimal == "." if separator == "," else bool(sure) or all("." not in figure for figure in figures)
    must = must and all(word.upper() != "NA" and not word.startswith("#") for _, _, word, _ in rows)
    try:
        table = table_of(tmp_path_factory.getbasetemp(), content)
    except InputError:
        assert not must
        return
    assert [pair.score for pair in table.pairs] == [row[0] for row in rows]
    assert [pair.level for pair in table.pairs] == [row[1] for row in rows]
    assert table.columns == ("psnr",)
    np.testing.assert_array_equal(table.features[:, 0], [row[3] for row in rows])
    assert [pair.distorted.name for pair in table.pairs] == [f"an image, {place}.png" for place in range(len(rows))]
    if must:
        assert [pair.distortion for pair in table.pairs] == [
            "unnamed" if word in ("-", "--") or word.casefold() in ("na", "n/a", "nan", "null") else word
            for _, _, word, _ in rows
        ]


GOOD = b"reference,distorted,score,level\nr.png,a.png,5.51,1\nr.png,b.png,4.2,2\nr.png,c.png,3,3\n"
FORMS = (
    GOOD,
    GOOD.decode().replace(",", ";").replace(".5", ",5").encode("utf-16"),
    b"\xef\xbb\xbfsep=;\r\n" + GOOD.replace(b",", b";"),
)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_what_is_no_csv_is_bad_input_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes at random, and files with a few bytes changed, doubled or cut out."""
    content = bytearray(data.draw(st.sampled_from(FORMS) | st.binary(max_size=60)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content)))
        upto = data.draw(st.integers(at, min(len(content), at + 3)))
        content[at:upto] = data.draw(st.binary(max_size=3) | st.sampled_from((b'"', b";", b"\0", b"\r", b"#", b"\xff")))
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(bytes(content))
    reads: tuple[Callable[[], Any], ...] = (
        lambda: load_pairs(DataOptions(dataset="csv", pairs=path, better="higher", allow_missing=True)),
        lambda: load_pairs(DataOptions(dataset="csv", features=path, better="higher", feature_columns=("level",))),
        lambda: pairs_of_csv(path),
    )
    for line in filter(None, map(refusal, reads)):
        assert "\n" not in line
        assert len(line) < 2000


@pytest.mark.parametrize("options", [{"pairs": None}, {"features": None, "feature_columns": ("level",)}])
def test_no_file_has_a_name_with_a_nul(options: dict[str, Any], tmp_path: Path) -> None:
    """The system's own functions raise for one."""
    path = tmp_path / "nul.csv"
    path.write_bytes(GOOD.replace(b"b.png", b"\0.png"))
    given = {name: path if value is None else value for name, value in options.items()}
    line = refusal(lambda: load_pairs(DataOptions(dataset="csv", better="higher", **given)))
    assert line is not None
    assert "no such image" in line


def refusal(read: Callable[[], Any]) -> str | None:
    """The line of an input error; None without one."""
    try:
        read()
    except InputError as error:
        return error.command_line
    return None


@given(st.lists(st.integers(-999_999, 999_999), min_size=1), st.sampled_from(".,"), st.booleans())
@example([1520, 950], ".", True)
def test_thousands_are_never_taken_for_decimals(values: list[int], mark: str, spread: bool) -> None:
    """A column of whole numbers with a mark at each thousand, as a spreadsheet shows them, in a file of semicolons."""
    assume(any(abs(value) >= 1000 for value in values) and any(abs(value) < 1000 for value in values))
    cells = [f"{value:,}".replace(",", mark) for value in values]
    found = decimal_mark([cells] if spread else [cells, ["7"] * len(cells)])
    for cell in cells:
        if mark in cell:
            with pytest.raises(ValueError, match="not a number for certain"):
                number(cell, found)
        else:
            assert number(cell, found) == int(cell)


@pytest.mark.parametrize(
    ("columns", "mark"),
    [
        ([["5,51", "4"]], ","),
        ([["1,234", "5,678"]], "?"),  # may be thousands
        ([["1,234", "0,678"]], ","),  # thousands begin with no 0
        ([["1,234"], ["2,5"]], ","),  # a file is of one country
        ([["1.234", "5.678"]], "."),  # in either reading in the same order
        ([["1.234", "5"]], "?"),
        ([["1.234", "5"], ["0.5", "1"]], "."),
        ([["0.5"], ["0,5"]], "?"),
        ([["1,5E+01", "NA", "#DIV/0!"]], ","),
        ([["1,5", "01.Mai", "2,25"]], ","),  # a slip among numbers
        ([["a.png", "1,5.png", "1,5"]], "."),  # names
        ([[], ["", ""]], "."),
    ],
)
def test_the_decimal_mark(columns: list[list[str]], mark: str) -> None:
    assert decimal_mark(columns) == mark


FAULTS = {
    # UTF-16 without its mark is written by programs, not by spreadsheets
    "utf-16-le": ("not text, or UTF-16 without a byte order mark; save it as 'CSV UTF-8'", ()),
    "latin-1": ("line 3 contains the byte 0xE9, which is not UTF-8; save it as 'CSV UTF-8'", (("b.png", "é.png"),)),
}


@pytest.mark.parametrize("encoding", FAULTS)
def test_encodings_that_cannot_be_told(encoding: str, tmp_path: Path) -> None:
    says, changes = FAULTS[encoding]
    text = GOOD.decode()
    for old, new in changes:
        text = text.replace(old, new)
    with pytest.raises(InputError) as error:
        table_of(tmp_path, text.encode(encoding))
    assert error.value.command_line == f"{tmp_path}/table.csv: {says}"


SEMICOLONS = (",", ";")
OPEN = "may stand before decimals or thousands"


def no_score(text: str, reason: str, row: int = 3) -> str:
    return f"row {row} has the score '{text}', which is not a number{reason}; correct it or remove the entry"


LINES: tuple[tuple[Sequence[tuple[str, str]], str], ...] = (
    ([("5.51", "5,51")], "row 2 has 5 cells for 4 columns; quote its commas (are some before decimals?)"),
    ([("5.51", '"5,51"')], no_score("5,51", " (it has a comma)", 2)),
    (
        [SEMICOLONS, ("5.51", "1.234,5"), ("4.2", "4,2")],
        no_score("1.234,5", " (it has a point, and decimals of this file have commas)", 2),
    ),
    ([SEMICOLONS, ("5.51", "1,234"), ("4.2", "2")], no_score("1,234", f" for certain (its comma {OPEN})", 2)),
    ([SEMICOLONS, ("5.51", "1.234"), ("4.2", "2")], no_score("1.234", f" for certain (its point {OPEN})", 2)),
    ([SEMICOLONS, ("4.2", "4,2")], no_score("5.51", f" for certain (its point {OPEN})", 2)),
    ([("4.2", "42%")], no_score("42%", " (a percentage)")),
    ([("4.2", "4. Feb")], no_score("4. Feb", " (a spreadsheet's date)")),
    ([("4.2", "Feb 04")], no_score("Feb 04", " (a spreadsheet's date)")),
    ([("4.2", "2004-02-01")], no_score("2004-02-01", " (a spreadsheet's date)")),
    ([("4.2", "NA")], no_score("NA", " (it says that there is none)")),
    ([("4.2", "-")], no_score("-", " (it says that there is none)")),
    ([("4.2", "#DIV/0!")], no_score("#DIV/0!", " (it says that there is none)")),
    ([("4.2", "#WERT!")], no_score("#WERT!", " (a spreadsheet's error)")),
    ([("4.2", "４.２")], no_score("４.２", " (it has characters that are no plain digits)")),
    ([("4.2", "1\u202f234")], no_score("1 234", " (it has a space inside)")),
    ([("4.2,2", "4.2,02.Jan")], "row 3 has the level '02.Jan', not a whole number (a spreadsheet's date); correct it"),
    ([("4.2,2", "4.2,#REF!")], "row 3 has the level '#REF!', not a whole number (a spreadsheet's error); correct it"),
    ([("b.png", "#N/A")], "row 3 has the distorted '#N/A', a spreadsheet's error; correct it"),
    ([("r.png,b", ",b")], "row 3 has no reference; fill it in or remove the row"),
    (
        [("r.png,c.png", "Reference, distorted"), (",3,3", ",Score,level")],
        "row 4 repeats the names of the columns; remove it",
    ),
    ([("level", "")], "row 2 has '1' in a column without a name; name it or remove it"),
    (
        [("score,level", "score;level")],
        "its first row has commas and semicolons (reference,distorted,score;level); "
        "separate its cells with one of them",
    ),
    (
        [("reference", "sep=|\nreference"), (",", "|")],
        "'sep=|' is not a separator that can be used; take , or ; or a tab",
    ),
    ([("b.png", '"b.png')], "row 3 is not CSV (unexpected end of data); correct its quotes"),
    ([("score,level", "mos,dmos")], "its columns mos and dmos may each be the score; name one of them score"),
    ([("level", "std"), ("4.2,2", "4.2,-2")], "row 3 has the std -2, no standard deviation; correct it"),
    ([("level", "std"), ("4.2,2", "4.2,nil")], "row 3 has the std 'nil', which is not a number; correct it"),
    ([("level", "score_std"), ("4.2,2", "4.2,inf")], "row 3 has the score_std inf, no standard deviation; correct it"),
)


@pytest.mark.parametrize(("changes", "says"), LINES, ids=[says[:60] for _, says in LINES])
def test_the_line_that_a_user_sees(
    changes: Sequence[tuple[str, str]], says: str, iqatune: Callable[..., Any], tmp_path: Path
) -> None:
    text = GOOD.decode()
    for old, new in changes:
        text = text.replace(old, new)
    path = tmp_path / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    data = ("--dataset", "csv", "--pairs", path, "--better", "higher")
    ran = iqatune("search", *data, "--backbone", "squeezenet", "--backbone-weights", "random", "--searcher", "random")
    assert (ran.code, ran.last_line) == (2, f"iqatune: {path}: {says}")


def test_a_workbook_is_named_as_what_it_is(iqatune: Callable[..., Any], tmp_path: Path) -> None:
    from openpyxl import Workbook

    path = tmp_path / "pairs.xlsx"
    Workbook().save(path)
    ran = iqatune("doctor", "--dataset", "csv", "--pairs", path, "--better", "higher", "--only", "data")
    assert ran.code == 1
    says = "a spreadsheet's own file, not a CSV file; save it as 'CSV UTF-8' in the spreadsheet"
    assert says in " ".join(ran.out.split())


def test_the_pairs_to_score_are_read_as_those_of_a_search(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes("Ref_Name;dist_name;note\r\n r.png ;a\\b.png;x,y\r\n".encode("utf-16"))
    (pair,) = pairs_of_csv(path).pairs
    assert (pair.reference, pair.distorted) == (tmp_path / "r.png", tmp_path / "a" / "b.png")
    assert pair.names == ("r.png", "a\\b.png")
    path.write_text("reference,distorted\nr.png,#REF!\n")
    said = f"{path}: row 2 has the distorted '#REF!', a spreadsheet's error; correct it"
    assert refusal(lambda: pairs_of_csv(path)) == said


def test_cells_that_say_that_there_is_nothing(tmp_path: Path) -> None:
    """Of what a pair need not have."""
    lines = (
        "Reference;DISTORTED; Score ;Level;distortion;Score_Std;psnr;;",
        " r.png ;a.png;5,51;1,0;NA;0,5;31;;",
        ";;;;;;;;",
        "r.png;b.png\u00a0;\u20094,2;n/a;blur;#DIV/0!;30;;",
        "r.png;c.png;3E0;#NV;blur;-;29;;;;",
    )
    table = table_of(tmp_path, "\n".join(lines).encode("utf-8-sig"))
    assert [(pair.score, pair.level, pair.distortion, pair.score_std) for pair in table.pairs] == [
        (5.51, 1, "unnamed", 0.5),
        (4.2, None, "blur", None),
        (3.0, None, "blur", None),
    ]
    assert [pair.distorted.name for pair in table.pairs] == ["a.png", "b.png", "c.png"]
    assert table.read_line == "table.csv: semicolons between cells; commas before decimals"
