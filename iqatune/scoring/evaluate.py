"""Metrics scored on a data set, whole and group by group, side by side."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from iqatune.backbones.zoo import as_recorded
from iqatune.datasets.table import PairTable
from iqatune.datasets.textures import load_textures
from iqatune.errors import InputError
from iqatune.escape import csv_cell
from iqatune.evaluation.agreement import FEWEST_PAIRS, against_the_scores, confidence, correlation
from iqatune.evaluation.compare import Couples, paired_comparisons
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Floats, Weights, tuned_weights, uniform_weights
from iqatune.progress import Progress
from iqatune.records.documents import sealed
from iqatune.records.evaluation import Comparison, Evaluated, Evaluation, GroupAgreement, ScoresFile, TunedHere
from iqatune.records.fusion import Fusion, OpenedFusion, is_fusion, open_fusion
from iqatune.records.labels import dataset_label, source_label
from iqatune.records.moved import check_all_there
from iqatune.records.options import BackboneOptions, DataOptions
from iqatune.records.result import (
    ColumnWeight,
    Correlation,
    OpenedResult,
    Protocol,
    Result,
    dataset_hashes,
    open_result,
    without_weights,
)
from iqatune.records.textures import Textures, TextureTolerance
from iqatune.records.vocabulary import Grouping, MetricKind
from iqatune.scoring.asked import Asked
from iqatune.scoring.baselines import UNIFORM, TooSmall, baseline_scores
from iqatune.scoring.baselines import find as find_baseline
from iqatune.scoring.human_scores import FIGURES, beside_human_scores
from iqatune.scoring.members import values_of_column
from iqatune.scoring.metric_files import file_distances, is_metric_file
from iqatune.scoring.score_files import OtherImages, file_scores
from iqatune.scoring.textures import distance_from_identity, texture_tolerance
from iqatune.scoring.tuned_here import pairs_seen, tuned_here
from iqatune.statistics.cache import Cache
from iqatune.statistics.columns import columns_protocol, weighted_sum
from iqatune.statistics.columns import distances as column_distances
from iqatune.statistics.prepare import Prepared, load_table, prepare, table_sha256
from iqatune.statistics.textures import textures_of, textures_record

SIGNIFICANCE = 0.05
"""The corrected p below which two metrics are told apart."""


@dataclass(frozen=True, kw_only=True)
class ScoredMetric:
    """One metric's distances on the pairs of a data set.

    Attributes:
        file: the metric's file; the name of a metric that has none.
        result: the record whose weights, or whose backbone under uniform weights, were scored; None for others.
        distances: (N,), higher is worse.
        forced: what was wrong with the record's file, where it was taken all the same.
        backbone: of an export and of published weights; of a record the record says it.
        origin: where these come from, in words.
        tuned_here: what a record has seen of these pairs, where that was asked.
        scores: what there is to say of a file of scores.
        crops: (M,) distances of textures' crop pairs, counted as `from_identity` is; None where there are none.
        from_identity: (N,) `distances` counted from those of an image beside itself, where they are not so counted.
    """

    file: str
    kind: MetricKind
    result: Result | None
    distances: Floats
    protocol: Protocol
    forced: str | None = None
    backbone: str = ""
    origin: str = ""
    tuned_here: TunedHere | None = None
    scores: ScoresFile | None = None
    crops: Floats | None = None
    from_identity: Floats | None = None

    @property
    def texture_tolerance(self) -> TextureTolerance | None:
        """How tolerant it is of textures; None where that was not asked, or it has no crop pairs."""
        if self.crops is None:
            return None
        return texture_tolerance(self.crops, self.distances if self.from_identity is None else self.from_identity)


@dataclass(frozen=True)
class ScoredSet:
    """Metrics scored on the same pairs, and on crop pairs of textures where there are any."""

    table: PairTable
    metrics: tuple[ScoredMetric, ...]
    textures: Textures | None = None

    def couples(self) -> Couples | None:
        """Every metric beside every other; None of one metric."""
        if len(self.metrics) == 1:
            return None
        predictions = -np.stack([metric.distances for metric in self.metrics])
        return paired_comparisons(self.table.quality, predictions, self.table.reference_ids)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where metrics are scored, and what there is for it.

    Attributes:
        device: the value of `--device`.
        backbone_weights: where the backbone's parameters are now; None where the search found them.
    """

    device: str = "auto"
    backbone_weights: str | None = None
    cache: Cache
    progress: Progress


