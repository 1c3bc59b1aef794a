"""PIPAL, the training part: 200 references, 116 distorted images each; Elo ratings, higher is better.

Gu et al. 2020, 'PIPAL: a Large-Scale Image Quality Assessment Dataset for Perceptual Image Restoration'; the types are
those of Table 10 of its journal version (arXiv:2011.15002). An image is called REFERENCE_TYPE_VARIANT; variants are
algorithms and settings, not strengths. The set itself names no type: that the codes follow the table is told by the
numbers of variants, which are different for each and the same in the table and in the set.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from iqatune.datasets.adapter import DatasetInfo, Entry, Published, lines_of
from iqatune.datasets.files import image_name
from iqatune.datasets.label_files import FROM_PYIQA, Row, Source, files_in, meta_info, refuse_columns
from iqatune.datasets.published import LabelFile, PublishedSet
from iqatune.errors import InputError

VARIANTS = {
    "sr-traditional": 12,  # super-resolution
    "sr-psnr-oriented": 16,
    "sr-kernel-mismatch": 10,
    "sr-gan": 24,
    "denoising": 13,
    "sr-denoising": 14,  # jointly
    "traditional": 27,  # blur, noise, compression, warping and others
}
"""The seven types in the order of the codes 00 to 06, and the images of each for every reference."""

REFERENCES = 200

OTHER_PARTS = "images of the validation or test part"

_TYPES = tuple(VARIANTS)

_NAME = re.compile(r"(?P<reference>A\d{4})_(?P<type>\d\d)_(?P<variant>\d\d)(\.(bmp|png))?", re.IGNORECASE | re.ASCII)


def _folder(source: Source) -> Iterator[Row]:
    """Rows of Train_Label: a file for each reference, of lines `A0001_00_00.bmp,1520.06`."""
    refuse_columns(source)
    if not source.path.is_dir():
        raise InputError(f"{source.path}: no folder of label files; restore the set's own")
    for path in files_in(source.path):
        for number, line in enumerate(map(str.strip, lines_of(path)), 1):
            name, comma, score = line.partition(",")
            if line and not comma:
                raise InputError(
                    f"{path}: line {number} is '{line}' where 'A0001_00_00.bmp,1520.06' belongs; correct it"
                )
            if line:
                yield Row(where=f"{path.name} line {number}", image=image_name(name.strip()), score=score)


def _meta(source: Source) -> Iterator[Row]:
    """Rows of pyiqa's list, which may go on with the validation part: its types have codes of their own."""
    for row in meta_info("elo_score", "mos", reference="hq_name")(source):
        match = _NAME.fullmatch(posixpath.basename(row.image))
        other = match is not None and int(match["type"]) >= len(_TYPES)
        yield replace(row, left_out=OTHER_PARTS) if other else row


def _entry(row: Row, labels: Source) -> Entry:
    image = posixpath.basename(row.image)
    match = _NAME.fullmatch(image)
    if match is None or int(match["type"]) >= len(_TYPES):
        raise labels.foreign(row, "A0001_00_00.bmp")
    return labels.entry(
        row,
        reference=f"Train_Ref/{match['reference']}.bmp",
        distorted=f"Train_Dist/{image}" + ("" if match[4] else ".bmp"),
        distortion=_TYPES[int(match["type"])],
    )


ADAPTER = PublishedSet(
    info=DatasetInfo(
        name="pipal",
        description="PIPAL, training part: 7 types of restoration and damage, Elo ratings (higher is better)",
        pairs=REFERENCES * sum(VARIANTS.values()),
        references=REFERENCES,
        source="https://www.jasongt.com/projectpages/pipal.html",
        labels=(),
        layouts=(
            "Train_Ref/ Train_Dist/",
            "Train_Ref/ Train_Dis/",
            "Train_Ref/ Dist_Imgs/",
            "Train_Ref/ Distortion_1/ to Distortion_4/",
        ),
        published=Published(counts={(kind, None): REFERENCES * count for kind, count in VARIANTS.items()}, scores=None),
    ),
    labels=(
        LabelFile("Train_Label", _folder, "Elo ratings", better="higher"),
        LabelFile("meta_info_PIPALDataset.csv", _meta, "Elo ratings", better="higher", origin=FROM_PYIQA),
    ),
    places={
        "Train_Ref": ("Train_Ref",),
        "Train_Dist": (
            "Train_Dist",
            "Train_Dis",
            "Dist_Imgs",
            *(f"Distortion{mark}{number}" for mark in ("_", "") for number in range(1, 5)),
        ),
    },
    entry=_entry,
).adapter
