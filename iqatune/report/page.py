"""The report as one HTML page that holds everything and asks for nothing from outside."""

import base64
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from iqatune.escape import visible
from iqatune.report.context import SIMULATED
from iqatune.report.model import MARKS, Report, Table

if TYPE_CHECKING:
    from markupsafe import Markup


def page(report: Report) -> str:
    """The page's HTML, with style, script, figures and pictures in it."""
    # jinja2 is imported where a page is made: records and evaluations do not need it
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=False, finalize=_seen)
    environment.filters["svg_uri"] = _svg_uri
    environment.filters["jpeg_uri"] = _jpeg_uri
    environment.filters["shown_notes"] = _shown_notes
    environment.filters["other_notes"] = _other_notes
    environment.filters["seen"] = Table.without_empty_columns
    environment.filters["breakable"] = _breakable
    environment.filters["typed"] = _typed
    environment.filters["is_wide"] = _is_wide
    environment.filters["breadth"] = _breadth
    template = environment.from_string(_part("page.html"))
    # the two are this package's own text, which holds no markup of its own
    return template.render(report=report, style=Markup(_part("page.css")), script=Markup(_part("page.js")))


def _seen(value: object) -> object:
    """Text with what would hide or reverse other text written out; markup (the page's own) stays as it is."""
    return visible(value) if type(value) is str else value


def _part(name: str) -> str:
    return (files("iqatune.report") / name).read_text(encoding="utf-8")


def _svg_uri(svg: str) -> str:
    return _uri("image/svg+xml", svg.encode())


def _jpeg_uri(jpeg: bytes) -> str:
    return _uri("image/jpeg", jpeg)


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _breadth(table: Table) -> str:
    """How small its letters have to be on paper: by its columns."""
    columns = len(table.columns)
    return "" if columns <= 7 else "broad" if columns <= 12 else "broadest"


def _breakable(text: str) -> "Markup":
    """A name, which may be broken after each of its parts."""
    from markupsafe import Markup, escape

    broken = str(escape(visible(text)))
    for end in ("_", "/", ":", "@"):
        broken = broken.replace(end, f"{end}<wbr>")
    return Markup(broken)


def _typed(command: str) -> "Markup":
    """A command, which may be broken after each part of a path and not within an option's name."""
    from markupsafe import Markup

    parts = [
        Markup("<span>{}</span>").format(visible(part)) if part.startswith("--") else _breakable(part)
        for part in command.split(" ")
    ]
    return Markup(" ").join(parts)


def _is_wide(svg: str) -> bool:
    """Whether a drawing has no room beside another: beyond 7 inches."""
    found = re.search(r'<svg[^>]*? width="([0-9.]+)pt"', svg)
    return found is not None and float(found[1]) > 7 * 72


FIRST_NOTES: Final = 2
"""Notes under a table that are always to be seen; of more, those that explain a mark or say what is simulated."""


def _shown_notes(table: Table) -> list[str]:
    """What is to be seen without opening the card."""
    marks = (*MARKS, "(", "*")
    further = [note for note in table.notes[FIRST_NOTES:] if note.startswith("*") or note == SIMULATED]
    return [*table.notes[:FIRST_NOTES], *further, *(line for line in table.card if line.startswith(marks))]


def _other_notes(table: Table) -> list[str]:
    return [note for note in table.notes if note not in _shown_notes(table)]
