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

    def note(self, text: str) -> None:
        """How good what is tracked is so far, in a few words that take the place of those before."""

    @contextmanager
    def track(self, title: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        """Follow `title`, of whose `total` units `done` are finished; yields what to call as units get done."""
        yield lambda count: None


def duration(seconds: float) -> str:
    """A time in the unit that fits it: 80 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
