"""What the adapters share: from the entries of a label file to a checked pair table."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Protocol

from iqatune.datasets.files import FileFinder
from iqatune.datasets.numbers import DecimalMark, number
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError, UsageError, did_you_mean
from iqatune.records.options import DataOptions
from iqatune.records.vocabulary import Better
from iqatune.runtime.files import sha256_of_file

MINIMUM_PAIRS = 3

LARGEST_SCORE = 1e100
"""Of either sign. Correlations take squares of scores, which have to be numbers as well."""

LONGEST_LINE = 2**20
"""Characters; a row of a label file has hundreds. A file of one endless line would fill the memory."""

SHOWN = 200
"""Characters of a cell that an error line shows, at most."""


@dataclass(frozen=True)
class Published:
    """What is known of a set as its makers publish it, to check a copy against."""

    counts: Mapping[tuple[str, int | None], int]
    """Pairs of every distortion and level; the level is None where the set does not grade its distortions. Empty where
    their sum alone is known."""
    scores: tuple[float, float] | None
    """The lowest and the highest score of the usual label file; None where they are not known."""
    _: KW_ONLY
    values: str = ""
    """What these scores are, in words, as label files of the same kind say it too."""
    may_lack: tuple[str, ...] = ()
    """Distortions that copies leave out as a whole."""
    names_tell_reference: bool = True
    """Whether a distorted image's name begins with its reference's."""


@dataclass(frozen=True)
class Opinion:
    """What a set's human scores are, in words, and between which limits they can lie."""

    name: str
    """Such as 'MOS of TID2013'."""
    limits: tuple[float, float] | None
    """The lowest and the highest score that there can be; None where nothing bounds them."""

    def __post_init__(self) -> None:
        if self.limits is not None and not self.limits[0] < self.limits[1]:
            raise ValueError(f"limits {self.limits}: the lowest score must be below the highest")


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What a person wants to know of a data set before using it."""

    name: str
    description: str
    pairs: int | None
    """None where it depends on the user's file."""
    references: int | None
    source: str
    """Where the images come from: the home page of the set."""
    labels: tuple[str, ...]
    """Label files it offers, the usual one first."""
    layouts: tuple[str, ...] = ()
    """How its folders may be, in words, the set's own first; empty where it depends on the user's files."""
    published: Published | None = None
    """None where it depends on the user's file."""
    opinion: Opinion | None = None
    """None where nothing is known of it but the scores."""
    ratings_per_score: int | None = None
    """How many ratings the published standard deviations are of; None where they are those of the scores, which are
    standard errors."""


@dataclass(frozen=True)
class Adapter:
    """One data set of the registry."""

    info: DatasetInfo
    load: Callable[[DataOptions], PairTable]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One pair as a label file states it; image names are relative to the data set's root."""

    where: str
    """Where in the label file, for error lines: 'line 12'."""
    reference: str
    distorted: str
    reference_id: str
    distortion: str
    level: int | None
    score: float
    score_std: float | None = None
    """Standard deviation of the ratings that the score is the mean of; None where the file does not say it."""
    features: tuple[float, ...] = ()
    """What a features file says of the pair, in the order of its columns."""
    split: str = ""
    """What the column of `split_column` says."""


@dataclass(frozen=True)
class LabelList:
    """A label file, read."""

    name: str
    sha256: str
    source: str
    """What error lines call it: its path."""
    better: Better
    _: KW_ONLY
    entries: Sequence[Entry]
    excluded: tuple[str, ...] = ()
    """What the set's own rule left out, in words."""
    simulated: bool = False
    values: str = ""
    """What the scores are, in words."""
    origin: str = ""
    """Where the images come from; empty where that is the user's affair."""


ReadLabels = Callable[[Path], tuple[Sequence[Entry], tuple[str, ...]]]
"""From a label file's path to its entries and what the set's own rule left out, in words."""


