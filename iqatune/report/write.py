"""Tables as CSV, Markdown and LaTeX text."""

import csv
import io
import re

from iqatune.escape import csv_cell, markdown, visible
from iqatune.report.model import Answer, Cell, Report, Section, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "—": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "≥": r"$\geq$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{mark: f"\\textsuperscript{{{place}}}" for place, mark in enumerate("¹²³⁴⁵⁶⁷⁸⁹", start=1)},
}


def shown(cell: Cell) -> str:
    """A cell's text, with a star when it is tied with the best."""
    return f"{cell.text}*" if cell.tied else cell.text


def table_csv(table: Table) -> str:
    """Figures in full; nothing where a figure is missing.

    A column is followed by those of what else its cells hold (standard deviations, bounds, what is only a lower bound),
    and where it is ranked by one that tells the ties.
    """
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    tied = [any(cell.tied for cell in cells) for cells in columns]
    more = [list(dict.fromkeys(name for cell in cells for name, _ in cell.more)) for cells in columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header: list[str] = []
    for column, names, is_ranked in zip(table.columns, more, tied, strict=True):
        header += [column.full_name, *(f"{column.full_name} {name}" for name in names)]
        header += [f"{column.full_name} tied"] if is_ranked else []
    writer.writerow(map(csv_cell, header))
    for row in table.rows:
        fields: list[object] = []
        for cell, names, is_ranked in zip(row, more, tied, strict=True):
            further = dict(cell.more)
            fields += [_machine(cell), *(repr(further[name]) if name in further else "" for name in names)]
            if is_ranked:
                fields.append("" if cell.missing else cell.tied)
        writer.writerow(map(csv_cell, fields))
    return text.getvalue()


def table_markdown(table: Table) -> str:
    """A pipe table with its title, notes and protocol card."""
    header = [markdown(column.full_name) for column in table.columns]
    rule = ["---:" if numeric else "---" for numeric in table.numeric]
    rows = [_pipes([_markdown(cell) for cell in row]) for row in table.rows]
    under = [*table.notes, *(f"Protocol. {line}" for line in table.card[:1]), *table.card[1:]]
    under += [f"Source: {table.source}."] if table.source else []
    # two spaces at a line's end break it
    notes = "  \n".join(map(markdown, under))
    return "\n".join([f"**{markdown(table.title)}**", "", _pipes(header), _pipes(rule), *rows, "", notes, ""])


def table_latex(table: Table) -> str:
    """A booktabs table, made smaller where it is wider than the text; the best is bold, ties with it carry a star."""
    alignment = "".join("r" if numeric else "l" for numeric in table.numeric)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{latex(table.title)}}}", rf"\label{{tab:{table.name}}}"]
    lines += [r"\begin{adjustbox}{max width=\linewidth}", rf"\begin{{tabular}}{{{alignment}}}", r"\toprule"]
    if any(column.group for column in table.columns):
        heads = [
            rf"\multicolumn{{{width}}}{{c}}{{{latex(group)}}}" if group else " & " * (width - 1)
            for group, width in table.spans
        ]
        lines.append(" & ".join(heads) + r" \\")
    lines.append(" & ".join(latex(column.name) for column in table.columns) + r" \\")
    lines.append(r"\midrule")
    for row in table.rows:
        cells = [rf"\textbf{{{latex(shown(cell))}}}" if cell.best else latex(shown(cell)) for cell in row]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{adjustbox}", ""]
    small = [*table.notes, *table.card, *([f"Source: {table.source}."] if table.source else [])]
    lines += [rf"{{\footnotesize {latex(' '.join(small))}\par}}"] if small else []
    return "\n".join([*lines, r"\end{table}", ""])


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped, on one line."""
    return "".join(_LATEX.get(letter, letter) for letter in visible(" ".join(text.split())))


def report_markdown(report: Report) -> str:
    """The whole report; figures are links to their SVG files."""
    parts = [f"# {markdown(report.title)}", "", f"{markdown(report.made)}\n", "## Does tuning help?", ""]
    for answer in report.answers:
        parts += _answer(answer)
    parts += [f"> {markdown(warning)}\n" for warning in report.warnings]
    for section in report.sections:
        parts += _section(section)
    if report.missing:
        parts += ["## Not in this report", ""]
        parts += [*(f"- {markdown(missing.title)}: {markdown(missing.how)}" for missing in report.missing), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def _answer(answer: Answer) -> list[str]:
    facts = [
        f"- {markdown(fact.name)}: {fact.value}{f' ({markdown(fact.text)})' if fact.text else ''}"
        for fact in answer.facts
    ]
    return [
        f"**{markdown(answer.headline)}** {markdown(answer.text)}\n",
        *facts,
        f"\nRecord: {_code(answer.record)}\n",
        f"    {visible(answer.command)}\n",
    ]


def _code(text: str) -> str:
    """Text as it is, in one more backtick than it has in a row."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{visible(text)}{fence}"


def report_latex(report: Report) -> str:
    """Every table, to be put into a document that loads booktabs and adjustbox."""
    tables = [table_latex(table.without_empty_columns()) for section in report.sections for table in section.tables]
    return "% needs \\usepackage{booktabs,adjustbox}\n\n" + "\n".join(tables)


def _section(section: Section) -> list[str]:
    parts = [f"## ({section.letter}) {markdown(section.title)}", "", *_paragraphs(section.text)]
    for figure in section.figures:
        parts += [
            f"![{markdown(figure.title)}](figures/{figure.name}.svg)",
            "",
            *_paragraphs((figure.title + ".", *figure.notes)),
        ]
    return parts + [table_markdown(table.without_empty_columns()) for table in section.tables]


def _paragraphs(texts: tuple[str, ...]) -> list[str]:
    return [f"{markdown(text)}\n" for text in texts]


def _markdown(cell: Cell) -> str:
    # a figure needs no escape; a name from outside may hold markup
    escaped = shown(cell) if cell.value is not None else markdown(cell.text)
    return f"**{escaped}**" if cell.best else escaped


def _pipes(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _machine(cell: Cell) -> str:
    if cell.missing:
        return ""
    return cell.text if cell.value is None else repr(cell.value)
