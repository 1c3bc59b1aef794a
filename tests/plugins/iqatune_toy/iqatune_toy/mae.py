"""A baseline: the mean absolute difference of two images."""

from typing import TYPE_CHECKING

from iqatune.scoring.baselines import Baseline, Compare

if TYPE_CHECKING:
    from torch import Tensor


def build() -> Compare:
    def compare(reference: "Tensor", distorted: "Tensor") -> float:
        return float((reference - distorted).abs().mean())

    return compare


MAE = Baseline(
    name="mae",
    description="mean absolute error, RGB",
    package="iqatune-toy",
    module="iqatune_toy",
    build=build,
    higher_is_better=False,
)
