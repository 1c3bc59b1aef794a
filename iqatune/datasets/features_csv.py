"""Pairs whose features are the figures of other metrics: a pairs CSV with further numeric columns, and no images."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from iqatune.datasets.adapter import LARGEST_SCORE, LabelList, build_table, chosen_label, shown
from iqatune.datasets.columns import Cells, Sheet, read_sheet
from iqatune.datasets.files import composed
from iqatune.datasets.numbers import is_missing, number
from iqatune.datasets.pairs_csv import DISTORTION, INFO, NEEDED, PairColumns, pair_columns, read_entry, read_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, UsageError, did_you_mean
from iqatune.records.options import DataOptions
from iqatune.runtime.files import sha256_of_file

LABELS: tuple[str, ...] = ("distortion", "level", "score_std", "std", "mos", "mos_std", "dmos", "dmos_std")
LABELS += ("elo_score", "rating", "ratings", "rater", "raters", "split", "fold", "set", "dataset", "index", "id")
"""Columns that say something of a pair, its score or its place: no features, unless they are named as such."""


def load(options: DataOptions) -> PairTable:
    """Read a features file. Its images need not exist; files whose names differ in case alone are one.

    Raises:
        InputError: for anything missing or wrong, with the row's number: no column of features, an unknown one, a cell
            of one that is empty or no finite number.
    """
    for name, given in (("pairs", options.pairs), ("data_root", options.data_root)):
        if given is not None:
            raise UsageError(
                f"`{name}` {given}: not possible with `features`, which names the pairs itself; leave it out"
            )
    path = _path(options)
    if options.label is not None:
        chosen_label(options, INFO)
    sheet, columns, better = read_pairs(path, options, "`features`")
    names, passed_over = _columns(sheet, columns, options.feature_columns)
    entries = [
        replace(read_entry(cells, columns, sheet, where=where), features=tuple(_features(cells, names, sheet, where)))
        for where, cells in sheet.rows
    ]
    labels = LabelList(path.name, sha256_of_file(path), str(path), better, entries=entries)
    table = build_table(options, labels, _Names(path.parent))
    read_as = "; ".join((*columns.renamed, *sheet.unusual))
    return replace(table, columns=names, passed_over=passed_over, score_column=columns.score, read_as=read_as)


def further_columns(options: DataOptions) -> tuple[str, ...]:
    """Names of all columns of a features file beside those of a pair.

    Raises:
        InputError: when it cannot be read.
    """
    sheet = read_sheet(_path(options), NEEDED)
    return _further(sheet, pair_columns(sheet, None))


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

    def find(self, name: str) -> Path | None:
        """The path that a file of that name has, as it is first spelled; None where no file can have it."""
        if "\0" in name:
            return None
        return self._paths.setdefault(composed(name).casefold(), self.root / name)


def _columns(sheet: Sheet, columns: PairColumns, asked: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the features, and the other columns with why they are none."""
    further = _further(sheet, columns)
    for name in asked:
        if name in columns.names:
            raise InputError(f"`feature_columns` {name}: is no feature of a pair; name further columns of {sheet.path}")
        if name not in further:
            raise InputError(f"`feature_columns` {name}: no column of {sheet.path}; {did_you_mean(name, further)}")
    if asked:
        return tuple(asked), ()
    reasons = {name: _no_feature(sheet, name) for name in further}
    names = tuple(name for name, reason in reasons.items() if reason is None)
    if sheet.rows and not names:
        beside = ", ".join((columns.reference, columns.distorted, columns.score))
        raise InputError(
            f"{sheet.path}: no column of features beside {beside}; add numeric columns, the figures of metrics"
        )
    return names, tuple(f"{name} ({reason})" for name, reason in reasons.items() if reason is not None)


def _further(sheet: Sheet, columns: PairColumns) -> tuple[str, ...]:
    """Names of the columns beside those of a pair; one without a name, such as the index of pandas, is none."""
    return tuple(name for name in sheet.header if name and name not in columns.names)


def _no_feature(sheet: Sheet, name: str) -> str | None:
    """Why a column is none of features; None where it is one. Holes in one are told where its cells are read."""
    if name in (*LABELS, *DISTORTION):
        return "a label"
    filled = [(where, cells[name]) for where, cells in sheet.rows if not is_missing(cells[name])]
    if not filled:
        return "empty"
    wrong = ((where, text, _number(text, sheet)) for where, text in filled)
    return next(
        (
            f"{where} has '{shown(text)}'{fault.removeprefix('not a number')}"
            for where, text, fault in wrong
            if isinstance(fault, str)
        ),
        None,
    )


def _features(cells: Cells, names: Sequence[str], sheet: Sheet, where: str) -> Iterator[float]:
    for name in names:
        text, value = cells[name], _number(cells[name], sheet)
        if isinstance(value, str) or not math.isfinite(value) or abs(value) > LARGEST_SCORE:
            found = f"the {name} '{shown(text)}'" if text else f"no {name}"
            raise InputError(
                f"{sheet.path}: {where} has {found}, where a finite number belongs; correct it, remove the row, or "
                "leave the column out with `feature_columns`"
            )
        yield value


def _number(text: str, sheet: Sheet) -> float | str:
    """The number, or what is wrong with it."""
    try:
        return number(text, sheet.decimal)
    except ValueError as error:
        return str(error)
