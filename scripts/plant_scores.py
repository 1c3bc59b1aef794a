#!/usr/bin/env python
"""Made-up human scores whose truth is known: the distances of a metric whose weights sit in early stages, and noise.

    python scripts/plant_scores.py --pairs labels.csv --better lower --data-root DIR --backbone vgg16 \\
        --shares 0.1,0.4,0.5 --output planted.csv

Writes a CSV of pairs, for `iqatune frontier --dataset csv --pairs FILE --better lower --data-root DIR`. The scores are
of no people: nothing that is tuned on them says anything about images.
"""

import argparse
import csv
import io
from pathlib import Path

import numpy as np

import iqatune
from iqatune.metric.weights import Weights, spread
from iqatune.runtime.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description="Made-up human scores whose truth is known.")
    parser.add_argument("--dataset", default="csv")
    parser.add_argument("--pairs")
    parser.add_argument("--better", default="lower")
    parser.add_argument("--data-root")
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--backbone-weights", default="random")
    parser.add_argument("--shares", default="0.1,0.4,0.5", help="of the weight, of the first stages, half alpha each")
    parser.add_argument("--noise", type=float, default=0.2, help="in standard deviations of the distances")
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--output", type=Path, default=Path("planted.csv"))
    options = parser.parse_args()

    given = {"pairs": options.pairs, "better": options.better} if options.dataset == "csv" else {}
    prepared = iqatune.prepare(
        options.dataset,
        options.backbone,
        backbone_weights=options.backbone_weights,
        data_root=options.data_root,
        cache_dir=options.cache_dir,
        **given,
    )
    shares = np.zeros(len(prepared.channels))
    early = [float(share) for share in options.shares.split(",")]
    shares[: len(early)] = early
    half = spread(shares / shares.sum() / 2, prepared.channels)
    distances = prepared.distances(Weights(prepared.channels, half, half.copy()))
    noise = np.random.default_rng(0).normal(0, options.noise * distances.std(), len(distances))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("reference", "distorted", "score", "distortion"))
    root = Path(options.data_root or Path(options.pairs).parent).absolute()
    for pair, score in zip(prepared.table.pairs, distances + noise, strict=True):
        images = (path.absolute().relative_to(root).as_posix() for path in (pair.reference, pair.distorted))
        writer.writerow((*images, f"{score:.6f}", pair.distortion))
    write_text(options.output, text.getvalue())
    print(f"{options.output}: {len(distances)} pairs")


if __name__ == "__main__":
    main()
