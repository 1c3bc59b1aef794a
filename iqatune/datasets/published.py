"""Data sets that their makers publish, in whatever layout a copy is and with whichever of their label files."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

from iqatune.datasets.adapter import (
    Adapter,
    DatasetInfo,
    Entry,
    LabelList,
    build_table,
    chosen_label,
    find_root,
    refuse_pairs_options,
)
from iqatune.datasets.folders import Home, Places, tree
from iqatune.datasets.label_files import ReadRows, Row, Source, sha256_of
from iqatune.datasets.pairs_csv import split_column
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.records.options import DataOptions
from iqatune.records.vocabulary import Better

SHOWN_FOLDERS = 7
"""Of those that images are in, in words."""


@dataclass(frozen=True)
class Turned:
    """How to tell that a copy's scores run the other way: by two images of which the set says the opposite.

    Attributes:
        best: image of the best published score, and `worst` that of the worst one.
        values: what the scores then are.
    """

    best: str
    worst: str
    values: str


@dataclass(frozen=True)
class LabelFile:
    """One of a set's label files: how it is called, read, and what it holds.

    Attributes:
        name: of the file, or of the folder of them.
        values: what its scores are, in words; another kind than that of the set's first label file is told.
        note: what else one has to know of it.
        turned: where copies are known to hold the scores the other way round.
        origin: where it comes from, if that is not with the set: 'from X', 'of X'.
    """

    name: str
    read: ReadRows
    values: str
    _: KW_ONLY
    better: Better
    note: str = ""
    turned: Turned | None = None
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A published set as data: what it is, where its images lie, and which label files there are of it.

    Attributes:
        info: the names of its labels and what it may lack are filled in from the rest.
        labels: its own first, then those of others; without a wish the first that is there is taken.
        places: where its images lie.
        entry: from a row of any of its label files to the pair.
        companions: names of files that label files need beside them.
        may_lack: distortions that copies leave out, with all of their images.
    """

    info: DatasetInfo
    labels: Sequence[LabelFile]
    places: Places
    entry: Callable[[Row, Source], Entry]
    companions: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()

    @property
    def adapter(self) -> Adapter:
        """The set as the registry holds it."""
        info = replace(self.info, labels=tuple(label.name for label in self.labels))
        if info.published is not None:
            published = replace(info.published, values=self.labels[0].values, may_lack=self.may_lack)
            info = replace(info, published=published)
        return Adapter(info, self.load)

    def load(self, options: DataOptions) -> PairTable:
        """Read the label file that was asked for, or the first that is there, and find the images.

        Raises:
            InputError: for a missing label file, which the line says where to get, and all that is wrong with labels
                and images.
        """
        info = self.adapter.info
        refuse_pairs_options(options, info)
        root = find_root(options, info)
        name = None if options.label is None else chosen_label(options, info)
        home = tree(root, (*info.labels, *self.companions)).home(self.places, info.name, info.labels)
        label, path = self._label(name, home)
        source = Source(path, home.beside, split_column(options))
        rows = list(label.read(source))
        entries = [self.entry(row, source) for row in rows if not row.left_out]
        counts = Counter(row.left_out for row in rows if row.left_out)
        label, cautions = self._turned(label, entries, home)
        entries, lacking, notes = self._without_lacking(entries, options, home)
        # to exclude what a copy is without is no mistake: other copies have it
        absent = {name.casefold() for name in self.may_lack} - {entry.distortion for entry in entries}
        exclude = tuple(name for name in options.exclude if name.strip().casefold() not in absent)
        options = options.model_copy(update={"exclude": exclude})
        labels = LabelList(
            path.name,
            sha256_of(path),
            str(path),
            label.better,
            entries=entries,
            excluded=(*(f"{why} ({count} images)" for why, count in counts.items()), *lacking),
            values=label.values,
            origin=info.source,
        )
        table = build_table(options, labels, home)
        used = {path.parent for pair in table.pairs for path in (pair.reference, pair.distorted)}
        return replace(
            table,
            layout=_in_words(used, root.absolute()),
            notes=(*home.otherwise(used), *notes),
            cautions=cautions,
        )

    def _label(self, name: str | None, home: Home) -> tuple[LabelFile, Path]:
        wanted = [label for label in self.labels if name in (None, label.name)]
        for label in wanted:
            path = home.beside(label.name)
            if path is not None:
                return label, path
        first, *others = wanted
        named = f" (nor {', '.join(label.name for label in others)})" if others else ""
        origin = first.origin or f"with {self.info.name} from {self.info.source}"
        raise InputError(
            f"{home.tree.root / first.name}: no such label file, there or below{named}; {first.name} comes {origin}"
        )

    def _turned(self, label: LabelFile, entries: Sequence[Entry], home: Home) -> tuple[LabelFile, tuple[str, ...]]:
        """The label file with what its scores are in this copy, and what a user has to be told of them."""
        if label.turned is not None:
            scores = {entry.distorted.casefold(): entry.score for entry in entries}
            best, worst = (scores.get(name.casefold()) for name in (label.turned.best, label.turned.worst))
            if best is not None and worst is not None and (best > worst) != (label.better == "higher"):
                turned: Better = "higher" if best > worst else "lower"
                label = replace(label, better=turned, values=label.turned.values)
        usual = self.labels[0]
        lines = []
        if label.values != usual.values:
            there = [
                other.name
                for other in self.labels
                if other.values == usual.values and home.beside(other.name) is not None
            ]
            instead = f"; {there[0]}, which is there as well, has those: `label` {there[0]}" if there else ""
            lines.append(f"{label.name} holds {label.values}, not the {usual.values} of {usual.name}{instead}")
        if label.better != usual.better:
            lines.append(f"{label.name} runs the other way than {usual.name}: the {label.better} score is better here")
        return label, (*lines, *((label.note,) if label.note else ()))

    def _without_lacking(
        self, entries: list[Entry], options: DataOptions, home: Home
    ) -> tuple[list[Entry], tuple[str, ...], tuple[str, ...]]:
        """The entries but for distortions that this copy is without, those in words, and what is to be told."""
        excluded = {name.strip().casefold() for name in options.exclude}
        left_out, notes = [], []
        for name in self.may_lack:
            mine = [entry for entry in entries if entry.distortion == name]
            if name in excluded or any(home.find(entry.distorted) is not None for entry in mine):
                continue
            others = [entry for entry in entries if entry.distortion != name]
            if any(home.find(entry.distorted) is not None for entry in others):
                entries = others
                notes.append(f"{name} is not in this copy: {len(entries)} pairs of the set's {self.info.pairs}")
                left_out += [f"distortion {name} ({len(mine)} pairs, no image of it is there)"] if mine else []
        return entries, tuple(left_out), tuple(notes)


def _in_words(folders: set[Path], root: Path) -> str:
    names = sorted(folder.relative_to(root).as_posix() + "/" for folder in folders)
    more = len(names) - SHOWN_FOLDERS
    return ", ".join(names[:SHOWN_FOLDERS]) + (f" and {more} more" if more > 0 else "")
