"""Shares that this package promises on a CPU in fp32, so that anybody can hold it to them: `iqatune bench --check`."""

from collections.abc import Sequence
from typing import Final

from iqatune.records.bench import BackboneBench, Promise, TogetherBench

AT_LEAST: Final = {
    "in_memory_share_of_bare_forward": 0.9,
    "share_of_bare_forward": 0.7,
    "bmp_share_of_bare_forward": 0.85,
    "score_share_of_extraction": 0.9,
}
"""Of every backbone."""

TIMES_THE_FLOOR: Final = 1.05
"""Of several backbones in one pass, at most."""


def promises(backbones: Sequence[BackboneBench], together: TogetherBench | None) -> tuple[Promise, ...]:
    """Every promise, with what was measured."""
    found = [
        Promise(what=what, backbone=backbone.name, figure=figure, at_least=least, at_most=None, kept=figure >= least)
        for backbone in backbones
        for what, least in AT_LEAST.items()
        if (figure := getattr(backbone, what)) is not None
    ]
    if together is not None:
        figure = together.times_the_floor
        found.append(
            Promise(
                what="times_the_floor",
                backbone=None,
                figure=figure,
                at_least=None,
                at_most=TIMES_THE_FLOOR,
                kept=figure <= TIMES_THE_FLOOR,
            )
        )
    return tuple(found)
