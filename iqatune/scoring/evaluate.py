"""Metrics scored on a data set, whole and group by group, side by side."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.evaluation.agreement import FEWEST_PAIRS, confidence, correlation
from iqatune.evaluation.compare import tied_with_best
from iqatune.metric.weights import Floats, Weights, tuned_weights, uniform_weights
from iqatune.progress import Progress
from iqatune.records.evaluation import Evaluated, Evaluation, GroupAgreement
from iqatune.records.options import BackboneOptions, DataOptions
from iqatune.records.result import Correlation, Protocol, Result, read_result
from iqatune.records.vocabulary import Grouping, MetricKind, Structure
from iqatune.scoring.baselines import baseline_scores
from iqatune.scoring.baselines import find as find_baseline
from iqatune.statistics.prepare import Prepared, prepare

UNIFORM = "uniform"
"""The baseline that is the metric itself, untuned."""


@dataclass(frozen=True)
class Scored:
    """One metric's distances on the pairs of a data set.

    Attributes:
        file: the record's file; the name of a metric that has none.
        result: the record whose weights, or whose backbone under uniform weights, were scored; None for a baseline.
        distances: (N,), higher is worse.
    """

    file: str
    kind: MetricKind
    result: Result | None
    distances: Floats
    protocol: Protocol


@dataclass(frozen=True)
class Scores:
    """Metrics scored on the same pairs."""

    table: PairTable
    metrics: tuple[Scored, ...]

    def ties(self) -> tuple[bool, ...]:
        """Which metrics the data cannot tell from the best one."""
        return tied(self.table, [metric.distances for metric in self.metrics])


def score(
    files: Sequence[Path],
    data: DataOptions,
    device: str,
    backbone_weights: str | None,
    cache_dir: Path,
    progress: Progress,
    baselines: Sequence[str] = (),
    table: PairTable | None = None,
) -> Scores:
    """Distances of the pairs of a data set under the metrics of result files, then under the baselines.

    Args:
        backbone_weights: where the backbone's parameters are now, when not where the search found them.
        baselines: names of `scoring.baselines`, or "uniform" for the uniform weights of each backbone.
        table: the pairs, when they have been loaded already.

    Raises:
        InputError: for a file that is no record, parameters other than those the weights were tuned with, a baseline
            that is unknown or cannot be measured, and all that is wrong with the data.
    """
    measured = [name for name in dict.fromkeys(baselines) if name != UNIFORM]
    for name in measured:
        find_baseline(name)
    results = [read_result(file) for file in files]
    weights = [_weights(file, result) for file, result in zip(files, results, strict=True)]
    table = table or load_pairs(data)
    same_features: dict[tuple[BackboneOptions, Structure], list[int]] = {}
    for row, result in enumerate(results):
        options = _backbone_options(result, device, backbone_weights)
        same_features.setdefault((options, result.protocol.structure), []).append(row)

    tuned: dict[int, Scored] = {}
    uniform: list[Scored] = []
    for (options, structure), rows in same_features.items():
        # one backbone's moments at a time: those of a large set under a wide backbone fill gigabytes
        prepared = prepare(data, options, structure, cache_dir, progress, table)
        for row in rows:
            _check_backbone(files[row], results[row], prepared)
            distances = prepared.distances(weights[row])
            tuned[row] = Scored(str(files[row]), "tuned", results[row], distances, prepared.protocol)
        if UNIFORM in baselines:
            distances = prepared.distances(uniform_weights(prepared.channels))
            name = f"uniform weights of {options.backbone}"
            uniform.append(Scored(name, "uniform", results[rows[0]], distances, prepared.protocol))
    metrics = [tuned[row] for row in range(len(results))] + uniform
    scores = Scores(table, tuple(metrics))
    for name in measured:
        scores = with_baseline(scores, name, device, cache_dir, progress)
    return scores


def with_baseline(scores: Scores, name: str, device: str, cache_dir: Path, progress: Progress) -> Scores:
    """The scores, and those of a baseline on the same pairs under the first metric's resize.

    Raises:
        InputError: when the baseline is unknown or cannot be measured; `TooSmall` when only these pairs are in its way.
    """
    # here, not above: torch takes seconds to import, and records alone need none of it
    from iqatune.backbones.devices import resolve_device

    first = scores.metrics[0].protocol
    protocol = first.model_copy(update={"backbone_weights": "", "backbone_sha256": ""})
    values = baseline_scores(name, scores.table, first.resize, str(resolve_device(device)), cache_dir, progress)
    return replace(scores, metrics=(*scores.metrics, Scored(name, "baseline", None, -values, protocol)))


def evaluate(
    files: Sequence[Path],
    data: DataOptions,
    by: Grouping | None,
    device: str,
    backbone_weights: str | None,
    cache_dir: Path,
    progress: Progress,
    baselines: Sequence[str] = (),
) -> Evaluation:
    """`score`, and how well each metric agrees with the human scores, whole and group by group."""
    table = load_pairs(data)
    if by is not None:
        group_names(table, by)  # refused before anything is computed
    return summarise(score(files, data, device, backbone_weights, cache_dir, progress, baselines, table), by)


def summarise(scores: Scores, by: Grouping | None) -> Evaluation:
    """How well each metric agrees with the human scores, with intervals, ties and groups."""
    table = scores.table
    evaluated = []
    for metric, is_tied in zip(scores.metrics, scores.ties(), strict=True):
        run = metric.result.run if metric.result is not None else None
        is_tuned = metric.kind == "tuned"
        evaluated.append(
            Evaluated(
                **correlation(table.quality, metric.distances).model_dump(),
                file=metric.file,
                kind=metric.kind,
                backbone=run.backbone if run else "",
                searcher=run.searcher if run and is_tuned else "",
                space=run.space if run and is_tuned else "",
                tuned_on=run.dataset if run and is_tuned else "",
                confidence=confidence(table.quality, metric.distances, table.reference_ids),
                tied_with_best=is_tied,
                protocol=metric.protocol,
                groups=_groups(table, metric.distances, by),
            )
        )
    return Evaluation(dataset=table.dataset, by=by, simulated=table.simulated, results=tuple(evaluated))


def as_csv(evaluation: Evaluation) -> str:
    """One line a metric and group; the group of the whole set is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    metric_names = ["file", "kind", "backbone", "searcher", "space", "tuned_on", "dataset", "simulated"]
    figure_names = ["srcc", "krcc", "plcc", "srcc_low", "srcc_high", "tied_with_best"]
    writer.writerow([*metric_names, "group", "pairs", *figure_names])
    for one in evaluation.results:
        metric = [one.file, one.kind, one.backbone, one.searcher, one.space, one.tuned_on]
        metric += [evaluation.dataset, str(evaluation.simulated).lower()]
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


