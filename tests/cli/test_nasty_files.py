"""Files of any content, given to the command line: an answer or one line, in bounded time, and never a defect."""

import csv
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from scipy.io import savemat

BASE = "dataset: csv\nbackbone: squeezenet\nbackbone_weights: random\nsearcher: random\n"
LINE = ("--backbone", "squeezenet", "--backbone-weights", "random", "--searcher", "random", "--samples", "1", "--quiet")
LONGEST_S = 30.0
"""Most of it is the import of torch, where that is the first."""

BOMB = "".join(
    f"{name}: &{name} [{', '.join([before] * 9)}]\n"
    for before, name in zip(("x", *["*a", "*b", "*c", "*d", "*e", "*f", "*g"]), "abcdefgh", strict=True)
)


@pytest.fixture
def told(iqatune: Callable[..., Any]) -> Callable[..., str]:
    """Run a command line on a nasty file: an answer, or one line; gives stderr."""

    def run(*arguments: object) -> str:
        began = time.monotonic()
        ran = iqatune(*arguments)
        lines = [line for line in ran.err.splitlines() if not line.startswith("warning: ")]
        assert ran.code in (0, 1, 2), ran.err
        assert len(lines) == (1 if ran.code == 2 else 0), ran.err
        assert "Traceback" not in ran.err
        assert len(ran.err) < 10_000
        assert time.monotonic() - began < LONGEST_S
        return str(ran.err)

    return run


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested"),
        ("seed: " + "[" * 300 + "]" * 300, "nested"),
        ("seed: " + "{a: " * 300 + "}" * 300, "nested"),
        ("\n".join(" " * depth + "a:" for depth in range(300)), "nested"),
        ("seed:\n " + "- " * 3000 + "1", "nested"),
        (BOMB + "seed: *h\n", "contains more than"),
        ("seed: &a [*a]", "refers to itself"),
        ("#" * (16 * 2**20 + 1), "larger than"),
        ("seed: !!python/object/apply:os.system [ls]", "not YAML"),
        ("seed: !!int '0x" + "f" * 9000 + "'", "not YAML"),
        ("? [1, 2]\n: 3\n", "not YAML"),
        ('data_root: "a\\0b"', ""),
        ("data_root: [a]", ""),
        ("exclude: [[a]]", ""),
        ("seed: " + "9" * 5000, "not a whole number"),
    ],
)
@pytest.mark.parametrize("door", ["config", "grid"])
def test_settings_that_are_none(text: str, says: str, door: str, told: Callable[..., str]) -> None:
    Path("file.yaml").write_text(text if text[:1] in "[{#" else BASE + text)
    line = ("sweep", "file.yaml") if door == "grid" else ("search", "--config", "file.yaml", *LINE)
    err = told(*line)
    assert "iqatune: " in err
    assert says in err


words = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "1e308",
        "-1e308",
        "nan",
        "inf",
        "5_0",
        "٥",
        "=1+1",
        "../..",
        "a.png",
        "\x1b[31m",
        "~",
        "null",
        "true",
        "[",
        "{",
        "*a",
        "&a",
        "!!int 5",
        '"',
        "'",
    ]
)
nested = st.recursive(
    words | st.none() | st.integers() | st.floats() | st.booleans(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(words, part, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    [
        "seed",
        "samples",
        "exclude",
        "resize",
        "data_root",
        "pairs",
        "better",
        "folds",
        "label",
        "device",
        "pooling",
        "space",
    ]
)
every = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@every
@given(st.dictionaries(names, nested, max_size=3))
def test_settings_of_other_kinds(told: Callable[..., str], options: dict[str, Any]) -> None:
    import yaml

    Path("file.yaml").write_text(BASE + yaml.safe_dump(options, allow_unicode=True), encoding="utf-8")
    told("sweep", "file.yaml", "--quiet")
    told("search", "--config", "file.yaml", "--better", "higher", "--pairs", "absent.csv")


@every
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_settings_of_any_bytes(told: Callable[..., str], content: bytes) -> None:
    Path("file.yaml").write_bytes(content)
    told("sweep", "file.yaml", "--quiet")
    told("search", "--config", "file.yaml", "--dataset", "csv", "--pairs", "absent.csv", "--better", "lower", *LINE)


@every
@given(st.lists(st.lists(words, min_size=1, max_size=6), max_size=6), st.binary(max_size=8))
def test_pairs_of_any_content(told: Callable[..., str], rows: list[list[str]], tail: bytes) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["reference", "distorted", "score", "distortion", "level"], *rows])
    Path("pairs.csv").write_bytes(text.getvalue().encode() + tail)
    data = ("--dataset", "csv", "--pairs", "pairs.csv", "--better", "lower")
    told("search", *data, *LINE)
    told("doctor", *data, "--only", "data", "--quiet")
    told("score", "absent.json", "--pairs", "pairs.csv", "--quiet")


