"""What a terminal shows: streams that cannot fail for a name, lines, and tables."""

import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from iqatune.errors import InputError
from iqatune.escape import visible

if TYPE_CHECKING:
    from rich.table import Table

LONGEST_LINE = 4000
"""Letters of an error line; a cell of a damaged file may hold more, and nobody reads them."""


def prepare_streams() -> bool:
    """Make stdin, stdout and stderr fit for whatever comes; once, when the program starts.

    A character that the terminal's encoding lacks is written as an escape. Where stdout's reader has gone (as in
    `iqatune list backbones | head -1`) the rest goes nowhere, and the exit code is that of the work. What stderr does
    not take goes nowhere, too: progress is no reason to stop. A stream that is closed is opened on nothing, or else the
    next file that is opened would take its place.

    Returns:
        whether stdout is open: otherwise a result would be lost.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # opening takes the lowest number that is free; processes that are started need it as well
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - by place alone
    if sys.__stderr__ is None:
        sys.__stderr__ = open(2, "w", encoding="utf-8", closefd=False)  # type: ignore[misc] # noqa: SIM115 - to the end
    sys.stderr = _on(sys.__stderr__, _Unfailing(_raw(sys.__stderr__)))
    if sys.__stdout__ is None:
        return False
    sys.stdout = _on(sys.__stdout__, _UntilReaderGoes(_raw(sys.__stdout__)))
    return True


def _raw(stream: io.TextIOWrapper) -> io.RawIOBase:
    # with PYTHONUNBUFFERED there is no buffer before it
    buffer: Any = stream.buffer
    raw: io.RawIOBase = getattr(buffer, "raw", buffer)
    return raw


def _on(stream: io.TextIOWrapper, raw: io.RawIOBase) -> io.TextIOWrapper:
    """A text stream like `stream`, on `raw`."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Unfailing(io.RawIOBase):
    """Writes to `target`, and forgets what it does not take."""

    def __init__(self, target: io.RawIOBase) -> None:
        self._target = target

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]
        """How many bytes went to the target, or nowhere."""
        try:
            return self._target.write(data) or 0
        except OSError:
            return len(data)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._target.isatty()

    def fileno(self) -> int:
        return self._target.fileno()


class _UntilReaderGoes(_Unfailing):
    """Writes to `target` until its reader goes. Another failure is told once; what comes after it goes nowhere."""

    def __init__(self, target: io.RawIOBase) -> None:
        super().__init__(target)
        self._failed = False

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]
        """How many bytes went to the target, or nowhere.

        Raises:
            InputError: the target does not take them, as on a full disk.
        """
        if self._failed:
            return len(data)
        try:
            return self._target.write(data) or 0
        except BrokenPipeError:
            return len(data)
        except OSError as error:
            self._failed = True
            raise InputError(f"stdout: {error.strerror}") from error


def print_line(line: str) -> None:
    """Print a line on stdout."""
    print(visible(line))


def tell(line: str) -> None:
    """Print a line on stderr, at once."""
    shown = visible(line)
    if len(shown) > LONGEST_LINE:
        shown = f"{shown[: LONGEST_LINE // 2]} [...] {shown[-LONGEST_LINE // 4 :]}"
    print(shown, file=sys.stderr, flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a table whose first `left` columns hold words, and whose others hold figures."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        # names are kept whole, long ones (paths) are folded rather than cut; sentences wrap; figures never do
        longest = max((len(row[number]) for row in rows), default=0) if number == 0 else 0
        table.add_column(
            visible(column),
            justify="left" if number < left else "right",
            no_wrap=number >= left,
            min_width=min(longest, 24),
            overflow="fold",
        )
    add_rows(table, rows)
    # a pipe or a file has no width to fold a table to; a name that looks like markup or an emoji's is shown as it is
    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 160)
    console.print(visible(title), style="bold", soft_wrap=True)  # a path is never folded
    console.print(table)


def add_rows(table: "Table", rows: Sequence[Sequence[str]]) -> None:
    """Add rows of names and figures to a table of a console without markup."""
    for row in rows:
        table.add_row(*map(visible, row))


def figure(value: float | None, digits: int = 4) -> str:
    """A correlation for a table: signed only when negative, a dash when there is none."""
    if value is None:
        return "-"
    return "undefined" if value != value else f"{value:.{digits}f}"


def interval(bounds: tuple[float, float] | None, digits: int = 3) -> str:
    """An interval for a table."""
    return "-" if bounds is None else f"[{figure(bounds[0], digits)}, {figure(bounds[1], digits)}]"
