#!/usr/bin/env python
"""What bf16 and fp16 statistics change of metrics that were tuned on fp32 ones.

    python scripts/precision.py results/live_r2_subset --cache-dir runs/cache --output results/bench/precision.json

Every record's weights are scored on its own data set with statistics of each precision; nothing is tuned anew.
"""

import argparse
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from iqatune.cli.progress import Console
from iqatune.cli.table import print_table
from iqatune.evaluation.correlation import srcc
from iqatune.records.environment import environment
from iqatune.records.options import BackboneOptions, DataOptions
from iqatune.records.result import Best, Result, read_result
from iqatune.records.vocabulary import Precision
from iqatune.runtime.files import write_text
from iqatune.statistics.cache import Cache
from iqatune.statistics.extract import PRECISIONS
from iqatune.statistics.prepare import Prepared, prepare

TARGET = 5e-4
"""Change of an SRCC that is small beside what 97 pairs tell: their intervals are a hundred times as wide."""


@cache
def statistics(data: DataOptions, backbone: BackboneOptions, precision: Precision, cache_dir: Path) -> Prepared:
    """The data set's statistics in another precision than the record's own."""
    features = backbone.model_copy(update={"precision": precision})
    return prepare(data, features, cache=Cache(cache_dir), progress=Console())


def change(result: Result, best: Best, precision: Precision, cache_dir: Path) -> tuple[float, float]:
    """By how much a record's SRCC changes, sign kept, and the root mean square of D's relative change."""
    run = result.run
    data, backbone = DataOptions.of(run), BackboneOptions.of(run)
    exact = statistics(data, backbone, "fp32", cache_dir)
    rounded = statistics(data, backbone, precision, cache_dir)
    before, after = exact.distances_of(best), rounded.distances_of(best)
    relative = (after / before - 1)[before > 0]
    quality = exact.table.quality
    return srcc(quality, -after) - srcc(quality, -before), float(np.sqrt(np.mean(relative**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description="What bf16 and fp16 change of tuned metrics.")
    parser.add_argument("results", type=Path, help="folder that holds records of fp32 runs")
    parser.add_argument("--cache-dir", type=Path, required=True, help="where statistics are kept")
    parser.add_argument("--output", type=Path, default=Path("results/bench/precision.json"))
    options = parser.parse_args()

    changes = defaultdict(list)
    for file in sorted(options.results.rglob("result.json")):
        result = read_result(file)
        if result.best is None or result.protocol.precision != "fp32":
            continue
        for precision in sorted(set(PRECISIONS) - {"fp32"}):
            key = (result.run.backbone, result.protocol.backbone_weights, precision)
            changes[key].append(change(result, result.best, precision, options.cache_dir))
    if not changes:
        parser.error(f"{options.results}: holds no record of a finished fp32 run")
    measured: list[dict[str, Any]] = []
    for (backbone, weights, precision), found in changes.items():
        moved, relative = np.abs([of_srcc for of_srcc, _ in found]), [of_distance for _, of_distance in found]
        measured.append(
            {
                "backbone": backbone,
                "backbone_weights": weights,
                "precision": precision,
                "metrics": len(found),
                "srcc_change_median": float(np.median(moved)),
                "srcc_change_max": float(moved.max()),
                "srcc_change_within_target": int((moved <= TARGET).sum()),
                "distance_relative_rms": float(np.median(relative)),
            }
        )
    report = {"target": TARGET, "changes": measured, "environment": environment("cpu").model_dump()}
    write_text(options.output, json.dumps(report, indent=2) + "\n")
    rows = [
        [
            f"{row['backbone']} ({row['backbone_weights']})",
            row["precision"],
            f"{row['srcc_change_median']:.5f}",
            f"{row['srcc_change_max']:.5f}",
            f"{row['srcc_change_within_target']} of {row['metrics']}",
            f"{row['distance_relative_rms']:.4f}",
        ]
        for row in measured
    ]
    heads = ("backbone", "precision", "median", "largest", f"at most {TARGET}", "rms of D")
    print_table("change of tuned SRCC", heads, rows)
    print(f"Record: {options.output}")


if __name__ == "__main__":
    main()
