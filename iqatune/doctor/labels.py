"""Checks of a pair table that look at no image: counts, scores, doubled rows, names."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from iqatune.datasets.adapter import DatasetInfo, Published
from iqatune.datasets.features_csv import taken_line
from iqatune.datasets.pairs_csv import USUALLY
from iqatune.datasets.raters import missing_line, repeated, repeated_line
from iqatune.datasets.table import Pair, PairTable
from iqatune.doctor.findings import Outcome, some
from iqatune.errors import counted
from iqatune.evaluation.correlation import srcc
from iqatune.records.vocabulary import Severity
from iqatune.statistics.columns import columns_of, usable_columns

SLACK = 0.01
"""Of the span of the published scores: what rounding in a label file may change."""


def label_outcomes(table: PairTable, info: DatasetInfo, excluded: Sequence[str]) -> Iterator[Outcome]:
    """Every check of a table against itself and against what is published of its set.

    Args:
        excluded: distortions left out by the request.
    """
    # a count that differs is no surprise where images are known to be missing
    severity: Severity = "warning" if table.missing else "problem"
    if table.layout:
        yield "layout", "ok", f"{table.label} ({table.values}), images in {table.layout}"
    for line in (*table.notes, *table.cautions):
        yield "layout", "note", line
    if info.published is not None:
        left_out = {name.strip().casefold() for name in excluded}
        found = {pair.distortion for pair in table.pairs}
        left_out |= {name.casefold() for name in info.published.may_lack if name not in found}
        yield _counts(table, info, info.published, excluded=left_out, severity=severity)
        yield _levels(table, info.published, excluded=left_out, severity=severity)
        yield _scores(table, info, info.published)
    else:
        kinds = len({pair.distortion for pair in table.pairs})
        references = counted(len(table.references), "reference")
        yield "counts", "ok", f"{len(table)} pairs, {references}, {counted(kinds, 'distortion')}"
    if table.read_line is not None:
        yield "file", "ok", table.read_line
    usual = USUALLY.get(table.score_column)
    if usual not in (None, table.better):
        says = (
            f"of {table.score_column} the {usual} one is usually the better, and it is read as {table.better} is better"
        )
        yield "better", "note", f"{says} (as KADID-10k's dmos is)" if table.score_column == "dmos" else says
    if table.missing:
        yield "images", "warning", missing_line(table)
    yield _rows(table)
    if info.published is not None and info.published.names_tell_reference:
        yield _named_references(table.pairs)
    if not table.columns:  # the images of a features file need not be there
        yield from _case(table.pairs)


def column_outcomes(table: PairTable) -> Iterator[Outcome]:
    """Which columns of a features file are taken, and how each agrees with the scores."""
    yield "columns", "ok", taken_line(table)
    usable = usable_columns(table)
    constant = [name for name in table.columns if name not in usable]
    if constant:
        yield "constant", "problem" if not usable else "warning", f"the same for every pair: {', '.join(constant)}"
    found = {
        name: srcc(table.quality, column) for name, column in zip(usable, columns_of(table, usable).T, strict=True)
    }
    for kind, names in (
        ("qualities", [name for name in usable if found[name] > 0]),
        ("distances", [name for name in usable if not found[name] > 0]),
    ):
        if names:
            yield kind, "ok", ", ".join(f"{name} (SRCC {found[name]:.3f})" for name in names)


def _counts(
    table: PairTable, info: DatasetInfo, published: Published, *, excluded: set[str], severity: Severity
) -> Outcome:
    expected: Counter[str] = Counter()
    for (distortion, _), count in published.counts.items():
        if distortion.casefold() not in excluded:
            expected[distortion] += count
    found = Counter(pair.distortion for pair in table.pairs)
    different = [
        f"{name} has {counted(found[name], 'pair')}, not {expected[name]}"
        for name in sorted(expected | found)
        if found[name] != expected[name]
    ]
    if not published.counts:
        different = [] if excluded or len(table) == info.pairs else [f"{counted(len(table), 'pair')}, not {info.pairs}"]
    if len(table.references) != info.references:
        different.insert(0, f"{counted(len(table.references), 'reference')}, not {info.references}")
    if different:
        return "counts", severity, f"not as published: {some(different)}"
    return "counts", "ok", f"{counted(len(table), 'pair')}, {counted(len(table.references), 'reference')}, as published"


def _levels(table: PairTable, published: Published, *, excluded: set[str], severity: Severity) -> Outcome:
    found = {(pair.distortion, pair.level) for pair in table.pairs}
    expected = {key for key in published.counts if key[0].casefold() not in excluded}
    missing = sorted((distortion, level or 0) for distortion, level in expected - found)
    if missing:
        return "levels", severity, f"missing: {some([f'{distortion} level {level}' for distortion, level in missing])}"
    graded = any(level is not None for _, level in expected)
    return "levels", "ok", "every level of every distortion is present" if graded else "this set has no levels"


def _scores(table: PairTable, info: DatasetInfo, published: Published) -> Outcome:
    scores = [pair.score for pair in table.pairs]
    low, high = min(scores), max(scores)
    usual = table.values == published.values if table.values else table.label.casefold() == info.labels[0].casefold()
    if published.scores is None or not usual:
        return "scores", "ok", f"{low:g} to {high:g}, {table.better} is better; no range is published for {table.label}"
    lowest, highest = published.scores
    slack = SLACK * (highest - lowest)
    outside = low < lowest - slack or high > highest + slack
    complete = len(table) == info.pairs
    short = complete and (low > lowest + slack or high < highest - slack)
    if outside or short:
        foreign = f"{table.label} is another set's or was altered; restore the set's own file"
        return "scores", "problem", f"{low:g} to {high:g}, where {lowest:g} to {highest:g} is published: {foreign}"
    return "scores", "ok", f"{low:g} to {high:g}, {table.better} is better"


def _rows(table: PairTable) -> Outcome:
    if table.ratings is not None:
        return "rows", "ok", f"{table.ratings} rows are averaged into {counted(len(table), 'pair')}"
    again = repeated(table.pairs)
    if again is None:
        return "rows", "ok", "no pair is listed twice"
    return "rows", "problem", repeated_line(again, table.label)


def _named_references(pairs: Sequence[Pair]) -> Outcome:
    wrong = [
        f"{pair.distorted.name} with {pair.reference.name}"
        for pair in pairs
        if not pair.distorted.name.casefold().startswith(pair.reference.stem.casefold())
    ]
    if wrong:
        return "references", "problem", f"named after another reference: {some(wrong)}; correct the label file"
    return "references", "ok", "every distorted image is named after its reference"


def _case(pairs: Sequence[Pair]) -> Iterator[Outcome]:
    references = {pair.reference: Path(pair.reference_id).stem for pair in pairs}
    odd = [path.name for path, identity in references.items() if path.stem != identity]
    spellings: dict[tuple[Path, str], dict[str, list[str]]] = {}
    for pair in pairs:
        # what is left without digits is the same for all images of a kind: i01_01_1.bmp and I02_03_4.bmp
        kind = re.sub(r"\d+", "#", pair.distorted.name)
        alike = spellings.setdefault((pair.distorted.parent, kind.casefold()), {})
        alike.setdefault(kind, []).append(pair.distorted.name)
    for alike in spellings.values():
        usual = max(alike, key=lambda kind: len(alike[kind]))
        odd += [name for kind, names in alike.items() if kind != usual for name in names]
    if odd:
        yield "case", "note", f"file names in mixed case, which are still found: {some(odd)}"
    else:
        yield "case", "ok", "file names are of one case"
    ambiguous = [name for folder in {pair.distorted.parent for pair in pairs} for name in _alike(folder)]
    if ambiguous:
        yield "case", "warning", f"files whose names differ only in case: {some(ambiguous)}; remove the wrong one"


def _alike(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in folder.iterdir())
    counts = Counter(name.casefold() for name in names)
    return [name for name in names if counts[name.casefold()] > 1]
