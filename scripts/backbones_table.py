#!/usr/bin/env python
"""What timm's families make of images of any size: the table of docs/backbones.md, from models that are run.

    python scripts/backbones_table.py            # writes docs/backbones.md anew, in about ten minutes on two cores
    python scripts/backbones_table.py resnet10t  # prints the rows of some models

Run it in the project's folder, with PYTHONPATH=. Parameters are random: they decide no size.
"""

import sys
from pathlib import Path

from iqatune.backbones.network import build_backbone
from tests.backbones.families import MODELS, SIZES, taken

PAGE = Path(__file__).parents[1] / "docs" / "backbones.md"
BEGIN, END = "<!-- table: scripts/backbones_table.py -->", "<!-- end of table -->"
COLUMNS = ("model", "family", "channels of its maps (taps)", "parameters", *SIZES.values())


def row(model: str) -> tuple[str, ...]:
    """What the table says of a model."""
    backbone = build_backbone(f"timm:{model}", "random")
    channels = " ".join(map(str, backbone.channels[1:]))
    count = sum(parameter.numel() for parameter in backbone.parameters()) / 1e6
    taps = ",".join(backbone.taps)
    return (
        f"`{model}`",
        MODELS.get(model, ""),
        f"{channels} ({taps})",
        f"{count:.1f} M",
        *(taken(backbone, *size) for size in SIZES),
    )


def main() -> None:
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for model in sys.argv[1:] or MODELS:
        lines.append(f"| {' | '.join(row(model))} |")
        print(lines[-1], flush=True)
    if len(sys.argv) == 1:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text("\n".join((before + BEGIN, *lines, END)) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
