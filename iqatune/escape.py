"""Text from outside (names of files, data sets, distortions; other programs' words) made harmless where it is written.

One function for each medium. LaTeX's is beside its tables, and a page in HTML is escaped by its template.
"""

import json
import re
import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode's categories of control and format characters (terminal escapes, reversed text), of bytes of a file name that
are no UTF-8 (as Python holds them), and of line ends."""

_JOINERS = "\u200c\u200d"
"""Format characters that belong to words of some languages and to emoji."""

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""How a cell begins that spreadsheets take for a formula."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf)", re.ASCII | re.IGNORECASE)

_MARKDOWN = re.compile(r"[\\`*_<>\[\]$|~]|&(?=#?\w+;)|^(?:[#=+-]|\d+(?=[.)]))")
"""What is markup anywhere (HTML among it), and at the beginning of a line."""


def visible(text: str) -> str:
    r"""A text for a terminal: what would move the cursor, hide or reverse something is written as an escape.

    >>> visible("\x1b[31mred\n")
    '\\x1b[31mred\\n'
    """
    if text.isprintable():
        return text
    return "".join(_escaped(letter) if _is_hidden(letter) else letter for letter in text)


def visible_json(text: str, encoding: str) -> str:
    """A JSON document on one line for a terminal: it means the same.

    Hidden characters are written as JSON's own escapes, and so is what the terminal's encoding lacks.
    """
    seen = "".join(_json_escape(letter) if _is_hidden(letter) else letter for letter in text)
    if _fits(seen, encoding):
        return seen
    return "".join(letter if _fits(letter, encoding) else _json_escape(letter) for letter in seen)


def encodable(text: str) -> str:
    r"""A text that is UTF-8 once it is written: bytes of a file name that are none become `\udcXX`, as in JSON."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def csv_cell(value: object) -> object:
    """A cell of a CSV table: text that a spreadsheet would run as a formula gets an apostrophe before it.

    What is true or false is written in small letters, as JSON has it, in every table.

    >>> [csv_cell(cell) for cell in ("=1+1", "-x.png", "-0.5", -0.5, True)]
    ["'=1+1", "'-x.png", '-0.5', -0.5, 'true']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = encodable(value)
    return f"'{text}" if text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None else text


def markdown(text: str) -> str:
    r"""A text for Markdown, on one line, in which nothing is markup or HTML.

    >>> markdown("<b>x_1</b>")
    '\\<b\\>x\\_1\\</b\\>'
    """
    return _MARKDOWN.sub(_behind_backslash, visible(" ".join(text.split())))


def _behind_backslash(match: re.Match[str]) -> str:
    # an item's number is plain text; only the mark after it can be escaped
    return f"{match[0]}\\" if match[0].isdecimal() else f"\\{match[0]}"


def _is_hidden(letter: str) -> bool:
    return unicodedata.category(letter) in _HIDDEN and letter not in _JOINERS


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _json_escape(letter: str) -> str:
    return json.dumps(letter)[1:-1]


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
