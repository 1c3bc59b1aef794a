"""What a report is made of, whatever it is written as."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import groupby
from operator import attrgetter
from statistics import fmean, stdev

from iqatune.records.vocabulary import Verdict

MISSING = "—"

MARKS = "¹²³⁴⁵⁶⁷⁸⁹"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: as people read it.
        value: as machines read it and as columns sort; None for words and for what is missing.
        more: further figures of the cell, by name, for machines.
        best: the highest of those it is ranked among.
        tied: the data cannot tell it from the best (the best itself is tied).
    """

    text: str = MISSING
    value: float | None = None
    _: KW_ONLY
    best: bool = False
    tied: bool = False
    more: tuple[tuple[str, float], ...] = ()

    @property
    def missing(self) -> bool:
        """Whether there is no such figure."""
        return self.text == MISSING


@dataclass(frozen=True)
class Column:
    """A column's name, and the group of columns that it belongs to."""

    name: str
    group: str = ""

    @property
    def full_name(self) -> str:
        """Name and group on one line."""
        return f"{self.group} {self.name}".strip()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with its protocol card.

    Attributes:
        name: of its files.
        words: how many columns at the left hold words.
        card: the protocol of its figures, and in what a marked row's differs.
        notes: how to read it.
        source: where published figures come from; empty for measured ones.
        detail: whether the page shows it only when it is asked for.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: int = 1
    card: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    detail: bool = False

    @property
    def folded(self) -> bool:
        """Whether the page shows it only when it is asked for."""
        return self.detail or bool(self.source)

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold figures, or would: words stand at the left of theirs, figures at the right."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        return [
            place >= self.words
            and (all(cell.missing for cell in cells) or any(cell.value is not None for cell in cells))
            for place, cells in enumerate(columns)
        ]

    @property
    def says_nothing(self) -> bool:
        """Whether it has no rows, or no figure in them."""
        return all(cell.missing for row in self.rows for cell in row[self.words :])

    def without_empty_columns(self) -> "Table":
        """Without the columns in which every cell is missing, for people; machines read them all."""
        kept = [place for place in range(len(self.columns)) if not all(row[place].missing for row in self.rows)]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in kept),
            rows=tuple(tuple(row[place] for place in kept) for row in self.rows),
            words=sum(place < self.words for place in kept),
        )

    @property
    def spans(self) -> list[tuple[str, int]]:
        """Groups of neighbouring columns, and how many they are."""
        return [(group, len(list(columns))) for group, columns in groupby(self.columns, key=attrgetter("group"))]


@dataclass(frozen=True)
class Figure:
    """A drawing as an SVG document, for some as a PDF document too, and what it says in words."""

    name: str
    title: str
    svg: str
    notes: tuple[str, ...] = ()
    _: KW_ONLY
    pdf: bytes = b""


@dataclass(frozen=True)
class Picture:
    """A small JPEG with lines of text under it."""

    jpeg: bytes
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """A reference and distorted versions of it."""

    name: str
    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Section:
    """One question and its answer.

    Attributes:
        letter: what the report calls it, by its place among the others; empty until it has one.
    """

    title: str
    text: tuple[str, ...] = ()
    _: KW_ONLY
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    letter: str = ""


@dataclass(frozen=True)
class Missing:
    """What the report could say and does not, and how to have it said."""

    title: str
    how: str


@dataclass(frozen=True)
class Fact:
    """A figure, what it is of, and how sure it is.

    Attributes:
        value: as people read it; never text from outside.
    """

    name: str
    value: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether tuning helped on a data set, in a line that its intervals support, and the little that a reader needs.

    Attributes:
        verdict: None where nothing was held out.
        facts: at most four.
        record: the path of the best setting's record.
        command: that exports it.
    """

    verdict: Verdict | None
    headline: str
    text: str
    facts: tuple[Fact, ...]
    record: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole report. `answers` come first, one for each data set.

    Attributes:
        made: when, by which version, and of how many runs.
        missing: what there is no data for.
    """

    title: str
    made: str
    answers: tuple[Answer, ...]
    sections: tuple[Section, ...]
    missing: tuple[Missing, ...] = ()
    warnings: tuple[str, ...] = ()


def word(text: str) -> Cell:
    """A cell of words."""
    return Cell(text)


def number(value: float | None, digits: int = 4, text: str | None = None) -> Cell:
    """A cell of a number; missing for None, said to be undefined for NaN.

    Args:
        text: what people read in place of the rounded value.
    """
    if value is None:
        return Cell()
    if math.isnan(value):
        return Cell("undefined")
    return Cell(f"{value:.{digits}f}" if text is None else text, value)


def spread(values: Sequence[float], digits: int = 4) -> Cell:
    """The mean of the seeds' figures with its standard deviation where there are several; missing for none."""
    if not values:
        return Cell()
    mean = fmean(values)
    if len(values) == 1 or math.isnan(mean):
        return number(mean, digits)
    deviation = stdev(values)
    return Cell(f"{mean:.{digits}f} ± {deviation:.{digits}f}", mean, more=(("standard deviation", deviation),))


def interval(bounds: tuple[float, float] | None, digits: int = 3) -> Cell:
    """A cell of an interval, sorted by its lower end."""
    if bounds is None or any(math.isnan(bound) for bound in bounds):
        return Cell()
    low, high = bounds
    return Cell(f"[{low:.{digits}f}, {high:.{digits}f}]", low, more=(("low", low), ("high", high)))


def ranked(cells: Sequence[Cell], tied: Sequence[bool]) -> list[Cell]:
    """Mark the highest of a column's cells, and those tied with it; nothing is ranked where there is but one."""
    values = [cell.value for cell in cells if cell.value is not None]
    if len(values) < 2:
        return list(cells)
    best = max(values)
    return [
        replace(cell, best=cell.value == best, tied=cell.value is not None and (is_tied or cell.value == best))
        for cell, is_tied in zip(cells, tied, strict=True)
    ]


def slug(text: str) -> str:
    """A name made fit for files and anchors."""
    return "".join(letter if letter.isalnum() else "-" for letter in text).strip("-")
