"""The document of `iqatune extract`."""

from typing import Final

from iqatune.records.base import Model
from iqatune.records.result import Protocol

EXTRACTION: Final = "iqatune.extraction/1"
"""What the document is called; it does not say so itself."""


class Extraction(Model):
    """What an extraction came to."""

    pairs: int
    computed: int
    seconds: float
    channels: tuple[int, ...]
    protocol: Protocol
