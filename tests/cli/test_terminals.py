"""Streams and names of other people's machines: closed ones, readers that go, encodings, bytes that are no UTF-8."""

import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iqatune.cli.progress import Console

SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")
SEARCH = (*SQUEEZENET, "--searcher", "random", "--samples", "2", "--folds", "0", "--quiet")
LATIN1 = os.fsdecode("donn\xe9es".encode("latin1"))


def typed(command: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """A line as a shell runs it, `iqatune` being this one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IQATUNE_")} | settings
    program = f'iqatune() {{ "{sys.executable}" -m iqatune "$@"; }}; '
    return subprocess.run(["bash", "-c", program + command], capture_output=True, env=environment, timeout=120)


@pytest.mark.parametrize(
    ("command", "code", "err"),
    [
        ("iqatune list spaces >&-", 2, b"iqatune: stdout: is closed; send it to a file, or to /dev/null\n"),
        ("iqatune list spaces >&- 2>&-", 2, b""),
        ("iqatune list spaces 2>&- <&-", 0, b""),
        ("iqatune list nothing 2>&-", 2, b""),
        ("iqatune list nothing 2>/dev/full", 2, b""),
        ("set -o pipefail; iqatune list spaces | true", 0, b""),
        ("set -o pipefail; iqatune list spaces --json | true", 0, b""),
    ],
)
def test_streams_that_are_closed(command: str, code: int, err: bytes) -> None:
    ran = typed(command)
    assert (ran.returncode, ran.stderr) == (code, err)


def test_progress_that_nobody_reads_stops_no_work(small_set: Any, small_cache: Path, tmp_path: Path) -> None:
    loud = SEARCH[: SEARCH.index("--quiet")]
    line = ("search", *small_set.options, *loud, "--cache-dir", str(small_cache), "--output", str(tmp_path))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "iqatune", *line]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, timeout=120)
    os.close(writer)
    assert ran.returncode == 0
    assert b"Record: " in ran.stdout
    assert list(tmp_path.rglob("result.json"))


@pytest.fixture
def strange(small_set: Any, tmp_path: Path) -> Path:
    """The small set in a folder whose name is Latin-1."""
    folder = tmp_path / LATIN1
    try:
        shutil.copytree(small_set.folder, folder)
    except OSError:
        pytest.skip("needs a disk that takes names of any bytes")
    return folder


def test_a_record_holds_names_of_any_bytes(
    iqatune: Callable[..., Any], strange: Path, small_cache: Path, tmp_path: Path
) -> None:
    data = ("--dataset", "csv", "--pairs", strange / "labels.csv", "--better", "higher")
    search = ("search", *data, *SEARCH, "--cache-dir", small_cache, "--output", tmp_path / f"runs-{LATIN1}")
    assert iqatune(*search).code == 0
    (record,) = tmp_path.glob(f"runs-{LATIN1}/**/result.json")
    assert json.loads(record.read_text("utf-8"))["run"]["pairs"] == str(strange / "labels.csv")
    again = iqatune(*search, "--json")
    assert (again.code, json.loads(again.out)["run"]["pairs"]) == (0, str(strange / "labels.csv"))
    for verb in (
        ("replay", record, "--cache-dir", small_cache),
        ("evaluate", record, *data, "--cache-dir", small_cache, "--format", "json"),
        ("evaluate", record, *data, "--cache-dir", small_cache, "--format", "csv"),
        ("report", tmp_path / f"runs-{LATIN1}", "--score", "--cache-dir", small_cache, "--quiet"),
        ("score", record, strange / "ref0.png", strange / "blur0_1.png", "--json"),
        ("doctor", *data, "--only", "data"),
    ):
        ran = iqatune(*verb)
        assert ran.code == 0, (verb, ran.err)
        assert r"\udce9" in ran.out or verb[0] == "doctor"
        ran.out.encode()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_terminal_that_lacks_a_name(
    encoding: str, iqatune: Callable[..., Any], small_set: Any, small_cache: Path, tmp_path: Path
) -> None:
    ran = iqatune("search", *small_set.options, *SEARCH, "--cache-dir", small_cache, "--output", tmp_path / "😀")
    assert ran.code == 0, ran.err
    (record,) = tmp_path.rglob("result.json")
    evaluate = f"evaluate '{record}' {shlex.join(small_set.options)} --cache-dir '{small_cache}' --format"
    for form in ("table", "csv", "json"):
        ran = typed(f"iqatune {evaluate} {form} --quiet", PYTHONIOENCODING=encoding)
        assert (ran.returncode, ran.stderr) == (0, b"")
        if form == "json":
            assert json.loads(ran.stdout)["results"][0]["file"] == str(record)
        else:
            assert rb"\U0001f600" in ran.stdout
    ran = typed("iqatune sweep 😀.yaml", PYTHONIOENCODING=encoding)
    assert (ran.returncode, ran.stderr) == (
        2,
        rb"iqatune: \U0001f600.yaml: cannot be read (No such file or directory)" + b"\n",
    )


NASTY = ("\x1b[31mred\n", "[bold]b[/bold]", "=cmd|' /C calc'!A0", "<img src=x onerror=alert(1)>", "a\u202eb", "_x")


@pytest.fixture
def nasty(small_set: Any, tmp_path: Path) -> tuple[str, ...]:
    """The small set, with nasty names for its distortions."""
    with small_set.labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows({**row, "distortion": NASTY[place % len(NASTY)]} for place, row in enumerate(rows))
    labels = tmp_path / "labels.csv"
    labels.write_text(text.getvalue())
    return ("--dataset", "csv", "--pairs", str(labels), "--data-root", str(small_set.folder), "--better", "higher")


def test_names_from_outside_stay_text(
    iqatune: Callable[..., Any], nasty: tuple[str, ...], small_cache: Path, tmp_path: Path
) -> None:
    cache = ("--cache-dir", small_cache)
    assert iqatune("search", *nasty, *SEARCH, *cache).code == 0
    (record,) = Path("runs").rglob("result.json")
    evaluate = ("evaluate", record, *nasty, *cache, "--by", "distortion")
    shown = iqatune(*evaluate).out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    for name in (r"\x1b[31mred", "[bold]b[/bold]", r"a\u202eb"):
        assert name in shown
    rows = list(csv.DictReader(io.StringIO(iqatune(*evaluate, "--format", "csv").out)))
    groups = {row["group"] for row in rows}
    assert f"'{NASTY[2]}" in groups
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())
    assert all(float(row["srcc"]) <= 1 for row in rows)
    assert "\x1b" not in iqatune(*evaluate, "--format", "json").out
    ran = iqatune("report", "runs", "--score", *cache, "--output", tmp_path / "report", "--quiet")
    assert ran.code == 0, ran.err
    markdown, page = ((tmp_path / "report" / name).read_text() for name in ("report.md", "report.html"))
    assert r"\<img src=x onerror=alert(1)\>" in markdown
    assert not any(text in markdown.replace(r"\<", "") for text in ("<img", "\x1b", "\u202e"))
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert not any(text in page for text in ("<img src=x", "\x1b", "\u202e"))
    (table,) = (tmp_path / "report" / "tables").glob("distortions-csv*.csv")
    assert f"'{NASTY[2]}" in {row["distortion"] for row in csv.DictReader(table.open(newline=""))}


def test_markup_in_a_title_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with Console().track("[red]\x1b]0;title\x07[/red]", 2, "pairs") as advance:
        advance(2)
    shown = capsys.readouterr().err
    assert r"[red]\x1b]0;title\x07[/red]" in shown


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("IQATUNE_SAMPELS", "no option has this variable; did you mean IQATUNE_SAMPLES?"),
        ("iqatune_seed", "no option has this variable; did you mean IQATUNE_SEED?"),
        ("IQATUNE_CACHEDIR", "no option has this variable; did you mean IQATUNE_CACHE_DIR?"),
        ("IQATUNE_XYZZY", "no option has this variable; unset it"),
    ],
)
def test_a_misspelt_variable_is_told(
    name: str, says: str, iqatune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "5")
    ran = iqatune("list", "spaces", "--json")
    assert (ran.code, ran.err) == (0, f"warning: {name}: {says}\n")
    assert json.loads(ran.out)


def test_variables_of_other_verbs_are_known(iqatune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAMPLES", "JOBS", "KEEP_GOING", "INCLUDE_BACKBONE", "DATA", "MAX_PIXELS", "TEST_SCREENSHOTS"):
        monkeypatch.setenv(f"IQATUNE_{name}", "5")
    assert iqatune("list", "spaces").err == ""


@pytest.mark.parametrize("number", ["5_0", "٥", "５", "0x10", "1e1", "", " "])
@pytest.mark.parametrize("way", ["option", "variable", "config", "grid"])
def test_a_number_is_what_it_looks_like(
    number: str, way: str, iqatune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["search", "--dataset", "demo", *SQUEEZENET, "--searcher", "random"]
    if way == "option":
        line += ["--samples", number]
    elif way == "variable":
        if not number.strip():
            pytest.skip("an empty variable is none")
        monkeypatch.setenv("IQATUNE_SAMPLES", number)
    elif way == "config":
        Path("options.yaml").write_text(f"samples: '{number}'\n", encoding="utf-8")
        line += ["--config", "options.yaml"]
    else:
        text = f"dataset: demo\nbackbone: squeezenet\nsearcher: random\nsamples: '{number}'\n"
        Path("grid.yaml").write_text(text, encoding="utf-8")
        line = ["sweep", "grid.yaml"]
    ran = iqatune(*line)
    assert ran.code == 2, ran.err
    assert f"'{number}'" in ran.last_line
    assert "not a whole number" in ran.last_line


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
def test_warnings_of_libraries_show_no_source(small_set: Any, tmp_path: Path) -> None:
    import torch

    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "scripted.pt"))  # type: ignore[no-untyped-call]
    data = shlex.join(small_set.options)
    ran = typed(
        f"iqatune search {data} --backbone squeezenet --backbone-weights '{tmp_path}/scripted.pt' --searcher random "
        f"--cache-dir '{tmp_path}/cache' --output '{tmp_path}/runs' --quiet"
    )
    lines = ran.stderr.decode().splitlines()
    assert ran.returncode == 2
    assert len(lines) == 1
    assert "scripted.pt: not a readable file of tensors" in lines[0]


def test_a_warning_is_one_plain_line() -> None:
    code = (
        "import warnings; from iqatune.runtime.python_warnings import plain_warnings; plain_warnings(); "
        "warnings.warn('two\\nlines \\x1b[31m')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr == "warning: <string>: two lines \\x1b[31m\n"


def test_json_without_end_beside_records(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> None:
    assert iqatune("search", *small_set.options, *SEARCH, "--cache-dir", small_cache).code == 0
    Path("runs/deep.json").write_text("[" * 100_000)
    ran = iqatune("report", "runs")
    assert ran.code == 2
    assert "deep.json: nested too deeply" in ran.last_line
