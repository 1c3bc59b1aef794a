"""Where long work tells how far it is; whoever starts the work decides who hears it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]
"""Called with the number of units just done."""


class Progress:
    """Tells nobody. A command line or a notebook hands over one that does."""

    def say(self, line: str) -> None:
        """One line of information."""

    def warn(self, line: str) -> None:
        """One line that matters."""

    @contextmanager
    def track(self, title: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        """Follow `title`, of whose `total` units `done` are finished; yields what to call as units get done."""
        yield lambda count: None
