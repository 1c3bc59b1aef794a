"""Tuned metrics scored on a data set, whole and group by group, side by side."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.evaluation.compare import tied_with_best
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.results.prepare import Prepared, load_table, prepare
from iqatune.results.record import (
    BackboneOptions,
    Confidence,
    Correlation,
    DataOptions,
    Figure,
    Model,
    Protocol,
    Result,
    read_result,
)
from iqatune.results.scores import confidence, correlation

Grouping = Literal["distortion", "reference", "level"]

SCHEMA = "iqatune.evaluation/1"


class Group(Correlation):
    """The pairs of one distortion, reference or level. Correlations are null where a group is too small for them."""

    group: str
    pairs: int


class Evaluated(Correlation):
    """One metric on the data set."""

    file: str
    backbone: str
    searcher: str
    space: str
    tuned_on: str
    confidence: Confidence | None
    tied_with_best: bool
    protocol: Protocol
    groups: tuple[Group, ...]


class Evaluation(Model):
    """Metrics side by side on one data set, in the order given."""

    schema_: Literal["iqatune.evaluation/1"] = Field(SCHEMA, alias="schema")
    dataset: str
    by: Grouping | None
    simulated: bool
    results: tuple[Evaluated, ...]


def evaluate(
    files: Sequence[Path],
    data: DataOptions,
    by: Grouping | None,
    device: str,
    backbone_weights: str | None,
    cache_dir: Path,
    progress: Progress,
) -> Evaluation:
    """Score the metrics of result files on the pairs of a data set.

    Args:
        backbone_weights: where the backbone's parameters are now, when not where the search found them.

    Raises:
        InputError: for a file that is no record, parameters other than those the weights were tuned with, and all
            that is wrong with the data.
    """
    results = [read_result(file) for file in files]
    table = load_table(data)
    prepared: dict[tuple[BackboneOptions, str], Prepared] = {}
    distances = []
    for file, result in zip(files, results, strict=True):
        options = _backbone_options(result, device, backbone_weights)
        key = (options, result.protocol.structure)
        if key not in prepared:
            prepared[key] = prepare(data, options, result.protocol.structure, cache_dir, progress, table)
        _check_backbone(file, result, prepared[key])
        distances.append(prepared[key].distances(result.weights()))
    ties = _ties(table, distances)
    evaluated = []
    for file, result, values, tied in zip(files, results, distances, ties, strict=True):
        options = _backbone_options(result, device, backbone_weights)
        evaluated.append(
            Evaluated(
                **correlation(table.quality, values).model_dump(),
                file=str(file),
                backbone=result.run.backbone,
                searcher=result.run.searcher,
                space=result.run.space,
                tuned_on=result.run.dataset,
                confidence=confidence(table.quality, values, table.reference_ids),
                tied_with_best=tied,
                protocol=prepared[(options, result.protocol.structure)].protocol,
                groups=_groups(table, values, by),
            )
        )
    return Evaluation(dataset=data.dataset, by=by, simulated=table.simulated, results=tuple(evaluated))


def as_csv(evaluation: Evaluation) -> str:
    """One line a metric and group; the group of the whole set is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["file", "backbone", "searcher", "space", "tuned_on", "group", "pairs", "srcc", "krcc", "plcc"]
        + ["srcc_low", "srcc_high", "tied_with_best"]
    )
    for one in evaluation.results:
        metric = [one.file, one.backbone, one.searcher, one.space, one.tuned_on]
        bounds = list(one.confidence.srcc) if one.confidence else ["", ""]
        whole = ["", one.protocol.pairs, one.srcc, one.krcc, one.plcc, *bounds, one.tied_with_best]
        writer.writerow(metric + whole)
        for group in one.groups:
            figures = [group.srcc, group.krcc, group.plcc]
            writer.writerow([*metric, group.group, group.pairs, *figures, "", "", ""])
    return text.getvalue()


def group_names(table: PairTable, by: Grouping) -> list[str]:
    """The group of every pair.

    Raises:
        InputError: when pairs have no level.
    """
    if by == "reference":
        return [pair.reference_id for pair in table.pairs]
    if by == "distortion":
        return [pair.distortion for pair in table.pairs]
    if any(pair.level is None for pair in table.pairs):
        raise InputError(f"--by level: the pairs of {table.dataset} have no levels; take distortion or reference")
    return [str(pair.level) for pair in table.pairs]


def _groups(table: PairTable, distances: Floats, by: Grouping | None) -> tuple[Group, ...]:
    if by is None:
        return ()
    names = np.array(group_names(table, by))
    groups = []
    for name in dict.fromkeys(names.tolist()):
        rows = names == name
        agreement = (
            correlation(table.quality[rows], distances[rows])
            if rows.sum() > 1
            else Correlation(srcc=np.nan, krcc=np.nan, plcc=np.nan)
        )
        groups.append(Group(**agreement.model_dump(), group=name, pairs=int(rows.sum())))
    # the weak spots first; a group whose correlation is undefined is no worse or better than any, and comes last
    return tuple(sorted(groups, key=lambda group: (np.isnan(group.srcc), group.srcc)))


def _ties(table: PairTable, distances: Sequence[Floats]) -> list[bool]:
    if len(distances) == 1:
        return [True]
    tied = tied_with_best(table.quality, -np.stack(distances), table.reference_ids)
    return [bool(one) for one in tied]


def _backbone_options(result: Result, device: str, backbone_weights: str | None) -> BackboneOptions:
    options = {name: getattr(result.run, name) for name in BackboneOptions.model_fields}
    options["device"] = device
    if backbone_weights is not None:
        options["backbone_weights"] = backbone_weights
    return BackboneOptions(**options)


def _check_backbone(file: Path, result: Result, prepared: Prepared) -> None:
    if prepared.protocol.backbone_sha256 != result.protocol.backbone_sha256:
        raise InputError(
            f"{file}: its weights were tuned with other parameters of {result.run.backbone} "
            f"({result.protocol.backbone_weights}); name those with --backbone-weights"
        )
