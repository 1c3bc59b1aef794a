"""The contract suites on everything that is built in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from iqatune.records.options import DataOptions
from iqatune.testing import BackboneContract, BaselineContract, DatasetContract, SearcherContract


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """The images are small, and threads that wait for each other take longer than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class TestRandom(SearcherContract):
    name = "random"


class TestBohb(SearcherContract):
    name = "bohb"


class TestNevergrad(SearcherContract):
    name = "nevergrad"


class TestBlendSearch(SearcherContract):
    name = "blendsearch"


class TestNevergradChain(SearcherContract):
    """Algorithms with threads of their own, one after the other."""

    name = "nevergrad:ChainCMAPowell"
    dimensions = (2, 12)
    sample_counts = (1, 30)


class TestOptunaTPE(SearcherContract):
    name = "optuna:tpe"
    dimensions = (1, 12)
    sample_counts = (1, 16)


class TestBayesOpt(SearcherContract):
    """Every choice of its model takes a fit: with few samples, its first ten draws and a little more."""

    name = "bayesopt"
    dimensions = (1, 2, 12)
    sample_counts = (1, 7, 12)
    samples = 12


class TestAx(SearcherContract):
    """Its model takes a second a choice: five Sobol points and a little more."""

    name = "ax"
    dimensions = (1, 2, 12)
    sample_counts = (1, 6)
    samples = 7


class TestDemo(DatasetContract):
    name = "demo"
    makes_its_images = True

    @pytest.fixture
    def options(self, demo_root: Path) -> DataOptions:
        return DataOptions(dataset="demo", data_root=str(demo_root))


class TestCsv(DatasetContract):
    name = "csv"

    @pytest.fixture
    def options(self, small_set: Any) -> DataOptions:
        return DataOptions(dataset="csv", pairs=str(small_set.labels), better="higher")


class TestSqueezeNet(BackboneContract):
    name = "squeezenet"


class TestAlexNet(BackboneContract):
    name = "alexnet"


class TestTimmsResNet(BackboneContract):
    name = "timm:resnet10t"


class TestPsnr(BaselineContract):
    name = "psnr"


class TestSsim(BaselineContract):
    name = "ssim"


class TestMsSsim(BaselineContract):
    name = "ms-ssim"


class TestFsim(BaselineContract):
    name = "fsim"


class TestVif(BaselineContract):
    name = "vif"


class TestVsi(BaselineContract):
    name = "vsi"


class TestMdsi(BaselineContract):
    name = "mdsi"


class TestHaarPsi(BaselineContract):
    name = "haarpsi"


class TestGmsd(BaselineContract):
    name = "gmsd"
