"""A file of pairs says which data set is meant."""

import pytest

from iqatune.errors import InputError
from iqatune.records.options import Run

SEARCH = {"backbone": "squeezenet", "searcher": "random"}


def test_pairs_alone_are_a_csv_set() -> None:
    run = Run.parsed({"pairs": "scores.csv", "better": "higher", **SEARCH})
    assert run == Run.parsed({"dataset": "csv", "pairs": "scores.csv", "better": "higher", **SEARCH})


def test_without_pairs_a_data_set_is_needed() -> None:
    with pytest.raises(InputError, match="dataset: needed"):
        Run.parsed(SEARCH)
