"""CSV files as people have them: by the names of their columns, as spreadsheets of any country save them."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iqatune.datasets.adapter import lines_of, shown
from iqatune.datasets.numbers import DecimalMark, decimal_mark
from iqatune.errors import InputError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
"""What may part the cells of a row, and its name."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks."""

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""How .xlsx and .ods files begin, and old .xls ones."""

SAVE_AS = "save it as 'CSV UTF-8'"

Cells = dict[str, str]
"""The cells of a row by the names of their columns, stripped."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A CSV file, read.

    Attributes:
        header: names of its columns, in lower case; a column may have none.
        rows: each as where it stands and its cells; 'row 2' is the first below the header, as a spreadsheet counts.
        separator: what parts the cells.
        decimal: what stands before the decimals of its numbers.
        encoding: of its text, as Python calls it.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, Cells], ...]
    separator: str
    decimal: DecimalMark
    encoding: str

    @property
    def unusual(self) -> tuple[str, ...]:
        """What of its form a user may want to know, in words."""
        said = []
        if self.separator != ",":
            said.append(f"{SEPARATORS[self.separator]} between cells")
        if self.decimal == ",":
            said.append("commas before decimals")
        if not self.encoding.startswith("utf-8"):
            said.append(self.encoding.upper())
        return tuple(said)


def read_columns(path: Path, required: Sequence[str]) -> list[tuple[str, Cells]]:
    """Every row of a CSV file as where it stands ('row 2' is the first below the header) and its cells by column.

    Raises:
        InputError: as `read_sheet`.
    """
    return list(read_sheet(path, [(name,) for name in required]).rows)


def read_sheet(path: Path, required: Sequence[Sequence[str]]) -> Sheet:
    """A CSV file by the names of its columns.

    The header tells what parts the cells: a comma, a semicolon or a tab. Column names ignore case and surrounding
    blanks; cells are stripped; rows without content are passed over.

    Args:
        required: the columns that it has to have, each with the names that it may go by, the usual one first.

    Raises:
        InputError: for a file that is no text, a missing or doubled column, separators that leave a doubt, and a row
            that is no CSV, has too many cells, or repeats the header.
    """
    encoding = _encoding(path)
    lines = list(_text_lines(path, encoding))
    stated = re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE) if lines else None
    if stated is not None:
        # spreadsheets do not show this line, and do not count it
        lines = lines[1:]
        if stated[1] not in SEPARATORS:
            raise InputError(f"{path}: 'sep={stated[1]}' is not a separator that can be used; take , or ; or a tab")
    separator = _separator(path, lines, required) if stated is None else stated[1]
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    header: tuple[str, ...] = ()
    rows: list[tuple[str, Cells]] = []
    place = 0
    try:
        for place, cells in enumerate(reader, start=1):
            stripped = [cell.strip() for cell in cells]
            if not any(stripped):
                continue
            if not header:
                header = _header(stripped)
                _check_header(header, required, path)
                continue
            rows.append((f"row {place}", _row(stripped, header, f"{path}: row {place}", separator)))
    except csv.Error as error:
        raise InputError(f"{path}: row {place + 1} is not CSV ({error}); correct its quotes") from error
    if not header:
        _check_header(header, required, path)
    decimal = "." if separator == "," else decimal_mark([[cells[name] for _, cells in rows] for name in header])
    return Sheet(path=path, header=header, rows=tuple(rows), separator=separator, decimal=decimal, encoding=encoding)


def _encoding(path: Path) -> str:
    """What a file's text is written in, as its first bytes say.

    Raises:
        InputError: when it cannot be read, or is no text.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check it") from error
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    if marked is not None:
        return marked
    if start.startswith(_WORKBOOKS):
        raise InputError(f"{path}: a spreadsheet's own file, not a CSV file; {SAVE_AS} in the spreadsheet")
    if b"\0" in start.partition(b"\n")[0]:
        raise InputError(f"{path}: not text, or UTF-16 without a byte order mark; {SAVE_AS}")
    return "utf-8"


def _text_lines(path: Path, encoding: str) -> Sequence[str]:
    try:
        return list(lines_of(path, encoding))
    except InputError as error:
        if isinstance(error.__cause__, UnicodeDecodeError) and encoding.startswith("utf-8"):
            raise InputError(f"{path}: {_undecodable(path)}; {SAVE_AS}") from error
        raise


def _undecodable(path: Path) -> str:
    """The line and the byte that are no UTF-8. What it stands for is another letter in every old encoding."""
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return f"line {number} contains the byte 0x{line[error.start]:02X}, which is not UTF-8"
    return "is no UTF-8"


def _separator(path: Path, lines: Sequence[str], required: Sequence[Sequence[str]]) -> str:
    """What parts the cells of the header: the one by which it has the columns that it has to have.

    Raises:
        InputError: where several could, and none gives those columns.
    """
    headers = {separator: _first_row(lines, separator) for separator in SEPARATORS}
    fitting = [separator for separator, header in headers.items() if not _missing(header, required)]
    parting = [separator for separator, header in headers.items() if len(header) > 1]
    for choice in ([each for each in fitting if each in parting], fitting[:1], parting):
        if len(choice) == 1:
            return choice[0]
    if not parting:
        return ","
    names = " and ".join(SEPARATORS[each] for each in parting)
    found = shown(next(line for line in lines if line.strip()).strip())
    raise InputError(f"{path}: its first row has {names} ({found}); separate its cells with one of them")


def _first_row(lines: Sequence[str], separator: str) -> tuple[str, ...]:
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    try:
        return next((_header(cells) for cells in reader if any(cell.strip() for cell in cells)), ())
    except csv.Error:
        return ()


def _header(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.strip().lower() for cell in cells)


def _missing(header: Sequence[str], required: Sequence[Sequence[str]]) -> list[str]:
    return [names[0] for names in required if not set(names) & set(header)]


def _check_header(header: Sequence[str], required: Sequence[Sequence[str]], path: Path) -> None:
    missing = _missing(header, required)
    if missing:
        raise InputError(
            f"{path}: no column {' or '.join(missing)} in its first row ({shown(', '.join(header)) or 'empty file'}); "
            f"it needs {', '.join(names[0] for names in required)}"
        )
    doubled = [name for name, count in Counter(header).items() if name and count > 1]
    if doubled:
        raise InputError(f"{path}: two columns are named {shown(doubled[0])}; rename one")


def _row(cells: Sequence[str], header: Sequence[str], where: str, separator: str) -> Cells:
    """The cells by column; those that are not there are empty."""
    # with commas between cells even an empty one too many is refused: 5,51 without quotes may have made it
    if any(cells[len(header) :]) or (separator == "," and len(cells) > len(header)):
        decimals = " (are some before decimals?)" if separator == "," else ""
        names = f"{SEPARATORS[separator]}{decimals}"
        raise InputError(f"{where} has {len(cells)} cells for {len(header)} columns; quote its {names}")
    if tuple(cell.lower() for cell in cells) == tuple(header):
        raise InputError(f"{where} repeats the names of the columns; remove it")
    # the first column may have none: so pandas writes its row numbers
    nameless = next((cell for name, cell in zip(header[1:], cells[1:], strict=False) if cell and not name), None)
    if nameless is not None:
        raise InputError(f"{where} has '{shown(nameless)}' in a column without a name; name it or remove it")
    padded = [*cells[: len(header)], *[""] * (len(header) - len(cells))]
    return dict(zip(header, padded, strict=True))
