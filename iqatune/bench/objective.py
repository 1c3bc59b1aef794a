"""Samples a second of the objective, beside scipy's Spearman correlation and Ray's Tuner."""

import time
from typing import Any

import numpy as np

from iqatune.bench.timing import Work, rates, ratio, seconds, spread
from iqatune.metric.spaces import BackboneSpace, make_space
from iqatune.metric.weights import Floats
from iqatune.records.bench import ObjectiveBench, RayBench
from iqatune.runtime.driver import Desk, connection
from iqatune.runtime.threads import processors
from iqatune.search.loop import AHEAD
from iqatune.search.objective import Objective
from iqatune.search.task import Task

CHANNELS = (3, 64, 128, 256, 512, 512)
SIZES = {"stage": 10125, "channel": 3000}
"""Pairs of KADID-10k and TID2013."""


def planted(
    space: BackboneSpace, *, pairs: int, references: int, seed: int = 0
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """(N, F) features, (N,) quality and reference of made-up pairs whose features tell of their quality in part."""
    rng = np.random.default_rng(seed)
    quality = rng.uniform(size=pairs)
    features = np.empty((pairs, space.coefficients(np.full((1, len(space.names)), 0.5)).shape[1]), space.feature_type)
    for column in range(features.shape[1]):
        features[:, column] = 0.4 * (1 - quality) * rng.uniform() + rng.uniform(0, 0.3, pairs)
    return features, np.round(quality, 3), tuple(f"r{row % references}" for row in range(pairs))


def bench_objective(name: str, *, rounds: int, pairs: int | None = None, samples: int = AHEAD) -> ObjectiveBench:
    """One space, at the size of the data set that its target is set for unless `pairs` says otherwise."""
    from scipy.stats import spearmanr

    space = make_space(name, CHANNELS)
    features, quality, _ = planted(space, pairs=pairs or SIZES[name], references=25)
    objective = Objective(space, (features,), quality)
    parameters = np.random.default_rng(1).uniform(size=(samples, len(space.names)))
    few = parameters[:32]

    def one_by_one() -> int:
        return len([objective(row) for row in few])

    def batched() -> int:
        return len(objective.batch(parameters))

    def scipy() -> int:
        weights = few / few.sum(axis=1, keepdims=True)
        return len([-spearmanr(quality, features @ row.astype(features.dtype)).statistic for row in weights])

    work: dict[str, Work] = {"one by one": one_by_one, "batch": batched, "scipy.stats.spearmanr": scipy}
    found = rates(work, rounds)
    reading = min(seconds(features.max, rounds))
    return ObjectiveBench(
        space=name,
        pairs=len(features),
        features=features.shape[1],
        samples_per_second={way: spread(values) for way, values in found.items()},
        batch_speedup=ratio(found["batch"], found["one by one"]),
        reads_of_the_features=1 / max(found["one by one"]) / reading,
    )


def bench_ray(*, samples: int = 50) -> RayBench:
    """A random search in the stage space by a plain `ray.tune.Tuner`, as one would write it, and by this package.

    Starting Ray is not counted.
    """
    space = make_space("stage", CHANNELS)
    features, quality, references = planted(space, pairs=SIZES["stage"], references=81)
    task = Task(
        searcher="random",
        samples=samples,
        seed=0,
        space=space,
        tables=(features,),
        quality=quality,
        reference_ids=references,
    )
    (ours,) = seconds(task.run, 1)

    with connection(None, processors()) as ray:
        taken = ray.call(lambda _: None, _tuner_seconds, space.names, (features, quality), samples)
    return RayBench(samples=samples, tuner_seconds=taken, iqatune_seconds=ours)


def _tuner_seconds(desk: Desk, names: tuple[str, ...], data: tuple[Any, Any], samples: int) -> float:
    from ray import tune

    def evaluate(config: dict[str, float], data: tuple[Any, Any]) -> dict[str, float]:
        from scipy.stats import spearmanr

        weights = np.array([config[name] for name in names])
        return {"srcc": float(-spearmanr(data[1], data[0] @ (weights / weights.sum())).statistic)}

    started = time.perf_counter()
    tune.Tuner(
        tune.with_parameters(evaluate, data=data),
        param_space={name: tune.uniform(0, 1) for name in names},
        tune_config=tune.TuneConfig(num_samples=samples, metric="srcc", mode="max"),
        run_config=tune.RunConfig(storage_path=str(desk.folder / "tune"), verbose=0),
    ).fit()
    return time.perf_counter() - started
