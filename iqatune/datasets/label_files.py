"""The forms in which published scores are passed around, read row by row; what a row is of is the set's business."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iqatune.datasets.adapter import Entry, lines_of, parse_score
from iqatune.datasets.columns import read_columns
from iqatune.datasets.files import image_name
from iqatune.errors import InputError, UsageError
from iqatune.runtime.files import sha256_of_file


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image's score as a label file states it.

    Attributes:
        where: in the file, for error lines: 'line 12'.
        image: name or path of the distorted image.
        reference: name or path of its reference; empty where the file does not say it.
        std: standard deviation of the ratings; None or empty where the file does not say it.
        split: what the column of `split_column` says.
        kind: the distortion, where the image's name does not tell it.
        left_out: why the set itself does not count it; empty where it does.
    """

    where: str
    image: str
    score: object
    reference: str = ""
    std: object = None
    split: str = ""
    kind: str = ""
    left_out: str = ""


@dataclass(frozen=True)
class Source:
    """A label file that is to be read.

    Attributes:
        beside: where another file is that belongs to it; None where there is none.
        split_column: the column that says which pairs are held out together, if any.
    """

    path: Path
    beside: Callable[[str], Path | None]
    split_column: str | None = None

    def entry(self, row: Row, *, reference: str, distorted: str, distortion: str, level: int | None = None) -> Entry:
        """A row as a pair, its score and deviation checked.

        Args:
            reference: name of the image, in the set's own folders; so is `distorted`.

        Raises:
            InputError: naming the file and the row.
        """
        return Entry(
            where=row.where,
            reference=reference,
            distorted=distorted,
            reference_id=Path(reference).stem,
            distortion=distortion,
            level=level,
            score=parse_score(row.score, self.path, row.where),
            score_std=self._deviation(row),
            split=row.split,
        )

    def _deviation(self, row: Row) -> float | None:
        text = "" if row.std is None else str(row.std).strip()
        if not text or text.upper() == "NA":
            return None
        deviation = parse_score(text, self.path, row.where)
        if deviation < 0:
            raise InputError(f"{self.path}: {row.where} has the standard deviation {text}, below 0; correct it")
        return deviation

    def foreign(self, row: Row, example: str) -> InputError:
        """What to raise for a row that is not of this set."""
        return InputError(
            f"{self.path}: {row.where} names '{row.image}' where '{example}' belongs; restore the set's own file"
        )


ReadRows = Callable[[Source], Iterable[Row]]


def words(*fields: str, example: str, std_may_follow: bool = False) -> ReadRows:
    """Lines of words between blanks or tabs.

    Args:
        fields: of a row, in the order of the words.
        example: a line as it has to be.
        std_may_follow: whether one word more is the standard deviation.
    """
    longer = (*fields, "std") if std_may_follow else fields

    def read(source: Source) -> Iterator[Row]:
        refuse_columns(source)
        for where, line in _lines(source.path):
            parts = line.split()
            if len(parts) not in (len(fields), len(longer)):
                raise InputError(
                    f"{source.path}: {where} is '{line}' where '{example}' belongs; restore the set's own file"
                )
            found = dict(zip(longer, parts, strict=False))
            yield Row(where=where, image=image_name(found["image"]), score=found["score"], std=found.get("std"))

    return read


def columns(
    *, image: Sequence[str], score: Sequence[str], reference: str = "", std: Sequence[str] = (), kind: str = ""
) -> ReadRows:
    """A CSV file by the names of its columns; of several names for one column the first that is there is taken."""

    def read(source: Source) -> Iterator[Row]:
        split = source.split_column
        required = [name for name in (reference, kind, split or "") if name]
        rows = read_columns(source.path, required)
        if not rows:
            return
        header = rows[0][1]
        of_image, of_score = (_needed(names, header, source) for names in (image, score))
        of_std = _first(std, header)
        for where, cells in rows:
            yield Row(
                where=where,
                image=image_name(cells[of_image]),
                score=cells[of_score],
                reference=image_name(cells[reference]) if reference else "",
                std=cells[of_std] if of_std else None,
                kind=cells[kind] if kind else "",
                split=_filled(cells[split], where, source) if split else "",
            )

    return read


