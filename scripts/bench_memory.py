#!/usr/bin/env python
"""The most memory that `iqatune extract` holds, for a few pairs and for many. Linux only.

    python scripts/bench_memory.py --backbone vgg19 --output results/bench/memory.json

Images are made up, 512x384; their moments (20 bytes a channel and pair) are all that should grow with the pairs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from iqatune.bench.backbone import Setting, made_up_pairs
from iqatune.cli.table import print_table
from iqatune.records.environment import environment
from iqatune.runtime.files import write_text

DISTORTED = 120
"""Distorted images of a reference, as in TID2013."""


def peak_mib(process: subprocess.Popen[bytes]) -> float:
    """The most memory that a process held until it ended, looked at ten times a second."""
    peak = 0.0
    while process.poll() is None:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peak = max([peak, *(int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:"))])
        time.sleep(0.1)
    return peak


def measure(backbone: str, *, pairs: int) -> dict[str, float]:
    """Peak memory of extraction over so many pairs, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        setting = replace(Setting(), references=max(1, pairs // DISTORTED), distorted=min(pairs, DISTORTED))
        table = made_up_pairs(folder, setting)
        lines = [f"{pair.reference},{pair.distorted},{pair.score}" for pair in table.pairs]
        (folder / "pairs.csv").write_text("\n".join(["reference,distorted,score", *lines]) + "\n")
        options = ["--dataset", "csv", "--pairs", str(folder / "pairs.csv"), "--better", "higher"]
        network = ["--backbone", backbone, "--backbone-weights", "random", "--device", "cpu"]
        command = [sys.executable, "-m", "iqatune", "extract", *options, *network, "--cache-dir", str(folder / "cache")]
        with subprocess.Popen(command) as process:
            peak = peak_mib(process)
        if process.returncode != 0:
            raise RuntimeError(f"iqatune extract ended with exit code {process.returncode}")
        return {"pairs": len(table), "peak_mib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description="The most memory that extraction holds.")
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--pairs", type=int, nargs="+", default=[120, 3000])
    parser.add_argument("--output", type=Path, default=Path("results/bench/memory.json"))
    options = parser.parse_args()
    runs = [measure(options.backbone, pairs=pairs) for pairs in options.pairs]
    report = {"backbone": options.backbone, "runs": runs, "environment": environment("cpu").model_dump()}
    write_text(options.output, json.dumps(report, indent=2) + "\n")
    rows = [[f"{run['pairs']}", f"{run['peak_mib']:.0f}"] for run in runs]
    print_table(f"extraction, {options.backbone}, 512x384", ("pairs", "peak MiB"), rows)
    print(f"Record: {options.output}")


if __name__ == "__main__":
    main()
