"""The cache folder: what every file in it is called, and what it holds of a table. No CNN and no torch is needed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iqatune.backbones import identity as identities
from iqatune.backbones.identity import Identity
from iqatune.backbones.zoo import origin_of
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions
from iqatune.runtime.files import writing
from iqatune.runtime.kept import check_can_be_kept, damage_line
from iqatune.runtime.stamps import Stamp
from iqatune.statistics.by_group import Block, MomentsByGroup, is_too_large
from iqatune.statistics.digests import digests_anew, file_digests, remembered_digests, stamps_of
from iqatune.statistics.pictures import picture_digests, reference_files
from iqatune.statistics.same_pictures import Remembered
from iqatune.statistics.store import (
    Place,
    Reader,
    Settings,
    Shelf,
    Values,
    shelf_of_moments,
    shelf_of_scores,
    write_group,
)

DIGESTS, PICTURES, LIKENESS, BACKBONES, RATES = MEMOS = (
    "digests.json",
    "pictures.json",
    "likeness.json",
    "backbones.json",
    "rates.json",
)
"""Files that remember what takes time to find out: of image files, of references, of backbones, and of this machine."""


@dataclass(frozen=True, kw_only=True)
class ReferenceGroup:
    """Pairs of one reference: what the store keeps in one file.

    Attributes:
        rows: the pairs' places in the table.
        distorted: an image for each of the rows.
        transforms: how the images are changed before they are seen (`iqatune.transforms`), the reference's first.
        names: what the store knows the images by, the reference's first (see `image_name`).
        shelf: where the store keeps what is computed of them.
        stamps: of the image files, taken before they were hashed.
        damaged: files of the shelf that may have held them.
    """

    rows: tuple[int, ...]
    reference: Path
    distorted: tuple[Path, ...]
    transforms: tuple[str, ...]
    names: tuple[str, ...]
    shelf: Shelf
    stamps: Mapping[Path, Stamp]
    damaged: tuple[Path, ...] = ()

    @property
    def place(self) -> Place:
        """The file for all of them."""
        return self.shelf.place(self.names[0], self.names[1:])

    def only(self, members: Sequence[int]) -> "ReferenceGroup":
        """Some of its pairs, by their numbers in it."""
        distorted = tuple(self.distorted[member] for member in members)
        return replace(
            self,
            rows=tuple(self.rows[member] for member in members),
            distorted=distorted,
            transforms=(self.transforms[0], *(self.transforms[1 + member] for member in members)),
            names=(self.names[0], *(self.names[1 + member] for member in members)),
            stamps={image: self.stamps[image] for image in (self.reference, *distorted)},
        )

    def absolute(self) -> "ReferenceGroup":
        """The same for processes that may work in another folder; tables name images by absolute paths anyway."""
        shelf = replace(self.shelf, folder=self.shelf.folder.absolute())
        return replace(self, shelf=shelf, damaged=tuple(path.absolute() for path in self.damaged))

    def keep(self, values: Values) -> None:
        """Keep what was computed of the pairs, (n, ...), in the place of what was damaged.

        Raises:
            InputError: naming the file when it cannot be written.
        """
        write_group(self.place, values)
        for path in self.damaged:
            if path != self.place.path:
                with writing(path):
                    path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """What the store holds of a table.

    Attributes:
        values: (N, ...), as moments (N, 5, C) float32; the rows of the missing groups are not filled in. Moments that
            are too large for memory stay in the store.
        missing: the pairs that the store does not hold, or holds damaged, by their references.
        damaged: what is wrong with each damaged file that may have held some of them.
        image_digests: SHA-256 of every image file of the table.
    """

    values: Values | MomentsByGroup
    missing: tuple[ReferenceGroup, ...]
    damaged: tuple[str, ...]
    image_digests: dict[Path, str]

    @property
    def missing_pairs(self) -> int:
        """Pairs that are yet to be computed."""
        return sum(len(group.rows) for group in self.missing)

    def check_can_be_completed(self) -> None:
        """See that what is missing can be kept, before the long work.

        Raises:
            InputError: naming a file that is missing, whose folder cannot be written.
        """
        if self.missing:
            check_can_be_kept(self.missing[0].place.path)

    def fill(self, rows: Sequence[int] | NDArray[np.intp], values: Values) -> None:
        """Fill in rows, where they are not read from the store anyway."""
        if not isinstance(self.values, MomentsByGroup):
            self.values[np.asarray(rows)] = values

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
        return find(stamps, self.folder / DIGESTS, progress)

    def picture_digests(self, table: PairTable, progress: Progress) -> dict[Path, str]:
        """What tells the picture of every reference file of a table, whatever the file's name and format.

        Raises:
            InputError: naming a file that cannot be read or decoded.
        """
        digests = self.digests(stamps_of(reference_files(table)), progress)
        return picture_digests(digests, self.folder / PICTURES, progress)

    def remembered(self, tables: Sequence[PairTable], progress: Progress) -> Remembered:
        """What is known of the references of several data sets.

        Raises:
            InputError: naming a file that cannot be read or decoded.
        """
        pictures = {path: name for table in tables for path, name in self.picture_digests(table, progress).items()}
        return Remembered(pictures, self.folder / LIKENESS)

    def identity(self, options: BackboneOptions, progress: Progress) -> Identity | None:
        """The identity of the backbone that these options built before; None where that is not known."""
        named = (options.backbone, options.backbone_weights, options.pooling)
        return identities.recall(*named, memo=self.folder / BACKBONES, progress=progress)

    def remember(self, identity: Identity, options: BackboneOptions, progress: Progress) -> None:
        """Keep the identity of the backbone that these options built."""
        named = (options.backbone, options.backbone_weights, options.pooling)
        identities.remember(identity, *named, memo=self.folder / BACKBONES, progress=progress)

    @property
    def statistics(self) -> Path:
        """The folder of moments."""
        return self.folder / "statistics"

    @property
    def baselines(self) -> Path:
        """The folder of the scores of baselines."""
        return self.folder / "baselines"

    def lookup(self, table: PairTable, settings: Settings, progress: Progress) -> Lookup:
        """Read what the store holds of a table's moments.

        Raises:
            InputError: naming an image file that cannot be read.
        """
        return self._lookup(table, shelf_of_moments(self.statistics, settings), progress)

    def lookup_scores(self, table: PairTable, baseline: str, settings: object, progress: Progress) -> Lookup:
        """Read what the store holds of a baseline's scores of a table's pairs, (N,).

        Args:
            settings: all that decides them besides the images.

        Raises:
            InputError: naming an image file that cannot be read.
        """
        return self._lookup(table, shelf_of_scores(self.baselines, baseline, settings), progress)

    def lacks(self, table: PairTable, settings: Settings, progress: Progress) -> NDArray[np.bool_]:
        """(N,) whether the store seems to lack the moments of a pair; no image and no moment is read.

        What is remembered of the images decides, and what files of the store say that they are of: one that is damaged
        counts as there, and an image of which nothing is remembered as absent.

        Raises:
            InputError: naming an image file that cannot be read.
        """
        stamps = image_stamps(table)
        digests = remembered_digests(stamps, self.folder / DIGESTS, progress)
        known = [row for row, pair in enumerate(table.pairs) if {pair.reference, pair.distorted} <= digests.keys()]
        shelf = shelf_of_moments(self.statistics, settings)
        reader = Reader(shelf)
        lacks = np.ones(len(table), dtype=bool)
        of_known = replace(table, pairs=tuple(table.pairs[row] for row in known), sets=(), pictures=())
        for group in _groups(of_known, shelf, digests, stamps):
            there = reader.images_of(group.names[0])
            for row, name in zip(group.rows, group.names[1:], strict=True):
                lacks[known[row]] = name not in there
        return lacks

    def _lookup(self, table: PairTable, shelf: Shelf, progress: Progress) -> Lookup:
        stamps = image_stamps(table)
        digests = self.digests(stamps, progress)
        groups = _groups(table, shelf, digests, stamps)
        shape = (len(table), *shelf.shape)
        values = _moments_of(groups, shelf) if is_too_large(shape) else np.empty(shape, dtype=shelf.dtype)
        return read_missing(Lookup(values=values, missing=groups, damaged=(), image_digests=digests))


def image_stamps(table: PairTable) -> dict[Path, Stamp]:
    """The stamp of every image file of a table.

    Raises:
        InputError: naming an image file that cannot be read.
    """
    return stamps_of(path for pair in table.pairs for path in (pair.reference, pair.distorted))


def image_name(digest: str, transform: str) -> str:
    """What the store, and a protocol's hash, know an image by: SHA-256 of its file, and how it is changed."""
    return f"{digest} {transform}" if transform else digest


