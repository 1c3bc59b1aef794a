"""TID2013: 25 references, 24 distortions, 5 levels; MOS 0..9, higher is better. Its predecessor has the same form.

Ponomarenko et al. 2015, 'Image database TID2013: Peculiarities, results and perspectives'.
"""

import posixpath
import re
from collections.abc import Iterator

from iqatune.datasets.adapter import DatasetInfo, Entry, Opinion, Published
from iqatune.datasets.label_files import (
    FROM_IQA_DATASET,
    FROM_PYIQA,
    IQA_DATASET,
    ReadRows,
    Row,
    Source,
    columns,
    in_order,
    meta_info,
    with_deviations,
    words,
)
from iqatune.datasets.published import LabelFile, PublishedSet

DISTORTIONS = (
    "gaussian-noise",
    "color-noise",  # additive noise, stronger in the colour components than in luminance
    "correlated-noise",  # spatially correlated
    "masked-noise",
    "high-frequency-noise",
    "impulse-noise",
    "quantization-noise",
    "gaussian-blur",
    "denoising",
    "jpeg",
    "jpeg2000",
    "jpeg-transmission",  # transmission errors
    "jpeg2000-transmission",
    "pattern-noise",  # non eccentricity pattern noise
    "block-wise",  # local block-wise distortions of different intensity
    "mean-shift",
    "contrast",
    "saturation",
    "multiplicative-noise",
    "comfort-noise",
    "noisy-compression",  # lossy compression of noisy images
    "dithering",  # colour quantisation with dither
    "chromatic-aberrations",
    "sparse-sampling",  # and reconstruction
)
"""Short names of the 24 types in the order of the set's own numbers, which the file names carry."""

REFERENCES = 25

DEVIATIONS = "mos_std.txt"
"""Standard deviations of the opinions, in the order of mos_with_names.txt."""

IMAGE_COLUMNS = ("image_id", "image", "dist_name", "dist_img", "name", "filename")
"""How the column of image names of a mos.csv is called; the set came with none."""

_NAME = re.compile(r"I(?P<reference>\d\d)_(?P<type>\d\d)_(?P<level>\d)(\.(bmp|png))?", re.IGNORECASE | re.ASCII)

_NAMED = words("score", "image", example="MOS I01_01_1.bmp")


def _with_names(source: Source) -> Iterator[Row]:
    return with_deviations(_NAMED(source), source, DEVIATIONS)


def tid_set(name: str, types: int, levels: int, *, source: str, scores: tuple[float, float] | None) -> PublishedSet:
    """TID2013 or TID2008: the first `types` distortions, each at so many levels.

    Args:
        scores: the lowest and highest MOS as published; None where they are not known.
    """
    title = name.upper()
    distortions = DISTORTIONS[:types]
    sorted_names = [
        f"I{reference:02}_{kind:02}_{level}.bmp"
        for reference in range(1, REFERENCES + 1)
        for kind in range(1, types + 1)
        for level in range(1, levels + 1)
    ]

    def entry(row: Row, labels: Source) -> Entry:
        """The image's name tells all: lists of others merge two of the types."""
        image = posixpath.basename(row.image)
        match = _NAME.fullmatch(image)
        if match is None or not (1 <= int(match["type"]) <= types and 1 <= int(match["level"]) <= levels):
            raise labels.foreign(row, "I01_01_1.bmp")
        return labels.entry(
            row,
            reference=f"reference_images/I{match['reference']}.BMP",
            distorted=f"distorted_images/{image}" + ("" if match[4] else ".bmp"),
            distortion=distortions[int(match["type"]) - 1],
            level=int(match["level"]),
        )

    def label(file: str, read: ReadRows, note: str = "", origin: str = "") -> LabelFile:
        return LabelFile(file, read, "MOS", better="higher", note=note, origin=origin)

    return PublishedSet(
        info=DatasetInfo(
            name=name,
            description=f"{title}: {types} distortions x {levels} levels, MOS (higher is better)",
            pairs=REFERENCES * types * levels,
            references=REFERENCES,
            source=source,
            labels=(),
            layouts=("reference_images/ distorted_images/",),
            published=Published(
                counts={
                    (distortion, level): REFERENCES for distortion in distortions for level in range(1, levels + 1)
                },
                scores=scores,
            ),
            opinion=Opinion(f"MOS of {title}", (0.0, 9.0)),
        ),
        labels=(
            label("mos_with_names.txt", _with_names),
            label(f"{title}.txt", IQA_DATASET, origin=FROM_IQA_DATASET),
            label(f"meta_info_{title}Dataset.csv", meta_info("mos"), origin=FROM_PYIQA),
            label("mos.csv", columns(image=IMAGE_COLUMNS, score=("mean", "mos"), std=("std", "mos_std"))),
            label(
                "mos.txt",
                in_order(sorted_names, DEVIATIONS),
                "mos.txt names no images: its scores are taken in the order of the images' sorted names",
            ),
        ),
        places={"reference_images": ("reference_images",), "distorted_images": ("distorted_images",)},
        entry=entry,
        companions=(DEVIATIONS,),
    )


ADAPTER = tid_set(
    "tid2013", types=24, levels=5, source="https://www.ponomarenko.info/tid2013.htm", scores=(0.24242, 7.2143)
).adapter
