"""Searchers that a library has many of: `PREFIX:NAME`, one class for every name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from iqatune.errors import InputError
from iqatune.search.searchers.base import Searcher


@dataclass(frozen=True, kw_only=True)
class Family:
    """The algorithms of one library that are searchers by their own names.

    Attributes:
        prefix: what stands before the colon.
        faults: why each name of the library is refused, in words that go on from "it ..."; None where it is not.
        make: the class of a name that fits.
    """

    prefix: str
    faults: Callable[[], Mapping[str, str | None]]
    make: Callable[[str], type[Searcher]]

    def names(self) -> tuple[str, ...]:
        """The names that fit, without the prefix."""
        return tuple(name for name, fault in self.faults().items() if fault is None)

    def find(self, name: str) -> type[Searcher]:
        """The class of a name, however its letters are written where only one name is meant.

        Args:
            name: without the prefix.

        Raises:
            InputError: for a name that the library has none of, or one that no search can use.
        """
        faults = self.faults()
        spelled = _spelled(name, faults)
        if spelled is None:
            raise InputError(f"`searcher` {self.prefix}:{name}: no such algorithm; {self._advice(name)}")
        fault = faults[spelled]
        if fault is not None:
            raise InputError(f"`searcher` {self.prefix}:{spelled}: it {fault}; {self._all()}")
        return self.make(spelled)

    def _advice(self, name: str) -> str:
        names = {known.lower(): known for known in self.names()}
        close = get_close_matches(name.lower(), names, n=2, cutoff=0.6)
        if close:
            return "did you mean " + " or ".join(f"'{self.prefix}:{names[match]}'" for match in close) + "?"
        if len(names) < 10:
            return "known: " + ", ".join(f"{self.prefix}:{known}" for known in names.values())
        return self._all()

    def _all(self) -> str:
        return f"'iqatune list searchers {self.prefix}' lists those that there are"


def _spelled(name: str, known: Mapping[str, object]) -> str | None:
    """The one known name that is meant; None where there is none, or several."""
    if name in known:
        return name
    alike = [other for other in known if other.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None
