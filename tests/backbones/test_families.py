"""timm's families: every one takes the images of the published sets, or refuses a size and names one that fits."""

import re
from typing import Any

import pytest
import timm

from iqatune.backbones.network import build_backbone
from tests.backbones.families import MODELS, QUICK, SIZES, taken

TRIED = [pytest.param(model, marks=() if model in QUICK else pytest.mark.thorough) for model in MODELS]
"""All of them take minutes; a few of each kind are tried always."""


@pytest.mark.parametrize("model", TRIED)
def test_a_family_takes_the_sizes_of_the_sets_or_names_one_that_fits(model: str) -> None:
    """Channels are those that timm says of the tapped maps; `taken` sees that D is right."""
    backbone = build_backbone(f"timm:{model}", "random")
    taps = tuple(map(int, backbone.taps))
    info: Any = timm.create_model(model, features_only=True, out_indices=taps).feature_info
    assert backbone.channels == (3, *info.channels())
    assert list(taps) == sorted(set(taps))
    for size in ((224, 224), (341, 256)):
        words = taken(backbone, *size)
        assert re.fullmatch(r"(as it is|padded to \d+x\d+)(, resampled)?|refused: it is made for \d+ x \d+", words)
        if words.startswith("refused"):
            fits = words.split()
            assert not taken(backbone, int(fits[-1]), int(fits[-3])).startswith("refused")


def test_the_list_has_as_many_families_as_it_says() -> None:
    assert len(MODELS) >= 40
    assert len(set(MODELS.values())) >= 25
    assert set(QUICK) < set(MODELS)
    assert len(SIZES) == 4
