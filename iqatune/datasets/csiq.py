"""CSIQ: 30 references, 6 distortions, 4 or 5 levels; DMOS 0..1, higher is WORSE.

Larson and Chandler 2010, 'Most apparent distortion: full-reference image quality assessment and the role of strategy'.
"""

import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from iqatune.datasets.adapter import DatasetInfo, Entry, Opinion, Published, parse_score, published_set
from iqatune.errors import InputError

SHEET = "all_by_image"
COLUMNS = ("image", "dst_type", "dst_lev", "dmos")

DISTORTIONS = {
    "noise": "awgn",
    "awgn": "awgn",
    "jpeg": "jpeg",
    "jpeg2000": "jpeg2000",
    "fnoise": "fnoise",
    "blur": "blur",
    "contrast": "contrast",
}
"""The sheet's dst_type, without blanks and case, to the folder below dst_imgs; the folder names the distortion."""

COUNTS: dict[tuple[str, int | None], int] = {
    **{(distortion, level): 30 for distortion in set(DISTORTIONS.values()) - {"contrast"} for level in range(1, 6)},
    **dict(zip((("contrast", level) for level in range(1, 5)), (30, 30, 30, 26), strict=True)),
}

LARGEST = 64 * 2**20
"""Bytes of all parts of the workbook, decompressed; the set's own takes less than one MiB."""

MOST_ROWS, MOST_COLUMNS = 10_000, 100
"""The set's own sheet has 870 and 9. A few bytes can name a cell a million rows down, and all before it count."""

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, SyntaxError, BadZipFile, zlib.error)
"""What openpyxl raises for truncated files and other formats (damaged XML is a SyntaxError)."""


def read(path: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """Entries of the sheet all_by_image; its header stands below and right of a few empty rows and columns."""
    rows = enumerate(_rows(path), 1)
    columns: dict[str, int] = {}
    for _, row in rows:
        names = [_text(cell).lower() for cell in row]
        if all(name in names for name in COLUMNS):
            columns = {name: names.index(name) for name in COLUMNS}
            break
    else:
        raise InputError(f"{path}: no row of sheet {SHEET} has {', '.join(COLUMNS)}; restore the set's own file")
    entries = []
    for number, row in rows:
        cells = {name: row[place] if place < len(row) else None for name, place in columns.items()}
        if _text(cells["image"]):
            entries.append(_entry(cells, path, f"row {number}"))
    return entries, ()


def _entry(cells: dict[str, Any], path: Path, where: str) -> Entry:
    image, level = _text(cells["image"]), _text(cells["dst_lev"])
    kind = "".join(_text(cells["dst_type"]).lower().split())
    if kind not in DISTORTIONS:
        raise InputError(f"{path}: {where} has the dst_type '{kind}', none of {', '.join(DISTORTIONS)}; correct it")
    if not (level.isascii() and level.isdecimal()):
        raise InputError(f"{path}: {where} has the dst_lev '{level}', no whole number; correct it")
    distortion = DISTORTIONS[kind]
    return Entry(
        where=where,
        reference=f"src_imgs/{image}.png",
        distorted=f"dst_imgs/{distortion}/{image}.{distortion}.{level}.png",
        reference_id=image,
        distortion=distortion,
        level=int(level),
        score=parse_score(cells["dmos"], path, where),
    )


def _text(cell: object) -> str:
    """A cell as text; Excel hands the image name 1600 and the levels over as numbers."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _rows(path: Path) -> Iterable[tuple[Any, ...]]:
    # imported here: openpyxl is slow to load, and no other data set needs it
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > LARGEST:
            raise InputError(
                f"{path}: holds {size / 2**20:.0f} MiB, far more than 866 scores; restore the set's own file"
            )
        with closing(load_workbook(path, read_only=True, data_only=True)) as workbook:
            if SHEET not in workbook.sheetnames:
                raise InputError(f"{path}: no sheet {SHEET} in it; restore the set's own file")
            rows = list(workbook[SHEET].iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS, values_only=True))
            while rows and not any(rows[-1]):
                rows.pop()  # what openpyxl fills up to the last row that it may read
            if len(rows) > MOST_ROWS:
                raise InputError(f"{path}: sheet {SHEET} has over {MOST_ROWS} rows; restore the set's own file")
            return rows
    except (*_UNREADABLE, InvalidFileException) as error:
        raise InputError(f"{path}: not a readable Excel file ({error}); restore the set's own file") from error


ADAPTER = published_set(
    DatasetInfo(
        name="csiq",
        description="CSIQ: noise, JPEG, JPEG2000, pink noise, blur, contrast, DMOS (lower is better); "
        "papers with 750 pairs leave out contrast",
        pairs=866,
        references=30,
        source="https://s2.smu.edu/~eclarson/csiq.html",
        labels=("csiq.DMOS.xlsx",),
        published=Published(counts=COUNTS, scores=(0.0, 1.0)),
        opinion=Opinion("DMOS of CSIQ", (0.0, 1.0)),
    ),
    better="lower",
    read=read,
)
