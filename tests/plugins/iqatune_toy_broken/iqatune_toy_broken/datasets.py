"""Data sets, each with one thing wrong."""

from pathlib import Path
from typing import Any

from iqatune.datasets.adapter import Adapter, DatasetInfo
from iqatune.datasets.table import Pair, PairTable
from iqatune.records.options import DataOptions


def _nan_scores(options: DataOptions) -> PairTable:
    image = Path(options.data_root or "/").absolute() / "image.png"
    pair = Pair(image, image, "image", "none", level=None, score=float("nan"), quality=float("nan"))
    return PairTable(options.dataset, (pair,) * 3, "labels", "", better="higher")


def _no_table(options: DataOptions) -> Any:
    return [("reference.png", "distorted.png", 4.5)]


def _raises(options: DataOptions) -> PairTable:
    raise FileNotFoundError("labels.csv")


def _info(name: str) -> DatasetInfo:
    return DatasetInfo(name=name, description="a broken set", pairs=None, references=None, source="nowhere", labels=())


_nothing: Any = None

NAN_SCORES = Adapter(_info("nan-scores"), _nan_scores)
NO_TABLE = Adapter(_info("no-table"), _no_table)
NO_INFO = Adapter(_nothing, _no_table)
LOAD_RAISES = Adapter(_info("load-raises"), _raises)
