"""Progress of long work on stderr: a bar with rate and time left on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from iqatune.cli.terminal import tell
from iqatune.errors import as_flags
from iqatune.escape import visible
from iqatune.progress import Advance, Progress, duration

LINE_EVERY_S = 5.0


def console_progress(*, quiet: bool) -> Progress:
    """What a verb tells its progress to: stderr, or under `--quiet` stderr with warnings alone."""
    return WarningsOnly() if quiet else Console()


class WarningsOnly(Progress):
    """Says what matters even when quiet, and nothing else."""

    def warn(self, line: str) -> None:
        """A line on stderr."""
        _print(f"warning: {line}")


class Console(WarningsOnly):
    """Says everything, and shows how far long work is, and how good it is so far."""

    _note = ""

    def say(self, line: str) -> None:
        """A line on stderr."""
        _print(line)

    def note(self, text: str) -> None:
        """Shown below the bar, or at the end of the next line."""
        self._note = text

    @contextmanager
    def track(self, title: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        """A bar on a terminal, else lines."""
        self._note = ""
        show = _bar if sys.stderr.isatty() else _lines
        with show(title, total, unit, done, note=lambda: self._note) as advance:
            yield advance


@contextmanager
def _bar(title: str, total: int, unit: str, done: int, *, note: Callable[[], str]) -> Iterator[Advance]:
    # rich is imported where a bar is drawn: it is not needed, and slow to import, for `iqatune --help`
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    started = time.monotonic()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )

    class Noted(RichProgress):
        def get_renderables(self) -> Iterator[RenderableType]:
            yield self.make_tasks_table(self.tasks)
            if note():
                yield Text(visible(note()))

    with Noted(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(visible(title), total=total, completed=done, rate="")
        new = 0

        def advance(count: int) -> None:
            nonlocal new
            new += count
            progress.update(task, advance=count, rate=_rate(new, time.monotonic() - started, unit))

        yield advance


@contextmanager
def _lines(title: str, total: int, unit: str, done: int, *, note: Callable[[], str]) -> Iterator[Advance]:
    started = last = time.monotonic()
    new = 0

    def advance(count: int) -> None:
        nonlocal new, last
        new += count
        now = time.monotonic()
        if new and now - last >= LINE_EVERY_S:
            last = now
            left = (total - done - new) * (now - started) / new
            _print(
                f"{title}: {done + new}/{total}, {_rate(new, now - started, unit)}, {duration(left)} left{_after(note)}"
            )

    yield advance
    elapsed = time.monotonic() - started
    if new and elapsed >= LINE_EVERY_S:
        _print(f"{title}: {done + new}/{total}, {_rate(new, elapsed, unit)}, {elapsed:.1f} s{_after(note)}")


def _after(note: Callable[[], str]) -> str:
    return f"; {note()}" if note() else ""


def _rate(count: int, seconds: float, unit: str) -> str:
    return f"{count / max(seconds, 1e-9):.1f} {unit}/s"


def _print(line: str) -> None:
    tell(as_flags(line))
