"""Whether the files that a record names are still where it names them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from iqatune.errors import InputError
from iqatune.records.options import DataOptions, OneSet, Run, WeightedSet
from iqatune.records.view import View
from iqatune.records.vocabulary import PRETRAINED, RANDOM, TEXTURES

OF_A_SET: Final = ("data_root", "pairs")
NO_FILES: Final = (None, PRETRAINED, RANDOM, TEXTURES)
"""Values of options of files that are no path."""


FOLDERS: Final = ("data_root", "textures", "unlabelled")


def check_all_there(record: Path, options: DataOptions) -> None:
    """Refuse a record that names a file or folder which is gone.

    Args:
        record: its file.
        options: its own, with what has moved where it is now.

    Raises:
        InputError: naming the option, and the path that it had.
    """
    gone = next(((name, path) for name, path in _named(options) if not Path(path).exists()), None)
    if gone is not None:
        name, path = gone
        where = "" if Path(path).is_absolute() else f" in {Path.cwd()}"
        what = "folder" if name in FOLDERS else "file"
        raise InputError(f"{record}: the {what} of its `{name}` is gone, {path}{where}; say with `{name}` where it is")


def _named(options: DataOptions) -> Iterator[tuple[str, str]]:
    """Every option of a file or folder, and its path."""
    sets: tuple[OneSet | WeightedSet, ...] = options.datasets or (options,)
    named = [(name, getattr(each, name)) for each in sets for name in OF_A_SET]
    named.append(("features", options.features))
    if isinstance(options, Run):
        named += [(name, getattr(options, name)) for name in ("backbone_weights", "textures", "unlabelled")]
        named += [("backbone_weights", View.of(view).weights) for view in options.view]
    yield from ((name, path) for name, path in named if path not in NO_FILES)
