"""What every record is made of: models, and the numbers in them with their bounds."""

import math
import os
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from iqatune.runtime.files import expand_home

ROUNDING = 1e-9
"""How far beyond 1 a correlation or a sum of shares may come by rounding."""


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
    return expand_home(text) if isinstance(text, str) else text


PathText = Annotated[str, BeforeValidator(_text_of_path)]
"""A path as text, as records hold it; a `Path` is taken too, and ~ is the user's own folder."""


class Model(BaseModel):
    """Immutable, and strict about what it holds: no unknown key, no infinity, and NaN only in a `Number`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null", allow_inf_nan=False
    )
