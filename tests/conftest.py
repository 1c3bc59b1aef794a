"""What the tests of every room share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data beside the project: ../shared/data, or $IQATUNE_TEST_DATA."""
    folder = Path(os.environ.get("IQATUNE_TEST_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real data for tests, which are not in {folder} (set IQATUNE_TEST_DATA)")
    return folder.resolve()
