"""iqatune: tunes DISTS-style image quality metrics to human scores."""

from iqatune.version import __version__

__all__ = ["__version__"]
