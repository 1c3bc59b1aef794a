"""Which metrics are fused: files of metrics and columns of a features file, each under a name of its own."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iqatune.backbones.zoo import as_recorded
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, did_you_mean
from iqatune.metric.weights import Floats
from iqatune.records.fusion import FuseOptions, MemberKind, is_fusion
from iqatune.records.result import open_result
from iqatune.scoring.asked import Asked
from iqatune.scoring.metric_files import is_metric_file
from iqatune.scoring.score_files import file_scores, score_columns
from iqatune.statistics.columns import columns_of

_NAMED = re.compile(r"([^=/\\]+)=(.+)", re.DOTALL)

FILES = "a result.json, an export (.safetensors) or DISTS weights (.pt)"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A metric that is fused, before it is looked at.

    Attributes:
        name: what tells it from the others.
        file: of the metric, or the features file.
        column: of that; empty of a metric's file.
        candidates: names that it may have, the plainest first.
    """

    name: str = ""
    kind: MemberKind
    file: Path
    column: str = ""
    candidates: tuple[str, ...] = ()


def members_of(options: FuseOptions) -> tuple[Member, ...]:
    """The metrics that are asked for, no two of one name.

    Raises:
        InputError: for what is no metric, a name that is given twice, and fewer than two members.
    """
    columns = _columns(options)
    found = [_member(text, columns, options) for text in options.members]
    if columns and not any(member.kind == "column" for member in found):
        found += [_column(name, name, options) for name in columns]
    named = _named(found)
    if len(named) < 2:
        raise InputError(
            f"{len(named) or 'no'} metric to fuse; name at least two: {FILES}, or columns of `features` FILE.csv"
        )
    return named


def values_of_column(file: Path, column: str, table: PairTable) -> Floats:
    """(N,) figures that a column of a features file has of the pairs, as they are in the file.

    Raises:
        InputError: naming the file and what it lacks.
    """
    if table.columns:
        if column not in table.columns:
            raise InputError(f"{table.label}: has no column {column}, which is fused; add it")
        return columns_of(table, (column,))[:, 0]
    return file_scores(Asked(name=column, scores=file, better="higher"), table).scores


def _columns(options: FuseOptions) -> tuple[str, ...]:
    if options.features is None:
        if options.feature_columns:
            raise InputError("`feature_columns`: only possible with `features` FILE.csv; name the file")
        return ()
    path = Path(options.features)
    if not path.is_file():
        raise InputError(f"`features` {path}: no such file")
    if not options.on_images:
        return load_pairs(options.data).columns
    known = score_columns(path)
    for name in options.feature_columns:
        if name not in known:
            raise InputError(f"`feature_columns` {name}: no numeric column of {path}; {did_you_mean(name, known)}")
    found = options.feature_columns or known
    if not found:
        raise InputError(
            f"`features` {path}: has no column of numbers beside those of a pair; add the metrics' figures"
        )
    return found


def _member(text: str, columns: Sequence[str], options: FuseOptions) -> Member:
    named = None if Path(text).is_file() else _NAMED.fullmatch(text)
    name, what = ("", text) if named is None else (named[1].strip(), named[2].strip())
    path = Path(what).expanduser()
    if path.is_file():
        return _of_file(name, path)
    if what.lower() in columns:
        return _column(name or what, what.lower(), options)
    if path.suffix:
        raise InputError(f"{what}: no such file; name {FILES}, or a column of `features` FILE.csv")
    of_columns = did_you_mean(what, columns) if columns else "columns need `features` FILE.csv"
    raise InputError(f"{what}: neither a file nor a column; name {FILES}, or a column: {of_columns}")


def _of_file(name: str, path: Path) -> Member:
    if is_metric_file(path):
        return Member(name=name, kind="metric file", file=path, candidates=(path.stem,))
    if is_fusion(path):
        raise InputError(f"{path}: is a fusion itself; name its members, or export it and name the export")
    result = open_result(path).result
    if result.protocol.columns:
        raise InputError(
            f"{path}: is made of the columns of a features file; name those with `features` and `feature_columns`"
        )
    backbone = as_recorded(result.run.backbone, result.protocol.taps, result.channels)
    plain = (result.run.backbone, f"{backbone}/{result.run.searcher}-{result.run.space}")
    return Member(name=name, kind="record", file=path, candidates=(*plain, f"{plain[1]}-s{result.run.seed}"))


def _column(name: str, column: str, options: FuseOptions) -> Member:
    return Member(name=name, kind="column", file=Path(str(options.features)), column=column, candidates=(column,))


def _named(members: Sequence[Member]) -> tuple[Member, ...]:
    """The members, those without a name under the plainest one that tells them apart."""
    given = [member.name for member in members if member.name]
    doubled = next((name for place, name in enumerate(given) if name in given[:place]), None)
    if doubled is not None:
        raise InputError(f"`members` {doubled}: named twice; say NAME=FILE with names of their own")
    names = iter(_apart([member.candidates for member in members if not member.name], given))
    return tuple(member if member.name else replace(member, name=next(names)) for member in members)


def _apart(candidates: Sequence[tuple[str, ...]], taken: Sequence[str]) -> Iterator[str]:
    longest = max(map(len, candidates), default=0)
    for place in range(longest):
        names = [each[min(place, len(each) - 1)] for each in candidates]
        if len({*names, *taken}) == len(names) + len(taken):
            yield from names
            return
    numbered: dict[str, int] = dict.fromkeys(taken, 1)
    for *_, name in candidates:
        number = numbered[name] = numbered.get(name, 0) + 1
        yield name if number == 1 else f"{name} ({number})"


def check_weights(options: FuseOptions, backbones: Sequence[str]) -> None:
    """Refuse parameters of a backbone that no member has.

    Raises:
        InputError: naming it.
    """
    for name in options.parameters:
        if name not in backbones:
            raise InputError(f"`backbone_weights` {name}: no member's backbone; {did_you_mean(name, backbones)}")