def read_missing(lookup: Lookup) -> Lookup:
    """Read the pairs that were missing, such as after others have computed them; the rows are filled in place."""
    missing: list[ReferenceGroup] = []
    damaged: dict[Path, str] = {}
    readers: dict[Path, Reader] = {}
    for group in lookup.missing:
        folder = group.shelf.folder
        reader = readers[folder] = readers.get(folder) or Reader(group.shelf)
        found = reader.read(group.names[0], group.names[1:])
        lookup.fill(np.array(group.rows)[found.there], found.values[found.there])
        absent = np.flatnonzero(~found.there).tolist()
        if absent:
            damaged |= found.damaged
            missing.append(replace(group.only(absent), damaged=tuple(found.damaged)))
    return replace(lookup, missing=tuple(missing), damaged=tuple(damaged.values()))


def _moments_of(groups: Sequence[ReferenceGroup], shelf: Shelf) -> MomentsByGroup:
    """The moments of all groups, which are in the store when they are read."""

    def read() -> Iterator[Block]:
        reader = Reader(shelf)
        for group in groups:
            found = reader.read(group.names[0], group.names[1:])
            if not found.there.all():
                raise InputError(f"{group.place.path}: was removed or damaged meanwhile; run it again")
            yield np.array(group.rows), found.values

    return MomentsByGroup((sum(len(group.rows) for group in groups), shelf.shape[0], shelf.shape[1]), read)


def _groups(
    table: PairTable, shelf: Shelf, digests: Mapping[Path, str], stamps: Mapping[Path, Stamp]
) -> tuple[ReferenceGroup, ...]:
    rows_of: dict[tuple[Path, str], list[int]] = {}
    for row, pair in enumerate(table.pairs):
        rows_of.setdefault((pair.reference, pair.reference_transform), []).append(row)
    groups = []
    for (reference, transform), rows in rows_of.items():
        pairs = [table.pairs[row] for row in rows]
        distorted = tuple(pair.distorted for pair in pairs)
        transforms = (transform, *(pair.distorted_transform for pair in pairs))
        files = (reference, *distorted)
        groups.append(
            ReferenceGroup(
                rows=tuple(rows),
                reference=reference,
                distorted=distorted,
                transforms=transforms,
                names=tuple(image_name(digests[file], how) for file, how in zip(files, transforms, strict=True)),
                shelf=shelf,
                stamps={image: stamps[image] for image in files},
            )
        )
    return tuple(groups)


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
