"""Shares that this package promises on a CPU in fp32, so that anybody can hold it to them: `iqatune bench --check`."""

from collections.abc import Mapping, Sequence
from typing import Final

from iqatune.records.bench import BackboneBench, Promise, TogetherBench

MEMORY: Final = "in_memory_share_of_bare_forward"
PNG: Final = "share_of_bare_forward"
BMP: Final = "bmp_share_of_bare_forward"
SCORE: Final = "score_share_of_extraction"

AT_LEAST: Final[Mapping[str, float]] = {MEMORY: 0.9, PNG: 0.8, BMP: 0.8, SCORE: 0.85}
"""Of every backbone but those below."""

OF_SMALL: Final[Mapping[str, Mapping[str, float]]] = {
    "alexnet": {MEMORY: 0.82, PNG: 0.57, BMP: 0.66, SCORE: 0.85},
    "squeezenet": {MEMORY: 0.7, PNG: 0.45, BMP: 0.54, SCORE: 0.85},
}
"""Of CNNs that take no longer than decoding an image and measuring its moments do."""

TIMES_THE_FLOOR: Final = 1.2
"""Of several backbones in one pass, at most."""


def promises(backbones: Sequence[BackboneBench], together: TogetherBench | None) -> tuple[Promise, ...]:
    """Every promise, with what was measured."""
    found = [
        Promise(what=what, backbone=backbone.name, figure=figure, at_least=least, at_most=None, kept=figure >= least)
        for backbone in backbones
        for what, least in OF_SMALL.get(backbone.name, AT_LEAST).items()
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
