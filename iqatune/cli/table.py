"""The tables that verbs print: as much of each as the terminal takes, and a line that says what it leaves out."""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from iqatune.cli.terminal import folded, print_line, width_of
from iqatune.escape import visible

if TYPE_CHECKING:
    from rich.table import Table

GAP: Final = 2
"""Spaces between two columns."""

READABLE: Final = 24
"""Letters of a long name or sentence that one line of its column shows at least, where there is room for so many."""

FEWEST: Final = 8
"""Letters that one line of it shows in any case, at whatever place a word is parted."""

TOGETHER: Final = 16
"""Letters that stay on one line, such as a name with its mark."""

PIPED: Final = 160
"""Letters of a line of sentences where stdout is no terminal. Names and figures take what they need there."""

_SOFT: Final = re.compile(r"(?<=/)|(?<=[-_+=,;:@.])(?=[^\W\d_])")
"""Where a long name is parted: after a slash, and before a letter after another sign. Numbers stay whole."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        number: its place in the table.
        is_name: whether it says which row this is, so that it is never left out.
        is_words: whether its cells may take several lines; figures do not.
    """

    number: int
    head: str
    cells: tuple[str, ...]
    is_name: bool
    is_words: bool

    @cached_property
    def whole(self) -> int:
        """The width at which no cell takes a second line."""
        return max(_longest(self.head.split()), _longest(self.cells))

    @cached_property
    def narrow(self) -> int:
        """The width at which no word of it is parted but where it may be, and no number."""
        words = [word for text in (self.head, *self.cells) for word in text.split()]
        return _longest(piece for word in words for piece in (_SOFT.split(word) if self.is_words else [word]))

    @cached_property
    def least(self) -> int:
        """The width that it takes at least."""
        if not self.is_words or self.whole <= TOGETHER:
            return self.whole
        words = _longest(word for cell in self.cells for word in cell.split())
        return min(self.whole, max(_longest(self.head.split()), self.narrow, min(words, READABLE)))

    @property
    def is_right(self) -> bool:
        """Whether it ends at its right side: figures, and counts among words."""
        return not self.is_words or (
            any(self.cells) and all(cell.isdigit() or cell in ("", "-", "any") for cell in self.cells)
        )

    def lines(self, text: str, width: int) -> str:
        """A cell, folded. A figure is parted at a space, where nothing else is left, and nowhere else."""
        return self.shown(_folded(text, width) if self.is_words else folded(text, width), width)

    def shown(self, lines: Sequence[str], width: int) -> str:
        """Lines, each at its side of the column; a space that a figure ends with stands for a mark that others have."""
        from rich.cells import cell_len

        return "\n".join(" " * (self.is_right * (width - cell_len(line))) + line for line in lines)


@dataclass(frozen=True)
class Layout:
    """Tables one below the other, each a list of columns and their widths; and the heads that have no room.

    Attributes:
        width: of the terminal.
    """

    blocks: tuple[tuple[tuple[Column, int], ...], ...]
    left_out: tuple[str, ...]
    width: int

    def note(self) -> str | None:
        """What to say of the columns that are left out."""
        if not self.left_out:
            return None
        them = "it" if len(self.left_out) == 1 else "them"
        return f"Left out at {self.width} columns: {', '.join(self.left_out)}. A wider terminal or --json shows {them}."


def columns_of(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, names: int = 1) -> list[Column]:
    """The columns of a table whose first `names` say which row it is, and whose first `left` have words in them."""
    shown = [tuple(map(visible, row)) for row in rows]
    return [
        Column(
            number=number,
            head=visible(head),
            cells=tuple(row[number] for row in shown),
            is_name=number < names,
            is_words=number < max(left, names),
        )
        for number, head in enumerate(heads)
    ]


def layout(columns: Sequence[Column], width: int, *, first: Sequence[str] = (), parted: bool = False) -> Layout:
    """What of a table fits a width: its names, and then its columns by importance as long as there is room.

    Where there is no room for a single column beside the names, the names are folded further, and one is shown.

    Args:
        first: heads of the most important columns, the most important first; the others follow from left to right.
        parted: whether columns without room go on below, beside the names again; by default they are left out.
    """
    names = [column for column in columns if column.is_name]
    others = [column for column in columns if not column.is_name]
    if parted:
        blocks: list[tuple[tuple[Column, int], ...]] = []
        while others or not blocks:
            taken = _fitting(names, others, width)
            blocks.append(_sized([*names, *others[:taken]], width))
            others = others[taken:]
        return Layout(blocks=tuple(blocks), left_out=(), width=width)
    rank = {head: place for place, head in enumerate(first)}
    ranked = sorted(others, key=lambda column: rank.get(column.head, len(rank)))
    taken = _fitting(names, ranked, width)
    shown = sorted(ranked[:taken], key=lambda column: column.number)
    left_out = sorted(ranked[taken:], key=lambda column: column.number)
    return Layout(
        blocks=(_sized([*names, *shown], width),), left_out=tuple(column.head for column in left_out), width=width
    )


