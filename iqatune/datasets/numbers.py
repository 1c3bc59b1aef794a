"""Numbers as label files write them. Python itself reads more: 48_50 as 4850, and digits of every script."""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

DecimalMark = Literal[".", ",", "?"]
"""What stands before the decimals of a file's numbers; `?` where that cannot be told."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"([+-]?\d+)(?:\.0*)?", re.ASCII)

_WITH_MARKS = re.compile(r"[+-]?\d*[.,\d]*\d[.,]?(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""A number with any marks in it, decimals' or thousands'."""

_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
"""A number that may be a thousand times as large: the mark in it could be of thousands."""

_NO_VALUE = frozenset(("#n/a", "#na", "#nv", "#n/d", "#div/0!", "#¡div/0!"))
"""Spreadsheets' errors that say no more than that there is no value."""

_MISSING = _NO_VALUE | {"", "na", "n/a", "nan", "null", "-", "--"}
"""What programs write where there is no number: R, pandas, databases, spreadsheets."""

_ERROR = re.compile(r"#¡?[^\W\d_]+[!?]")

_REASONS = (
    (re.compile(r".*%"), "a percentage"),
    (re.compile(r"[+-]?[\d.,]*[.,]\d+[.,][\d.,]*"), "it has marks of thousands"),
    (re.compile(r"[+-]?\d*,\d*(?:[eE][+-]?\d+)?"), "it has a comma"),
    (re.compile(r"\d{1,4}[./-]\d{1,2}[./-](?:\d{1,4})?|\d{1,2}[-./ ]+[^\W\d]{3,}[-./ ]*\d*"), "a spreadsheet's date"),
    (re.compile(r"[^\W\d]{3,}[-./ ]+\d{1,4}|\d{1,2}:\d\d.*"), "a spreadsheet's date"),
    (_ERROR, "a spreadsheet's error"),
    (re.compile(r"[+-]?[\d.,]+\s[\d.,\s]+"), "it has a space inside"),
)
"""What is wrong with a text that a person may have taken for a number: the first that fits."""


def number(text: str, decimal: DecimalMark = ".") -> float:
    """A number in decimal notation; also `nan` and `inf`, which whoever asks may refuse.

    Args:
        decimal: what stands before its decimals.

    Raises:
        ValueError: for anything else, with what it is: 'no number (a percentage)'.
    """
    return float(_with_point(text, decimal, _NUMBER, "not a number")[0])


def whole_number(text: str, decimal: DecimalMark = ".") -> int:
    """A whole number; pandas writes those of a column in which some are missing with `.0`.

    Raises:
        ValueError: for anything else, as `number`.
    """
    return int(_with_point(text, decimal, _WHOLE, "not a whole number")[1])


def is_missing(text: str) -> bool:
    """Whether a cell says that there is nothing in it: it is empty, NA, #DIV/0! and the like."""
    return text.casefold() in _MISSING


def is_error(text: str) -> bool:
    """Whether a cell holds the name of a spreadsheet's error, such as #REF!."""
    return text.casefold() in _NO_VALUE or _ERROR.fullmatch(text) is not None


def decimal_mark(columns: Iterable[Sequence[str]]) -> DecimalMark:
    """What stands before the decimals of a file whose cells a comma does not part: told by those that leave no doubt.

    `5,51` and `0,514` do, `1,234` may be a thousand times as much. So may `1.234`, but where all numbers of a column
    are written so, it does not matter: their order is the same.
    """
    sure: set[DecimalMark] = set()
    doubtful = False
    for cells in columns:
        filled = [cell for cell in cells if not is_missing(cell)]
        numbers = [cell for cell in filled if _WITH_MARKS.fullmatch(cell)]
        if 2 * len(numbers) < len(filled):  # text; a few slips are no reason to take numbers for it
            continue
        marked = [cell for cell in numbers if ("," in cell) != ("." in cell)]
        for cell in marked:
            mark: DecimalMark = "," if "," in cell else "."
            if _GROUPED.fullmatch(cell) is None and cell.count(mark) == 1:
                sure.add(mark)
            elif mark == "," or len(marked) < len(numbers):
                doubtful = True
    if len(sure) == 1:
        return sure.pop()
    return "?" if sure or doubtful else "."


def _with_point(text: str, decimal: DecimalMark, kind: re.Pattern[str], otherwise: str) -> re.Match[str]:
    stripped = text.strip()
    if decimal == "?" and ("." in stripped or "," in stripped) and _WITH_MARKS.fullmatch(stripped):
        mark = "comma" if "," in stripped else "point"
        raise ValueError(f"{otherwise} for certain (its {mark} may stand before decimals or thousands)")
    if decimal == "," and "." in stripped and _WITH_MARKS.fullmatch(stripped):
        raise ValueError(f"{otherwise} (it has a point, and decimals of this file have commas)")
    match = kind.fullmatch(stripped.replace(",", ".") if decimal == "," else stripped)
    if match is None:
        raise ValueError(f"{otherwise}{_reason(stripped)}")
    return match


def _reason(text: str) -> str:
    if is_missing(text):
        return " (it says that there is none)"
    said = next((said for kind, said in _REASONS if kind.fullmatch(text)), None)
    if said is None and not text.isascii() and any(letter.isdecimal() for letter in text):
        said = "it has characters that are no plain digits"
    return "" if said is None else f" ({said})"