def score(
    files: Sequence[Path],
    data: DataOptions,
    machine: Machine,
    *,
    baselines: Sequence[Asked] = (),
    table: PairTable | None = None,
    force: bool = False,
    skip_foreign: bool = False,
) -> ScoredSet:
    """Distances of the pairs of a data set under the metrics of files, then under the baselines.

    Args:
        files: records, exports (.safetensors) and weights of DISTS (.pt).
        baselines: "uniform" among them stands for the uniform weights of each record's backbone.
        table: the pairs, when they have been loaded already.
        force: take records that are not what was written, and say so of their metrics.
        skip_foreign: leave out, and say so, files of scores that have none of these pairs.

    Raises:
        InputError: for a file that is no metric, or a record that without `force` is not what was written; for
            parameters other than those the weights were tuned with, a baseline that cannot be measured, and all that
            is wrong with the data.
    """
    records = _records(files)
    opened = [open_result(file) for file in records]
    results = [of_file.trusted(force=force) for of_file in opened]
    with_uniform = any(each.name == UNIFORM for each in baselines)
    if with_uniform and not records:
        raise InputError("`baseline` uniform: needs a record with a backbone, and none is named; leave it out")
    fusions = {file: open_fusion(file) for file in files if is_fusion(file)}
    fused = [each.trusted(force=force) for each in fusions.values()]
    if data.features is not None:
        table = table or load_table(_with_columns(data, results, fused), machine.cache, machine.progress)
        _check_takes_no_images(files, fused, baselines)
        of_columns, equal = _of_columns(records, opened, table, with_uniform=with_uniform)
        of_fusions = {file: _of_fusion(each, data, machine, table) for file, each in fusions.items()}
        scores = ScoredSet(table, (*_in_order(files, of_columns, of_fusions), *equal))
        return _with_baselines(scores, baselines, machine, skip_foreign=skip_foreign)
    table = table or load_table(data, machine.cache, machine.progress)
    tuned, uniform = _of_records(records, opened, data, machine, table=table, with_uniform=with_uniform)
    of_files = {file: _of_file(file, table, machine) for file in files if is_metric_file(file)}
    of_files |= {file: _of_fusion(each, data, machine, table) for file, each in fusions.items()}
    metrics = _in_order(files, tuned, of_files)
    return _with_baselines(ScoredSet(table, (*metrics, *uniform)), baselines, machine, skip_foreign=skip_foreign)


def _in_order(
    files: Sequence[Path], of_records: Sequence[ScoredMetric], of_others: Mapping[Path, ScoredMetric]
) -> list[ScoredMetric]:
    """The metrics in the order of their files."""
    by_record = iter(of_records)
    return [of_others[file] if file in of_others else next(by_record) for file in files]


def _of_fusion(opened: OpenedFusion, data: DataOptions, machine: Machine, table: PairTable) -> ScoredMetric:
    """A fusion on the pairs: its members' distances, from the cache where they are, and their weighted sum."""
    fusion = opened.fusion
    used = [member for member in fusion.members if member.weight > 0]
    scored: list[ScoredMetric] = []
    values: list[Floats] = []
    for member in used:
        file = opened.member_file(member)
        if not member.is_of_images:
            values.append(values_of_column(file, member.column, table))
            continue
        opened.check_member(member)
        weights = fusion.options.weights_of(member.backbone)
        (metric,) = score([file], data, replace(machine, backbone_weights=weights), table=table).metrics
        values.append(metric.distances)
        scored.append(metric)
    distances = fused_distances(fusion, np.stack(values, axis=1))
    protocol = scored[0].protocol if scored else columns_protocol(table, [member.column for member in used])
    hashes = [each for metric in scored if metric.result is not None for each in dataset_hashes(metric.result)]
    seen = pairs_seen((fusion.protocol.dataset_sha256, *hashes), table, protocol)
    return ScoredMetric(
        file=str(opened.path),
        kind="tuned",
        result=None,
        distances=distances,
        protocol=protocol,
        forced=opened.forced,
        backbone=fusion.backbone,
        origin=fusion.described,
        tuned_here=seen,
    )


