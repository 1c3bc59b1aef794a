"""A grid of runs: GRID.yaml read into cells, every one a run and the folder where it goes."""

import hashlib
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from iqatune.datasets.numbers import number, whole_number
from iqatune.errors import InputError, did_you_mean
from iqatune.records.documents import what_is_wrong
from iqatune.records.labels import source_label
from iqatune.records.options import Run, WeightedSet
from iqatune.records.run_folder import RunFolder
from iqatune.runtime.files import expand_home
from iqatune.runtime.yaml_files import read_yaml
from iqatune.tuning.checks import checked_run

NOT_OF_A_GRID = ("engine", "address", "concurrency")
NAME = "name"
"""The option of `search` that a grid cannot have: the folders of its cells say what tells these apart."""
OPTIONS = tuple(name for name in Run.names() if name not in (*NOT_OF_A_GRID, "datasets"))
APART = tuple(name for name in Run.model_fields if name not in NOT_OF_A_GRID)
"""What may tell runs apart."""
REQUIRED = ("dataset", "backbone", "searcher")
MOST_SEEDS = 10_000
"""In one range."""
LISTS = ("exclude", "feature_columns", "stage_costs")
"""Options whose one value is itself a list."""
VIEW = "view"
"""The option of which each value in a list may be a list: one view, or the two of a run."""
NUMBERS: Mapping[str, Callable[[str], float]] = {
    name: read
    for name, field in Run.model_fields.items()
    for kind, read in ((int, whole_number), (float, number))
    if kind in (field.annotation, *get_args(field.annotation))
}
"""Options that are numbers, with what reads them."""


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        run: its options.
        place: its folder within the folder of the sweep.
    """

    run: Run
    place: Path


def read_grid(path: Path, device: str = "auto") -> tuple[Cell, ...]:
    """The cells of a grid file, as `cells_of` makes them.

    Args:
        path: the grid, as YAML.
        device: of the runs whose grid names none.

    Raises:
        InputError: naming the file, for whatever is wrong in it.
    """
    content = read_yaml(path, str(path), "options and lists of values, as 'searchers: [random, bohb]'")
    return cells_of(content, str(path), device)


def cells_of(grid: Mapping[Any, Any], source: str, device: str = "auto") -> tuple[Cell, ...]:
    """The cells of a grid, every name and number in them checked.

    Every key is an option of `iqatune search`, in singular or plural, with one value or a list of them; the cells are
    all combinations. An entry of a list may also be a mapping of options that belong together, such as a data set and
    its folder.

    Args:
        source: what errors call the grid.
        device: of the runs whose grid names none.

    Raises:
        InputError: naming the grid, for whatever is wrong in it.
    """
    axes = _axes(source, grid)
    named = {name for axis in axes.values() for entry in axis for name in entry}
    for name in REQUIRED:
        # features bring their own pairs, and are in the place of a backbone
        if name not in named and ("features" not in named or name == "searcher"):
            raise InputError(f"{source}: says nothing about '{name}s'; name at least one")
    runs: dict[Run, None] = {}
    for entries in itertools.product(*axes.values()):
        run = _checked(source, _run(source, entries, device))
        if run in runs:
            raise InputError(f"{source}: lists {_words(run)} twice; take one away")
        runs[run] = None
    return tuple(Cell(run, place) for run, place in zip(runs, _places(list(runs)), strict=True))


def _axes(source: str, content: Mapping[Any, Any]) -> dict[str, list[dict[str, Any]]]:
    """For every option the grid names the entries to combine, each a few options with their values."""
    axes: dict[str, list[dict[str, Any]]] = {}
    for key, value in content.items():
        option = _option(source, key, plural=True)
        if option in axes:
            raise InputError(f"{source}: '{key}' is given twice; write one list")
        if option == "seed":
            value = _seeds(source, key, value)
        several = value if isinstance(value, list) and option not in LISTS else [value]
        if not several:
            raise InputError(f"{source}: '{key}' is empty; give a value, or leave it out")
        axes[option] = [_entry(source, option, given) for given in several]
    # the data set and the backbone change slowest, so that their statistics are loaded once
    return {name: axes[name] for name in (*REQUIRED[:2], *axes) if name in axes}


def _seeds(source: str, key: Any, value: Any) -> Any:
    """Seeds with those of a range, as 0-4, one by one.

    Raises:
        InputError: for a range that is none, and for `seeds` with one number, which is a seed or how many there are.
    """
    if str(key) == "seeds" and not isinstance(value, list) and re.fullmatch(r"\d+", str(value)):
        number = int(value)
        several = f"'seeds: 0-{number - 1}' for {number} of them" if number > 1 else "a list for several"
        raise InputError(
            f"{source}: 'seeds: {value}' could be one seed or their number; write 'seed: {value}', or {several}"
        )
    found: list[Any] = []
    for each in value if isinstance(value, list) else [value]:
        ends = re.fullmatch(r"(\d{1,9})\s*-\s*(\d{1,9})", each) if isinstance(each, str) else None
        if ends is None:
            found.append(each)
            continue
        first, last = int(ends[1]), int(ends[2])
        if not 0 <= last - first < MOST_SEEDS:
            raise InputError(f"{source}: '{key}: {each}': give the lower one first, and at most {MOST_SEEDS} seeds")
        found += range(first, last + 1)
    return found if len(found) != 1 else found[0]


def _option(source: str, key: Any, *, plural: bool) -> str:
    name = str(key).replace("-", "_")
    if name in NOT_OF_A_GRID:
        raise InputError(f"{source}: '{key}' is no option of a grid; a sweep has `address` and `jobs`")
    if name in (NAME, f"{NAME}s"):
        raise InputError(f"{source}: '{key}' is no option of a grid; the folder of each cell says what it is")
    if name in OPTIONS:
        return name
    if plural and name.removesuffix("s") in OPTIONS:
        return name.removesuffix("s")
    known = [f"{option}s" if plural and option in REQUIRED else option for option in OPTIONS]
    raise InputError(f"{source}: unknown key '{key}'; {did_you_mean(name, known)}")


def _entry(source: str, option: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {option: _value(source, option, value)}
    entry = {_option(source, key, plural=False): given for key, given in value.items()}
    if option not in entry:
        raise InputError(f"{source}: an entry of '{option}s' has no '{option}' ({dict(value)})")
    return {name: _value(source, name, given) for name, given in entry.items()}


def _value(source: str, option: str, value: Any) -> Any:
    if option in (*LISTS, VIEW) and value != "none":
        return tuple(value) if isinstance(value, list) else (value,)
    if not isinstance(value, str):
        return value
    if value == "none":
        return () if option == VIEW else None
    try:
        return NUMBERS[option](value) if option in NUMBERS else expand_home(value)
    except ValueError as error:
        kind = "whole number" if NUMBERS[option] is whole_number else "number"
        raise InputError(f"{source}: {option} '{value}': no {kind}; correct it") from error


def _run(source: str, entries: Sequence[Mapping[str, Any]], device: str) -> Run:
    options: dict[str, Any] = {}
    for entry in entries:
        for name, value in entry.items():
            if name in options:
                raise InputError(f"{source}: '{name}' is given by two keys at once; keep it in one place")
            options[name] = value
    try:
        return Run(**Run.collected({"device": device, **options}))
    except InputError as error:
        raise InputError(f"{source}: {error.line}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise InputError(f"{source}: `{name}` {options.get(name)}: {what_is_wrong(first)}") from error


def _checked(source: str, run: Run) -> Run:
    try:
        run = checked_run(run)
    except InputError as error:
        raise InputError(f"{source}: {error.line}") from error
    if run.features is not None and not Path(run.features).is_file():
        raise InputError(f"{source}: features '{run.features}': no such file; give its path")
    weights = run.backbone_weights
    if weights not in ("pretrained", "random") and not Path(weights).is_file():
        raise InputError(f"{source}: backbone_weights '{weights}': no such file; give its path, or 'random'")
    return run


def _places(runs: Sequence[Run]) -> list[Path]:
    """The folder of every run; where several would share one, a folder between them says what tells them apart."""
    sharing: dict[Path, list[Run]] = defaultdict(list)
    for run in runs:
        sharing[RunFolder.of(Path(), run).path].append(run)
    places = {run: place for folder, alike in sharing.items() for run, place in _apart(folder, alike)}
    return [places[run] for run in runs]


def _apart(folder: Path, runs: Sequence[Run]) -> Iterator[tuple[Run, Path]]:
    """A folder for each of the runs whose folder this would be."""
    if len(runs) == 1:
        yield runs[0], folder
        return
    spelled = {name: _short(dict.fromkeys(getattr(run, name) for run in runs)) for name in APART}
    different = [name for name in APART if len(spelled[name]) > 1]
    for run in runs:
        variant = ",".join(f"{name}={spelled[name][getattr(run, name)]}" for name in different)
        yield run, folder.parent / variant / folder.name


def _short(values: Iterable[Any]) -> dict[Any, str]:
    """Values of an option as parts of file names, different for different values."""
    short = {value: _file_name(value) for value in values}
    namesakes = Counter(short.values())
    return {
        value: name if namesakes[name] == 1 else f"{name}-{hashlib.sha256(repr(value).encode()).hexdigest()[:8]}"
        for value, name in short.items()
    }


def _file_name(value: Any) -> str:
    if isinstance(value, WeightedSet):
        return value.dataset
    if isinstance(value, tuple):
        return "+".join(_file_name(part) for part in value) or "none"
    return "none" if value is None else re.sub(r"[^A-Za-z0-9._+-]", "_", Path(str(value)).name)


def _words(run: Run) -> str:
    return f"{run.dataset}, {source_label(run)}, {run.searcher}, {run.space}, seed {run.seed}"
