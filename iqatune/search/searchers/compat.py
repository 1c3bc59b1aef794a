"""Mends of the search libraries, each with the release it is for. tests/search/test_compat.py fails for every mend that
is no longer needed. None works beyond the calls that it is put around.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from iqatune.search.searchers.quiet import quiet


def ax_search() -> type[Any]:
    """Ray's AxSearch for ax-platform 1.3, whose Objective lacks the attributes that Ray reads the metric from."""
    with quiet():
        from ax.service.ax_client import AxClient
        from ax.service.utils.instantiation import ObjectiveProperties
        from ray.tune.search.ax import AxSearch

    class MendedAxSearch(AxSearch):
        _space: Any
        _metric: str

        def _setup_experiment(self) -> None:
            self._ax = AxClient(**self._ax_kwargs)
            self._ax.create_experiment(
                parameters=self._space,
                objectives={self._metric: ObjectiveProperties(minimize=self._mode == "min")},
            )
            self._parameters = list(self._ax.experiment.parameters)

    return MendedAxSearch


@contextmanager
def quick_truncated_normals() -> Iterator[None]:
    """For hpbandster 0.7.4, which draws D times 64 truncated normals for a configuration, at .3 ms each by scipy."""
    with quiet():
        from hpbandster.optimizers.config_generators import bohb
    with patch.object(bohb, "sps", SimpleNamespace(truncnorm=SimpleNamespace(rvs=truncated_normal))):
        yield


def truncated_normal(a: float, b: float, loc: float, scale: float) -> float:
    """`scipy.stats.truncnorm.rvs` for a <= 0 <= b: the same inversion of one uniform draw from numpy's generator."""
    below, above = ndtr((a, b))
    return float(loc + scale * ndtri(below + np.random.uniform() * (above - below)))


@contextmanager
def numbers_of_arrays() -> Iterator[None]:
    """For nevergrad 1.0.12, which calls float() on an array of one element; numpy 2.4 no longer allows that."""
    with quiet():
        from nevergrad.optimization import metamodel
    with patch.object(metamodel, "float", lambda value: np.asarray(value, dtype=np.float64).item(), create=True):
        yield


@contextmanager
def quick_normal_logarithms() -> Iterator[None]:
    """For Optuna 4, whose TPE takes logarithms of a normal distribution one by one in Python; scipy's are the same."""
    from optuna.samplers._tpe import _truncnorm

    with patch.object(_truncnorm, "_log_ndtr", log_ndtr):
        yield
