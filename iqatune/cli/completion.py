"""What a shell offers where a value is typed: names for options that take one, files and folders for those of paths.

Choices are offered by click itself. What a name is looked up in is imported when a value of that kind is completed.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completion_of(name: str) -> Complete | None:
    """What completes the values of an option of that name; None where click knows, or nobody does."""
    if name in FOLDERS:
        return lambda _context, _parameter, incomplete: [CompletionItem(incomplete, type="dir")]
    if name in FILES:
        return lambda _context, _parameter, incomplete: [CompletionItem(incomplete, type="file")]
    return _named(NAMES[name], files=name in NAMES_OR_FILES) if name in NAMES else None


def _named(names: Callable[[], Iterable[str]], *, files: bool) -> Complete:
    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        # a name in capitals stands for what its user puts there, as timm:NAME
        typed = [re.sub("[A-Z]+$", "", name) for name in names()]
        found = [CompletionItem(name) for name in typed if name and name.startswith(incomplete)]
        return found or ([CompletionItem(incomplete, type="file")] if files else [])

    return complete


def _datasets() -> Iterable[str]:
    from iqatune.datasets.registry import DATASETS

    return DATASETS.names()


def _backbones() -> Iterable[str]:
    from iqatune.backbones.zoo import BACKBONES

    return BACKBONES.names()


def _searchers() -> Iterable[str]:
    from iqatune.search.searchers.registry import available, families

    return [info.name for info in (*available(), *families())]


def _spaces() -> Iterable[str]:
    from iqatune.metric.spaces import SPACES

    return [name for name in SPACES if not name.startswith("SPACE")]


def _baselines() -> Iterable[str]:
    from iqatune.scoring.baselines import UNIFORM, available

    return [UNIFORM, *(listed.name for listed in available())]


NAMES: Final[dict[str, Callable[[], Iterable[str]]]] = {
    "--dataset": _datasets,
    "--backbone": _backbones,
    "--searcher": _searchers,
    "--space": _spaces,
    "--baseline": _baselines,
    "--prior": lambda: ("cube", "simplex", "dirichlet:"),
    "--view": lambda: ("flip", "resize:", "backbone:", "stages:"),
    "--device": lambda: ("auto", "cpu", "cuda"),
    "--resize": lambda: ("256", "none"),
    "--backbone-weights": lambda: ("pretrained", "random"),
    "--textures": lambda: ("scikit-image",),
}
"""Options whose values are names, and the names."""

NAMES_OR_FILES: Final = ("--backbone-weights", "--textures")
FILES: Final = ("--pairs", "--features", "--label", "--baseline-weights", "--config")
FOLDERS: Final = ("--data-root", "--unlabelled", "--cache-dir")
