"""What a terminal shows: streams that cannot fail for a name, and lines."""

import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from iqatune.errors import InputError
from iqatune.escape import visible

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
    """Print a sentence on stdout, on as many lines as the terminal needs; no word of it is parted."""
    shown, width = visible(line), width_of(sys.stdout)
    print(shown if width is None else "\n".join(folded(shown, width)))


def print_path(path: Path) -> None:
    """Print a path on stdout, on one line whatever its length, so that it can be copied."""
    print(visible(str(path)))


def width_of(stream: TextIO) -> int | None:
    """How many columns a stream's reader has: as COLUMNS says, else as its terminal says; None where neither does."""
    said = os.environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said) > 0:
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):  # no terminal, or no file at all
        return None


def folded(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, parted at spaces; a longer word has a line to itself."""
    from rich.cells import cell_len

    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def tell(line: str) -> None:
    """Print a line on stderr, at once."""
    shown = visible(line)
    if len(shown) > LONGEST_LINE:
        shown = f"{shown[: LONGEST_LINE // 2]} [...] {shown[-LONGEST_LINE // 4 :]}"
    print(shown, file=sys.stderr, flush=True)


def figure(value: float | None, digits: int = 4) -> str:
    """A correlation for a table: signed only when negative, a dash when there is none."""
    if value is None:
        return "-"
    return "undefined" if value != value else f"{value:.{digits}f}"


def interval(bounds: tuple[float, float] | None, digits: int = 3) -> str:
    """An interval for a table."""
    return "-" if bounds is None else f"[{figure(bounds[0], digits)}, {figure(bounds[1], digits)}]"
