"""Any data set, from a CSV file with the columns reference, distorted, score and optionally some more.

Those are distortion, level and score_std. The names that pyiqa's `meta_info_*.csv` and the label lists of IQA-Dataset
give to these columns are known as well.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iqatune.datasets.adapter import (
    LARGEST_SCORE,
    Adapter,
    DatasetInfo,
    Entry,
    LabelList,
    build_table,
    chosen_label,
    find_root,
    parse_score,
    shown,
)
from iqatune.datasets.columns import Cells, Sheet, read_sheet
from iqatune.datasets.files import FileFinder, image_name
from iqatune.datasets.missing_folders import folders_line, placed
from iqatune.datasets.numbers import is_error, is_missing, number, whole_number
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, UsageError, did_you_mean
from iqatune.records.options import DataOptions
from iqatune.records.vocabulary import Better
from iqatune.runtime.files import sha256_of_file

UNNAMED = "unnamed"
"""The distortion of every pair where the file has no such column."""

REFERENCE = ("reference", "ref_name", "hq_name", "ref_img_path")
DISTORTED = ("distorted", "dist_name", "dis_img_path")
SCORE = ("score", "mos", "dmos", "elo_score")
DISTORTION = ("distortion", "dis_type")
"""Names that a column may go by, the usual one first; that one is taken where several are there."""

IMAGES = (REFERENCE, DISTORTED)
"""What a file of pairs without scores needs."""

NEEDED = (*IMAGES, SCORE)
"""What a file of pairs needs."""

USUALLY: Mapping[str, Better] = {"mos": "higher", "elo_score": "higher", "dmos": "lower"}
"""Which score is mostly the better quality, by the name of its column. KADID-10k's dmos is otherwise."""

INFO = DatasetInfo(
    name="csv",
    description="your own pairs: `pairs` FILE.csv (reference, distorted, score[, distortion, level]) and `better`",
    pairs=None,
    references=None,
    source="your own images",
    labels=(),
)


@dataclass(frozen=True, kw_only=True)
class PairColumns:
    """Which column of a file is what of a pair; None for what it does not say."""

    reference: str
    distorted: str
    score: str
    distortion: str | None
    level: str | None
    score_std: str | None
    split: str | None

    @property
    def renamed(self) -> tuple[str, ...]:
        """Those that go by another name than the usual, in words."""
        return tuple(f"{role} is {name}" for role, name in vars(self).items() if name not in (None, role, self.split))

    @property
    def names(self) -> frozenset[str]:
        """The columns without which there is no pair, and the one of the split: no features of a pair."""
        return frozenset(name for name in (self.reference, self.distorted, self.score, self.split) if name is not None)


def load(options: DataOptions) -> PairTable:
    """Read the pairs file; image paths are relative to the data root, else to the file's own folder.

    Raises:
        InputError: for anything missing or wrong, with the row's number.
    """
    if options.pairs is None:
        raise UsageError("`pairs`: needed with `dataset` csv; name a CSV file with columns reference, distorted, score")
    if options.label is not None:
        chosen_label(options, INFO)
    path = Path(options.pairs)
    if not path.is_file():
        raise InputError(f"`pairs` {path}: no such file")
    sheet, columns, better = read_pairs(path, options, "`dataset` csv")
    finder = FileFinder(find_root(options, INFO) if options.data_root else path.parent)
    given = [read_entry(cells, columns, sheet, where=where) for where, cells in sheet.rows]
    entries = placed(given, finder, str(path), options)
    labels = LabelList(path.name, sha256_of_file(path), str(path), better, entries=entries)
    table = build_table(options, labels, finder)
    return replace(
        table,
        score_column=columns.score,
        read_as="; ".join((*columns.renamed, *sheet.unusual, *folders_line(given, entries))),
    )


