"""What a check found, in a line."""

from typing import Final, Literal

from pydantic import Field

from iqatune.results.record import Model

SCHEMA: Final = "iqatune.doctor/1"

Level = Literal["ok", "note", "warning", "problem"]
"""How bad: a note is worth knowing, a warning may be one's wish, a problem makes numbers wrong or work fail."""


class Finding(Model):
    """One check's outcome."""

    subject: str
    """What was checked: a data set, a backbone, a searcher or a device."""
    check: str
    level: Level
    says: str


class Diagnosis(Model):
    """All findings, in the order in which the checks were made."""

    schema_: Literal["iqatune.doctor/1"] = Field(default=SCHEMA, alias="schema")
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem."""
        return all(finding.level != "problem" for finding in self.findings)


def some(names: list[str], shown: int = 3) -> str:
    """The first few of many names, and how many more there are."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
