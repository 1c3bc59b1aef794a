"""What the store holds of a table's moments, found and read without a CNN and without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iqatune.backbones.identity import Identity
from iqatune.datasets.table import Pair, PairTable
from iqatune.progress import Progress
from iqatune.statistics.digests import file_digests
from iqatune.statistics.store import DamagedFile, Moments, Settings, group_path, read_group


@dataclass(frozen=True)
class Statistics:
    """The moments of every pair of a table, in its order.

    Attributes:
        channels: number of channels of every stage, the image's 3 first.
        moments: (N, 5, C) float32, C = sum(channels), the moments in the order of `moments.MOMENTS`.
        computed: pairs that passed the backbone now, the others came from the store.
        image_digests: SHA-256 of every image file of the table.
    """

    channels: tuple[int, ...]
    moments: Moments
    computed: int
    image_digests: dict[Path, str]


@dataclass(frozen=True)
class Group:
    """The pairs of one reference: what the store keeps in one file.

    Attributes:
        rows: the pairs' places in the table.
        distorted: an image for each of the rows.
        path: the store's file.
    """

    rows: tuple[int, ...]
    reference: Path
    distorted: tuple[Path, ...]
    path: Path


@dataclass(frozen=True)
class Kept:
    """What the store holds of a table.

    Attributes:
        moments: (N, 5, C) float32; the rows of the missing groups are not filled in.
        missing: the groups that the store does not hold, or holds damaged.
        damaged: what is wrong with each damaged file.
        image_digests: SHA-256 of every image file of the table.
    """

    moments: Moments
    missing: tuple[Group, ...]
    damaged: tuple[str, ...]
    image_digests: dict[Path, str]

    @property
    def missing_pairs(self) -> int:
        """Pairs whose moments are yet to be computed."""
        return sum(len(group.rows) for group in self.missing)


def settings(backbone: Identity, resize: int | None, precision: str) -> Settings:
    """What decides the moments besides the images."""
    return Settings(
        backbone.name, backbone.parameters_sha256, backbone.pooling, resize, precision, tuple(backbone.channels)
    )


def image_digests(table: PairTable, cache_dir: Path, progress: Progress) -> dict[Path, str]:
    """SHA-256 of every image file of a table.

    Raises:
        InputError: naming an image file that cannot be read.
    """
    images = [path for pair in table.pairs for path in (pair.reference, pair.distorted)]
    return file_digests(images, cache_dir / "digests.json", progress)


def look_up(table: PairTable, decided: Settings, cache_dir: Path, progress: Progress) -> Kept:
    """Read from the store in `cache_dir` what it holds of a table's moments.

    Raises:
        InputError: naming an image file that cannot be read.
    """
    digests = image_digests(table, cache_dir, progress)
    channels = sum(decided.channels)
    moments = np.empty((len(table.pairs), 5, channels), dtype=np.float32)
    missing: list[Group] = []
    damaged: list[str] = []
    for group in _grouped(table.pairs, decided, cache_dir / "statistics", digests):
        try:
            moments[list(group.rows)] = read_group(group.path, (len(group.rows), 5, channels))
        except FileNotFoundError:
            missing.append(group)
        except DamagedFile as error:
            damaged.append(str(error))
            missing.append(group)
    return Kept(moments, tuple(missing), tuple(damaged), digests)


def _grouped(pairs: Sequence[Pair], decided: Settings, folder: Path, digests: dict[Path, str]) -> list[Group]:
    rows_of: dict[Path, list[int]] = {}
    for row, pair in enumerate(pairs):
        rows_of.setdefault(pair.reference, []).append(row)
    groups = []
    for reference, rows in rows_of.items():
        distorted = tuple(pairs[row].distorted for row in rows)
        path = group_path(folder, decided, digests[reference], [digests[image] for image in distorted])
        groups.append(Group(tuple(rows), reference, distorted, path))
    return groups