def published_set(info: DatasetInfo, better: Better, read: ReadLabels) -> Adapter:
    """An adapter of a plug-in's data set that has one layout: a folder with its label files at the top.

    Several layouts and kinds of label files are a `PublishedSet` (`published.py`), as the built-in sets are.
    """

    def load(options: DataOptions) -> PairTable:
        refuse_pairs_options(options, info)
        finder = FileFinder(find_root(options, info))
        name = chosen_label(options, info)
        path = finder.find(name)
        if path is None:
            raise InputError(f"{finder.root / name}: no such label file; get it with {info.name} from {info.source}")
        entries, excluded = read(path)
        labels = LabelList(path.name, sha256_of_file(path), str(path), better, entries=entries, excluded=excluded)
        return build_table(options, labels, finder)

    return Adapter(info, load)


def refuse_pairs_options(options: DataOptions, info: DatasetInfo) -> None:
    """Refuse what is of a CSV of pairs alone.

    Raises:
        UsageError: when a published set is asked for with it.
    """
    if options.pairs is not None:
        raise UsageError(f"`pairs` {options.pairs}: only `dataset` csv reads a pairs file; leave it out")
    if options.better is not None:
        raise UsageError(f"`better`: {info.name} says itself which score is better; leave it out")


def find_root(options: DataOptions, info: DatasetInfo) -> Path:
    """The data set's folder: as asked, else $IQATUNE_DATA/<dataset>.

    Raises:
        InputError: when neither is given, or there is no such folder.
    """
    root, origin = Path(options.data_root or ""), "`data_root`"
    if not options.data_root:
        base = os.environ.get("IQATUNE_DATA")
        if not base:
            raise InputError(
                f"`data_root`: needed for {info.name} (or set IQATUNE_DATA to the folder that contains {info.name}/); "
                f"the images come from {info.source}"
            )
        root, origin = Path(base) / info.name, "$IQATUNE_DATA"
    if not root.is_dir():
        raise InputError(f"{origin} {root}: no such folder; name the folder that contains {info.name}")
    return root


def chosen_label(options: DataOptions, info: DatasetInfo) -> str:
    """The label file asked for, else the usual one.

    Raises:
        InputError: when the data set offers no such label file.
    """
    if options.label is None:
        return info.labels[0]
    for known in info.labels:
        if known.lower() == options.label.lower():
            return known
    if not info.labels:
        raise UsageError(f"`label` {options.label}: {info.name} offers no other labels; leave it out")
    raise UsageError(
        f"`label` {options.label}: no label file of {info.name}; {did_you_mean(options.label, info.labels)}"
    )


def lines_of(path: Path, encoding: str = "utf-8-sig") -> Iterator[str]:
    """A label file's lines, read one by one.

    Raises:
        InputError: when it cannot be read as text of that encoding, or a line is longer than a label file's can be.
    """
    try:
        with path.open(encoding=encoding) as file:
            for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE + 1), ""), start=1):
                if len(line) > LONGEST_LINE:
                    raise InputError(f"{path}: line {number} has over {LONGEST_LINE} characters; give a list of images")
                yield line
    except (OSError, UnicodeDecodeError) as error:
        name = encoding.removesuffix("-sig").upper()
        raise InputError(f"{path}: not a readable {name} text file ({error})") from error