def read_pairs(path: Path, options: DataOptions, asked_by: str) -> tuple[Sheet, PairColumns, Better]:
    """A file of pairs, what its columns are, and which score is better.

    Args:
        asked_by: the option that makes `better` necessary, as error lines name it.

    Raises:
        InputError: for a file that cannot be read, columns that are missing or more than one, and without `better`.
    """
    sheet = read_sheet(path, NEEDED)
    split = split_column(options)
    if split is not None and split not in sheet.header:
        raise InputError(
            f"`split_column` {split}: no column of {path}; {did_you_mean(split, filter(None, sheet.header))}"
        )
    columns = pair_columns(sheet, split)
    if options.better is None:
        usual = USUALLY.get(columns.score)
        hint = "" if usual is None else f" (of {columns.score} it is usually the {usual} one)"
        raise UsageError(f"`better`: needed with {asked_by}; say whether the higher or the lower score is better{hint}")
    return sheet, columns, options.better


def split_column(options: DataOptions) -> str | None:
    """The column that says which pairs are held out together, as columns are read: in lower case."""
    return None if options.split_column is None else options.split_column.strip().lower()


def column_of(names: Sequence[str], sheet: Sheet) -> str | None:
    """The column that goes by one of these names, the first of them before all others; None where there is none.

    Raises:
        InputError: when several could be meant.
    """
    found = [name for name in names if name in sheet.header]
    if len(found) > 1 and found[0] != names[0]:
        raise InputError(
            f"{sheet.path}: its columns {' and '.join(found)} may each be the {names[0]}; name one of them {names[0]}"
        )
    return found[0] if found else None


def pair_columns(sheet: Sheet, split: str | None) -> PairColumns:
    """Which columns of a file that has those of `NEEDED` are what.

    Raises:
        InputError: when several could be meant.
    """
    reference, distorted, score = (column_of(names, sheet) or names[0] for names in NEEDED)
    deviations = ("score_std", f"{score}_std", "std", "mos_std", "dmos_std")
    own = next((name for name in deviations[:3] if name in sheet.header), None)
    return PairColumns(
        reference=reference,
        distorted=distorted,
        score=score,
        distortion=column_of(DISTORTION, sheet),
        level=column_of(("level",), sheet),
        score_std=own or (column_of(deviations, sheet) if score == SCORE[0] else None),
        split=split,
    )


def read_entry(cells: Cells, columns: PairColumns, sheet: Sheet, *, where: str) -> Entry:
    """The pair of a row.

    Raises:
        InputError: naming file and row, for what is missing or wrong.
    """
    said = f"{sheet.path}: {where}"
    reference, distorted = (image_name(filled(cells, name, said)) for name in (columns.reference, columns.distorted))
    distortion = "" if columns.distortion is None else cells[columns.distortion]
    return Entry(
        where=where,
        reference=reference,
        distorted=distorted,
        reference_id=reference,
        distortion=UNNAMED if is_missing(distortion) else distortion,
        level=None if columns.level is None else _level(cells[columns.level], sheet, said),
        score=parse_score(cells[columns.score], sheet.path, where, sheet.decimal),
        score_std=None if columns.score_std is None else _deviation(cells, columns.score_std, sheet, said),
        split="" if columns.split is None else filled(cells, columns.split, said),
    )


def filled(cells: Cells, column: str, said: str) -> str:
    """A cell of a column in which each row has to say something.

    Args:
        said: file and row, for error lines.

    Raises:
        InputError: for an empty one, and for a spreadsheet's error.
    """
    text = cells[column]
    if not text:
        raise InputError(f"{said} has no {column}; fill it in or remove the row")
    if is_error(text):
        raise InputError(f"{said} has the {column} '{shown(text)}', a spreadsheet's error; correct it")
    return text


def _level(text: str, sheet: Sheet, said: str) -> int | None:
    if is_missing(text):
        return None
    try:
        return whole_number(text, sheet.decimal)
    except ValueError as error:
        raise InputError(f"{said} has the level '{shown(text)}', {error}; correct it") from error


def _deviation(cells: Cells, column: str, sheet: Sheet, said: str) -> float | None:
    text = cells[column]
    if is_missing(text):
        return None
    try:
        value = number(text, sheet.decimal)
    except ValueError as error:
        raise InputError(f"{said} has the {column} '{shown(text)}', which is {error}; correct it") from error
    if not (math.isfinite(value) and 0 <= value <= LARGEST_SCORE):
        raise InputError(f"{said} has the {column} {shown(text)}, no standard deviation; correct it")
    return value


ADAPTER = Adapter(INFO, load)