def fused_distances(fusion: Fusion, columns: Floats) -> Floats:
    """(N,) D of pairs under a fusion: of metrics of images the weighted mean of their D, as `FusedMetric` gives it.

    Where columns of figures are among the members these have directions and scales of their own, and D counts standard
    deviations.

    Args:
        columns: (N, M) what the members with weight say of the pairs, in their order.
    """
    used = [(member, share) for member, share in zip(fusion.members, fusion.shares, strict=True) if member.weight > 0]
    if not fusion.is_of_images:
        return weighted_sum(columns, [member for member, _ in used])
    distances: Floats = np.vecdot(columns, np.array([share for _, share in used]))
    return distances


def _check_takes_no_images(files: Sequence[Path], fused: Sequence[Fusion], baselines: Sequence[Asked]) -> None:
    for each in baselines:
        if each.scores is None and each.name != UNIFORM:
            raise InputError(f"`baseline` {each.name}: is measured on images, and `features` has none; leave it out")
    for file in files:
        if is_metric_file(file):
            raise InputError(f"{file}: takes images, and `features` has none; leave it out")
    for fusion in fused:
        of_images = next((member for member in fusion.members if member.weight > 0 and member.is_of_images), None)
        if of_images is not None:
            raise InputError(
                f"{of_images.name}, of a fusion: takes images, and `features` has none; name the images with `dataset`"
            )


def _with_baselines(
    scores: ScoredSet, baselines: Sequence[Asked], machine: Machine, *, skip_foreign: bool
) -> ScoredSet:
    for each in baselines:
        try:
            scores = scores if each.name == UNIFORM else with_baseline(scores, each, machine)
        except OtherImages:
            if not skip_foreign:
                raise
            machine.progress.warn(f"No {each.label} on {scores.table.dataset}: the file has none of its pairs.")
    return scores


def _of_file(file: Path, table: PairTable, machine: Machine) -> ScoredMetric:
    from iqatune.backbones.devices import resolve_device

    found = file_distances(
        file,
        table,
        backbone_weights=machine.backbone_weights,
        device=str(resolve_device(machine.device)),
        cache=machine.cache,
        progress=machine.progress,
    )
    return ScoredMetric(
        file=str(file),
        kind="tuned",
        result=None,
        distances=found.distances,
        protocol=found.protocol,
        backbone=found.backbone,
        origin=found.origin,
        tuned_here=pairs_seen(found.tuned_on, table, found.protocol),
    )


def _of_records(
    files: Sequence[Path],
    opened: Sequence[OpenedResult],
    data: DataOptions,
    machine: Machine,
    *,
    table: PairTable,
    with_uniform: bool,
) -> tuple[list[ScoredMetric], list[ScoredMetric]]:
    """The metrics of records on images, and the uniform weights of their backbones where they are asked for."""
    results = [of_file.result for of_file in opened]
    weights = [_weights(file, result) for file, result in zip(files, results, strict=True)]
    same_features: dict[tuple[BackboneOptions, Similarity], list[int]] = {}
    for row, result in enumerate(results):
        options = backbone_options(result, machine)
        same_features.setdefault((options, Similarity.of(result.protocol)), []).append(row)

    tuned: dict[int, ScoredMetric] = {}
    uniform: list[ScoredMetric] = []
    for (options, similarity), rows in same_features.items():
        # one backbone's moments at a time: those of a large set under a wide backbone fill gigabytes
        prepared = prepare(
            data, options, similarity=similarity, cache=machine.cache, progress=machine.progress, table=table
        )
        for row in rows:
            _check_backbone(files[row], results[row], prepared)
            distances = prepared.distances(weights[row], Similarity.tuned(results[row]))
            tuned[row] = ScoredMetric(
                file=str(files[row]),
                kind="tuned",
                result=results[row],
                distances=distances,
                protocol=prepared.protocol,
                forced=opened[row].forced,
            )
        if with_uniform:
            distances = prepared.distances(uniform_weights(prepared.channels))
            uniform.append(
                ScoredMetric(
                    file=f"uniform weights of {options.backbone}",
                    kind="uniform",
                    result=results[rows[0]],
                    distances=distances,
                    protocol=prepared.protocol,
                )
            )
    return [tuned[row] for row in range(len(results))], uniform


