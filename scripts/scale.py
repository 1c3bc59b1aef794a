#!/usr/bin/env python
"""What a data set of so many pairs takes: seconds, processor time, peak memory and disk of every verb, measured.

Makes tiny images (a smooth picture for a reference, noise and blur for its versions, scores that follow the damage),
runs the verbs one after the other as a user would, and writes what each took. Run from the root of the project:

    python scripts/scale.py --pairs 200000 --references 2000 --folder scale --output results/scale/pairs-200000.json

The images are made once and used again, and a step that is in the output file is not measured again. The scores are
made up, and say nothing of people. docs/scale.md says what the figures mean for sets of real images.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from iqatune.records.environment import environment
from iqatune.runtime.files import write_text
from iqatune.runtime.threads import processors

LABELS = "pairs.csv"


def make_images(folder: Path, *, pairs: int, references: int, side: int) -> None:
    """Images and their CSV file below a folder; nothing where they are already."""
    labels = folder / LABELS
    if labels.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    of_each = pairs // references
    with ThreadPoolExecutor(processors()) as pool:
        parts = list(pool.map(lambda number: _make_reference(folder, number, of_each, side), range(references)))
    write_text(labels, "\n".join(["reference,distorted,score", *(line for part in parts for line in part)]) + "\n")


def _make_reference(folder: Path, number: int, versions: int, side: int) -> list[str]:
    rng = np.random.default_rng(number)
    place = folder / f"{number:06d}"
    place.mkdir(exist_ok=True)
    coarse = Image.fromarray(rng.integers(20, 235, (5, 5, 3), dtype=np.uint8))
    picture = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(float)
    picture += rng.normal(0, 6, picture.shape)
    _save(place / "reference.bmp", picture)
    lines = []
    for version in range(versions):
        damage = 40 * rng.uniform()
        _save(place / f"{version:04d}.bmp", picture + rng.normal(0, damage, picture.shape))
        score = 9 - damage / 5 + rng.normal(0, 0.5)
        lines.append(f"{place.name}/reference.bmp,{place.name}/{version:04d}.bmp,{score:.4f}")
    return lines


def _save(path: Path, values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(path)


def measured(arguments: Sequence[str]) -> dict[str, Any]:
    """Run a verb, and say what it took.

    Raises:
        SystemExit: when it fails.
    """
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "iqatune", *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"iqatune {' '.join(arguments)}: ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "verb": arguments[0],
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_mb": round(usage.ru_maxrss / 1024),
        "json_mb": round(len(said) / 1e6, 1),
    }


def disk_mb(folder: Path) -> dict[str, float]:
    """What every entry of a folder takes, in MB of 10^6 bytes."""
    return {entry.name: round(_size(entry) / 1e6, 1) for entry in sorted(folder.iterdir())}


def _size(path: Path) -> int:
    files: Iterator[Path] = path.rglob("*") if path.is_dir() else iter((path,))
    return sum(file.stat().st_size for file in files if file.is_file())


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pairs", type=int, default=200_000, show_default=True)
@click.option("--references", type=int, default=2000, show_default=True)
@click.option("--side", type=int, default=32, show_default=True, help="Of the images, in pixels.")
@click.option("--backbone", default="squeezenet", show_default=True)
@click.option("--samples", type=int, default=1000, show_default=True, help="Of the random search.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="For images, cache and runs.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="JSON file.")
@click.option("--only-images", is_flag=True, help="Make the images and stop.")
def main(
    *,
    pairs: int,
    references: int,
    side: int,
    backbone: str,
    samples: int,
    folder: Path,
    output: Path,
    only_images: bool,
) -> None:
    """See the module."""
    make_images(folder / "images", pairs=pairs, references=references, side=side)
    if only_images:
        return
    data = ["--dataset", "csv", "--pairs", str(folder / "images" / LABELS), "--better", "higher"]
    cache = ["--cache-dir", str(folder / "cache")]
    through = ["--backbone", backbone, "--backbone-weights", "random"]
    runs = ["--output", str(folder / "runs")]
    search = ["search", *data, *through, *cache, *runs]
    document: dict[str, Any] = {
        "pairs": pairs,
        "references": references,
        "side": side,
        "backbone": backbone,
        "processors": processors(),
        "memory_mb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20),
        "steps": [],
    }
    if output.exists():
        document["steps"] = json.loads(output.read_text())["steps"]
    done = {step["step"] for step in document["steps"]}

    def step(name: str, arguments: Sequence[str]) -> None:
        if name in done:
            return
        document["steps"].append({"step": name, **measured(arguments)})
        sizes = {**disk_mb(folder), **{f"cache/{part}": size for part, size in disk_mb(folder / "cache").items()}}
        made = environment("cpu", {}).model_dump(mode="json")
        write_text(output, json.dumps({**document, "disk_mb": sizes, "environment": made}, indent=2) + "\n")
        click.echo(json.dumps(document["steps"][-1]), err=True)

    step("extract", ["extract", *data, *through, *cache, "--json"])
    step("extract, all in the cache", ["extract", *data, *through, *cache, "--json"])
    random = ["--searcher", "random", "--samples", str(samples), "--json"]
    step(f"search random, {samples} samples, 5 folds", [*search, *random])
    step("search fit, 5 folds", [*search, "--searcher", "fit", "--json"])
    records = sorted(map(str, (folder / "runs").rglob("result.json")))
    step("evaluate two records", ["evaluate", *records, *data, *cache, "--format", "json"])
    step("replay", ["replay", records[-1], *cache, "--json"])


if __name__ == "__main__":
    main()
