"""What a verb prints on stdout: a table for people, one JSON object, or CSV."""

import sys
from collections.abc import Callable
from typing import Literal, TypeVar

from iqatune.errors import InputError
from iqatune.escape import visible_json
from iqatune.records.base import Model

Document = TypeVar("Document", bound=Model)

Form = Literal["table", "json", "csv"]


def form_of(*, as_json: bool) -> Form:
    """The form that `--json` asks for."""
    return "json" if as_json else "table"


def form_asked_for(form: Form, *, as_json: bool) -> Form:
    """The form that `--format` and `--json` ask for together.

    Raises:
        InputError: where they contradict each other.
    """
    if as_json and form == "csv":
        raise InputError("--json, --format csv: one of them; leave the other out")
    return "json" if as_json else form


def emit(
    document: Document,
    form: Form,
    *,
    table: Callable[[Document], None],
    csv: Callable[[Document], str] | None = None,
) -> None:
    """Print a document in the form asked for.

    Args:
        table: prints it for people.
        csv: its text as CSV, where the verb has that form.
    """
    if form == "json":
        print(visible_json(document.model_dump_json(by_alias=True), sys.stdout.encoding or "utf-8"))
    elif form == "csv" and csv is not None:
        print(csv(document), end="")
    else:
        table(document)
