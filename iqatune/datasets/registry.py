"""The data sets by name."""

from iqatune.datasets import csiq, demo, kadid10k, live, pairs_csv, tid2013
from iqatune.datasets.adapter import Adapter, DatasetInfo
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, did_you_mean
from iqatune.records.options import DataOptions

ADAPTERS: dict[str, Adapter] = {
    module.ADAPTER.info.name: module.ADAPTER for module in (tid2013, kadid10k, live, csiq, pairs_csv, demo)
}


def load_pairs(options: DataOptions) -> PairTable:
    """Read a data set's labels and find its images; no image is decoded.

    Raises:
        InputError: for an unknown data set, a missing folder, label file or image, unusable scores, fewer than three
            pairs, or options that do not fit the data set.
    """
    adapter = ADAPTERS.get(options.dataset)
    if adapter is None:
        raise InputError(f"--dataset {options.dataset}: unknown; {did_you_mean(options.dataset, ADAPTERS)}")
    return adapter.load(options)


def available() -> tuple[DatasetInfo, ...]:
    """What there is to know of every data set, in the registry's order."""
    return tuple(adapter.info for adapter in ADAPTERS.values())
