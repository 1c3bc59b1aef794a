"""The data sets by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from iqatune.datasets import features_csv
from iqatune.datasets.adapter import MINIMUM_PAIRS, Adapter, DatasetInfo, Opinion
from iqatune.datasets.raters import averaged
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError, UsageError
from iqatune.records.options import PAIRS_SET, DataOptions
from iqatune.records.vocabulary import Better
from iqatune.registry import Plugin, Registry, broken, held_to_contract


def _fault(item: Any, name: str) -> str | None:
    if not isinstance(item, Adapter):
        return f"a {type(item).__name__}, not an iqatune.datasets.adapter.Adapter"
    if not isinstance(item.info, DatasetInfo):
        return f"its info is a {type(item.info).__name__}, not an iqatune.datasets.adapter.DatasetInfo"
    if item.info.name != name:
        return f"it calls itself '{item.info.name}'"
    if not isinstance(item.info.description, str) or not isinstance(item.info.source, str):
        return "its description and its source are not text"
    if not isinstance(item.info.labels, tuple):
        return f"its labels are a {type(item.info.labels).__name__}, not a tuple"
    if item.info.opinion is not None and not isinstance(item.info.opinion, Opinion):
        return f"its opinion is a {type(item.info.opinion).__name__}, not an iqatune.datasets.adapter.Opinion"
    ratings = item.info.ratings_per_score
    if ratings is not None and not (isinstance(ratings, int) and ratings > 0):
        return f"its ratings_per_score is {ratings!r}, neither None nor a whole number above 0"
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
            ("pipal", "pipal"),
            ("cid22", "cid22"),
            ("tid2008", "tid2008"),
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

    Under `raters` the rows of one pair are averaged.

    Raises:
        InputError: for an unknown data set, a missing folder, label file or image, unusable scores, fewer than three
            pairs, or options that do not fit the data set.
    """
    table = _loaded(options)
    return averaged(table) if options.raters else table


def _loaded(options: DataOptions) -> PairTable:
    adapter = DATASETS.find(options.dataset)
    if options.features is not None and options.dataset != PAIRS_SET:
        raise UsageError(f"`features` {options.features}: contains pairs and scores of its own; leave out `dataset`")
    if options.features is None and options.feature_columns:
        raise UsageError("`feature_columns`: only possible with `features` FILE.csv; name the file")
    if options.features is not None:
        return features_csv.load(options)
    if DATASETS.is_builtin(options.dataset):
        return replace(adapter.load(options), ratings_per_score=adapter.info.ratings_per_score)
    plugin = DATASETS.plugin(options.dataset)
    with held_to_contract("dataset", options.dataset, plugin):
        table = adapter.load(options)
        fault = table_fault(table, options.dataset)
    if fault is not None:
        raise broken("dataset", options.dataset, plugin, fault)
    return replace(table, ratings_per_score=adapter.info.ratings_per_score)


def table_fault(table: Any, dataset: str) -> str | None:
    """What keeps an object from being the table of a data set that can be tuned on; None for nothing."""
    if not isinstance(table, PairTable):
        return f"it loads a {type(table).__name__}, not a PairTable"
    if table.dataset != dataset:
        return f"its table is of '{table.dataset}'"
    if table.better not in get_args(Better):
        return f"better is '{table.better}', not one of {', '.join(get_args(Better))}"
    if not isinstance(table.label, str) or not isinstance(table.label_sha256, str):
        return "its label and label_sha256 are not text"
    if len(table) < MINIMUM_PAIRS:
        return f"{len(table)} pairs, and a rank correlation needs at least {MINIMUM_PAIRS}"
    sign = 1.0 if table.better == "higher" else -1.0
    fault = next((fault for pair in table.pairs if (fault := _pair_fault(pair, sign)) is not None), None)
    if fault is not None:
        return fault
    if len(set(table.quality.tolist())) == 1:
        return f"every score is {table.pairs[0].score:g}, and scores that do not differ cannot be predicted"
    return _reference_fault(table.pairs)


def _pair_fault(pair: Any, sign: float) -> str | None:
    if not isinstance(pair, Pair):
        return f"its table contains a {type(pair).__name__}, not a Pair"
    for path in (pair.reference, pair.distorted):
        if not isinstance(path, Path) or not path.is_absolute():
            return f"{path} is no absolute path"
    if not np.isfinite(pair.quality):
        return f"the quality of {pair.distorted} is {pair.quality}, not a finite number"
    if pair.quality != sign * pair.score:
        better = "higher" if sign > 0 else "lower"
        return f"the quality of {pair.distorted} is not its score, oriented by better = {better}"
    return None


def _reference_fault(pairs: Sequence[Pair]) -> str | None:
    references: dict[str, Path] = {}
    names: dict[Path, str] = {}
    for pair in pairs:
        if references.setdefault(pair.reference_id, pair.reference) != pair.reference:
            return f"two references are called '{pair.reference_id}'"
        # it would stand on both sides of a fold
        if names.setdefault(pair.reference, pair.reference_id) != pair.reference_id:
            return f"{pair.reference} is called '{names[pair.reference]}' and '{pair.reference_id}'"
    return None


def available() -> tuple[ListedDataset, ...]:
    """What there is to know of every data set, in the registry's order."""
    return tuple(_listed(name) for name in DATASETS.names())


def _listed(name: str) -> ListedDataset:
    plugin = DATASETS.plugin(name)
    try:
        return ListedDataset(DATASETS.find(name).info, plugin)
    except InputError as error:
        return ListedDataset(
            DatasetInfo(name=name, description=error.line, pairs=None, references=None, source="", labels=()), plugin
        )
