"""The document of `iqatune extract`."""

from iqatune.records.base import Model
from iqatune.records.result import Protocol


class Extraction(Model):
    """What an extraction came to."""

    pairs: int
    computed: int
    seconds: float
    channels: tuple[int, ...]
    protocol: Protocol
