"""Progress of long work on stderr: a bar with rate and time left on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_EVERY_S = 5.0

Advance = Callable[[int], None]
"""Called with the number of units just done."""


class Progress:
    """Where long work tells how far it is. `quiet` shows nothing but warnings."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, line: str) -> None:
        """One line of information, unless quiet."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    def warn(self, line: str) -> None:
        """One line that matters even when quiet."""
        print(f"warning: {line}", file=sys.stderr, flush=True)

    @contextmanager
    def track(self, title: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
        """Show `title` with `done` of `total` units finished; yields the function to call as units get done."""
        if self.quiet:
            yield lambda count: None
        elif sys.stderr.isatty():
            with _bar(title, total, unit, done) as advance:
                yield advance
        else:
            with _lines(title, total, unit, done) as advance:
                yield advance


@contextmanager
def _bar(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    # rich is imported where a bar is drawn: it is not needed, and slow to import, for `iqatune --help`
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, completed=done, rate="")
        new = 0

        def advance(count: int) -> None:
            nonlocal new
            new += count
            progress.update(task, advance=count, rate=_rate(new, time.monotonic() - started, unit))

        yield advance


@contextmanager
def _lines(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    started = last = time.monotonic()
    new = 0

    def advance(count: int) -> None:
        nonlocal new, last
        new += count
        now = time.monotonic()
        if new and now - last >= LINE_EVERY_S:
            last = now
            left = (total - done - new) * (now - started) / new
            print(
                f"{title}: {done + new}/{total}, {_rate(new, now - started, unit)}, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    yield advance
    elapsed = time.monotonic() - started
    if new and elapsed >= LINE_EVERY_S:
        print(
            f"{title}: {done + new}/{total}, {_rate(new, elapsed, unit)}, {elapsed:.1f} s", file=sys.stderr, flush=True
        )


def _rate(count: int, seconds: float, unit: str) -> str:
    return f"{count / max(seconds, 1e-9):.1f} {unit}/s"
