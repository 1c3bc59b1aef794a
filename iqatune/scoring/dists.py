"""DISTS as published: this package's metric over VGG16 with L2 pooling, with the authors' alpha and beta.

Ding, Ma, Wang and Simoncelli 2020, 'Image Quality Assessment: Unifying Structure and Texture Similarity'. The weights
come with the authors' package DISTS-pytorch, of which no code runs.
"""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING

from iqatune.errors import InputError
from iqatune.extras import install_command
from iqatune.scoring.baselines import Baseline, Compare

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE, WEIGHTS = "DISTS-pytorch", "weights.pt"


def published_weights() -> Path:
    """The file of alpha and beta in the installed package.

    Raises:
        InputError: when it is not there.
    """
    try:
        found = [Path(str(file.locate())) for file in files(PACKAGE) or () if file.name == WEIGHTS]
    except PackageNotFoundError:
        found = []
    there = [path for path in found if path.is_file()]
    if not there:
        raise InputError(f"`baseline` dists: {PACKAGE} has no {WEIGHTS}; run {install_command('baselines')}")
    return there[0]


def _build(parameters: str) -> Compare:
    from iqatune.metric.module import Metric

    metric = Metric.from_dists(published_weights(), parameters)

    def compare(reference: "Tensor", distorted: "Tensor") -> "Tensor":
        scored: Tensor = metric.to(reference.device)(reference, distorted)
        return scored

    return compare


DISTS = Baseline(
    name="dists",
    description="deep image structure and texture similarity over vgg16, with its published weights, RGB; a distance",
    package=PACKAGE,
    module="DISTS_pytorch",
    build=_build,
    higher_is_better=False,
    at_identity=0.0,
    extra="baselines",
    backbone="vgg16",
)
