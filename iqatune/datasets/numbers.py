"""Numbers as label files write them. Python itself reads more: 48_50 as 4850, and digits of every script."""

import re

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"([+-]?\d+)(?:\.0*)?", re.ASCII)


def number(text: str) -> float:
    """A number in decimal notation, with a point; also `nan` and `inf`, which whoever asks may refuse.

    Raises:
        ValueError: for anything else.
    """
    if _NUMBER.fullmatch(text.strip()) is None:
        raise ValueError(f"'{text}' is no number")
    return float(text)


def whole_number(text: str) -> int:
    """A whole number; pandas writes those of a column in which some are missing with `.0`.

    Raises:
        ValueError: for anything else.
    """
    match = _WHOLE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is no whole number")
    return int(match[1])
