"""One registry for everything that has a name: what is built in, what installed packages add, what a process adds.

A package adds an entry by an entry point of one of the groups `iqatune.searchers`, `iqatune.datasets`,
`iqatune.backbones` and `iqatune.baselines`; see docs/extending.md.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from iqatune.errors import InputError, did_you_mean

Item = TypeVar("Item")

Check = Callable[[Any, str], str | None]
"""From an object and the name it is to have to what keeps it from being such an item; None for nothing."""


@dataclass(frozen=True)
class Plugin:
    """The installed package that adds an item."""

    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


class Registry(Generic[Item]):
    """The items of one kind, by name. What is built in is imported when it is asked for.

    Args:
        kind: what an item is called, as "searcher"; also the option that names one.
        builtins: by name, in order, "module:attribute" of each.
        check: what every item that a package or a process adds has to pass.
    """

    def __init__(self, kind: str, builtins: Mapping[str, str], check: Check) -> None:
        self.kind = kind
        self.group = f"iqatune.{kind}s"
        self._builtins = dict(builtins)
        self._check = check
        self._registered: dict[str, Item] = {}
        self._words: dict[str, str] = {}

    def names(self) -> tuple[str, ...]:
        """Every name: built in, added by a package, registered in this process."""
        added = sorted(point.name for point in entry_points(group=self.group))
        return tuple(dict.fromkeys((*self._builtins, *added, *self._registered)))

    def find(self, name: str) -> Item:
        """The item of that name.

        Raises:
            InputError: when there is none, or the package that adds it is broken; then it is named.
        """
        if name in self._builtins:
            item: Item = _attribute(self._builtins[name])
            return item
        if name in self._registered:
            return self._registered[name]
        point = self._point(name)
        if point is None:
            raise InputError(f"`{self.kind}` {name}: unknown {self.kind}; {did_you_mean(name, self.names())}")
        return self._loaded(point)

    def plugin(self, name: str) -> Plugin | None:
        """The package that adds the item of that name.

        None where it is built in or registered by this process, and where several add one, which `find` refuses.
        """
        points = () if name in self._builtins or name in self._registered else self._points(name)
        return _plugin(points[0]) if len(points) == 1 else None

    def origin(self, name: str) -> str:
        """What tells the code of an item from other code of that name, for the names of kept figures.

        Empty where it is built in; the package with its version where one adds it; a word of its own for every
        `register`, as nothing tells one version of a notebook's code from the next.
        """
        return self._words.get(name) or str(self.plugin(name) or "")

    def register(self, name: str, item: Item) -> None:
        """Add an item for the life of this process: for notebooks and tests. Worker processes do not see it.

        What is computed with it is kept for this process alone.

        Raises:
            InputError: when there is such a name already, or the item is none of this kind.
        """
        if name in self.names():
            raise InputError(f"`{self.kind}` {name}: there is one of this name already; choose another")
        fault = self._check(item, name)
        if fault is not None:
            raise InputError(f"`{self.kind}` {name}: not a {self.kind} ({fault})")
        self._registered[name] = item
        self._words[name] = f"registered {uuid.uuid4().hex}"

    def unregister(self, name: str) -> None:
        """Take away what `register` added."""
        del self._registered[name], self._words[name]

    def is_builtin(self, name: str) -> bool:
        """Whether an item comes with this package."""
        return name in self._builtins

    def _points(self, name: str) -> tuple[EntryPoint, ...]:
        return tuple(entry_points(group=self.group, name=name))

    def _point(self, name: str) -> EntryPoint | None:
        points = self._points(name)
        if len(points) > 1:
            packages = " and ".join(sorted(str(_plugin(point)) for point in points))
            raise InputError(f"`{self.kind}` {name}: added by {packages}; uninstall all but one of them")
        return points[0] if points else None

    def _loaded(self, point: EntryPoint) -> Item:
        plugin = _plugin(point)
        try:
            item: Item = point.load()
        except (Exception, SystemExit) as error:  # a script that is taken for a module ends the process
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            raise InputError(
                f"`{self.kind}` {point.name}: {plugin} cannot be loaded ({reason}); update or uninstall it"
            ) from error
        fault = self._check(item, point.name)
        if fault is not None:
            raise broken(self.kind, point.name, plugin, fault)
        return item


def broken(kind: str, name: str, plugin: Plugin | None, fault: str) -> InputError:
    """The error of an item that does not do what its kind has to do.

    Args:
        plugin: the package that adds it; None where this process has registered it.
    """
    whose, advice = ("it breaks", "correct it") if plugin is None else (f"{plugin} breaks", "update or uninstall it")
    return InputError(f"`{kind}` {name}: {whose} the contract of a {kind} ({fault}); {advice}")


@contextmanager
def held_to_contract(
    kind: str, name: str, plugin: Plugin | None, *, passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Tell whatever the code of an item from outside does wrong in here in one line, which names its package.

    Args:
        plugin: as of `broken`.
        passing: what such code may raise, besides an InputError.
    """
    allowed: tuple[type[Exception], ...] = (InputError, *passing)
    try:
        yield
    except allowed:
        raise
    except Exception as error:  # a plug-in may raise any class: it is raised again, as a line that names its package
        raise broken(kind, name, plugin, f"{type(error).__name__}: {error}") from error


def _plugin(point: EntryPoint) -> Plugin:
    if point.dist is None:
        return Plugin("an unnamed package", "")
    return Plugin(point.dist.name, point.dist.version)


def _attribute(target: str) -> Any:
    module, name = target.split(":")
    return getattr(import_module(module), name)
