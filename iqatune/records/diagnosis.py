"""The document of `iqatune doctor` (schema iqatune.doctor/1)."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Model
from iqatune.records.vocabulary import Severity

DIAGNOSIS_SCHEMA: Final = "iqatune.doctor/1"


class Finding(Model):
    """One check's outcome."""

    subject: str
    """What was checked: a data set, a backbone, a searcher or a device."""
    check: str
    level: Severity
    says: str


class Diagnosis(Model):
    """All findings, in the order in which the checks were made."""

    schema_: Literal["iqatune.doctor/1"] = Field(default=DIAGNOSIS_SCHEMA, alias="schema")
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem."""
        return all(finding.level != "problem" for finding in self.findings)