def shown(text: str) -> str:
    """A cell of a label file for an error line, cut where it is long."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def parse_score(value: object, path: Path, where: str, decimal: DecimalMark = ".") -> float:
    """A finite score.

    Args:
        decimal: what stands before its decimals.

    Raises:
        InputError: naming file and place, when it is empty, no number, NaN or infinite.
    """
    text = "" if value is None else str(value).strip()
    if not text:
        raise InputError(f"{path}: {where} has no score; fill it in or remove the entry")
    try:
        score = number(text, decimal)
    except ValueError as error:
        said = f"{path}: {where} has the score '{shown(text)}', which is {error}"
        raise InputError(f"{said}; correct it or remove the entry") from error
    if not math.isfinite(score):
        raise InputError(f"{path}: {where} has the score {text}; correct it or remove the entry")
    if abs(score) > LARGEST_SCORE:
        raise InputError(
            f"{path}: {where} has the score {text}, beyond {LARGEST_SCORE:g}; correct it or remove the entry"
        )
    return score


class Finder(Protocol):
    """Says where the files are that labels name."""

    @property
    def root(self) -> Path:
        """What relative names are relative to."""

    def find(self, name: str) -> Path | None:
        """The absolute path of the file of that name; None where there is none."""


def build_table(options: DataOptions, labels: LabelList, finder: Finder) -> PairTable:
    """Find the images of every entry that is not excluded, orient the scores and check what is left.

    Raises:
        InputError: for an unknown distortion to exclude, an absent image (unless allowed), fewer than three pairs,
            or scores that are all equal.
    """
    entries, excluded = _without(labels.entries, options)
    sign = 1.0 if labels.better == "higher" else -1.0
    pairs: list[Pair] = []
    absent: dict[str, str] = {}  # image name -> where it is first named
    # a reference that a CSV spells in two ways is still one, else it would stand on both sides of a fold
    real = cache(Path.resolve)
    first_spelling: dict[Path, tuple[Path, str]] = {}
    for entry in entries:
        reference, distorted = finder.find(entry.reference), finder.find(entry.distorted)
        if reference is None:
            absent.setdefault(entry.reference, entry.where)
        if distorted is None:
            absent.setdefault(entry.distorted, entry.where)
        if reference is not None and distorted is not None:
            reference, reference_id = first_spelling.setdefault(real(reference), (reference, entry.reference_id))
            quality = sign * entry.score
            pairs.append(
                Pair(
                    reference,
                    distorted,
                    reference_id,
                    entry.distortion,
                    level=entry.level,
                    score=entry.score,
                    quality=quality,
                    score_std=entry.score_std,
                    features=entry.features,
                    split=entry.split,
                )
            )
    if absent and not options.allow_missing:
        name, where = next(iter(absent.items()))
        raise InputError(
            f"{finder.root / name}: no such image, though {where} of {labels.source} names it "
            f"({_absent(len(absent))}); "
            f"complete the data set{labels.origin and f' from {labels.origin}'}, or work on what is there with "
            "`allow_missing`"
        )
    check_pairs(pairs, len(entries), labels.source)
    return PairTable(
        dataset=options.dataset,
        pairs=tuple(pairs),
        label=labels.name,
        label_sha256=labels.sha256,
        better=labels.better,
        excluded=labels.excluded + excluded,
        missing=len(entries) - len(pairs),
        first_missing=next(iter(absent), ""),
        simulated=labels.simulated,
        values=labels.values,
    )


def _without(entries: Sequence[Entry], options: DataOptions) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries but for the excluded distortions, and what was left out, in words."""
    counts = Counter(entry.distortion for entry in entries)
    excluded = {
        distortion: None for name in options.exclude for distortion in _known_distortions(name, counts, options.dataset)
    }
    kept = [entry for entry in entries if entry.distortion not in excluded]
    return kept, tuple(f"distortion {name} ({counts[name]} pairs)" for name in excluded)


def _known_distortions(name: str, known: Iterable[str], dataset: str) -> list[str]:
    """Every distortion of that name, whatever the case in which the labels write it."""
    found = [distortion for distortion in known if distortion.casefold() == name.strip().casefold()]
    if found:
        return found
    raise InputError(f"`exclude` {name}: no distortion of {dataset}; {did_you_mean(name, known)}")


def check_pairs(pairs: Sequence[Pair], labelled: int, source: str) -> None:
    """Refuse pairs that no rank correlation can be had of.

    Args:
        labelled: pairs, or rows, that the labels name.
        source: what the error calls the labels.

    Raises:
        InputError: for fewer than three pairs, or scores that are all equal.
    """
    if len(pairs) < MINIMUM_PAIRS:
        raise InputError(
            f"{source}: {len(pairs)} usable pairs of {labelled}; a rank correlation needs at least {MINIMUM_PAIRS}"
        )
    if len({pair.score for pair in pairs}) == 1:
        raise InputError(f"{source}: every score is {pairs[0].score:g}; scores that do not differ cannot be predicted")


def _absent(count: int) -> str:
    return "1 image is absent" if count == 1 else f"{count} images are absent"
