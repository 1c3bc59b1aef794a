"""JSON documents, read strictly: what is ambiguous, endless or of another kind is refused in one line."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, ValidationError

from iqatune.errors import InputError
from iqatune.records.base import Model, Sha256

Seal = Annotated[
    Sha256 | None,
    Field(description="SHA-256 over all other keys (see records/documents.py, digest); null in older documents"),
]

Document = TypeVar("Document", bound=Model)

SHOWN: Final = 80
"""Letters of a place in a document that an error line shows: a key may be as long as its writer likes."""

EXACT: Final = 2**53
"""Below this every whole number is a float of its own."""


def parse_json(path: Path, content: bytes) -> Any:
    """What a JSON text holds: UTF-8, no key given twice, no NaN, nested no deeper than Python goes.

    Raises:
        InputError: naming the file.
    """
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_number)
    except RecursionError as error:
        raise InputError(f"{path}: nested too deeply to be a document of iqatune; restore or remove it") from error
    except ValueError as error:  # of JSON, of UTF-8, or of a whole number of thousands of digits
        raise InputError(f"{path}: not JSON ({error}); restore or remove it") from error


def validated(path: Path, content: bytes, kind: type[Document], name: str) -> Document:
    """The document that a JSON text holds; numbers must be numbers, and in the bounds of their model.

    Args:
        name: what an error calls the kind of document, as "a record of iqatune.result/1".

    Raises:
        InputError: naming the file and the place in it.
    """
    parse_json(path, content)
    try:
        return kind.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise InputError(f"{path}: not {name} ({first_fault(error)}); restore or remove it") from error


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong with a document: its place and why, in a line."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    shown = place if len(place) <= SHOWN else f"{place[:SHOWN]}..."
    message = what_is_wrong(first)
    return f"{shown}: {message}" if shown else message


def what_is_wrong(error: Mapping[str, Any]) -> str:
    """The message of one of a validation's errors."""
    return str(error["msg"]).removeprefix("Value error, ")


def digest(content: Any) -> str:
    """SHA-256 of what a JSON text says, however it is written.

    It is taken over keys in alphabetical order without spaces, every number in the shortest form that reads back as the
    same number, whole ones without a point: indenting or sorting a document changes nothing, any other figure does.

    Args:
        content: as `parse_json` gives it.
    """
    text = json.dumps(_plain(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(document: Document) -> Document:
    """A document that has a `seal`, with it: to be written."""
    content = parse_json(Path("document"), document.model_dump_json(by_alias=True).encode())
    return document.model_copy(update={"seal": _seal(content)})


def broken_seal(content: Mapping[str, Any]) -> str | None:
    """What is wrong with a document that is not what was written; None where it is, and where it has no seal.

    Args:
        content: as `parse_json` gives it.
    """
    is_whole = content.get("seal") in (None, _seal(content))
    return None if is_whole else "its seal is broken, it is not what was written"


def _seal(content: Mapping[str, Any]) -> str:
    return digest({key: value for key, value in content.items() if key != "seal"})


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_plain(value) for value in content]
    if isinstance(content, float) and content.is_integer() and abs(content) < EXACT:
        return int(content)
    return content


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        doubled = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise ValueError(f"'{doubled[:SHOWN]}' is given twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


def refuse_fault(path: Path, fault: str | None, otherwise: str) -> None:
    """Refuse a file that is not what was written.

    Args:
        fault: in what; None where it is what was written.
        otherwise: what can be done instead of restoring it, as "search again".

    Raises:
        InputError: naming the file and its fault.
    """
    if fault is not None:
        raise InputError(f"{path}: {fault}; restore the file or {otherwise}; `force` takes it as it is, and says so")


def forced(path: Path, fault: str | None) -> str | None:
    """What is to be said in all that is made of a file that was taken in spite of its fault; None without one."""
    return None if fault is None else f"FORCED: {path.name}: {fault}"