def needed(columns: Sequence[Column]) -> int:
    """The width at which no name and no head of figures is folded, and no column is left out."""
    widths = (
        column.whole if column.is_name else max(column.least, 0 if column.is_words else _longest([column.head]))
        for column in columns
    )
    return sum(widths) + GAP * (len(columns) - 1)


def tables(found: Layout) -> list["Table"]:
    """A layout, for rich to draw."""
    from rich import box
    from rich.table import Table

    drawn = []
    for block in found.blocks:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, GAP - 1, 0, 0))
        for column, width in block:
            table.add_column(column.shown(folded(column.head, width), width), width=width, no_wrap=True)
        for row in zip(*([column.lines(cell, width) for cell in column.cells] for column, width in block), strict=True):
            table.add_row(*row)
        drawn.append(table)
    return drawn


def print_table(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: int = 1,
    names: int = 1,
    first: Sequence[str] = (),
    parted: bool = False,
) -> None:
    """Print a table, and below it which columns had no room.

    Args:
        left: how many columns, from the left, have words in them; the others have figures.
        names: how many, from the left, say which row it is; they are never left out.
        first: heads of the most important columns, the most important first; the others follow from left to right.
        parted: whether columns without room go on below instead of being left out.
    """
    from rich.console import Console

    columns = columns_of(heads, rows, left=left, names=names)
    width = width_of(sys.stdout)
    found = layout(columns, width or max(PIPED, needed(columns)), first=first, parted=parted)
    # a name that looks like markup or an emoji's is shown as it is
    console = Console(highlight=False, markup=False, emoji=False, width=max(PIPED, found.width, needed(columns)))
    console.print("\n".join(folded(visible(title), found.width)), style="bold", soft_wrap=True)
    for table in tables(found):
        console.print(table)
        console.print()
    note = found.note()
    if note is not None:
        print_line(note)


def _fitting(names: Sequence[Column], others: Sequence[Column], width: int) -> int:
    """How many of the other columns have room beside the names; one where there are any."""
    room = width - sum(name.least for name in names) - GAP * (len(names) - 1)
    taken = 0
    for column in others:
        room -= GAP + column.least
        if room < 0:
            break
        taken += 1
    return max(taken, min(len(others), 1))


def _sized(columns: Sequence[Column], width: int) -> tuple[tuple[Column, int], ...]:
    """Each column with its width: what it takes at least, and then what is left, for names, sentences and heads.

    Where what they take at least is too much, the widest are folded further: sentences, names, and figures with
    spaces; and where even that is too much, words are parted anywhere.
    """
    widths = [column.least for column in columns]
    names = [place for place, column in enumerate(columns) if column.is_name]
    words = [place for place, column in enumerate(columns) if column.is_words and not column.is_name]

    def room() -> int:
        return width - sum(widths) - GAP * (len(columns) - 1)

    whole = [column.whole for column in columns]
    with_head = [max(column.whole, _longest([column.head])) for column in columns]
    for places, at_most in ((names, whole), (words, whole), (range(len(columns)), with_head)):
        while room() > 0 and (growing := [place for place in places if widths[place] < at_most[place]]):
            widths[min(growing, key=widths.__getitem__)] += 1
    figures = [place for place, column in enumerate(columns) if not column.is_words]
    narrow = [column.narrow for column in columns]
    parted = [min(FEWEST, width) for width in narrow]
    for places, at_least in ((words, narrow), (names, narrow), (figures, narrow), ([*words, *names], parted)):
        while room() < 0 and (folding := [place for place in places if widths[place] > at_least[place]]):
            widths[max(folding, key=widths.__getitem__)] -= 1
    return tuple(zip(columns, widths, strict=True))


def _folded(text: str, width: int) -> list[str]:
    """Words on lines of a width; a word that is longer is parted where `_SOFT` says, and else where it has to be."""
    from rich.cells import cell_len, chop_cells

    lines = []
    for line in folded(text, width):
        if cell_len(line) <= width:
            lines.append(line)
            continue
        lines.append("")
        for piece in _SOFT.split(line):
            if cell_len(lines[-1] + piece) <= width:
                lines[-1] += piece
            else:
                lines += chop_cells(piece, max(width, 1))
    return [line for line in lines if line] or [""]


def _longest(texts: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, texts), default=0)
