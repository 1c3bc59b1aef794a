#!/usr/bin/env python
"""What bfloat16 makes of a metric's gradient: how far it points where float32's does.

    python scripts/gradient_precision.py result.json --backbone-weights FILE --output results/generator/gradients.json

Every metric compares crops of a photograph with blurred and with noisy copies, in float32 and under torch.autocast.
"""

import json
from pathlib import Path
from typing import Any

import click
import torch
from generate import photograph, tiles
from torch import Tensor
from torch.nn import functional as F

from iqatune import Metric
from iqatune.cli.table import print_table
from iqatune.records.environment import environment
from iqatune.runtime.files import write_text

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def gradients(metric: Metric, crops: Tensor, copies: Tensor, *, bf16: bool) -> tuple[Tensor, Tensor]:
    """D of every crop (N,), and its gradient by the copy, (N, values)."""
    images = copies.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        distances = metric(crops, images, reduction="none")
    return distances.detach(), torch.autograd.grad(distances.sum(), images)[0].flatten(1)


def compared(metric: Metric, crops: Tensor, copies: Tensor) -> dict[str, float]:
    """How much D changes (largest share), the cosines of the gradients, and how steep the steepest is beside others."""
    (exact, by_exact), (rounded, by_rounded) = (gradients(metric, crops, copies, bf16=each) for each in (False, True))
    cosines, norms = F.cosine_similarity(by_exact, by_rounded), by_exact.norm(dim=1)
    return {
        "change": (rounded / exact - 1).abs().max().item(),
        "cosine": cosines.median().item(),
        "lowest": cosines.min().item(),
        "steepness": (norms.max() / norms.median()).item(),
    }


@click.command(help=__doc__)
@click.argument("records", nargs=-1, required=True, type=FILE)
@click.option("--backbone-weights", help="Of the metrics' CNN, where it is not where the search had it.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("results/generator/gradients.json"))
def main(records: tuple[Path, ...], backbone_weights: str | None, output: Path) -> None:
    crops = tiles(photograph("astronaut"))
    noise = torch.randn(crops.shape, generator=torch.Generator().manual_seed(0))
    copies = {
        "blurred": F.avg_pool2d(crops, 5, 1, 2, count_include_pad=False),
        "noisy": (crops + 0.1 * noise).clamp(0, 1),
    }
    found: list[dict[str, Any]] = []
    for record in records:
        metric = Metric.load(record, backbone_weights)
        if not isinstance(metric, Metric):
            raise click.UsageError(f"{record}: of several backbones; name records of one")
        changes = {name: compared(metric, crops, each) for name, each in copies.items()}
        found.append({"metric": metric.origin, "record": record.parent.name, "c": metric.similarity.c1} | changes)
    document = {"crops": len(crops), "metrics": found, "environment": environment("cpu").model_dump()}
    write_text(output, json.dumps(document, indent=1) + "\n")
    rows = [[each["record"], f"{each['c']:g}", *map(_cell, (each[name] for name in copies))] for each in found]
    print_table("median cosine (lowest), steepest gradient beside the median one", ("record", "c", *copies), rows)


def _cell(compared: dict[str, float]) -> str:
    return f"{compared['cosine']:.2f} ({compared['lowest']:.2f}), {compared['steepness']:.1f}x"


if __name__ == "__main__":
    main()
