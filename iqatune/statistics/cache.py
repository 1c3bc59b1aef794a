"""The cache folder: what every file in it is called, and what it holds of a table. No CNN and no torch is needed."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iqatune.backbones import identity as identities
from iqatune.backbones.identity import Identity
from iqatune.backbones.zoo import origin_of
from iqatune.datasets.table import PairTable
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.statistics.digests import file_digests
from iqatune.statistics.pictures import picture_digests, reference_files
from iqatune.statistics.store import DamagedFile, Moments, Settings, group_path, read_group


@dataclass(frozen=True, kw_only=True)
class ReferenceGroup:
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


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """What the store holds of a table.

    Attributes:
        moments: (N, 5, C) float32; the rows of the missing groups are not filled in.
        missing: the groups that the store does not hold, or holds damaged.
        damaged: what is wrong with each damaged file.
        image_digests: SHA-256 of every image file of the table.
    """

    moments: Moments
    missing: tuple[ReferenceGroup, ...]
    damaged: tuple[str, ...]
    image_digests: dict[Path, str]

    @property
    def missing_pairs(self) -> int:
        """Pairs whose moments are yet to be computed."""
        return sum(len(group.rows) for group in self.missing)


@dataclass(frozen=True)
class Cache:
    """One cache folder. Several processes may use it at once: files are written whole."""

    folder: Path

    def image_digests(self, table: PairTable, progress: Progress) -> dict[Path, str]:
        """SHA-256 of every image file of a table.

        Raises:
            InputError: naming an image file that cannot be read.
        """
        images = [path for pair in table.pairs for path in (pair.reference, pair.distorted)]
        return file_digests(images, self.folder / "digests.json", progress)

    def picture_digests(self, table: PairTable, progress: Progress) -> dict[Path, str]:
        """What tells the picture of every reference file of a table, whatever the file's name and format.

        Raises:
            InputError: naming a file that cannot be read or decoded.
        """
        digests = file_digests(reference_files(table), self.folder / "digests.json", progress)
        return picture_digests(digests, self.folder / "pictures.json", progress)

    def identity(self, options: BackboneOptions) -> Identity | None:
        """The identity of the backbone that these options built before; None where that is not known."""
        return identities.recall(
            options.backbone, options.backbone_weights, options.pooling, memo=self.folder / "backbones.json"
        )

    def remember(self, identity: Identity, options: BackboneOptions) -> None:
        """Keep the identity of the backbone that these options built."""
        memo = self.folder / "backbones.json"
        identities.remember(identity, options.backbone, options.backbone_weights, options.pooling, memo=memo)

    def baseline_file(self, key: str) -> Path:
        """Where the scores of a baseline are kept."""
        return self.folder / "baselines" / f"{key}.json"

    def lookup(self, table: PairTable, settings: Settings, progress: Progress) -> Lookup:
        """Read what the store holds of a table's moments.

        Raises:
            InputError: naming an image file that cannot be read.
        """
        digests = self.image_digests(table, progress)
        moments = np.empty((len(table), 5, sum(settings.channels)), dtype=np.float32)
        groups = self._groups(table, settings, digests)
        return read_missing(Lookup(moments=moments, missing=groups, damaged=(), image_digests=digests))

    def _groups(self, table: PairTable, settings: Settings, digests: dict[Path, str]) -> tuple[ReferenceGroup, ...]:
        rows_of: dict[Path, list[int]] = {}
        for row, pair in enumerate(table.pairs):
            rows_of.setdefault(pair.reference, []).append(row)
        groups = []
        for reference, rows in rows_of.items():
            distorted = tuple(table.pairs[row].distorted for row in rows)
            images = [digests[image] for image in distorted]
            path = group_path(self.folder / "statistics", settings, digests[reference], images)
            groups.append(ReferenceGroup(rows=tuple(rows), reference=reference, distorted=distorted, path=path))
        return tuple(groups)


def read_missing(lookup: Lookup) -> Lookup:
    """Read the groups that were missing, such as after others have computed them; the rows are filled in place."""
    missing: list[ReferenceGroup] = []
    damaged: list[str] = []
    for group in lookup.missing:
        try:
            shape = (len(group.rows), *lookup.moments.shape[1:])
            lookup.moments[list(group.rows)] = read_group(group.path, shape)
        except FileNotFoundError:
            missing.append(group)
        except DamagedFile as error:
            damaged.append(str(error))
            missing.append(group)
    return replace(lookup, missing=tuple(missing), damaged=tuple(damaged))


def settings_of(backbone: Identity, options: BackboneOptions) -> Settings:
    """What decides the moments besides the images."""
    return Settings(
        backbone=backbone.name,
        parameters_sha256=backbone.parameters_sha256,
        pooling=backbone.pooling,
        resize=options.resize,
        precision=options.precision,
        channels=tuple(backbone.channels),
        plugin=origin_of(backbone.name),
    )
