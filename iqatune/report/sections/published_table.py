"""Published figures as a table of their own, never beside measured ones."""

from collections.abc import Callable, Sequence

from iqatune.report.model import Column, Table, number, word
from iqatune.report.published.figures import PublishedFigure

Key = Callable[[PublishedFigure], str]


def published_table(
    figures: Sequence[PublishedFigure], *, name: str, title: str, row: tuple[str, Key], column: Key
) -> Table:
    """SRCC and KRCC as printed, with their protocol and source.

    Args:
        figures: of one source.
        name: of the table's files.
        title: what the figures are of.
        row: what the rows are called, and which row a figure is in.
        column: which pair of columns a figure is in.
    """
    header, row_of = row
    names = list(dict.fromkeys(map(row_of, figures)))
    columns = list(dict.fromkeys(map(column, figures)))
    by_key = {(row_of(figure), column(figure)): figure for figure in figures}
    rows = []
    for row_name in names:
        cells = [word(row_name)]
        for column_name in columns:
            figure = by_key.get((row_name, column_name))
            cells += [number(figure.srcc if figure else None, 3), number(figure.krcc if figure else None, 3)]
        rows.append(tuple(cells))
    return Table(
        name=name,
        title=f"Published, not measured here: {title}",
        columns=(Column(header), *(Column(measure, group) for group in columns for measure in ("SRCC", "KRCC"))),
        rows=tuple(rows),
        card=(f"Protocol as published: {figures[0].protocol}.",),
        source=figures[0].source,
    )
