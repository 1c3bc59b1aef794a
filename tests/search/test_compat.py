"""Every mend of a library does what the library did, or could not do; and fails here once it is needed no longer."""

import time

import numpy as np
import pytest
from scipy import stats
from scipy.special import log_ndtr

from iqatune.search.searchers import compat
from iqatune.search.searchers.base import METRIC, MODE
from iqatune.search.searchers.quiet import quiet
from iqatune.version import package_version


def test_rays_own_ax_search_cannot_begin() -> None:
    with quiet():
        from ray.tune.search.ax import AxSearch

    space = [{"name": "p", "type": "range", "bounds": [0.0, 1.0], "value_type": "float"}]
    with quiet(), pytest.raises(AttributeError, match="objectives"):
        AxSearch(space, metric=METRIC, mode=MODE, verbose_logging=False).suggest("0")
    with quiet():
        mended = compat.ax_search()(space, metric=METRIC, mode=MODE, random_seed=0, verbose_logging=False)
        assert set(mended.suggest("0")) == {"p"}


def test_truncated_normals_are_scipys_and_much_quicker() -> None:
    with quiet():
        from hpbandster.optimizers.config_generators import bohb
    assert bohb.sps is stats, "hpbandster draws in another way now"
    assert package_version("hpbandster") == "0.7.4"

    def drawn(count: int) -> tuple[np.ndarray, float]:
        np.random.seed(3)
        started = time.perf_counter()
        values = [bohb.sps.truncnorm.rvs(-1.5, 0.5, loc=0.4, scale=0.2) for _ in range(count)]
        return np.array(values), (time.perf_counter() - started) / count

    theirs, their_seconds = drawn(200)
    with compat.quick_truncated_normals():
        ours, our_seconds = drawn(200)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert our_seconds < their_seconds / 5
    assert bohb.sps is stats


def test_nevergrad_cannot_make_a_number_of_an_array_by_itself() -> None:
    with quiet():
        import nevergrad as ng
        from nevergrad.optimization import metamodel

    def learn() -> np.ndarray:
        optimizer = ng.optimizers.RandomSearch(ng.p.Array(shape=(2,)), budget=60)
        optimizer.parametrization.random_state = np.random.RandomState(0)
        for _ in range(60):
            candidate = optimizer.ask()
            optimizer.tell(candidate, float(((candidate.value - 0.3) ** 2).sum()))
        return np.asarray(metamodel.learn_on_k_best(optimizer.archive, 12))

    with quiet(), pytest.raises(TypeError, match="0-dimensional"):
        learn()
    with quiet(), compat.numbers_of_arrays():
        np.testing.assert_allclose(learn(), 0.3, atol=0.1)
    assert not hasattr(metamodel, "float")


def test_logarithms_of_the_normal_distribution_are_scipys_and_much_quicker() -> None:
    from optuna.samplers._tpe import _truncnorm

    values = np.concatenate((np.linspace(-40, 10, 4001), [-np.inf, np.inf]))
    started = time.perf_counter()
    theirs = _truncnorm._log_ndtr(values)
    their_seconds = time.perf_counter() - started
    with compat.quick_normal_logarithms():
        assert _truncnorm._log_ndtr is log_ndtr
        started = time.perf_counter()
        ours = _truncnorm._log_ndtr(values)
        our_seconds = time.perf_counter() - started
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    assert our_seconds < their_seconds / 5
