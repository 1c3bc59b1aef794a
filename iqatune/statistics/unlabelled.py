"""Images without human scores, damaged on the spot: pairs that only say how a metric's views differ."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from PIL import Image

from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.metric.similarity import Similarity
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.records.result import Unlabelled
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import Prepared, prepare_pairs

DAMAGES: Final = ("jpeg:10", "jpeg:40", "blur:1", "blur:3", "noise:0.03", "noise:0.1", "side:64", "side:128")
"""What is done to every image (`iqatune.transforms`): a weak and a strong damage of four kinds."""


def unlabelled_pairs(folder: Path) -> PairTable:
    """Every image below a folder with each of its damaged versions. Their scores say nothing.

    Raises:
        InputError: when the folder is missing, or holds no image.
    """
    if not folder.is_dir():
        raise InputError(f"`unlabelled` {folder}: no such folder; name one with images")
    suffixes = set(Image.registered_extensions())
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    files = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not files:
        raise InputError(f"`unlabelled` {folder}: contains no images; name a folder with some")
    pairs = tuple(
        Pair(
            path.absolute(),
            path.absolute(),
            path.relative_to(folder).as_posix(),
            damage,
            level=None,
            score=0.0,
            quality=0.0,
            distorted_transform=damage,
        )
        for path in files
        for damage in DAMAGES
    )
    return PairTable("unlabelled", pairs, "no label file", "", better="higher")


def with_unlabelled(
    prepared: Prepared,
    folder: Path,
    *,
    backbone: BackboneOptions,
    similarity: Similarity,
    cache: Cache,
    progress: Progress,
) -> Prepared:
    """The same with the moments of a folder's images and their damaged versions.

    Raises:
        InputError: as of `unlabelled_pairs`, and for an image that cannot be read or is too small.
    """
    table = unlabelled_pairs(folder)
    found = prepare_pairs(table, backbone, similarity=similarity, cache=cache, progress=progress)
    record = unlabelled_record(table, found.protocol.dataset_sha256)
    return replace(
        prepared,
        unlabelled=found.moments,
        protocol=prepared.protocol.model_copy(update={"unlabelled": record}),
        seconds=prepared.seconds + found.seconds,
        computed=prepared.computed + found.computed,
        device=found.device if found.computed else prepared.device,
    )


def unlabelled_record(table: PairTable, sha256: str) -> Unlabelled:
    """What a protocol says of such pairs.

    Args:
        sha256: of the images and what is done to them.
    """
    return Unlabelled(images=len(table.references), pairs=len(table), damages=DAMAGES, sha256=sha256)
