"""What every record is made of."""

import math
import os
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from iqatune.runtime.files import expand_home


def _nan_from_null(value: Any) -> Any:
    return math.nan if value is None else value


# JSON has no NaN: an SRCC that is undefined (constant distances) is written as null
Number = Annotated[float, BeforeValidator(_nan_from_null)]
"""A figure; NaN where it is undefined, which is null in JSON."""


def _text_of_path(value: Any) -> Any:
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    return expand_home(text) if isinstance(text, str) else text


PathText = Annotated[str, BeforeValidator(_text_of_path)]
"""A path as text, as records hold it; a `Path` is taken too, and ~ is the user's own folder."""


class Model(BaseModel):
    """Immutable, and strict about what it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null")
