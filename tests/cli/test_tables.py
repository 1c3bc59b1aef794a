"""Tables at any width: names whole, no number cut, and what has no room is said."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from iqatune.cli.bench_tables import print_bench
from iqatune.cli.frontier import print_frontier
from iqatune.cli.fusion_table import print_fusion
from iqatune.cli.grid_view import print_sweep
from iqatune.cli.robust_tables import print_robust
from iqatune.cli.table import GAP, columns_of, layout, print_table
from iqatune.cli.terminal import folded, width_of
from iqatune.records.bench import Bench
from iqatune.records.frontier import Frontier
from iqatune.records.fusion import Fusion
from iqatune.records.robust import Robust
from iqatune.records.sweep import Sweep

WIDTHS = (40, 60, 80, 120, 200)
RESULTS = Path(__file__).parents[2] / "results"
DECIMAL = re.compile(r"(?<![\w.])[-+]?\d+\.\d{2,}(?![\w.]*[/\w])")

names = st.text(st.sampled_from("abcdefgh0123_-/=. ü漢"), min_size=1, max_size=60).map(str.strip).filter(bool)
figures = st.floats(-1, 1).map(lambda value: f"{value:.4f}") | st.sampled_from(["-", "undefined", "[-0.123, 0.456]"])


@st.composite
def contents(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a name and up to eight figures."""
    count = draw(st.integers(1, 8))
    heads = ["metric", *(f"figure {'x' * draw(st.integers(0, 6))} {number}" for number in range(count))]
    rows = st.lists(figures, min_size=count, max_size=count)
    return heads, [[draw(names), *draw(rows)] for _ in range(draw(st.integers(1, 4)))]


@settings(max_examples=60, deadline=None)
@given(contents(), st.integers(36, 200), st.booleans())
def test_names_are_whole_and_what_is_left_out_is_a_fixed_order(
    content: tuple[list[str], list[list[str]]], width: int, parted: bool
) -> None:
    heads, rows = content
    first = tuple(reversed(heads[1:]))
    found = layout(columns_of(heads, rows), width, first=first, parted=parted)
    for block in found.blocks:
        (name, of_name), *others = block
        assert name.head == "metric"
        assert sum(wide for _, wide in block) + GAP * (len(block) - 1) <= width
        for row, cell in zip(rows, name.cells, strict=True):
            lines = name.lines(cell, of_name).split("\n")
            assert "".join(lines).replace(" ", "") == row[0].replace(" ", "")
            assert max(map(cell_len, lines)) <= of_name
        for column, wide in others:
            for cell in column.cells:
                assert all(piece in cell.split() for piece in column.lines(cell, wide).split())
    shown = [column.head for block in found.blocks for column, _ in block[1:]]
    assert set(shown) | set(found.left_out) == set(heads[1:])
    if parted:
        assert shown == heads[1:]
    else:  # the most important ones are those that stay
        assert set(shown) == set(first[: len(shown)])


def test_a_wider_terminal_never_shows_less() -> None:
    heads = ["metric", *"abcdef"]
    columns = columns_of(heads, [["results/some/path/of/a/result.json", *(["0.1234"] * 6)]])
    counts = [len(layout(columns, width).left_out) for width in range(20, 120)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 0


@pytest.mark.parametrize(("said", "width"), [("70", 70), ("0", None), ("-3", None), ("wide", None), ("", None)])
def test_columns_is_honoured_without_a_terminal(
    said: str, width: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", said)
    with (tmp_path / "out").open("w") as file:
        assert width_of(file) == width


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("ab 漢-"), max_size=80), st.integers(5, 40))
def test_sentences_are_parted_at_spaces_alone(text: str, width: int) -> None:
    lines = folded(text, width)
    assert " ".join(lines).split() == text.split()
    assert all(cell_len(line.strip()) <= width or " " not in line.strip() for line in lines)


