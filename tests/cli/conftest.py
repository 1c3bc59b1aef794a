"""What the tests of the command line share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")


@pytest.fixture
def search(iqatune: Callable[..., Any], small_set: Any, small_cache: Path) -> Callable[..., Any]:
    """`iqatune search` over the small set with 8 samples and two folds."""

    def run(*options: object, code: int = 0) -> Any:
        settings = (*small_set.options, *RANDOM_SQUEEZENET, "--cache-dir", small_cache, "--samples", 8, "--folds", 2)
        ran = iqatune("search", *settings, *options)
        assert ran.code == code, ran.err
        return ran

    return run
