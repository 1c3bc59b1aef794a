#!/usr/bin/env python
"""What an engine costs: the same searches bare, by the local engine, by the Ray engine and by a plain `tune.Tuner`.

    python scripts/bench_engines.py --output results/bench/engines.json

Every search has the same planted statistics and the same searcher objects; what differs is who drives them.

bare    the searcher alone: it is asked and told the SRCC that the local engine had found, so nothing is evaluated
local   `--engine local`
ray     `--engine ray` at concurrency 1, on a Ray that is running already (its start is a figure of its own)
plain   `tune.Tuner` at its defaults around the same searcher: a function, its loggers, as many trials as processors

A plain Tuner takes a minute and more for 50 samples; `--plain-repeats 0` leaves it out.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from iqatune.cli.progress import Console
from iqatune.cli.table import print_table
from iqatune.metric.spaces import make_space
from iqatune.records.environment import environment
from iqatune.records.trial import Trial
from iqatune.runtime.files import write_text
from iqatune.runtime.threads import processors
from iqatune.search.searchers.registry import available, make_searcher
from iqatune.search.task import Task

CHANNELS = (3, 64, 128, 256, 384, 512)
"""SqueezeNet's: 12 parameters in the stage space."""
REFERENCES = 25


def main() -> None:
    names = [info.name for info in available()]
    parser = argparse.ArgumentParser(description="What an engine costs, in seconds.")
    parser.add_argument("--searchers", nargs="+", choices=names, default=names)
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=3, help="of bare, local and ray; the median counts")
    parser.add_argument("--plain-repeats", type=int, default=1, help="of the plain Tuner; 0 leaves it out")
    parser.add_argument("--output", type=Path, default=Path("results/bench/engines.json"))
    options = parser.parse_args()

    progress = Console()
    # a Ray for this process alone, that reads and writes no token in the home folder
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    from iqatune.runtime.cluster import cluster

    searches = {}
    started = time.perf_counter()
    with cluster(None, processors()):
        ray_start = time.perf_counter() - started
        for name in options.searchers:
            progress.say(f"{name} ...")
            task = planted(name, samples=options.samples, pairs=options.pairs)
            searches[name] = measure(task, repeats=options.repeats, plain_repeats=options.plain_repeats)
    report = {
        "samples": options.samples,
        "pairs": options.pairs,
        "space": "stage",
        "parameters": 2 * len(CHANNELS),
        "ray_start_s": ray_start,
        "searchers": searches,
        "environment": environment("none").model_dump(),
    }
    write_text(options.output, json.dumps(report, indent=2) + "\n")
    show(report)
    print(f"Record: {options.output}")


def planted(searcher: str, *, samples: int, pairs: int) -> Task:
    """A search whose best weights are known to exist: quality is a weighted sum of the features, and some noise."""
    rng = np.random.default_rng(0)
    space = make_space("stage", CHANNELS)
    features = rng.gamma(2.0, 0.1, (pairs, len(space.names)))
    quality = -features @ rng.dirichlet(np.ones(len(space.names))) + rng.normal(0, 0.02, pairs)
    references = tuple(f"reference {pair * REFERENCES // pairs}" for pair in range(pairs))
    return Task(
        searcher=searcher,
        samples=samples,
        seed=0,
        space=space,
        tables=(features,),
        quality=quality,
        reference_ids=references,
    )


def measure(task: Task, *, repeats: int, plain_repeats: int) -> dict[str, Any]:
    """Seconds of each way, taken in turn so that a change of the machine's load meets all of them."""
    trials = task.run()[1]  # also imports the searcher's library, which is nobody's engine
    seconds: dict[str, list[float]] = {"bare": [], "local": [], "ray": [], "plain": []}
    same = True
    found: list[Trial] = []

    def ray() -> None:
        found[:] = on_ray(task)

    for _ in range(repeats):
        seconds["bare"].append(timed(lambda: bare(task, trials)))
        seconds["local"].append(timed(lambda: task.run()))
        seconds["ray"].append(timed(ray))
        same = same and [trial.srcc for trial in found] == [trial.srcc for trial in trials]
    for _ in range(plain_repeats):
        seconds["plain"].append(timed(lambda: plain(task)))
    medians = {way: median(values) if values else None for way, values in seconds.items()}
    local_by_bare = quotient(medians["local"], medians["bare"])
    return {
        "seconds": seconds,
        "median": medians,
        "local_over_bare": None if local_by_bare is None else local_by_bare - 1,
        "plain_by_local": quotient(medians["plain"], medians["local"]),
        "plain_by_ray": quotient(medians["plain"], medians["ray"]),
        "ray_trials_are_the_local_ones": same,
    }


def quotient(seconds: float | None, others: float | None) -> float | None:
    """How many times as long as the others some seconds are; None where one of them was not measured."""
    return None if seconds is None or others is None else seconds / others


def timed(work: Callable[[], Any]) -> float:
    """Seconds that some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bare(task: Task, trials: list[Trial]) -> None:
    """The searcher's own time: the objective's answers are known."""
    searcher = make_searcher(task.searcher, task.problem())
    for trial in trials:
        searcher.observe(searcher.propose(), trial.srcc)


def on_ray(task: Task) -> list[Trial]:
    """The Ray engine, as `iqatune search --engine ray` runs it."""
    from iqatune.search.on_ray import search_on_ray

    return search_on_ray(task)[1]


def plain(task: Task) -> None:
    """A Tuner as one writes it down first, but for its folder, which would be ~/ray_results."""
    from ray import tune

    from iqatune.search.ray_engine import Adapter, Conversation

    def evaluate(config: dict[str, Any], objective: Callable[..., float]) -> None:
        tune.report({"srcc": objective(config["parameters"], config["budget"])})

    searcher = make_searcher(task.searcher, task.problem())
    conversation = Conversation(searcher, processors(), lambda trial: None)
    evaluations = 2 * task.samples  # more than there are; the searcher says when it has no more
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        tune.Tuner(
            tune.with_parameters(evaluate, objective=task.objective()),
            tune_config=tune.TuneConfig(search_alg=Adapter(conversation), num_samples=evaluations),
            run_config=tune.RunConfig(storage_path=folder),
        ).fit()
    if len({trial.sample for trial in conversation.trials}) != task.samples:
        raise RuntimeError(f"the plain Tuner evaluated {len(conversation.trials)} of {task.samples} samples")


def show(report: dict[str, Any]) -> None:
    """The medians, side by side."""

    def cell(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    rows = [
        [
            name,
            *(cell(search["median"][way], ".3f") for way in ("bare", "local", "ray", "plain")),
            cell(search["local_over_bare"], "+.1%"),
            cell(search["plain_by_local"], ".0f"),
            "yes" if search["ray_trials_are_the_local_ones"] else "NO",
        ]
        for name, search in report["searchers"].items()
    ]
    columns = ("searcher", "bare s", "local s", "ray s", "plain s", "local over bare", "plain / local", "same trials")
    title = f"{report['samples']} samples, {report['pairs']} pairs; Ray starts in {report['ray_start_s']:.1f} s"
    print_table(title, columns, rows)


if __name__ == "__main__":
    main()
