"""Baselines, each with one thing wrong."""

from iqatune.scoring.baselines import Baseline, Compare


def _compare_raises() -> Compare:
    return lambda reference, distorted: reference.mean() / int("luma")


def _build_raises() -> Compare:
    raise OSError("weights.bin: no such file")


def _infinite() -> Compare:
    return lambda reference, distorted: float("inf")


_PACKAGE = "iqatune-toy-broken"
_MODULE = "iqatune_toy_broken"

COMPARE_RAISES = Baseline(
    name="compare-raises", description="its comparison fails", package=_PACKAGE, module=_MODULE, build=_compare_raises
)
BUILD_RAISES = Baseline(
    name="build-raises", description="cannot be built", package=_PACKAGE, module=_MODULE, build=_build_raises
)
INFINITE = Baseline(
    name="infinite", description="finds all images infinitely good", package=_PACKAGE, module=_MODULE, build=_infinite
)
NOT_INSTALLED = Baseline(
    name="not-installed", description="needs a library", package="a-library", module="a_library.deep", build=_infinite
)