def _groups(table: PairTable, distances: Floats, by: Grouping | None) -> tuple[GroupAgreement, ...]:
    if by is None:
        return ()
    names = np.array(group_names(table, by))
    groups = []
    for name in dict.fromkeys(names.tolist()):
        rows = names == name
        agreement = (
            correlation(table.quality[rows], distances[rows])
            if rows.sum() >= FEWEST_PAIRS
            else Correlation(srcc=np.nan, krcc=np.nan, plcc=np.nan)
        )
        groups.append(GroupAgreement(**agreement.model_dump(), group=name, pairs=int(rows.sum())))
    # the weak spots first; a group whose correlation is undefined is no worse or better than any, and comes last
    return tuple(sorted(groups, key=lambda group: (np.isnan(group.srcc), group.srcc)))


def tied(table: PairTable, distances: Sequence[Floats]) -> tuple[bool, ...]:
    """Which of the metrics the data cannot tell from the best; with one reference or one metric, all of them."""
    if len(distances) == 1 or len(table.references) < 2:
        return (True,) * len(distances)
    ties = tied_with_best(table.quality, -np.stack(distances), table.reference_ids)
    return tuple(bool(one) for one in ties)


def _weights(file: Path, result: Result) -> Weights:
    try:
        return tuned_weights(result)
    except ValueError as error:
        raise InputError(f"{file}: damaged, {error}") from error
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


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
