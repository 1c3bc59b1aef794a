"""The data sets by name."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from iqatune.datasets.adapter import MINIMUM_PAIRS, Adapter, DatasetInfo
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.records.options import DataOptions
from iqatune.registry import Plugin, Registry, broken


def _fault(item: Any, name: str) -> str | None:
    if not isinstance(item, Adapter):
        return f"a {type(item).__name__}, not an iqatune.datasets.adapter.Adapter"
    if item.info.name != name:
        return f"it calls itself '{item.info.name}'"
    return None if callable(item.load) else "its load cannot be called"


DATASETS: Registry[Adapter] = Registry(
    "dataset",
    {
        name: f"iqatune.datasets.{module}:ADAPTER"
        for name, module in (
            ("tid2013", "tid2013"),
            ("kadid10k", "kadid10k"),
            ("live", "live"),
            ("csiq", "csiq"),
            ("csv", "pairs_csv"),
            ("demo", "demo"),
        )
    },
    _fault,
)


@dataclass(frozen=True)
class ListedDataset:
    """A data set as it is listed, and the package that adds it."""

    info: DatasetInfo
    plugin: Plugin | None


def load_pairs(options: DataOptions) -> PairTable:
    """Read a data set's labels and find its images; no image is decoded.

    Raises:
        InputError: for an unknown data set, a missing folder, label file or image, unusable scores, fewer than three
            pairs, or options that do not fit the data set.
    """
    adapter = DATASETS.find(options.dataset)
    if DATASETS.is_builtin(options.dataset):
        return adapter.load(options)
    plugin = DATASETS.plugin(options.dataset)
    try:
        table = adapter.load(options)
    except InputError:
        raise
    except Exception as error:
        raise broken("dataset", options.dataset, plugin, f"{type(error).__name__}: {error}") from error
    fault = table_fault(table)
    if fault is not None:
        raise broken("dataset", options.dataset, plugin, fault)
    return table


def table_fault(table: Any) -> str | None:
    """What keeps an object from being a table that can be tuned on; None for nothing."""
    if not isinstance(table, PairTable):
        return f"it loads a {type(table).__name__}, not a PairTable"
    if len(table) < MINIMUM_PAIRS:
        return f"{len(table)} pairs, and a rank correlation needs at least {MINIMUM_PAIRS}"
    if not np.isfinite(table.quality).all():
        return "not every quality is a number"
    sign = 1.0 if table.better == "higher" else -1.0
    for pair in table.pairs:
        if pair.quality != sign * pair.score:
            return f"the quality of {pair.distorted} is not its score, oriented by better = {table.better}"
        for path in (pair.reference, pair.distorted):
            if not path.is_absolute():
                return f"{path} is no absolute path"
    ids: dict[str, object] = {}
    for pair in table.pairs:
        if ids.setdefault(pair.reference_id, pair.reference) != pair.reference:
            return f"two references are called '{pair.reference_id}'"
    return None


def available() -> tuple[ListedDataset, ...]:
    """What there is to know of every data set, in the registry's order."""
    return tuple(_listed(name) for name in DATASETS.names())


def _listed(name: str) -> ListedDataset:
    plugin = None if DATASETS.is_builtin(name) else DATASETS.plugin(name)
    try:
        return ListedDataset(DATASETS.find(name).info, plugin)
    except InputError as error:
        return ListedDataset(
            DatasetInfo(name=name, description=error.line, pairs=None, references=None, source="", labels=()), plugin
        )
