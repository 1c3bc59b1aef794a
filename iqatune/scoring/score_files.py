"""Files of scores as baselines: what a metric, run by others, says of the same pairs."""

import math
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iqatune.datasets.columns import read_columns
from iqatune.datasets.features_csv import LABELS
from iqatune.datasets.files import composed, image_name
from iqatune.datasets.numbers import number
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.evaluation.correlation import srcc
from iqatune.metric.weights import Floats
from iqatune.records.evaluation import ScoresFile
from iqatune.records.vocabulary import Better
from iqatune.runtime.files import sha256_of_file
from iqatune.scoring.asked import Asked

IMAGES = ("reference", "distorted")

SAME_PICTURE = (".bmp", ".png")
"""Suffixes that stand for one another: copies of the data sets have been converted without loss."""

SHOWN = 200
"""Characters of a cell that an error line shows, at most."""


class OtherImages(InputError):
    """A file of scores has no row of any of the pairs."""


@dataclass(frozen=True)
class FileScores:
    """The scores of N pairs in a file.

    Attributes:
        scores: (N,), higher is better.
        record: what an evaluation says of the file.
    """

    scores: Floats
    record: ScoresFile

    def lines(self, label: str) -> list[str]:
        """What a user is told of it."""
        told = []
        if self.record.better_found:
            told.append(
                f"`baseline` {label}: {self.record.better} is better, by the sign of its SRCC with the human scores of "
                "these pairs; `baseline_better` says otherwise"
            )
        if self.record.other_rows:
            rows = "row is" if self.record.other_rows == 1 else "rows are"
            told.append(f"`baseline` {label}: {self.record.other_rows} {rows} of other pairs, and not used")
        return told


@dataclass(frozen=True)
class _Row:
    """A row of the file: where it stands, its cells, and its images' names part by part, the file itself last."""

    where: str
    cells: Mapping[str, str]
    names: tuple[tuple[str, ...], tuple[str, ...]]


def file_scores(asked: Asked, table: PairTable) -> FileScores:
    """The scores that a file has of the pairs.

    A row is of a pair when its names are the ends of the paths of the pair's two images, whatever their case and
    whether they end in .png or .bmp; where it fits several pairs it is that whose names it spells exactly, else that
    which lies in the fewest folders.

    Args:
        asked: with a file of scores.

    Raises:
        InputError: naming the file, and the first pair without a row (`OtherImages`: no pair has one), pair with two,
            row that fits two pairs, or cell that is no finite number; naming the columns where it is open which is
            meant; for scores whose direction the pairs do not tell.
    """
    if asked.scores is None:
        raise ValueError(f"{asked.name} has no file of scores")
    path = asked.scores
    cells = read_columns(path, IMAGES)
    column = _column(asked.name, cells, path)
    rows = [_Row(where, row, _names(row, path, where)) for where, row in cells]
    by_pair = _matched(rows, table, column, path)
    values = np.array([_value(by_pair[_files(pair)], column, path) for pair in table.pairs])
    better, found = asked.better, False
    if better is None:
        better, found = _direction(asked, table, values), True
    used = {row.where for row in by_pair.values()}
    record = ScoresFile(
        file=path.name,
        sha256=sha256_of_file(path),
        column=column,
        better=better,
        better_found=found,
        other_rows=sum(row.where not in used for row in rows),
    )
    return FileScores(values if better == "higher" else -values, record)


def score_columns(path: Path) -> tuple[str, ...]:
    """Names of the columns of a file that hold numbers throughout, but for labels and the human score of a pair.

    Raises:
        InputError: when it cannot be read.
    """
    return tuple(name for name in _numeric(read_columns(path, IMAGES)) if name != "score")


