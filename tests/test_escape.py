"""Text from outside, made harmless for a terminal, CSV and Markdown."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqatune.escape import csv_cell, markdown, visible, visible_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\x9b31m\x7f\x00", r"\x9b31m\x7f\x00"),
        ("caf\udce9", r"caf\udce9"),
        ("[bold]x[/bold] :smile:", "[bold]x[/bold] :smile:"),
        ("naïve 日本 👩‍💻", "naïve 日本 👩‍💻"),
    ],
)
def test_a_terminal_shows_what_there_is(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters(), max_size=20))
def test_a_terminal_is_never_moved(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not any(
        ord(letter) < 32 or 127 <= ord(letter) < 160 or letter in "\u202a\u202b\u202d\u202e" for letter in shown
    )


@given(st.text(max_size=20), st.sampled_from(["utf-8", "cp1252", "ascii"]))
def test_json_for_a_terminal_means_the_same(text: str, encoding: str) -> None:
    shown = visible_json(json.dumps({"name": text}, ensure_ascii=False), encoding)
    assert json.loads(shown.encode(encoding).decode(encoding)) == {"name": text}
    assert "\u202e" not in shown


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x.png", "@SUM(A1)", "\tx", "\rx", "\n=1", "＝1"])
def test_formulas_are_defused(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@given(st.floats(allow_nan=True) | st.integers())
def test_numbers_stay_numbers(value: float) -> None:
    assert csv_cell(value) is value
    assert csv_cell(repr(value)) == repr(value)


def test_csv_holds_names_of_any_bytes() -> None:
    text = io.StringIO()
    csv.writer(text).writerow([csv_cell("caf\udce9")])
    assert text.getvalue().encode() == b"caf\\udce9\r\n"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
        ("[x](javascript:y) ![i](u)", r"\[x\](javascript:y) !\[i\](u)"),
        ("**b** _i_ `c` $m$ a|b ~~s~~", r"\*\*b\*\* \_i\_ \`c\` \$m\$ a\|b \~\~s\~\~"),
        ("&lt; &#60; a & b", r"\&lt; \&#60; a & b"),
        ("a\n\n# heading\n- item", "a # heading - item"),
        ("# heading", r"\# heading"),
        ("1. item", r"1\. item"),
    ],
)
def test_markdown_is_only_text(text: str, written: str) -> None:
    assert markdown(text) == written