def _of_columns(
    files: Sequence[Path], opened: Sequence[OpenedResult], table: PairTable, *, with_uniform: bool
) -> tuple[list[ScoredMetric], tuple[ScoredMetric, ...]]:
    """`score` of records that were tuned on columns: each with the directions and scales that it was tuned with."""
    tuned: list[ScoredMetric] = []
    uniform: dict[str, ScoredMetric] = {}
    for file, of_file in zip(files, opened, strict=True):
        result = of_file.result
        weights = _column_weights(file, result, table)
        metric = ScoredMetric(
            file=str(file),
            kind="tuned",
            result=result,
            distances=column_distances(table, weights),
            protocol=columns_protocol(table, tuple(weights)),
            forced=of_file.forced,
        )
        tuned.append(metric)
        equal = {name: column.model_copy(update={"weight": 1 / len(weights)}) for name, column in weights.items()}
        name = f"uniform weights of {', '.join(weights)} ({source_label(result.run)})"
        distances = column_distances(table, equal)
        uniform.setdefault(name, replace(metric, file=name, kind="uniform", distances=distances, forced=None))
    return tuned, tuple(uniform.values()) if with_uniform else ()


def _column_weights(file: Path, result: Result, table: PairTable) -> dict[str, ColumnWeight]:
    if result.best is None:
        raise InputError(f"{file}: {without_weights(result)}")
    if not result.best.columns:
        raise InputError(
            f"{file}: was tuned through {result.run.backbone}, which takes images, and a features file has none; name "
            "the images with `dataset`"
        )
    missing = [name for name in result.best.columns if name not in table.columns]
    if missing:
        raise InputError(
            f"{file}: was tuned on columns that are missing in {table.label}: {', '.join(missing)}; add them"
        )
    return result.best.columns


def with_baseline(scores: ScoredSet, asked: Asked, machine: Machine) -> ScoredSet:
    """The scores, and those of a baseline on the same pairs under the first metric's resize.

    Raises:
        InputError: when the baseline cannot be measured or its file of scores not be used; `TooSmall` when only these
            pairs are in its way, `OtherImages` when a file has none of them.
    """
    first = scores.metrics[0].protocol
    protocol = first.model_copy(update={"backbone_weights": "", "backbone_sha256": ""})
    if asked.scores is not None:
        found = file_scores(asked, scores.table)
        for line in found.lines(asked.label):
            machine.progress.say(line)
        baseline = ScoredMetric(
            file=asked.label,
            kind="scores",
            result=None,
            distances=-found.scores,
            protocol=protocol.model_copy(update={"resize": None, "interpolation": None}),
            scores=found.record,
        )
        return replace(scores, metrics=(*scores.metrics, baseline))
    # here, not above: torch takes seconds to import, and records alone need none of it
    from iqatune.backbones.devices import resolve_device

    measured = baseline_scores(
        asked.name,
        scores.table,
        resize=first.resize,
        device=str(resolve_device(machine.device)),
        cache=machine.cache,
        progress=machine.progress,
        weights=asked.weights,
    )
    if measured.parameters is not None:
        of_cnn = measured.parameters
        backbone = {"backbone_weights": of_cnn.weights, "backbone_sha256": of_cnn.parameters_sha256}
        protocol = protocol.model_copy(update=backbone)
    baseline = ScoredMetric(
        file=asked.label, kind="baseline", result=None, distances=-measured.scores, protocol=protocol
    )
    return replace(scores, metrics=(*scores.metrics, baseline))