@pytest.mark.parametrize("score", ["1e308", "-1e308", "1e101", "inf", "1e999", "9" * 400])
def test_scores_beyond_all_measure(score: str, small_set: Any, told: Callable[..., str]) -> None:
    lines = small_set.labels.read_text().splitlines()
    lines[3] = ",".join([*lines[3].split(",")[:2], score, "noise", "1"])
    Path("pairs.csv").write_text("\n".join(lines))
    data = ("--dataset", "csv", "--pairs", "pairs.csv", "--data-root", small_set.folder, "--better", "lower")
    assert "row 4 has the score" in told("search", *data, *LINE)


@pytest.mark.parametrize(
    "content",
    [
        "reference,distorted,score\n" + "a" * 3_000_000,
        "reference,distorted,score\n" + "a," * 1_000_000,
        "a," * 1_000_000,
    ],
)
def test_a_line_without_end(content: str, told: Callable[..., str]) -> None:
    Path("pairs.csv").write_text(content)
    assert "characters" in told("search", "--dataset", "csv", "--pairs", "pairs.csv", "--better", "lower", *LINE)


def _workbook(edit: Callable[[bytes], bytes]) -> bytes:
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = "all_by_image"
    sheet.append(["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"])
    sheet.append([1600, 1, "noise", 1, 0.1, 0.5])
    plain, edited = io.BytesIO(), io.BytesIO()
    workbook.save(plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(edited, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, edit(content) if name.endswith("sheet1.xml") else content)
    return edited.getvalue()


def _endless(content: bytes) -> bytes:
    return content.replace(b"A1:F2", b"A1:XFD1048576")


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (_endless, "no such image"),
        (lambda sheet: _endless(sheet).replace(b'<row r="2"', b'<row r="99999999999999"'), "0 usable pairs"),
        (lambda sheet: _endless(sheet).replace(b"</sheetData>", b"<row/>" * 20_000 + b"</sheetData>"), "usable pairs"),
        (
            lambda sheet: _endless(sheet).replace(
                b"</sheetData>", b"<row><c><v>1</v></c></row>" * 20_000 + b"</sheetData>"
            ),
            "over 10000 rows",
        ),
        (lambda sheet: sheet + b" " * (64 * 2**20), "MiB"),
    ],
)
def test_workbooks_larger_than_they_look(edit: Callable[[bytes], bytes], says: str, told: Callable[..., str]) -> None:
    Path("csiq.DMOS.xlsx").write_bytes(_workbook(edit))
    err = told("search", "--dataset", "csiq", "--data-root", ".", *LINE)
    assert says in err or "no such image" in err


@pytest.mark.parametrize("inner", ["variable", "cell", "announced"])
def test_matlab_files_larger_than_they_look(inner: str, told: Callable[..., str]) -> None:
    names = np.empty((1, 982), dtype=object)
    names[0] = ["bikes.bmp"] * 982
    scores: dict[str, Any] = {"dmos_new": np.zeros((1, 982)), "orgs": np.zeros((1, 982), np.uint8)}
    zeros = np.zeros((5000, 5000), np.uint8)
    if inner == "variable":
        scores["more"] = zeros
    elif inner == "cell":
        names[0, 0] = zeros
    savemat("dmos_realigned.mat", scores, do_compression=True)
    savemat("refnames_all.mat", {"refnames_all": names}, do_compression=inner == "cell")
    if inner == "announced":
        file = Path("refnames_all.mat")
        file.write_bytes(
            file.read_bytes().replace(np.array([1, 982], "<i4").tobytes(), np.array([1, 2**30], "<i4").tobytes())
        )
    assert "contains far more than 982" in told("search", "--dataset", "live", "--data-root", ".", *LINE)


def test_a_large_grid_is_checked_in_linear_time(told: Callable[..., str]) -> None:
    numbers = ", ".join(map(str, range(1, 20_001)))
    Path("grid.yaml").write_text(f"{BASE.replace('csv', 'tid2013')}data_root: nowhere\nsamples: [{numbers}, 1]\n")
    assert "twice" in told("sweep", "grid.yaml", "--quiet")


@pytest.mark.parametrize("value", ["null", "5", "[1, {a: 2}]", "[[], null]"])
def test_what_is_excluded_is_of_any_kind_and_never_an_internal_error(told: Callable[..., str], value: str) -> None:
    Path("file.yaml").write_text(f"{BASE}pairs: absent.csv\nbetter: higher\nexclude: {value}\n")
    told("sweep", "file.yaml", "--quiet")
    told("search", "--config", "file.yaml", "--quiet")
