"""CSIQ: 30 references, 6 distortions, 4 or 5 levels; DMOS 0..1, higher is WORSE.

Larson and Chandler 2010, 'Most apparent distortion: full-reference image quality assessment and the role of strategy'.
"""

import posixpath
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from iqatune.datasets.adapter import DatasetInfo, Entry, Opinion, Published
from iqatune.datasets.label_files import (
    FROM_IQA_DATASET,
    FROM_PYIQA,
    IQA_DATASET,
    ReadRows,
    Row,
    Source,
    meta_info,
    refuse_columns,
    words,
)
from iqatune.datasets.published import LabelFile, PublishedSet, Turned
from iqatune.errors import InputError

SHEET = "all_by_image"
COLUMNS = ("image", "dst_type", "dst_lev", "dmos")
DEVIATIONS = "dmos_std"

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

BEST, WORST = "dst_imgs/jpeg/boston.JPEG.1.png", "dst_imgs/jpeg2000/sunsetcolor.jpeg2000.5.png"
"""Images whose published DMOS are the lowest, 0, and the highest, 1."""

LARGEST = 64 * 2**20
"""Bytes of all parts of the workbook, decompressed; the set's own takes less than one MiB."""

MOST_ROWS, MOST_COLUMNS = 10_000, 100
"""The set's own sheet has 870 and 9. A few bytes can name a cell a million rows down, and all before it count."""

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, SyntaxError, BadZipFile, zlib.error)
"""What openpyxl raises for truncated files and other formats (damaged XML is a SyntaxError)."""


_NAME = re.compile(
    r"(?P<reference>[^.]+)\.(?P<kind>awgn|jpeg|jpeg2000|fnoise|blur|contrast)\.(?P<level>[1-5])(\.(png|bmp))?",
    re.IGNORECASE | re.ASCII,
)


def _entry(row: Row, labels: Source) -> Entry:
    image = posixpath.basename(row.image)
    match = _NAME.fullmatch(image)
    if match is None:
        raise labels.foreign(row, "1600.AWGN.1.png")
    distortion = match["kind"].lower()
    return labels.entry(
        row,
        reference=f"src_imgs/{match['reference']}.png",
        distorted=f"dst_imgs/{distortion}/{image}" + ("" if match[4] else ".png"),
        distortion=distortion,
        level=int(match["level"]),
    )


def _sheet(source: Source) -> Iterator[Row]:
    """Rows of the sheet all_by_image; its header stands below and right of a few empty rows and columns."""
    path = source.path
    refuse_columns(source)
    rows = enumerate(_rows(path), 1)
    columns: dict[str, int] = {}
    for _, row in rows:
        names = [_text(cell).lower() for cell in row]
        if all(name in names for name in COLUMNS):
            columns = {name: names.index(name) for name in (*COLUMNS, DEVIATIONS) if name in names}
            break
    else:
        raise InputError(f"{path}: no row of sheet {SHEET} has {', '.join(COLUMNS)}; restore the set's own file")
    for number, row in rows:
        cells = {name: row[place] if place < len(row) else None for name, place in columns.items()}
        if _text(cells["image"]):
            yield _row(cells, path, f"row {number}")


def _row(cells: dict[str, Any], path: Path, where: str) -> Row:
    image, level = _text(cells["image"]), _text(cells["dst_lev"])
    kind = "".join(_text(cells["dst_type"]).lower().split())
    if kind not in DISTORTIONS:
        raise InputError(f"{path}: {where} has the dst_type '{kind}', none of {', '.join(DISTORTIONS)}; correct it")
    if not (level.isascii() and level.isdecimal()):
        raise InputError(f"{path}: {where} has the dst_lev '{level}', not a whole number; correct it")
    name = f"{image}.{DISTORTIONS[kind]}.{int(level)}.png"
    return Row(where=where, image=name, score=cells["dmos"], std=cells.get(DEVIATIONS))


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
                f"{path}: contains {size / 2**20:.0f} MiB, far more than 866 scores; restore the set's own file"
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


def _label(name: str, read: ReadRows, origin: str = "") -> LabelFile:
    return LabelFile(name, read, "DMOS", better="lower", origin=origin)


ADAPTER = PublishedSet(
    info=DatasetInfo(
        name="csiq",
        description="CSIQ: noise, JPEG, JPEG2000, pink noise, blur, contrast, DMOS (lower is better); "
        "papers with 750 pairs leave out contrast",
        pairs=866,
        references=30,
        source="https://s2.smu.edu/~eclarson/csiq.html",
        labels=(),
        layouts=(
            "src_imgs/ dst_imgs/TYPE/",
            "src_imgs/ dst_imgs/",
            "src_imgs/ dst_imgs_all/",
            "reference_images/ distorted_images/",
        ),
        published=Published(counts=COUNTS, scores=(0.0, 1.0)),
        opinion=Opinion("DMOS of CSIQ", (0.0, 1.0)),
    ),
    labels=(
        _label("csiq.DMOS.xlsx", _sheet),
        _label("csiq_label.txt", words("image", "score", example="1600.AWGN.1.png 0.061989")),
        _label("CSIQ.txt", IQA_DATASET, FROM_IQA_DATASET),
        _label("meta_info_CSIQDataset.csv", meta_info("dmos"), FROM_PYIQA),
        LabelFile(
            "csiq_all.txt",
            words("image", "score", example="dst_imgs/awgn/1600.AWGN.1.png 0.938011", std_may_follow=True),
            "1 - DMOS",
            better="higher",
            turned=Turned(best=BEST, worst=WORST, values="DMOS"),
        ),
    ),
    places={
        "src_imgs": ("src_imgs", "reference_images"),
        **{
            f"dst_imgs/{kind}": tuple(
                place
                for folder in ("dst_imgs", "dst_imgs_all", "distorted_images")
                for place in (f"{folder}/{kind}", folder)
            )
            for kind in sorted(set(DISTORTIONS.values()))
        },
    },
    entry=_entry,
    may_lack=("contrast",),
).adapter
