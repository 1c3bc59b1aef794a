"""Time the published study's whole grid, 6 searchers x 6 CNNs x 4 data sets at 50 samples, from statistics at hand.

The statistics are planted: made-up moments of the real shapes (pairs and references of the four sets, channels of the
six CNNs), so that no data set, download or CNN is needed; what is timed is what `iqatune search` does once a set's
statistics are in the cache. The SRCC it finds mean nothing.

    python scripts/published_grid.py --output results/bench/published_grid.json
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from iqatune.backbones.zoo import find
from iqatune.metric.spaces import make_space
from iqatune.records.environment import environment
from iqatune.runtime.files import write_text
from iqatune.runtime.threads import processors
from iqatune.search.searchers.registry import available
from iqatune.search.task import Task
from iqatune.statistics.distances import feature_table

SETS = {"kadid10k": (10125, 81), "tid2013": (3000, 25), "csiq": (866, 30), "live": (779, 29)}
"""Pairs and references."""

BACKBONES = ("resnet101", "resnet50", "xception", "vgg19", "squeezenet", "alexnet")
"""The study's, the widest first: they take longest."""


def planted_moments(quality: np.ndarray, *, channels: int, seed: int) -> np.ndarray:
    """(N, 5, C) float32 moments: the worse a pair, the further its means lie apart and the less it covaries."""
    rng = np.random.default_rng(seed)
    moments = np.empty((len(quality), 5, channels), dtype=np.float32)
    damage = (1 - quality).astype(np.float32)[:, None]
    noise = rng.random((len(quality), channels), dtype=np.float32)
    tells = rng.random(channels, dtype=np.float32)
    moments[:, 0] = 1
    moments[:, 1] = 1 + damage * tells + 0.5 * noise
    moments[:, 2:4] = 1
    moments[:, 4] = 1 - 0.5 * damage * tells - 0.3 * noise[:, ::-1]
    return moments


def cell_seconds(
    dataset: str, backbone: str, *, searchers: Sequence[str], samples: int, space_name: str
) -> dict[str, float]:
    """Seconds of every searcher on one set and CNN, and of reducing the moments to the space's features."""
    pairs, references = SETS[dataset]
    quality = np.random.default_rng(0).uniform(size=pairs)
    space = make_space(space_name, (3, *find(backbone).channels))
    moments = planted_moments(quality, channels=sum(space.channels), seed=1)
    started = time.perf_counter()
    features = feature_table(moments, space)
    found = {"features": time.perf_counter() - started}
    ids = tuple(f"I{row * references // pairs:02d}" for row in range(pairs))
    for searcher in searchers:
        started = time.perf_counter()
        task = Task(
            searcher=searcher,
            samples=samples,
            seed=0,
            space=space,
            tables=(features,),
            quality=quality,
            reference_ids=ids,
        )
        _, trials = task.run()
        found[searcher] = time.perf_counter() - started
        if len({trial.sample for trial in trials}) < samples:
            print(f"{dataset} {backbone} {searcher}: {len(trials)} samples only", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [info.name for info in available()]
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--space", default="stage")
    parser.add_argument("--jobs", type=int, default=processors(), help="processes (default: one a processor)")
    parser.add_argument("--datasets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--searchers", nargs="+", choices=names, default=names)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    started = time.perf_counter()
    cells = [(dataset, backbone) for dataset in options.datasets for backbone in options.backbones]
    found: dict[str, dict[str, float]] = {}
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        searches = {"searchers": options.searchers, "samples": options.samples, "space_name": options.space}
        running = {pool.submit(cell_seconds, *cell, **searches): cell for cell in cells}
        for future in as_completed(running):
            name = "/".join(running[future])
            found[name] = future.result()
            print(f"{len(found)}/{len(cells)} {name}: {sum(found[name].values()):.1f} s", flush=True)
    total = time.perf_counter() - started
    sums = {name: sum(cell[name] for cell in found.values()) for name in ("features", *options.searchers)}
    for name, seconds in sums.items():
        print(f"{name:12} {seconds:8.1f} s")
    runs = len(cells) * len(options.searchers)
    print(f"{runs} runs of {options.samples} samples: {total:.1f} s, {options.jobs} processes")
    record = {
        "schema": "iqatune.grid-bench/1",
        "runs": runs,
        "samples": options.samples,
        "space": options.space,
        "jobs": options.jobs,
        "seconds": total,
        "seconds_by_searcher": sums,
        "cells": found,
        "environment": environment("cpu").model_dump(),
    }
    write_text(options.output, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
