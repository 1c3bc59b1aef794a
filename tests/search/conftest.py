"""A Ray cluster of two nodes on this machine, and searches of a few milliseconds for it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import iqatune
from iqatune.metric.spaces import make_space
from iqatune.search.task import Task


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Task]:
    """A task on 90 pairs of 9 references, 4 parameters, 12 samples: enough for every searcher's model."""

    def make(searcher: str, samples: int = 12, seed: int = 3) -> Task:
        rng = np.random.default_rng(5)
        space = make_space("stage", (3, 4))
        features = rng.random((90, 4))
        quality = -features @ (0.5, 0.1, 0.3, 0.1) + rng.normal(0, 0.1, 90)
        references = tuple(f"reference {pair // 10}" for pair in range(90))
        return Task(
            searcher=searcher,
            samples=samples,
            seed=seed,
            space=space,
            tables=(features,),
            quality=quality,
            reference_ids=references,
        )

    return make


@pytest.fixture(scope="session")
def two_nodes() -> Iterator[str]:
    """The address of a cluster whose head has no processors, so that all work is done on the second node."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # the nodes' workers import the package from where this process does, installed or not
        package = Path(iqatune.__file__).parents[1]
        patch.setenv("PYTHONPATH", os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
        try:
            cluster.add_node(num_cpus=2, resources={"second": 1}, object_store_memory=small["object_store_memory"])
            yield cluster.address
        finally:
            cluster.shutdown()
