"""A data set whose images are in a folder that its tests name."""

from pathlib import Path

import pytest

from iqatune.records.options import DataOptions
from iqatune.testing import DatasetContract


class TestFolder(DatasetContract):
    name = "gradients"
    makes_its_images = True

    @pytest.fixture
    def options(self, tmp_path: Path) -> DataOptions:
        return DataOptions(dataset=self.name, data_root=str(tmp_path))
