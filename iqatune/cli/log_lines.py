"""What the library logs as warnings, as lines on stderr: one of each kind, and of how many files it is true."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from iqatune.cli.terminal import tell


@contextmanager
def log_lines() -> Iterator[None]:
    """Tell the first warning of each kind at once, and at the end of how many other files the same was said."""
    handler = _Lines(logging.WARNING)
    logger = logging.getLogger("iqatune")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.tell_counts()


class _Lines(logging.Handler):
    """Warnings by their kind, which is the text that is filled in with a file's name."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._lines: dict[str, dict[str, None]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """A line on stderr, if it is the first of its kind."""
        lines = self._lines.setdefault(record.msg, {})
        if not lines:
            tell(f"warning: {record.getMessage()}")
        lines[record.getMessage()] = None

    def tell_counts(self) -> None:
        """How many more there were of each kind."""
        for lines in self._lines.values():
            first, *others = lines
            if others:
                tell(
                    f"warning: the same of {len(others)} other file{'s' if len(others) > 1 else ''} as of this: {first}"
                )
