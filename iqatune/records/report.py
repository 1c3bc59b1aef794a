"""What `iqatune report --json` says (schema iqatune.report/1)."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field

from iqatune.records.base import Model

REPORT_SCHEMA: Final = "iqatune.report/1"


class WrittenReport(Model):
    """A report that was written."""

    schema_: Literal["iqatune.report/1"] = Field(default=REPORT_SCHEMA, alias="schema")
    page: str
    files: tuple[str, ...] = Field(description="all of the report, the page too, from the page's folder")

    @classmethod
    def of(cls, page: Path) -> Self:
        """The report of that page."""
        files = sorted(file.relative_to(page.parent).as_posix() for file in page.parent.rglob("*") if file.is_file())
        return cls(page=str(page), files=tuple(files))
