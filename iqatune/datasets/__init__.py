"""Data sets: one adapter each, one registry, one PairTable type."""

from iqatune.datasets.adapter import DatasetInfo
from iqatune.datasets.registry import available, load_pairs
from iqatune.datasets.request import DatasetRequest
from iqatune.datasets.table import Pair, PairTable
from iqatune.records.vocabulary import Better

__all__ = ["Better", "DatasetInfo", "DatasetRequest", "Pair", "PairTable", "available", "load_pairs"]
