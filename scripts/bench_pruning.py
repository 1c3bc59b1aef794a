#!/usr/bin/env python
"""What stages and channels without weight save.

    python scripts/bench_pruning.py --output results/bench/pruning.json
    python scripts/bench_pruning.py --channels --output results/bench/cutting.json

The first is of a metric of uniform weights, and the same whose last two stages weigh nothing. The second is of one in
whose last used stage half of the channels weigh nothing, with that stage's last convolutions cut and as they were: that
stage alone, in seconds of one processor, which other work on the machine takes no part in. All score the same images in
turns, with random CNN parameters, for time does not depend on them.
"""

import argparse
import copy
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx

from iqatune.backbones.network import Backbone, build_backbone
from iqatune.bench.timing import Work, rates, ratio, spread
from iqatune.cli.table import print_table
from iqatune.metric.module import Metric, weighted_losses
from iqatune.metric.moments import centre
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


def without_half(weights: Weights) -> Weights:
    """The same weights but for every second channel of the last stage, which are 0."""
    start = sum(weights.channels[:-1])
    kept = np.ones(sum(weights.channels), dtype=bool)
    kept[start + 1 :: 2] = False
    total = (weights.alpha[kept] + weights.beta[kept]).sum()
    return Weights(weights.channels, weights.alpha * kept / total, weights.beta * kept / total)


def uncut(backbone: Backbone, weights: Weights) -> Metric:
    """A metric that computes every channel of its last stage, and picks those that weigh something."""
    metric = Metric(backbone, weights)
    metric.backbone = backbone
    last = len(backbone.channels) - 1
    metric.register_buffer(f"kept_{last}", torch.tensor(weights.kept(last)), persistent=False)
    return metric


def last_stage(metric: Metric, reference: torch.Tensor, distorted: torch.Tensor) -> Work:
    """The work of a metric's last stage alone, from the maps of the stage before to what it adds to D."""
    backbone = metric.backbone
    network = backbone._network
    if not isinstance(network, fx.GraphModule):
        raise TypeError(f"{backbone.name} has no graph")
    graph = copy.deepcopy(network.graph)
    (output,) = graph.find_nodes(op="output")
    *_, before, last = output.args[0].values()
    output.args = (last,)
    with graph.inserting_before(next(iter(graph.nodes))):
        start = graph.placeholder("maps")
    before.replace_all_uses_with(start)
    part = fx.GraphModule(network, graph)
    part.graph.eliminate_dead_code()
    part.recompile()
    stage = len(backbone.channels) - 1
    maps = [backbone(images)[-2].clone() for images in (reference, distorted)]
    weights = [[metric.get_buffer(f"{kind}_{stage}")] for kind in ("alpha", "beta")]

    def work() -> int:
        found = [[metric._pruned(part(each, reference), stage)] for each in maps]
        weighted_losses([centre(each) for each in found[0]], found[1], *weights)
        return 1

    return work


def cutting(name: str, x: torch.Tensor, y: torch.Tensor, rounds: int) -> dict[str, Any]:
    """Seconds of the last stage of a metric, cut and uncut."""
    backbone = build_backbone(name, "random").to(memory_format=torch.channels_last)
    weights = without_half(uniform_weights(backbone.channels))
    metrics = {"cut": Metric(backbone, weights), "whole": uncut(backbone, weights)}
    with torch.inference_mode():
        apart = float((metrics["cut"](x, y) - metrics["whole"](x, y)).abs().max())
        seconds = processor_seconds({way: last_stage(metric, x, y) for way, metric in metrics.items()}, rounds)
    return {
        "cut_channels": metrics["cut"].cut_channels,
        "parameters": {
            way: sum(tensor.numel() for tensor in metric.backbone.parameters()) for way, metric in metrics.items()
        },
        "largest_difference": apart,
        "last_stage_seconds": {way: spread(values).model_dump() for way, values in seconds.items()},
        "last_stage_faster": ratio(seconds["whole"], seconds["cut"]),
    }


def processor_seconds(work: dict[str, Work], rounds: int) -> dict[str, list[float]]:
    """Seconds of a processor that every candidate takes in every round; they take turns, on one thread."""
    found: dict[str, list[float]] = {way: [] for way in work}
    for number in range(rounds):
        for way in list(work) if number % 2 == 0 else list(work)[::-1]:
            started = time.process_time()
            work[way]()
            found[way].append(time.process_time() - started)
    return found


def bench_cutting(backbones: list[str], rounds: int, output: Path) -> None:
    """Measure, record and print what cutting channels saves."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(2, 3, 256, 341, generator=generator) for _ in range(2))
    measured = {name: cutting(name, x, y, rounds) for name in backbones}
    report = {"backbones": measured, "rounds": rounds, "environment": environment("cpu").model_dump()}
    write_text(output, json.dumps(report, indent=2) + "\n")
    rows = [
        [
            name,
            *(f"{1e3 * found['last_stage_seconds'][way]['median']:.1f}" for way in ("whole", "cut")),
            f"{found['last_stage_faster']:.2f}",
            f"{found['largest_difference']:.1e}",
        ]
        for name, found in measured.items()
    ]
    columns = ("backbone", "last stage, ms", "cut, ms", "faster by", "D differs by")
    print_table("two pairs of 341x256, half of the last stage's channels without weight", columns, rows)
    print(f"Record: {output}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What stages and channels without weight save.")
    parser.add_argument("--channels", action="store_true", help="of the last stage, half of them; else two stages")
    parser.add_argument("--backbones", nargs="+", default=["squeezenet", "vgg16", "resnet50"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("results/bench/pruning.json"))
    options = parser.parse_args()
    if options.channels:
        bench_cutting(options.backbones, options.rounds, options.output)
        return

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
