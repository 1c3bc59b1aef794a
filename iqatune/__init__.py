"""iqatune: tunes DISTS-style image quality metrics to human scores."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from iqatune.version import __version__

if TYPE_CHECKING:
    from iqatune.api.frontier import frontier
    from iqatune.api.fusing import Fusion, fuse
    from iqatune.api.result import Result, read_result
    from iqatune.api.robustness import robust
    from iqatune.api.scoring import evaluate, score_images
    from iqatune.api.tuning import load_pairs, prepare, replay, sweep, tune
    from iqatune.backbones.network import build_backbone
    from iqatune.errors import InputError
    from iqatune.metric.module import Metric
    from iqatune.records.options import Run

_WHERE = {
    "Fusion": "iqatune.api.fusing",
    "InputError": "iqatune.errors",
    "Metric": "iqatune.metric.module",
    "Result": "iqatune.api.result",
    "Run": "iqatune.records.options",
    "build_backbone": "iqatune.backbones.network",
    "evaluate": "iqatune.api.scoring",
    "frontier": "iqatune.api.frontier",
    "fuse": "iqatune.api.fusing",
    "load_pairs": "iqatune.api.tuning",
    "prepare": "iqatune.api.tuning",
    "read_result": "iqatune.api.result",
    "replay": "iqatune.api.tuning",
    "robust": "iqatune.api.robustness",
    "score_images": "iqatune.api.scoring",
    "sweep": "iqatune.api.tuning",
    "tune": "iqatune.api.tuning",
}
"""Where each public name is; loaded when it is first asked for, since torch takes seconds to import."""

__all__ = [
    "Fusion",
    "InputError",
    "Metric",
    "Result",
    "Run",
    "__version__",
    "build_backbone",
    "evaluate",
    "frontier",
    "fuse",
    "load_pairs",
    "prepare",
    "read_result",
    "replay",
    "robust",
    "score_images",
    "sweep",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'iqatune' has no attribute '{name}'")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
