"""The documents of `iqatune extract`: of one backbone, or of several."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Model
from iqatune.records.result import Protocol

EXTRACTION: Final = "iqatune.extraction/1"
"""What the document is called; it does not say so itself."""

EXTRACTIONS: Final = "iqatune.extractions/1"


class Extraction(Model):
    """What an extraction came to."""

    backbone: str = ""
    pairs: int
    computed: int
    seconds: float = Field(description="of what was done for this backbone alone")
    channels: tuple[int, ...]
    protocol: Protocol


class Extractions(Model):
    """The same of several backbones that images passed together, in the order in which they were asked for."""

    schema_: Literal["iqatune.extractions/1"] = Field(default=EXTRACTIONS, alias="schema")
    seconds: float = Field(description="of all together")
    extractions: tuple[Extraction, ...]