def _numeric(rows: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[str, ...]:
    return tuple(
        column
        for column in (rows[0][1] if rows else ())
        if column
        and column not in (*IMAGES, *LABELS)
        and all(_number(row[column]) is not None for _, row in rows if row[column])
    )


def _column(name: str, rows: Sequence[tuple[str, Mapping[str, str]]], path: Path) -> str:
    """The column that is meant: of the baseline's name, else the only one of numbers."""
    columns = [column for column in (rows[0][1] if rows else ()) if column and column not in IMAGES]
    if name.strip().lower() in columns:
        return name.strip().lower()
    numeric = _numeric(rows)
    if len(numeric) == 1:
        return numeric[0]
    choice = f"several of numbers ({', '.join(numeric)}); give one of these names" if numeric else "none of numbers"
    raise InputError(f"`baseline` {name}={path}: no column is called {name}, and there are {choice}")


def _names(row: Mapping[str, str], path: Path, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    for column in IMAGES:
        if not row[column]:
            raise InputError(f"{path}: {where} has no {column}; fill it in or remove the row")
    reference, distorted = (_parts(image_name(row[column]), path) for column in IMAGES)
    return reference, distorted


def _parts(name: str, path: Path) -> tuple[str, ...]:
    if name.startswith(".."):  # only the file's own folder says where that is
        name = posixpath.normpath(posixpath.join(path.parent.absolute().as_posix(), name))
    return tuple(composed(name).strip("/").split("/"))


def _alike(parts: Sequence[str]) -> tuple[str, ...]:
    """The same for names of one file, whatever their case and .png or .bmp."""
    *folders, last = (part.casefold() for part in parts)
    stem, suffix = posixpath.splitext(last)
    return (*folders, stem if suffix in SAME_PICTURE else last)


def _files(pair: Pair) -> tuple[Path, Path]:
    return pair.reference, pair.distorted


def _matched(rows: Sequence[_Row], table: PairTable, column: str, path: Path) -> dict[tuple[Path, Path], _Row]:
    """The row of every pair, by its files."""
    places: dict[str, list[tuple[tuple[Path, Path], tuple[tuple[str, ...], tuple[str, ...]]]]] = {}
    for files in dict.fromkeys(map(_files, table.pairs)):
        reference, distorted = (tuple(composed(file.as_posix()).strip("/").split("/")) for file in files)
        places.setdefault(_alike(distorted)[-1], []).append((files, (reference, distorted)))
    found: dict[tuple[Path, Path], _Row] = {}
    for row in rows:
        fits = [
            (_distance(row.names, names), files)
            for files, names in places.get(_alike(row.names[1])[-1], [])
            if all(_is_end(name, of) for name, of in zip(row.names, names, strict=True))
        ]
        nearest = [files for distance, files in fits if distance == min(fits)[0]]
        if len(nearest) > 1:
            raise InputError(
                f"{path}: {row.where} ({row.cells['distorted']}) fits {len(nearest)} of the pairs, as "
                f"{nearest[0][1]} and {nearest[1][1]}; write more of the path into it"
            )
        for files in nearest:
            other = found.setdefault(files, row)
            if other.cells[column] != row.cells[column]:
                raise InputError(
                    f"{path}: {other.where} and {row.where} are both of {files[1]}, with other scores; remove one"
                )
    missing = [pair for pair in table.pairs if _files(pair) not in found]
    if missing:
        first = f"{missing[0].distorted} with {missing[0].reference}"
        error = InputError if found else OtherImages
        raise error(f"{path}: no row for {len(missing)} of the {len(table)} pairs, the first of them {first}; add them")
    return found


def _is_end(name: tuple[str, ...], of: tuple[str, ...]) -> bool:
    return len(name) <= len(of) and _alike(of[-len(name) :]) == _alike(name)


def _distance(
    names: tuple[tuple[str, ...], tuple[str, ...]], of: tuple[tuple[str, ...], tuple[str, ...]]
) -> tuple[bool, int]:
    """How well a row's names fit a pair's: exactly spelled ones first, then those in the fewest folders."""
    exact = all(path[-len(name) :] == name for name, path in zip(names, of, strict=True))
    return not exact, sum(map(len, of))


def _value(row: _Row, column: str, path: Path) -> float:
    text = row.cells[column]
    value = _number(text)
    if value is None or not math.isfinite(value):
        found = f"the {column} '{text[:SHOWN]}'" if text else f"no {column}"
        raise InputError(f"{path}: {row.where} has {found}, where a finite number belongs; correct it")
    return value


def _number(text: str) -> float | None:
    try:
        return number(text)
    except ValueError:
        return None


def _direction(asked: Asked, table: PairTable, values: Floats) -> Better:
    found = srcc(table.quality, values)
    if not found:  # 0, as NaN is truthy and comes next
        found = math.nan
    if math.isnan(found):
        raise InputError(
            f"`baseline` {asked.label}: these pairs do not tell which score is better; say it with `baseline_better` "
            f"{asked.name}=higher or lower"
        )
    return "higher" if found > 0 else "lower"
