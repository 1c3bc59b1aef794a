"""Rows of a label file that name the same two images: a row repeated, or a row for each rater."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iqatune.datasets.adapter import check_pairs
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """Rows that name a pair which an earlier row names.

    Attributes:
        rows: how many there are.
        differing: those among them whose score is another than that of the pair's first row.
        first: the first of them.
    """

    rows: int
    differing: int
    first: Pair


def averaged(table: PairTable) -> PairTable:
    """The table with one pair for all rows that name the same two images, in the place of the first.

    Its score is the mean of theirs, which it keeps as its ratings. Files of the same content under other names stay
    pairs of their own: LIVE has such, with scores of their own.

    Raises:
        InputError: when such rows name different distortions, levels or features, and for pairs of which no correlation
            can be had.
    """
    sign = 1.0 if table.better == "higher" else -1.0
    pairs = tuple(_mean(rows, sign, table.label) for rows in _same(table.pairs))
    check_pairs(pairs, len(pairs), table.label)
    return replace(table, pairs=pairs)


def repeated(pairs: Sequence[Pair]) -> Repeated | None:
    """The rows that name a pair once more; None where every pair is named once."""
    seen: dict[tuple[Path, Path], Pair] = {}
    again = [(first, pair) for pair in pairs if (first := seen.setdefault(_images(pair), pair)) is not pair]
    if not again:
        return None
    differing = sum(pair.score != first.score for first, pair in again)
    return Repeated(rows=len(again), differing=differing, first=again[0][1])


def repeated_line(again: Repeated, source: str) -> str:
    """What a user is told of rows that repeat a pair."""
    rows = "1 row repeats a pair" if again.rows == 1 else f"{again.rows} rows repeat a pair"
    scores = "the same score" if not again.differing else f"another score in {again.differing}"
    first = again.first
    return (
        f"{source}: {rows} ({scores}), the first {first.distorted.name} of {first.reference.name}; "
        "each counts as a pair: remove them, or average them with `raters`"
    )


def missing_line(table: PairTable) -> str:
    """What a user is told of rows that `allow_missing` leaves out."""
    rows = "1 row is" if table.missing == 1 else f"{table.missing} rows are"
    return f"{table.label}: {rows} left out because an image is absent, the first {table.first_missing}"


def _same(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs, those of the same two images together, in the order of the first of them."""
    groups: dict[tuple[Path, Path], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(_images(pair), []).append(pair)
    return list(groups.values())


def _images(pair: Pair) -> tuple[Path, Path]:
    return pair.reference, pair.distorted


def _mean(rows: Sequence[Pair], sign: float, source: str) -> Pair:
    first = rows[0]
    for name in ("distortion", "level", "split"):
        values = list(dict.fromkeys(getattr(row, name) for row in rows))
        if len(values) > 1:
            raise InputError(
                f"{source}: `raters` cannot average the rows of {first.distorted}, which name the {name}s "
                f"'{values[0]}' and '{values[1]}'; correct them"
            )
    if len({row.features for row in rows}) > 1:
        raise InputError(
            f"{source}: `raters` cannot average the rows of {first.distorted}, whose features differ; correct them"
        )
    # rows that were averaged before keep their ratings: the mean is of ratings, not of means
    ratings = tuple(rating for row in rows for rating in row.ratings or (row.score,))
    score = float(np.mean(ratings))
    # of a single rating what the file says of it stays
    score_std = float(np.std(ratings, ddof=1)) if len(ratings) > 1 else first.score_std
    return replace(first, score=score, quality=sign * score, score_std=score_std, ratings=ratings)
