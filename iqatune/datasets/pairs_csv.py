"""Any data set, from a CSV file with the columns reference, distorted, score and optionally distortion, level."""

from collections.abc import Mapping
from pathlib import Path

from iqatune.datasets.adapter import (
    Adapter,
    DatasetInfo,
    Entry,
    LabelList,
    build_table,
    chosen_label,
    find_root,
    parse_score,
)
from iqatune.datasets.columns import read_columns
from iqatune.datasets.files import FileFinder, image_name
from iqatune.datasets.numbers import whole_number
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, UsageError
from iqatune.records.options import DataOptions
from iqatune.runtime.files import sha256_of_file

UNNAMED = "unnamed"
"""The distortion of every pair where the file has no such column."""

COLUMNS = ("reference", "distorted", "score")
"""What such a file needs."""

INFO = DatasetInfo(
    name="csv",
    description="your own pairs: `pairs` FILE.csv (reference, distorted, score[, distortion, level]) and `better`",
    pairs=None,
    references=None,
    source="your own images",
    labels=(),
)


def load(options: DataOptions) -> PairTable:
    """Read the pairs file; image paths are relative to the data root, else to the file's own folder.

    Raises:
        InputError: for anything missing or wrong, with the row's number.
    """
    if options.pairs is None:
        raise UsageError("`pairs`: needed with `dataset` csv; name a CSV file with columns reference, distorted, score")
    if options.better is None:
        raise UsageError("`better`: needed with `dataset` csv; say whether the higher or the lower score is better")
    if options.label is not None:
        chosen_label(options, INFO)
    path = Path(options.pairs)
    if not path.is_file():
        raise InputError(f"`pairs` {path}: no such file")
    root = find_root(options, INFO) if options.data_root else path.parent
    column = split_column(options)
    required = (*COLUMNS, *(() if column is None else (column,)))
    entries = [read_entry(cells, path, where, column) for where, cells in read_columns(path, required)]
    labels = LabelList(path.name, sha256_of_file(path), str(path), options.better, entries=entries)
    return build_table(options, labels, FileFinder(root))


def split_column(options: DataOptions) -> str | None:
    """The column that says which pairs are held out together, as columns are read: in lower case."""
    return None if options.split_column is None else options.split_column.strip().lower()


def read_entry(cells: Mapping[str, str], path: Path, where: str, split_column: str | None = None) -> Entry:
    """The pair of a row.

    Args:
        split_column: the column that says with which pairs it is held out, if any.

    Raises:
        InputError: naming file and row, for what is missing or wrong.
    """
    for column in ("reference", "distorted", *(() if split_column is None else (split_column,))):
        if not cells[column]:
            raise InputError(f"{path}: {where} has no {column}; fill it in or remove the row")
    reference = image_name(cells["reference"])
    return Entry(
        where=where,
        reference=reference,
        distorted=image_name(cells["distorted"]),
        reference_id=reference,
        distortion=cells.get("distortion") or UNNAMED,
        level=_level(cells.get("level", ""), path, where),
        score=parse_score(cells["score"], path, where),
        score_std=_deviation(cells.get("score_std", ""), path, where),
        split="" if split_column is None else cells[split_column],
    )


def _deviation(text: str, path: Path, where: str) -> float | None:
    if not text:
        return None
    deviation = parse_score(text, path, where)
    if deviation < 0:
        raise InputError(f"{path}: {where} has the score_std {text}, below 0; correct it")
    return deviation


def _level(text: str, path: Path, where: str) -> int | None:
    if not text:
        return None
    try:
        return whole_number(text)
    except ValueError as error:
        raise InputError(f"{path}: {where} has the level '{text}', no whole number; correct it") from error


ADAPTER = Adapter(INFO, load)
