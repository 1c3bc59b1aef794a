"""What a check found, before it is put down, and many names in few words."""

from iqatune.records.vocabulary import Severity

Outcome = tuple[str, Severity, str]
"""Check, how bad it is, and what it says."""


def some(names: list[str], shown: int = 3) -> str:
    """The first few of many names, and how many more there are."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
