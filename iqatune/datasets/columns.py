"""CSV files by the names of their columns."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from iqatune.datasets.adapter import lines_of
from iqatune.errors import InputError


def read_columns(path: Path, required: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Every row of a CSV file as where it stands ('row 2' is the first below the header) and its cells by column.

    Column names ignore case and surrounding blanks; cells are stripped; empty rows are passed over.

    Raises:
        InputError: for a file that is no text, a missing or doubled column, or a row with too many cells.
    """
    reader = csv.reader(lines_of(path), skipinitialspace=True)
    rows: list[tuple[str, dict[str, str]]] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header, required, path)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"row {reader.line_num}"
            if len(cells) > len(header):
                raise InputError(f"{path}: {where} has {len(cells)} cells for {len(header)} columns; quote its commas")
            padded = [*cells, *[""] * (len(header) - len(cells))]
            rows.append((where, {name: cell.strip() for name, cell in zip(header, padded, strict=True)}))
    except csv.Error as error:
        raise InputError(f"{path}: row {reader.line_num} is no CSV ({error}); correct it") from error
    return rows


def _check_header(header: Sequence[str], required: Sequence[str], path: Path) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError(
            f"{path}: no column {' or '.join(missing)} in its first row ({', '.join(header) or 'empty file'}); "
            f"it needs {', '.join(required)}"
        )
    doubled = [name for name, count in Counter(header).items() if name and count > 1]
    if doubled:
        raise InputError(f"{path}: two columns are named {doubled[0]}; rename one")
