"""Progress in a notebook, on a terminal, or wherever a caller wants it; what is said goes to `logging`."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from iqatune.errors import InputError, as_keywords
from iqatune.progress import Advance, Progress

LOGGER = logging.getLogger("iqatune")


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far a piece of work is.

    Attributes:
        title: what is being done.
        done: units that are finished.
        total: units in all.
        unit: what is counted, as "pairs".
        note: how good it is so far, as "best SRCC 0.91, uniform weights 0.89"; empty where there is nothing to say.
    """

    title: str
    done: int
    total: int
    unit: str
    note: str = ""


Show = Literal["bar", "none"] | Callable[[Step], None]
"""A bar (in a notebook a notebook's, else a terminal's), nothing, or a function that is called with every step."""


def progress_of(show: Show) -> Progress:
    """What a function of the interface tells its progress to.

    Raises:
        InputError: for another word.
    """
    if callable(show):
        return _Called(show)
    if show == "bar":
        return _Bar()
    if show == "none":
        return _Logged()
    raise InputError(f"`progress` {show}: give 'bar', 'none' or a function that takes a Step")


class _Logged(Progress):
    """Information at the level INFO, what matters at WARNING, of the logger `iqatune`."""

    def say(self, line: str) -> None:
        """An INFO record."""
        LOGGER.info("%s", as_keywords(line))

    def warn(self, line: str) -> None:
        """A WARNING record; Python prints it where nobody has set up logging."""
        LOGGER.warning("%s", as_keywords(line))


class _Bar(_Logged):
    """A bar of tqdm's, which knows notebooks and terminals."""

    def __init__(self) -> None:
        self._told: Callable[[str], object] = lambda text: None

    def note(self, text: str) -> None:
        """Behind the bar."""
        self._told(text)

    @contextmanager
    def track(self, title: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        """One bar for a piece of work; it stays when that is done."""
        from tqdm.auto import tqdm

        with tqdm(desc=title, total=total, initial=done, unit=f" {unit}") as bar:
            self._told = bar.set_postfix_str
            yield bar.update


class _Called(_Logged):
    """Calls a function."""

    def __init__(self, show: Callable[[Step], None]) -> None:
        self._show = show
        self._note = ""

    def note(self, text: str) -> None:
        """In the next step."""
        self._note = text

    @contextmanager
    def track(self, title: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        """Call it at the beginning, and as units get done."""
        counted = done
        self._note = ""
        self._show(Step(title=title, done=counted, total=total, unit=unit))

        def advance(count: int) -> None:
            nonlocal counted
            counted += count
            self._show(Step(title=title, done=counted, total=total, unit=unit, note=self._note))

        yield advance
