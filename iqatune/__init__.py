"""iqatune: tunes DISTS-style image quality metrics to human scores."""

from typing import TYPE_CHECKING, Any

from iqatune.version import __version__

if TYPE_CHECKING:
    from iqatune.metric.module import Metric

__all__ = ["Metric", "__version__"]


def __getattr__(name: str) -> Any:
    """`iqatune.Metric`, loaded when it is first asked for: torch takes seconds to import."""
    if name == "Metric":
        from iqatune.metric.module import Metric

        return Metric
    raise AttributeError(f"module 'iqatune' has no attribute '{name}'")
