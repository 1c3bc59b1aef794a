"""A sweep for people: one table of the grid, live on a terminal, and lines as cells end where there is none."""

import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

from iqatune.cli.progress import console_progress
from iqatune.cli.table import columns_of, layout, print_table, tables
from iqatune.cli.tables import SIMULATED
from iqatune.cli.terminal import print_line, tell
from iqatune.errors import as_flags, counted
from iqatune.escape import visible
from iqatune.progress import Advance, Progress, duration
from iqatune.records.labels import search_note
from iqatune.records.sweep import CellState, Sweep
from iqatune.tuning.sweep import Show

NOTE = (
    "Each entry: mean SRCC over seeds, tuned (held-out where there are folds). The first is of all pairs, the second "
    "of each fold's own: their difference is no measure of the optimism."
)


@contextmanager
def grid_view(*, quiet: bool) -> Iterator[tuple[Progress, Show]]:
    """What a sweep tells its progress to."""
    if quiet:
        yield console_progress(quiet=True), lambda sweep: None
    elif sys.stderr.isatty():
        with _live() as view:
            yield view
    else:
        yield console_progress(quiet=False), _lines()


def print_sweep(sweep: Sweep) -> None:
    """The grid's figures, and the cells that failed with their reasons."""
    columns, rows = grid(sweep)
    done = sum(cell.state == "done" for cell in sweep.cells)
    print_table(f"{done} of {counted(len(sweep.cells), 'cell')} done", columns, rows, names=3, parted=True)
    print_line(NOTE)
    if any(cell.simulated for cell in sweep.cells):
        print_line(SIMULATED)
    for cell in sweep.failed:
        print_line(f"failed: {cell.folder}: {cell.error}")


def grid(sweep: Sweep) -> tuple[list[str], list[list[str]]]:
    """A row for each data set, backbone (and variant) and space under its prior, a column for each searcher."""
    cells: dict[tuple[str, str, str], dict[str, list[CellState]]] = defaultdict(lambda: defaultdict(list))
    searchers = dict.fromkeys(cell.searcher for cell in sweep.cells)
    for cell in sweep.cells:
        # the folder is DATASET/BACKBONE[/VARIANT]/RUN
        backbone = " ".join(cell.folder.split("/")[1:-1])
        cells[cell.dataset, backbone, f"{cell.space}{search_note(cell)}"][cell.searcher].append(cell)
    rows = [[*names, *(_entry(row[searcher]) for searcher in searchers)] for names, row in cells.items()]
    return ["data set", "backbone", "space", *searchers], rows


def _entry(cells: Sequence[CellState]) -> str:
    if not cells:
        return "-"
    done = [cell for cell in cells if cell.state == "done"]
    failed = sum(cell.state == "failed" for cell in cells)
    running = any(cell.state == "running" for cell in cells)
    held_out = [cell.held_out_srcc for cell in done if cell.held_out_srcc is not None]
    words = [_mean([cell.srcc for cell in done if cell.srcc is not None])] if done else []
    words += [f"({_mean(held_out)})"] if held_out else []
    words += [f"{len(done)}/{len(cells)}"] if len(done) + failed < len(cells) else []
    words += [f"{failed} failed"] if failed else []
    return " ".join(words) + (" …" if running else "")


def _mean(values: Sequence[float]) -> str:
    mean = fmean(values)
    return "undefined" if math.isnan(mean) else f"{mean:.4f}"


class _End:
    """Estimates when a sweep ends: what is left takes as long, run by run, as those that ended since it began."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None

    def __call__(self, sweep: Sweep) -> str:
        """What to say of the time left; empty as long as no run has ended, and at the end."""
        over = sum(cell.state in ("done", "failed") for cell in sweep.cells)
        if self._began is None:
            self._began = time.monotonic(), over  # those that an earlier sweep finished took no time of this one
        began, before = self._began
        left = len(sweep.cells) - over
        if over == before or not left:
            return ""
        return f"about {duration((time.monotonic() - began) / (over - before) * left)} left"


def _lines() -> Show:
    seen: dict[str, str] = {}
    end = _End()

    def show(sweep: Sweep) -> None:
        left = end(sweep)
        new = [cell for cell in sweep.cells if cell.state in ("done", "failed") and seen.get(cell.folder) is None]
        finished = len(seen)
        for number, cell in enumerate(new, start=finished + 1):
            seen[cell.folder] = cell.state
            told = f"failed: {cell.error}" if cell.state == "failed" else _told(cell)
            tell(f"{number}/{len(sweep.cells)} {cell.folder}: {told}{f'; {left}' if left else ''}")

    return show


def _told(cell: CellState) -> str:
    held_out = "" if cell.held_out_srcc is None else f", held-out {cell.held_out_srcc:.4f}"
    return f"SRCC {cell.srcc:.4f}{held_out}"


@contextmanager
def _live() -> Iterator[tuple[Progress, Show]]:
    from rich.console import Console, Group
    from rich.live import Live

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    # the table that stays is the one that print_sweep prints
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        shown: dict[str, Any] = {"table": "", "end": "", "doing": ""}
        end = _End()

        def update(**changes: Any) -> None:
            shown.update(changes)
            live.update(Group(*shown.values()))

        def show(sweep: Sweep) -> None:
            columns, rows = grid(sweep)
            found = layout(columns_of(columns, rows, names=3), console.width, parted=True)
            update(table=Group(*tables(found)), end=end(sweep))

        yield _AboveTable(live.console.print, lambda line: update(doing=line)), show


class _AboveTable(Progress):
    """Lines go above the live table, and what is being extracted into the line under it."""

    def __init__(self, line: Callable[[str], None], doing: Callable[[str], None]) -> None:
        super().__init__()
        self._line = line
        self._doing = doing

    def say(self, line: str) -> None:
        """A line above the table."""
        self._line(visible(as_flags(line)))

    def warn(self, line: str) -> None:
        """A line above the table."""
        self._line(visible(as_flags(f"warning: {line}")))

    @contextmanager
    def track(self, title: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        """Count under the table."""
        counted = done

        def advance(count: int) -> None:
            nonlocal counted
            counted += count
            self._doing(visible(f"{title}: {counted}/{total} {unit}"))

        yield advance
        self._doing("")
