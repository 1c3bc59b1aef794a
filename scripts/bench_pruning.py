#!/usr/bin/env python
"""What stages without weight save: a metric of uniform weights, and the same whose last two stages weigh nothing.

    python scripts/bench_pruning.py --output results/bench/pruning.json

Both score the same images in turns; random CNN parameters, for time does not depend on them.
"""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iqatune.backbones.network import build_backbone
from iqatune.bench.timing import rates, ratio, spread
from iqatune.cli.terminal import print_table
from iqatune.metric.module import Metric
from iqatune.metric.weights import Weights, uniform_weights
from iqatune.records.environment import environment
from iqatune.runtime.files import write_text


def without_last(weights: Weights, stages: int) -> Weights:
    """The same weights but for the last stages', which are 0."""
    kept = np.arange(sum(weights.channels)) < sum(weights.channels[:-stages])
    total = (weights.alpha[kept] + weights.beta[kept]).sum()
    return Weights(weights.channels, weights.alpha * kept / total, weights.beta * kept / total)


def score(metric: Metric, x: torch.Tensor, y: torch.Tensor) -> int:
    """Score the pairs; how many there were."""
    return len(metric(x, y))


def main() -> None:
    parser = argparse.ArgumentParser(description="What stages without weight save.")
    parser.add_argument("--backbones", nargs="+", default=["squeezenet", "vgg16", "resnet50"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("results/bench/pruning.json"))
    options = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(4, 3, 256, 341, generator=generator) for _ in range(2))
    measured: dict[str, dict[str, Any]] = {}
    for name in options.backbones:
        backbone = build_backbone(name, "random").to(memory_format=torch.channels_last)
        weights = uniform_weights(backbone.channels)
        whole, pruned = Metric(backbone, weights), Metric(backbone, without_last(weights, 2))
        with torch.inference_mode():
            work = {"whole": partial(score, whole, x, y), "pruned": partial(score, pruned, x, y)}
            found = rates(work, options.rounds)
        faster = ratio(found["pruned"], found["whole"])
        measured[name] = {**{way: spread(values).model_dump() for way, values in found.items()}, "faster": faster}
    report = {"pairs_per_second": measured, "environment": environment("cpu").model_dump()}
    write_text(options.output, json.dumps(report, indent=2) + "\n")
    rows = [
        [name, *(f"{found[way]['median']:.2f}" for way in ("whole", "pruned")), f"{found['faster']:.2f}"]
        for name, found in measured.items()
    ]
    print_table("pairs a second, 341x256", ("backbone", "all stages", "last two 0", "faster by"), rows)
    print(f"Record: {options.output}")


if __name__ == "__main__":
    main()
