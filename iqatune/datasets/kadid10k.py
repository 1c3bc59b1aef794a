"""KADID-10k: 81 references, 25 distortions, 5 levels; 'dmos' 1..5, where HIGHER is better despite the name.

Lin, Hosu, Saupe 2019, 'KADID-10k: A Large-scale Artificially Distorted IQA Database'.
"""

import re
from pathlib import Path

from iqatune.datasets.adapter import DatasetInfo, Entry, Published, parse_score, published_set
from iqatune.datasets.columns import read_columns
from iqatune.errors import InputError

DISTORTIONS = (
    "gaussian-blur",
    "lens-blur",
    "motion-blur",
    "color-diffusion",
    "color-shift",
    "color-quantization",
    "saturation-hsv",
    "saturation-lab",
    "jpeg2000",
    "jpeg",
    "white-noise",
    "white-noise-color",  # in the colour components
    "impulse-noise",
    "multiplicative-noise",
    "denoising",
    "brighten",
    "darken",
    "mean-shift",
    "jitter",
    "non-eccentricity-patch",
    "pixelate",
    "quantization",
    "color-block",
    "high-sharpen",
    "contrast",
)
"""Names of the 25 types in the order of the set's own numbers, which the file names carry."""

_NAME = re.compile(r"I\d\d_(?P<type>\d\d)_(?P<level>\d\d)\.png", re.IGNORECASE | re.ASCII)


def read(path: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """Entries of dmos.csv: `dist_img,ref_img,dmos,var`."""
    rows = read_columns(path, required=("dist_img", "ref_img", "dmos"))
    return [_entry(cells, path, where) for where, cells in rows], ()


def _entry(cells: dict[str, str], path: Path, where: str) -> Entry:
    match = _NAME.fullmatch(cells["dist_img"])
    if match is None or not 1 <= int(match["type"]) <= len(DISTORTIONS):
        raise InputError(
            f"{path}: {where} names '{cells['dist_img']}' where 'I01_01_01.png' belongs; restore the set's own file"
        )
    return Entry(
        where=where,
        reference=f"images/{cells['ref_img']}",
        distorted=f"images/{cells['dist_img']}",
        reference_id=Path(cells["ref_img"]).stem,
        distortion=DISTORTIONS[int(match["type"]) - 1],
        level=int(match["level"]),
        score=parse_score(cells["dmos"], path, where),
    )


ADAPTER = published_set(
    DatasetInfo(
        name="kadid10k",
        description="KADID-10k: 25 distortions x 5 levels, crowd-sourced 'dmos' (higher is better)",
        pairs=10125,
        references=81,
        ratings_per_score=30,
        source="https://database.mmsp-kn.de/kadid-10k-database.html",
        labels=("dmos.csv",),
        published=Published(
            counts={(distortion, level): 81 for distortion in DISTORTIONS for level in range(1, 6)}, scores=(1.0, 4.93)
        ),
    ),
    better="higher",
    read=read,
)