def test_a_piped_table_leaves_nothing_out(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    heads = ["metric", *(f"figure-{number}" for number in range(30))]
    print_table("a wide one", heads, [["name/" * 20, *(["0.1234"] * 30)]])
    out = capsys.readouterr().out
    assert all(head in out for head in heads)
    assert "name/" * 20 in out
    assert "Left out" not in out


SHOWN: dict[str, Callable[[Path], None]] = {
    "frontier": lambda file: print_frontier(Frontier.model_validate_json(file.read_text()), file.parent),
    "fuse": lambda file: print_fusion(Fusion.model_validate_json(file.read_text()), file),
    "robust": lambda file: print_robust(Robust.model_validate_json(file.read_text())),
    "sweep": lambda file: print_sweep(Sweep.model_validate_json(file.read_text())),
    "bench": lambda file: print_bench(Bench.model_validate_json(file.read_text())),
}
FILES = {"frontier": "frontier.json", "fuse": "fusion.json", "robust": "robust.json", "sweep": "sweep.json"}


@pytest.mark.parametrize("verb", SHOWN)
def test_records_at_every_width(verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = min(RESULTS.rglob(FILES.get(verb, "bench.json")))

    def shown(width: int) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        SHOWN[verb](file)
        return capsys.readouterr().out

    full = shown(1000)
    assert "Left out" not in full
    for width in WIDTHS:
        check(shown(width), full, width)


def test_verbs_at_every_width(
    iqatune: Callable[..., Any],
    search: Callable[..., Any],
    small_set: Any,
    small_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for searcher in ("random", "fit"):
        search("--searcher", searcher, "--quiet")
    records = sorted(Path("runs").rglob("result.json"))
    data = (*small_set.options, "--cache-dir", small_cache, "--quiet")
    settings_of_search = ("--backbone", "squeezenet", "--backbone-weights", "random", "--samples", 8, "--folds", 2)
    verbs: dict[str, tuple[object, ...]] = {
        "search": ("search", *data, *settings_of_search, "--searcher", "fit"),
        "evaluate": ("evaluate", *records, *data, "--by", "distortion", "--baseline", "psnr"),
        "replay": ("replay", records[0], "--cache-dir", small_cache, "--quiet"),
        "score": ("score", records[0], "--pairs", small_set.labels, "--quiet"),
        "doctor": ("doctor", *small_set.options, "--only", "data", "--quiet"),
        "cache": ("cache", "--cache-dir", small_cache),
        "datasets": ("list", "datasets"),
        "backbones": ("list", "backbones"),
        "searchers": ("list", "searchers"),
        "baselines": ("list", "baselines"),
        "spaces": ("list", "spaces"),
    }
    for verb, line in verbs.items():
        monkeypatch.setenv("COLUMNS", "1000")
        full = iqatune(*line)
        assert full.code == 0, (verb, full.err)
        assert "Left out" not in full.out
        # those that compute at the usual widths alone
        for width in WIDTHS if verb in ("cache", "doctor") or line[0] == "list" else (60, 80, 120):
            monkeypatch.setenv("COLUMNS", str(width))
            check(iqatune(*line).out, full.out, width)


def test_every_figure_of_an_evaluation_is_one_of_the_document(
    iqatune: Callable[..., Any],
    search: Callable[..., Any],
    small_set: Any,
    small_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search("--searcher", "fit", "--quiet")
    (record,) = Path("runs").rglob("result.json")
    line = ("evaluate", record, *small_set.options, "--by", "distortion", "--cache-dir", small_cache, "--quiet")
    document = json.loads(iqatune(*line, "--format", "json").out)
    rounded = {f"{number:.{digits}f}" for number in numbers_of(document) for digits in (3, 4)}
    for width in (*WIDTHS, 1000):
        monkeypatch.setenv("COLUMNS", str(width))
        found = DECIMAL.findall(iqatune(*line).out)
        assert found
        assert set(found) <= rounded


def check(narrow: str, full: str, width: int) -> None:
    """No line is too long but for a word without space, and every number is one of the full table's."""
    for line in narrow.splitlines():
        assert cell_len(line) <= width or " " not in line.strip(), (width, line)
    assert set(DECIMAL.findall(narrow)) <= set(DECIMAL.findall(full)), width


def numbers_of(content: object) -> Iterator[float]:
    """Every number of a document."""
    if isinstance(content, dict):
        for part in content.values():
            yield from numbers_of(part)
    elif isinstance(content, list):
        for part in content:
            yield from numbers_of(part)
    elif isinstance(content, int | float):
        yield float(content)
