"""Tables for people, on stdout."""

import sys
from collections.abc import Sequence


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a table whose first `left` columns hold words, and whose others hold figures."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        # names are kept whole, long ones (paths) are folded rather than cut; sentences wrap; figures never do
        longest = max((len(row[number]) for row in rows), default=0) if number == 0 else 0
        table.add_column(
            column,
            justify="left" if number < left else "right",
            no_wrap=number >= left,
            min_width=min(longest, 24),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    # a pipe or a file has no width to fold a table to
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    console.print(title, style="bold", soft_wrap=True)  # a path is never folded
    console.print(table)


def figure(value: float | None, digits: int = 4) -> str:
    """A correlation for a table: signed only when negative, a dash when there is none."""
    if value is None:
        return "-"
    return "undefined" if value != value else f"{value:.{digits}f}"


def interval(bounds: tuple[float, float] | None, digits: int = 3) -> str:
    """An interval for a table."""
    return "-" if bounds is None else f"[{figure(bounds[0], digits)}, {figure(bounds[1], digits)}]"
