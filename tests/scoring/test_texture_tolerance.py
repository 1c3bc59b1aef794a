"""Distances of baselines, counted from an image beside itself, and the tolerance made of them."""

import numpy as np
import pytest
import torch

from iqatune.errors import InputError
from iqatune.scoring.baselines import BASELINES, Baseline, find
from iqatune.scoring.textures import distance_from_identity, texture_tolerance

OF_PIQ = ("ssim", "ms-ssim", "fsim", "vif", "vsi", "mdsi", "haarpsi", "gmsd")


@pytest.mark.parametrize("name", OF_PIQ)
def test_an_image_beside_itself_has_the_number_that_the_baseline_says(name: str) -> None:
    baseline = find(name)
    image = torch.from_numpy(np.random.default_rng(1).random((1, 1 if baseline.luma else 3, 176, 176), np.float32))
    found = float(baseline.build()(image, image))
    assert found == pytest.approx(baseline.at_identity, abs=1e-4)


def test_which_of_the_built_in_ones_say_it() -> None:
    silent = [name for name in BASELINES.names() if find(name).at_identity is None]
    assert silent == ["psnr"]


@pytest.mark.parametrize(("higher", "at_identity", "raw"), [(True, 1.0, 0.8), (False, 0.0, 0.2), (False, 3.0, 3.2)])
def test_distances_begin_at_0_for_an_image_beside_itself(higher: bool, at_identity: float, raw: float) -> None:
    baseline = Baseline(
        name="own",
        description="of a test",
        package="iqatune",
        module="iqatune",
        build=lambda: lambda x, y: 0.0,
        higher_is_better=higher,
        at_identity=at_identity,
    )
    sign = -1.0 if higher else 1.0  # distances of a scored metric are minus its scores, higher is worse
    found = distance_from_identity(baseline, sign * np.array([at_identity, raw]))
    assert found == pytest.approx([0.0, 0.2])
    assert distance_from_identity(find("psnr"), np.array([-30.0])) is None


def test_what_a_document_says() -> None:
    crops = np.repeat([1.0, 2.0, 3.0], 6)
    found = texture_tolerance(crops, np.array([1.0, 3.0]))
    assert found.value == 1.0
    assert (found.low, found.high) == pytest.approx((0, 1 + 4.30265 * 0.5 / np.sqrt(3)), abs=1e-4)


def test_a_plug_in_that_says_no_number_is_refused() -> None:
    broken = Baseline(
        name="own", description="d", package="iqatune", module="iqatune", build=lambda: max, at_identity=float("nan")
    )
    with pytest.raises(InputError, match="at_identity is nan"):
        BASELINES.register("own", broken)
