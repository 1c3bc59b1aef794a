"""The cache folder: what every file in it is called, and what it holds of a table. No CNN and no torch is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from iqatune.backbones import identity as identities
from iqatune.backbones.identity import Identity
from iqatune.backbones.zoo import origin_of
from iqatune.datasets.table import PairTable
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.runtime.kept import check_can_be_kept, damage_line
from iqatune.runtime.stamps import Stamp
from iqatune.statistics.digests import digests_anew, file_digests, stamps_of
from iqatune.statistics.pictures import picture_digests, reference_files
from iqatune.statistics.same_pictures import Remembered
from iqatune.statistics.store import DamagedFile, Moments, Place, Settings, place_of, read_group


@dataclass(frozen=True, kw_only=True)
class ReferenceGroup:
    """The pairs of one reference: what the store keeps in one file.

    Attributes:
        rows: the pairs' places in the table.
        distorted: an image for each of the rows.
        place: the store's file.
        stamps: of the image files, taken before they were hashed.
    """

    rows: tuple[int, ...]
    reference: Path
    distorted: tuple[Path, ...]
    place: Place
    stamps: Mapping[Path, Stamp]


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

    def check_can_be_completed(self) -> None:
        """See that what is missing can be kept, before the long work.

        Raises:
            InputError: naming a file that is missing, whose folder cannot be written.
        """
        if self.missing:
            check_can_be_kept(self.missing[0].place.path)

    def tell_damage(self, progress: Progress) -> None:
        """A line for each damaged file."""
        for damaged in self.damaged:
            progress.warn(damage_line(damaged))


@dataclass(frozen=True)
class Cache:
    """One cache folder. Several processes may use it at once: files are written whole.

    Attributes:
        hashes_anew: whether every image file is read, whatever is remembered of it: for who proves a record.
    """

    folder: Path
    hashes_anew: bool = field(default=False, kw_only=True)

    def image_digests(self, table: PairTable, progress: Progress) -> dict[Path, str]:
        """SHA-256 of every image file of a table.

        Raises:
            InputError: naming an image file that cannot be read.
        """
        return self.digests(image_stamps(table), progress)

    def digests(self, stamps: Mapping[Path, Stamp], progress: Progress) -> dict[Path, str]:
        """SHA-256 of image files, each given with its stamp of now.

        Raises:
            InputError: naming an image file that cannot be read.
        """
        find = digests_anew if self.hashes_anew else file_digests
        return find(stamps, self.folder / "digests.json", progress)

    def picture_digests(self, table: PairTable, progress: Progress) -> dict[Path, str]:
        """What tells the picture of every reference file of a table, whatever the file's name and format.

        Raises:
            InputError: naming a file that cannot be read or decoded.
        """
        digests = self.digests(stamps_of(reference_files(table)), progress)
        return picture_digests(digests, self.folder / "pictures.json", progress)

    def remembered(self, tables: Sequence[PairTable], progress: Progress) -> Remembered:
        """What is known of the references of several data sets.

        Raises:
            InputError: naming a file that cannot be read or decoded.
        """
        pictures = {path: name for table in tables for path, name in self.picture_digests(table, progress).items()}
        return Remembered(pictures, self.folder / "likeness.json")

    def identity(self, options: BackboneOptions, progress: Progress) -> Identity | None:
        """The identity of the backbone that these options built before; None where that is not known."""
        named = (options.backbone, options.backbone_weights, options.pooling)
        return identities.recall(*named, memo=self.folder / "backbones.json", progress=progress)

    def remember(self, identity: Identity, options: BackboneOptions, progress: Progress) -> None:
        """Keep the identity of the backbone that these options built."""
        named = (options.backbone, options.backbone_weights, options.pooling)
        identities.remember(identity, *named, memo=self.folder / "backbones.json", progress=progress)

    def baseline_file(self, key: str) -> Path:
        """Where the scores of a baseline are kept."""
        return self.folder / "baselines" / f"{key}.json"

    def lookup(self, table: PairTable, settings: Settings, progress: Progress) -> Lookup:
        """Read what the store holds of a table's moments.

        Raises:
            InputError: naming an image file that cannot be read.
        """
        stamps = image_stamps(table)
        digests = self.digests(stamps, progress)
        moments = np.empty((len(table), 5, sum(settings.channels)), dtype=np.float32)
        groups = self._groups(table, settings, digests, stamps)
        return read_missing(Lookup(moments=moments, missing=groups, damaged=(), image_digests=digests))

    def _groups(
        self, table: PairTable, settings: Settings, digests: Mapping[Path, str], stamps: Mapping[Path, Stamp]
    ) -> tuple[ReferenceGroup, ...]:
        rows_of: dict[Path, list[int]] = {}
        for row, pair in enumerate(table.pairs):
            rows_of.setdefault(pair.reference, []).append(row)
        groups = []
        for reference, rows in rows_of.items():
            distorted = tuple(table.pairs[row].distorted for row in rows)
            images = [digests[image] for image in distorted]
            groups.append(
                ReferenceGroup(
                    rows=tuple(rows),
                    reference=reference,
                    distorted=distorted,
                    place=place_of(self.folder / "statistics", settings, digests[reference], images),
                    stamps={image: stamps[image] for image in (reference, *distorted)},
                )
            )
        return tuple(groups)


def image_stamps(table: PairTable) -> dict[Path, Stamp]:
    """The stamp of every image file of a table.

    Raises:
        InputError: naming an image file that cannot be read.
    """
    return stamps_of(path for pair in table.pairs for path in (pair.reference, pair.distorted))


def read_missing(lookup: Lookup) -> Lookup:
    """Read the groups that were missing, such as after others have computed them; the rows are filled in place."""
    missing: list[ReferenceGroup] = []
    damaged: list[str] = []
    for group in lookup.missing:
        try:
            shape = (len(group.rows), *lookup.moments.shape[1:])
            lookup.moments[list(group.rows)] = read_group(group.place, shape)
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
        padding="" if backbone.padding is None else str(backbone.padding),
    )
