"""CID22, the validation set: 49 references, 4292 compressed images; MCOS, higher is better.

Sneyers, Ben Baruch and Vaxman 2023, 'CID22: Large-Scale Subjective Quality Assessment for High Fidelity Image
Compression'. The columns of its CSV, as public readers of it give them: reference_img, distorted_img, encoder, setting,
bpp, MCOS, RMOS, Elo, nb_pc_opinions; 4341 rows, of which 49 (encoder Reference) compare an original with itself. How
many images an encoder has and the range of MCOS are not checked: this file was written without the set at hand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from iqatune.datasets.adapter import DatasetInfo, Entry, Published
from iqatune.datasets.label_files import Row, Source, columns
from iqatune.datasets.published import LabelFile, PublishedSet
from iqatune.errors import InputError

ORIGINAL = "reference"
"""The encoder of rows that compare an original with itself."""

FOLDERS = ("original", "compressed")

_COLUMNS = columns(
    image=("distorted_img",), score=("mcos",), reference="reference_img", kind="encoder", std=("mcos_std", "std")
)


def _rows(source: Source) -> Iterator[Row]:
    for row in _COLUMNS(source):
        same = row.kind.lower() == ORIGINAL or row.image == row.reference
        yield replace(row, left_out="originals compared with themselves") if same else row


def _entry(row: Row, labels: Source) -> Entry:
    if not row.kind:
        raise InputError(f"{labels.path}: {row.where} has no encoder; restore the set's own file")
    reference, distorted = (_in(folder, name) for folder, name in zip(FOLDERS, (row.reference, row.image), strict=True))
    return labels.entry(row, reference=reference, distorted=distorted, distortion=row.kind)


def _in(folder: str, name: str) -> str:
    """A path from the folder on; a bare name is in it."""
    parts: Sequence[str] = PurePosixPath(name).parts
    places = [place for place, part in enumerate(parts) if part.casefold() == folder]
    return "/".join((folder, *(parts[places[-1] + 1 :] if places else parts)))


ADAPTER = PublishedSet(
    info=DatasetInfo(
        name="cid22",
        description="CID22, validation set: high-quality compression by several encoders, MCOS (higher is better)",
        pairs=4292,
        references=49,
        source="https://cloudinary.com/labs/cid22",
        labels=(),
        layouts=("original/ compressed/",),
        published=Published(counts={}, scores=None, names_tell_reference=False),
    ),
    labels=(LabelFile("CID22_validation_set.csv", _rows, "MCOS", better="higher"),),
    places={folder: (folder,) for folder in FOLDERS},
    entry=_entry,
).adapter