def with_crops(
    scores: ScoredSet,
    files: Sequence[Path],
    machine: Machine,
    *,
    textures: str,
    baselines: Sequence[Asked],
    force: bool = False,
) -> ScoredSet:
    """The scores, and what the same metrics say of crop pairs of textures.

    Metrics that have no texture tolerance are named: files of scores, and baselines without a distance of their own.

    Args:
        scores: of `score`, of the same files and baselines.
        textures: a folder, or `scikit-image`.
        force: as of `score`.

    Raises:
        InputError: for what is wrong with the textures, and as of `score`.
    """
    source = textures_of(textures, machine.progress)
    uniform = [each for each in baselines if each.name == UNIFORM]
    data = DataOptions(dataset=source.table.dataset)
    crops = score(files, data, machine, baselines=uniform, table=source.table, force=force)
    count = len(crops.metrics)
    own = [
        replace(metric, crops=of_crops.distances)
        for metric, of_crops in zip(scores.metrics[:count], crops.metrics, strict=True)
    ]
    asked = {each.label: each for each in baselines}
    others = [_with_crops(metric, asked[metric.file], crops, machine) for metric in scores.metrics[count:]]
    record = textures_record(source, table_sha256(source.table, machine.cache, machine.progress))
    return replace(scores, metrics=(*own, *others), textures=record)


def _with_crops(metric: ScoredMetric, asked: Asked, crops: ScoredSet, machine: Machine) -> ScoredMetric:
    """A baseline with its crop pairs, or as it is and a line that says why."""
    why = "it is a file of scores, which has none of crops"
    if asked.scores is None:
        baseline = find_baseline(asked.name)
        pairs = distance_from_identity(baseline, metric.distances)
        why = "it has no number for an image beside itself, from which a distance could be counted"
        if pairs is not None:
            try:
                distances = with_baseline(crops, asked, machine).metrics[-1].distances
                of_crops = distance_from_identity(baseline, distances)
                return replace(metric, crops=of_crops, from_identity=pairs)
            except TooSmall:
                why = f"it takes images of {baseline.minimum_size} pixels a side, and crops are smaller"
    machine.progress.warn(f"No texture tolerance of {metric.file}: {why}.")
    return metric


def evaluate(
    files: Sequence[Path],
    data: DataOptions,
    machine: Machine,
    *,
    by: Grouping | None = None,
    baselines: Sequence[Asked] = (),
    force: bool = False,
    strict: bool = False,
    skip_foreign: bool = False,
    textures: str | None = None,
) -> Evaluation:
    """`score`, and how well each metric agrees with the human scores, whole and group by group, and what it has seen.

    Args:
        baselines, force, skip_foreign: as of `score`.
        strict: refuse scores whose direction is probably wrong, which are otherwise warned of.
        textures: a folder, or `scikit-image`, whose crops the texture tolerance is told of; None for none.

    Raises:
        InputError: as of `score`, for a grouping that the pairs do not have, and for what is wrong with the textures.
    """
    if textures is not None:
        if data.features is not None:
            raise InputError(f"`textures` {textures}: need images, and `features` has none; leave them out")
        load_textures(textures)  # refused before anything is computed
    if data.features is not None:
        results = [open_result(file).trusted(force=force) for file in _records(files)]
        data = _with_columns(data, results, _fusions(files, force=force))
    table = load_table(data, machine.cache, machine.progress)
    if by is not None:
        group_names(table, by)  # refused before anything is computed
    scores = score(files, data, machine, baselines=baselines, table=table, force=force, skip_foreign=skip_foreign)
    for metric in scores.metrics:
        check_direction(metric, table, machine.progress, strict=strict)
    if textures is not None:
        scores = with_crops(scores, files, machine, textures=textures, baselines=baselines, force=force)
    return evaluation_of(replace(scores, metrics=tuple(marked(scores, machine))), by)


def marked(scores: ScoredSet, machine: Machine) -> Iterator[ScoredMetric]:
    """The metrics, those of records with what they have seen of the pairs."""
    found: dict[tuple[DataOptions, str, str], TunedHere] = {}
    for metric in scores.metrics:
        result = metric.result
        if metric.kind != "tuned" or result is None:
            yield metric
            continue
        # the many records of a grid were tuned on the same pairs
        key = DataOptions.of(result.run), result.protocol.dataset_sha256, metric.protocol.dataset_sha256
        if key not in found:
            found[key] = tuned_here(
                result, scores.table, metric.protocol, cache=machine.cache, progress=machine.progress
            )
        yield replace(metric, tuned_here=found[key])


