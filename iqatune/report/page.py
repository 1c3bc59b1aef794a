"""The report as one HTML page that holds everything and asks for nothing from outside."""

import base64
from importlib.resources import files

from iqatune.escape import visible
from iqatune.report.model import MARKS, Report


def page(report: Report) -> str:
    """The page's HTML, with style, script, figures and pictures in it."""
    # jinja2 is imported where a page is made: records and evaluations do not need it
    from jinja2 import Environment
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=False, finalize=_seen)
    environment.filters["svg_uri"] = _svg_uri
    environment.filters["jpeg_uri"] = _jpeg_uri
    environment.filters["is_mark"] = _is_mark
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


def _is_mark(line: str) -> bool:
    """Whether a card's line explains a mark, which is to be seen without opening the card."""
    return line.startswith((*MARKS, "("))
