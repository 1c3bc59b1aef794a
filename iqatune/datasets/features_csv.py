"""Pairs whose features are the figures of other metrics: a pairs CSV with further numeric columns, and no images."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from iqatune.datasets.adapter import LARGEST_SCORE, LabelList, build_table, chosen_label
from iqatune.datasets.columns import read_columns
from iqatune.datasets.files import composed
from iqatune.datasets.numbers import number
from iqatune.datasets.pairs_csv import COLUMNS, INFO, read_entry, split_column
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, UsageError, did_you_mean
from iqatune.records.options import DataOptions
from iqatune.runtime.files import sha256_of_file

LABELS: tuple[str, ...] = ("distortion", "level", "score_std", "std", "mos", "mos_std", "dmos", "dmos_std")
LABELS += ("rating", "ratings", "rater", "raters", "split", "fold", "set", "dataset", "index", "id")
"""Columns that say something of a pair, its score or its place: no features, unless they are named as such."""

SHOWN = 200
"""Characters of a cell that an error line shows, at most."""

Rows = Sequence[tuple[str, Mapping[str, str]]]


def load(options: DataOptions) -> PairTable:
    """Read a features file. Its images need not exist; files whose names differ in case alone are one.

    Raises:
        InputError: for anything missing or wrong, with the row's number: no column of features, an unknown one, a cell
            of one that is empty or no finite number.
    """
    for name, given in (("pairs", options.pairs), ("data_root", options.data_root)):
        if given is not None:
            raise UsageError(f"`{name}` {given}: of no use with `features`, which names the pairs itself; leave it out")
    path = _path(options)
    if options.better is None:
        raise UsageError("`better`: needed with `features`; say whether the higher or the lower score is better")
    if options.label is not None:
        chosen_label(options, INFO)
    column = split_column(options)
    rows = read_columns(path, (*COLUMNS, *(() if column is None else (column,))))
    names, passed_over = _columns(rows, options.feature_columns, path, split_column=column)
    entries = [
        replace(read_entry(cells, path, where, column), features=tuple(_features(cells, names, path, where)))
        for where, cells in rows
    ]
    labels = LabelList(path.name, sha256_of_file(path), str(path), options.better, entries=entries)
    table = build_table(options, labels, _Names(path.parent))
    return replace(table, columns=names, passed_over=passed_over)


def further_columns(options: DataOptions) -> tuple[str, ...]:
    """Names of all columns of a features file beside those of a pair.

    Raises:
        InputError: when it cannot be read.
    """
    return _further(read_columns(_path(options), COLUMNS))


def taken_line(table: PairTable) -> str:
    """What a user is told of the columns of a features file."""
    others = f"; not taken: {', '.join(table.passed_over)}" if table.passed_over else ""
    return f"{table.label}: features are {', '.join(table.columns)}{others}"


def _path(options: DataOptions) -> Path:
    if options.features is None:
        raise UsageError("`features`: needed; name a CSV file with columns reference, distorted, score and features")
    path = Path(options.features)
    if not path.is_file():
        raise InputError(f"`features` {path}: no such file")
    return path


class _Names:
    """Stands in for a folder whose images need not be there: each name is a file, whatever its case."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._paths: dict[str, Path] = {}

    def find(self, name: str) -> Path:
        """The path that a file of that name has, as it is first spelled."""
        return self._paths.setdefault(composed(name).casefold(), self.root / name)


def _columns(
    rows: Rows, asked: Sequence[str], path: Path, *, split_column: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the features, and the other columns with why they are none."""
    further = tuple(name for name in _further(rows) if name != split_column)
    for name in asked:
        if name in (*COLUMNS, split_column):
            raise InputError(f"`feature_columns` {name}: is no feature of a pair; name further columns of {path}")
        if name not in further:
            raise InputError(f"`feature_columns` {name}: no column of {path}; {did_you_mean(name, further)}")
    if asked:
        return tuple(asked), ()
    reasons = {name: _no_feature(rows, name) for name in further}
    names = tuple(name for name, reason in reasons.items() if reason is None)
    if rows and not names:
        raise InputError(
            f"{path}: no column of features beside {', '.join(COLUMNS)}; add numeric columns, the figures of metrics"
        )
    return names, tuple(f"{name} ({reason})" for name, reason in reasons.items() if reason is not None)


def _further(rows: Rows) -> tuple[str, ...]:
    """Names of the columns beside those of a pair; one without a name, such as the index of pandas, is none."""
    return tuple(name for name in (rows[0][1] if rows else ()) if name and name not in COLUMNS)


def _no_feature(rows: Rows, name: str) -> str | None:
    """Why a column is none of features; None where it is one. Holes in one are told where its cells are read."""
    if name in LABELS:
        return "a label"
    filled = [(where, cells[name]) for where, cells in rows if cells[name]]
    if not filled:
        return "empty"
    return next((f"{where} has '{text[:SHOWN]}'" for where, text in filled if _number(text) is None), None)


def _features(cells: Mapping[str, str], names: Sequence[str], path: Path, where: str) -> Iterator[float]:
    for name in names:
        text, value = cells[name], _number(cells[name])
        if value is None or not math.isfinite(value) or abs(value) > LARGEST_SCORE:
            found = f"the {name} '{text[:SHOWN]}'" if text else f"no {name}"
            raise InputError(
                f"{path}: {where} has {found}, where a finite number belongs; correct it, remove the row, or leave the "
                "column out with `feature_columns`"
            )
        yield value


def _number(text: str) -> float | None:
    try:
        return number(text)
    except ValueError:
        return None