def _records(files: Sequence[Path]) -> list[Path]:
    return [file for file in files if not is_metric_file(file) and not is_fusion(file)]


def _fusions(files: Sequence[Path], *, force: bool) -> list[Fusion]:
    return [open_fusion(file).trusted(force=force) for file in files if is_fusion(file)]


def tuned_on(files: Sequence[Path], *, force: bool = False) -> tuple[DataOptions, ...]:
    """The data sets that records were tuned on, each once; whatever of their columns, and however split.

    Raises:
        InputError: for a file that is no record, or without `force` not what was written; where there is no record.
    """
    asked_for: list[DataOptions] = []
    for file in files:
        if is_metric_file(file):
            continue
        if is_fusion(file):
            asked_for.append(open_fusion(file).trusted(force=force).options.data)
        else:
            asked_for.append(DataOptions.of(open_result(file).trusted(force=force).run))
        check_all_there(file, asked_for[-1])
    if not asked_for:
        raise InputError(
            "`dataset`: needed, because the files do not name the data set that they were tuned on; give one"
        )
    every = (data for asked_data in asked_for for data in asked_data.sets)
    return tuple(dict.fromkeys(data.model_copy(update={"feature_columns": (), "split_column": None}) for data in every))


def _with_columns(data: DataOptions, results: Sequence[Result], fused: Sequence[Fusion]) -> DataOptions:
    """The columns that the records were tuned on, and those that were named: others may have holes."""
    tuned_on_columns = [name for result in results for name in result.protocol.columns]
    tuned_on_columns += [
        member.column for fusion in fused for member in fusion.members if member.column and member.weight > 0
    ]
    names = dict.fromkeys((*tuned_on_columns, *data.feature_columns))
    return data.model_copy(update={"feature_columns": tuple(names)})


def evaluation_of(scores: ScoredSet, by: Grouping | None = None) -> Evaluation:
    """How well each metric agrees with the human scores, with intervals, ties and groups."""
    table = scores.table
    evaluated = []
    couples = scores.couples()
    ties = (True,) if couples is None else _ties(couples, table)
    for metric, is_tied in zip(scores.metrics, ties, strict=True):
        run = metric.result.run if metric.result is not None else None
        is_tuned = metric.kind == "tuned"
        evaluated.append(
            Evaluated(
                **correlation(table.quality, metric.distances).model_dump(),
                file=metric.file,
                kind=metric.kind,
                backbone=run.backbone if run else metric.backbone,
                searcher=run.searcher if run and is_tuned else "",
                space=run.space if run and is_tuned else "",
                prior=run.prior if run and is_tuned else "",
                tuned_on=dataset_label(run) if run and is_tuned else "",
                confidence=confidence(table.quality, metric.distances, table.reference_ids),
                tied_with_best=is_tied,
                protocol=metric.protocol,
                groups=_groups(table, metric.distances, by),
                forced=metric.forced,
                origin=metric.origin,
                tuned_here=metric.tuned_here,
                scores=metric.scores,
                texture_tolerance=metric.texture_tolerance,
            )
        )
    evaluation = Evaluation(
        dataset=table.dataset,
        by=by,
        simulated=table.simulated,
        results=tuple(evaluated),
        comparisons=() if couples is None else tuple(_comparisons(couples)),
        textures=scores.textures,
    )
    distances = [metric.distances for metric in scores.metrics]
    return sealed(beside_human_scores(evaluation, table, distances))


def _comparisons(couples: Couples) -> Iterator[Comparison]:
    for first, second in zip(*np.triu_indices(len(couples.p), 1), strict=True):
        place = int(first), int(second)
        difference, corrected = float(couples.difference[place]), float(couples.p_corrected[place])
        yield Comparison(
            first=place[0],
            second=place[1],
            difference=difference,
            low=float(couples.low[place]),
            high=float(couples.high[place]),
            p=float(couples.p[place]),
            p_corrected=corrected,
            verdict=verdict(difference, corrected),
        )


def verdict(difference: float, p: float) -> Literal["better", "worse", "tie", "not tested"]:
    """What is said of a metric beside another one, from the difference of their SRCC and its corrected p."""
    if np.isnan(p):
        return "not tested"
    if p >= SIGNIFICANCE:
        return "tie"
    return "better" if difference > 0 else "worse"


