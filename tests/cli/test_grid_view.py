"""How a sweep is shown: the grid's table, lines without a terminal, a live table on one."""

import sys

import pytest

from iqatune.cli.grid_view import grid, grid_view, print_sweep
from iqatune.records.sweep import CellState, Sweep


@pytest.fixture
def sweep() -> Sweep:
    """Two searchers, two seeds, one backbone in two variants."""

    def cell(place: str, searcher: str, seed: int, **state: object) -> CellState:
        folder = f"csv/{place}/{searcher}-stage-s{seed}"
        names = {"dataset": "csv", "backbone": "squeezenet", "searcher": searcher, "space": "stage", "seed": seed}
        return CellState.model_validate({"folder": folder, **names, **state})

    cells = (
        cell("squeezenet/backbone_weights=random", "random", 0, state="done", srcc=0.9, held_out_srcc=0.8),
        cell("squeezenet/backbone_weights=random", "random", 1, state="done", srcc=0.92, held_out_srcc=0.84),
        cell("squeezenet/backbone_weights=random", "bohb", 0, state="done", srcc=0.95),
        cell("squeezenet/backbone_weights=random", "bohb", 1, state="running"),
        cell("squeezenet/backbone_weights=a.pth", "random", 0, state="failed", error="a.pth [is] broken"),
        cell("squeezenet/backbone_weights=a.pth", "random", 1),
    )
    return Sweep(status="running", cells=cells)


def _row(sweep: Sweep, variant: str) -> dict[str, str]:
    columns, rows = grid(sweep)
    [row] = [row for row in rows if variant in row[1]]
    return dict(zip(columns, row, strict=True))


def test_an_entry_is_the_mean_over_seeds_and_says_what_is_missing(sweep: Sweep) -> None:
    row = _row(sweep, "random")
    assert row["random"] == "0.9100 (0.8200)"
    assert row["bohb"] == "0.9500 1/2 …"
    row = _row(sweep, "a.pth")
    assert row["random"] == "0/2 1 failed"
    assert row["bohb"] == "-"


def test_the_table_ends_with_the_reasons_of_failures(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    print_sweep(sweep)
    out = capsys.readouterr().out
    assert "3 of 6 cells done" in out
    assert out.splitlines()[-1] == "failed: csv/squeezenet/backbone_weights=a.pth/random-stage-s0: a.pth [is] broken"


def test_without_a_terminal_every_cell_that_ends_is_a_line_once(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    with grid_view(quiet=False) as (_, show):
        show(sweep)
        show(sweep)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["1/6", "2/6", "3/6", "4/6"]
    assert "SRCC 0.9000, held-out 0.8000" in lines[0]
    assert lines[3].endswith("failed: a.pth [is] broken")


def test_quiet_shows_nothing(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    with grid_view(quiet=True) as (progress, show):
        show(sweep)
        progress.say("extracting")
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_on_a_terminal_lines_go_above_the_live_table(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with grid_view(quiet=False) as (progress, show):
        show(sweep)
        progress.warn("bohb [stage] will be random")
        with progress.track("extracting squeezenet", 9, "pairs") as advance:
            advance(4)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "warning: bohb [stage] will be random" in captured.err
    assert "0.9100 (0.8200)" in captured.err


def test_a_sweep_says_when_it_ends_from_the_runs_of_this_time(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([100.0, 130.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    states = [cell.state for cell in sweep.cells]
    assert states.count("done") + states.count("failed") == 4
    done = sweep.cells[0]
    with grid_view(quiet=False) as (_, show):
        show(sweep)  # four had ended before
        two = (*sweep.cells[:3], done.model_copy(update={"folder": "a"}), *sweep.cells[4:])
        show(sweep.model_copy(update={"cells": two}))  # a fifth took 30 s
        show(sweep.model_copy(update={"cells": (*two[:5], done.model_copy(update={"folder": "b"}))}))
    lines = capsys.readouterr().err.splitlines()
    assert not any("left" in line for line in lines[:4])
    assert lines[4].endswith("; about 30 s left")
    assert "left" not in lines[5]
