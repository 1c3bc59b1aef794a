"""KADID-10k: 81 references, 25 distortions, 5 levels; 'dmos' 1..5, where HIGHER is better despite the name.

Lin, Hosu, Saupe 2019, 'KADID-10k: A Large-scale Artificially Distorted IQA Database'.

The column `var` of dmos.csv is a standard deviation, in spite of its name, and is taken as one: of 30 ratings from 1 to
5 with the means 4.57 and 4.33 of its first rows, .496 and .869 are possible standard deviations (of a population,
divided by n), but no possible variances. pyiqa's list calls the same numbers `std`.
"""

import posixpath
import re

from iqatune.datasets.adapter import DatasetInfo, Entry, Opinion, Published
from iqatune.datasets.label_files import (
    FROM_IQA_DATASET,
    FROM_PYIQA,
    IQA_DATASET,
    ReadRows,
    Row,
    Source,
    columns,
    meta_info,
    words,
)
from iqatune.datasets.published import LabelFile, PublishedSet

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

LEVELS = 5

_NAME = re.compile(r"(?P<reference>I\d\d)_(?P<type>\d\d)_(?P<level>\d\d)(\.(png|bmp))?", re.IGNORECASE | re.ASCII)


def _entry(row: Row, labels: Source) -> Entry:
    image = posixpath.basename(row.image)
    match = _NAME.fullmatch(image)
    if match is None or not (1 <= int(match["type"]) <= len(DISTORTIONS) and 1 <= int(match["level"]) <= LEVELS):
        raise labels.foreign(row, "I01_01_01.png")
    reference = posixpath.basename(row.reference) or f"{match['reference']}.png"
    return labels.entry(
        row,
        reference=f"images/{reference}",
        distorted=f"images/{image}" + ("" if match[4] else ".png"),
        distortion=DISTORTIONS[int(match["type"]) - 1],
        level=int(match["level"]),
    )


def _label(name: str, read: ReadRows, origin: str = "") -> LabelFile:
    return LabelFile(name, read, "DMOS on which the higher score is better", better="higher", origin=origin)


_OWN = columns(image=("dist_img",), score=("dmos",), reference="ref_img", std=("var", "std"))

ADAPTER = PublishedSet(
    info=DatasetInfo(
        name="kadid10k",
        description="KADID-10k: 25 distortions x 5 levels, crowd-sourced 'dmos' (higher is better)",
        pairs=10125,
        references=81,
        ratings_per_score=30,
        source="https://database.mmsp-kn.de/kadid-10k-database.html",
        labels=(),
        layouts=("images/", "reference_images/ distorted_images/"),
        published=Published(
            counts={(distortion, level): 81 for distortion in DISTORTIONS for level in range(1, LEVELS + 1)},
            scores=(1.0, 4.93),
        ),
        opinion=Opinion("DMOS of KADID-10k", (1.0, 5.0)),
    ),
    labels=(
        _label("dmos.csv", _OWN),
        _label("kadid10k.csv", _OWN),
        _label("KADID-10k.txt", IQA_DATASET, FROM_IQA_DATASET),
        _label("meta_info_KADID10kDataset.csv", meta_info("dmos"), FROM_PYIQA),
        _label("kadid10k_label.txt", words("image", "score", example="I01_01_01.png 4.57")),
        _label("kadid10k_all.txt", words("image", "score", example="images/I01_01_01.png 4.57", std_may_follow=True)),
    ),
    places={"images": ("images", "distorted_images", "reference_images")},
    entry=_entry,
).adapter