def as_csv(*evaluations: Evaluation) -> str:
    """One line a metric and group; the group of the whole set is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    metric_names = ["file", "kind", "backbone", "searcher", "space", "tuned_on", "dataset", "simulated"]
    figure_names = ["srcc", "krcc", "plcc", "srcc_low", "srcc_high", "tied_with_best", "forced", "prior"]
    figure_names += ["tuned_on_these_pairs", "tuned_on_references", *FIGURES]
    tolerance_names = ["texture_tolerance", "texture_tolerance_low", "texture_tolerance_high"]
    figure_names += tolerance_names
    writer.writerow([*metric_names, "group", "pairs", *figure_names])
    for evaluation in evaluations:
        for metric in evaluation.results:
            names: list[object] = [metric.file, metric.kind, metric.backbone, metric.searcher, metric.space]
            names += [metric.tuned_on, evaluation.dataset, evaluation.simulated]
            bounds = list(metric.confidence.srcc) if metric.confidence else ["", ""]
            figures = [metric.srcc, metric.krcc, metric.plcc]
            forced = metric.forced or ""
            here = metric.tuned_here
            references = None if here is None else here.references
            seen = ["" if here is None else here.pairs, "" if references is None else references]
            beside = [getattr(metric, name) for name in FIGURES]
            found = metric.texture_tolerance
            beside += ["", "", ""] if found is None else [found.value, found.low, found.high]
            last = [metric.tied_with_best, forced, metric.prior, *seen, *beside]
            writer.writerow(map(csv_cell, [*names, "", metric.protocol.pairs, *figures, *bounds, *last]))
            for group in metric.groups:
                figures = [group.srcc, group.krcc, group.plcc]
                last = ["", "", "", forced, metric.prior, *seen, *[""] * (len(FIGURES) + len(tolerance_names))]
                writer.writerow(map(csv_cell, [*names, group.group, group.pairs, *figures, *last]))
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
        raise InputError(f"`by` level: the pairs of {table.dataset} have no levels; take distortion or reference")
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
    if len(distances) == 1:
        return (True,)
    return _ties(paired_comparisons(table.quality, -np.stack(distances), table.reference_ids), table)


def _ties(couples: Couples, table: PairTable) -> tuple[bool, ...]:
    if len(table.references) < 2:
        return (True,) * len(couples.p)
    return tuple(bool(is_tied) for is_tied in couples.tied_with_best())


def check_direction(metric: ScoredMetric, table: PairTable, progress: Progress, *, strict: bool) -> None:
    """Warn where a metric of this package rises with quality; a baseline may be as bad as it is."""
    if metric.kind in ("baseline", "scores"):
        return
    line = against_the_scores(metric.file, table.quality, metric.distances, reference_ids=table.reference_ids)
    if line is not None and strict:
        raise InputError(f"`strict`: {line}")
    if line is not None:
        progress.warn(line)


def _weights(file: Path, result: Result) -> Weights:
    if result.best is not None and result.best.columns:
        raise InputError(
            f"{file}: was tuned on the columns of a features file ({', '.join(result.best.columns)}); name one that "
            "has them with `features`"
        )
    try:
        return tuned_weights(result)
    except ValueError as error:
        raise InputError(f"{file}: damaged, {error}") from error
    except InputError as error:
        raise InputError(f"{file}: {error.line}") from error


def backbone_options(result: Result, machine: Machine) -> BackboneOptions:
    """A record's options of its backbone, with where its parameters are now and where it runs."""
    backbone = as_recorded(result.run.backbone, result.protocol.taps, result.channels)
    now = BackboneOptions.of(result.run).model_copy(update={"device": machine.device, "backbone": backbone})
    return now if machine.backbone_weights is None else now.with_weights(machine.backbone_weights)


def _check_backbone(file: Path, result: Result, prepared: Prepared) -> None:
    if prepared.protocol.backbone_sha256 != result.protocol.backbone_sha256:
        raise InputError(
            f"{file}: its weights were tuned with other parameters of {result.run.backbone} "
            f"({result.protocol.backbone_weights}); name those with `backbone_weights`"
        )
