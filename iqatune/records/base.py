"""What every record is made of: models, and the numbers in them with their bounds."""

import json
import math
import os
import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError

from iqatune.escape import encodable
from iqatune.runtime.files import expand_home

ROUNDING = 1e-9
"""How far beyond 1 a correlation or a sum of shares may come by rounding."""

_UNDECODABLE = re.compile(rb"\\u[dD][89a-fA-F]")


def _nan_from_null(value: Any) -> Any:
    return math.nan if value is None else value


def _not_infinite(value: float) -> float:
    if math.isinf(value):
        raise ValueError("must be finite")
    return value


def _within_one(value: float) -> float:
    if abs(value) > 1 + ROUNDING:
        raise ValueError("a correlation lies between -1 and 1")
    return value


def _not_below_zero(value: float) -> float:
    if value < 0:
        raise ValueError("must not be negative")
    return value


# JSON has no NaN: an SRCC that is undefined (constant distances) is written as null
Number = Annotated[float, Field(allow_inf_nan=True), BeforeValidator(_nan_from_null), AfterValidator(_not_infinite)]
"""A figure; NaN where it is undefined, which is null in JSON."""

Coefficient = Annotated[Number, AfterValidator(_within_one)]
"""A correlation in [-1, 1]; NaN where it is undefined."""

Deviation = Annotated[Number, AfterValidator(_not_below_zero)]
"""A standard deviation, 0 or more; NaN where it is undefined."""

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Constant = Annotated[float, Field(gt=0)]
"""A number above 0, such as c1 and c2."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _text_of_path(value: Any) -> Any:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if isinstance(text, str) and "\0" in text:
        raise ValueError("no path holds a NUL character")
    return expand_home(text) if isinstance(text, str) else text


PathText = Annotated[str, BeforeValidator(_text_of_path)]
"""A path as text, as records hold it; a `Path` is taken too, and ~ is the user's own folder."""


class Model(BaseModel):
    """Immutable, and strict about what it holds: no unknown key, no infinity, and NaN only in a `Number`.

    Its JSON is UTF-8 whatever names it holds: a byte of a file name that is no UTF-8, which Python holds as half a pair
    of surrogates, is written as JSON's escape for it (`\\udce9`), and read again as that byte.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null", allow_inf_nan=False
    )

    def model_dump_json(self, *, indent: int | None = None, **settings: Any) -> str:
        """The JSON; pydantic itself writes no such names."""
        try:
            return super().model_dump_json(indent=indent, **settings)
        except PydanticSerializationError:
            content = _json_numbers(self.model_dump(mode="json", **settings))
            separators = (",", ":") if indent is None else None
            return encodable(json.dumps(content, ensure_ascii=False, indent=indent, separators=separators))

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **settings: Any) -> Self:
        """The model; pydantic itself reads no such names."""
        try:
            return super().model_validate_json(json_data, **settings)
        except ValidationError as error:
            text = json_data.encode("utf-8", "surrogatepass") if isinstance(json_data, str) else bytes(json_data)
            if error.errors()[0]["type"] != "json_invalid" or _UNDECODABLE.search(text) is None:
                raise
            try:
                content = json.loads(text, parse_constant=_no_json)
            except (ValueError, RecursionError):
                raise error from None
            # of what JSON's lists become in Python, no tuple could be made strictly
            return cls.model_validate(content, **{**settings, "strict": None})


def _json_numbers(value: Any) -> Any:
    """A value whose numbers are all of JSON: null in place of NaN and infinity."""
    if isinstance(value, dict):
        return {name: _json_numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_json_numbers(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _no_json(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
