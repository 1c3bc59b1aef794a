"""The document of `iqatune cache`."""

from typing import Final, Literal

from pydantic import Field

from iqatune.records.base import Count, Model

CACHE_SCHEMA: Final = "iqatune.cache/1"

Kind = Literal["statistics", "baseline", "memo", "demo"]


class Holding(Model):
    """What a cache holds of one kind that was computed under the same settings."""

    kind: Kind
    """Statistics of a backbone, scores of a baseline, what is remembered of images and backbones, or the demo set."""
    name: str
    """Of the backbone or the baseline, or of the file or the folder."""
    settings: dict[str, str | int | None]
    """What decides its figures besides the images; empty where it has none, or does not say them."""
    pairs: Count | None
    """None where it is not of pairs, or does not say them."""
    files: Count
    size: Count
    """In bytes."""
    readable: bool
    """False for what is damaged, or of the form of another release: it is computed again when it is wanted."""


class CacheContents(Model):
    """What a cache folder holds, or held until it was cleared."""

    schema_: Literal["iqatune.cache/1"] = Field(default=CACHE_SCHEMA, alias="schema")
    folder: str
    size: Count
    """In bytes, of all holdings."""
    holdings: tuple[Holding, ...]
    cleared: bool
    """Whether these files have been removed."""