FROM_IQA_DATASET = "from https://github.com/icbcbicc/IQA-Dataset"
FROM_PYIQA = "from https://huggingface.co/datasets/chaofengc/IQA-PyTorch-Datasets-metainfo"
"""Where lists of others come from."""

IQA_DATASET = columns(image=("dis_img_path",), score=("score",), reference="ref_img_path")
"""The lists of IQA-Dataset; what they say of distortions (`dis_type`) is not used: two of TID2013's are one there."""


def meta_info(*score: str, reference: str = "ref_name") -> ReadRows:
    """pyiqa's `meta_info_XDataset.csv`.

    Args:
        score: names of the column of scores; the first that is there is taken.
    """
    return columns(image=("dist_name",), score=score, reference=reference, std=("std",))


def in_order(names: Sequence[str], companion: str) -> ReadRows:
    """A file of scores alone, one a line, in the order of the images' names.

    Args:
        companion: name of the file of their standard deviations, in the same order.
    """

    def read(source: Source) -> Iterator[Row]:
        refuse_columns(source)
        lines = _lines(source.path)
        if len(lines) != len(names):
            raise InputError(
                f"{source.path}: {len(lines)} scores for {len(names)} images, and no names; restore the set's own file"
            )
        rows = [Row(where=where, image=name, score=line) for (where, line), name in zip(lines, names, strict=True)]
        return with_deviations(rows, source, companion)

    return read


def with_deviations(rows: Iterable[Row], source: Source, companion: str) -> Iterator[Row]:
    """The rows with the standard deviations of a file of their own beside the label file, where there is one.

    Raises:
        InputError: when it is not as long as the label file.
    """
    path = source.beside(companion)
    every = list(rows)
    if path is None:
        yield from every
        return
    found = [line for _, line in _lines(path)]
    if len(found) != len(every):
        raise InputError(
            f"{path}: {len(found)} standard deviations for the {len(every)} scores of {source.path.name}; "
            "restore the set's own file, or move it away"
        )
    for row, std in zip(every, found, strict=True):
        yield Row(where=row.where, image=row.image, score=row.score, std=std)


def sha256_of(path: Path) -> str:
    """SHA-256 of a label file; of a folder of them that of the files' names and hashes."""
    import hashlib

    if not path.is_dir():
        return sha256_of_file(path)
    lines = [f"{sha256_of_file(file)}  {file.name}\n" for file in files_in(path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def files_in(folder: Path) -> list[Path]:
    """The text files of a folder of label files, by name.

    Raises:
        InputError: when the folder cannot be listed.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".txt")
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error


def _lines(path: Path) -> list[tuple[str, str]]:
    stripped = ((f"line {number}", line.strip()) for number, line in enumerate(lines_of(path), 1))
    return [(where, line) for where, line in stripped if line]


def refuse_columns(source: Source) -> None:
    """Refuse a column to split by where the label file has none that has a name of its own.

    Raises:
        UsageError: when one was asked for.
    """
    if source.split_column is not None:
        raise UsageError(
            f"`split_column` {source.split_column}: {source.path.name} has no columns; name a label file that has it "
            "with `label`"
        )


def _filled(cell: str, where: str, source: Source) -> str:
    if not cell:
        raise InputError(f"{source.path}: {where} has no {source.split_column}; fill it in or remove the row")
    return cell


def _needed(names: Sequence[str], header: dict[str, str], source: Source) -> str:
    found = _first(names, header)
    if found is None:
        raise InputError(
            f"{source.path}: no column {' or '.join(names)} in its first row ({', '.join(header)}); restore the set's "
            "own file"
        )
    return found


def _first(names: Sequence[str], header: dict[str, str]) -> str | None:
    return next((name for name in names if name in header), None)
