"""Where tests find a run, whatever of its options differs from the defaults and is in its path."""

import re
from pathlib import Path
from typing import Any

_COUNTED = re.compile(r"-(folds|samples|engine|concurrency)=\w+")


def run_at(path: Path | str) -> Path:
    """The path, or the only one that is it but for options that differ from the defaults.

    Args:
        path: of a run's folder, or of a file in it, as it would be if nothing differed: runs/csv/vgg19/fit-stage-s0.
    """
    path = Path(path)
    place = next((place for place, part in enumerate(path.parts) if re.search(r"-s\d+$", part)), None)
    if path.exists() or place is None:
        return path
    output = Path(*path.parts[:place])
    folders = [
        folder
        for folder in (output.rglob("*") if output.is_dir() else ())
        if folder.is_dir() and path.parts[place] in (folder.name, _COUNTED.sub("", folder.name))
    ]
    folders = [folder for folder in folders if folder.name == path.parts[place]] or folders
    assert len(folders) <= 1, f"several runs could be {path}: {folders}"
    return Path(folders[0] if folders else output / path.parts[place], *path.parts[place + 1 :])


class Runs:
    """A folder of runs, or of one: `folder / name` is the path that `run_at` finds."""

    def __init__(self, *parts: str) -> None:
        self.path = Path(*parts)

    def __truediv__(self, rest: str) -> Path:
        return run_at(self.path / rest)

    @property
    def names(self) -> list[str]:
        """Of the runs' folders below, less what only counts folds and samples."""
        return sorted(_COUNTED.sub("", file.parent.name) for file in self.path.rglob("result.json"))

    def __fspath__(self) -> str:
        return str(run_at(self.path))

    def __str__(self) -> str:
        return str(run_at(self.path))

    def __getattr__(self, name: str) -> Any:
        """Whatever else a path has, of the one that is found."""
        return getattr(run_at(self.path), name)
