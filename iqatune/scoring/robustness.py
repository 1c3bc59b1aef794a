"""How robust metrics are: scored again on images that are degraded, or changed so that nobody sees it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, did_you_mean
from iqatune.escape import csv_cell
from iqatune.evaluation.differences import Couples, couples_of
from iqatune.evaluation.robustness import (
    METHOD,
    STEEPNESS,
    OrderChanges,
    order_changes,
    retained_agreement,
    set_weights,
)
from iqatune.metric.weights import Floats
from iqatune.records.documents import sealed
from iqatune.records.environment import environment
from iqatune.records.options import DataOptions
from iqatune.records.robust import (
    UNSEEN,
    Changed,
    Degraded,
    Kind,
    OnSet,
    Robust,
    RobustMetric,
    RobustSet,
    Unseen,
)
from iqatune.scoring.asked import Asked
from iqatune.scoring.evaluate import Machine, ScoredSet, check_direction, marked, score
from iqatune.scoring.pair_costs import costs
from iqatune.statistics.prepare import load_table, refuse_features

DEGRADATIONS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "side": ("side:224", "side:112", "side:64", "side:32", "side:16"),
    "jpeg": ("jpeg:25", "jpeg:18", "jpeg:15", "jpeg:10", "jpeg:7"),
    "blur": ("blur:1", "blur:2", "blur:3", "blur:4", "blur:6"),
    "noise": ("noise:0.08", "noise:0.12", "noise:0.18", "noise:0.26", "noise:0.38"),
}
"""Of both images of a pair, by severity from 1 to 5. JPEG qualities, sigmas of blur and of noise are ImageNet-C's
(jpeg_compression, gaussian_blur, gaussian_noise; Hendrycks and Dietterich 2019, 'Benchmarking Neural Network Robustness
to Common Corruptions and Perturbations'); sizes go down to LR0.FM's 16 pixels (Pathak et al. 2025)."""

NOT_SEEN: Final = ("shift:1", "jpeg:95")
"""Of the distorted image alone: one pixel to the right; stored again as JPEG."""

KINDS: Final = (*DEGRADATIONS, UNSEEN)


class Condition(NamedTuple):
    """How the images of every pair are changed.

    Attributes:
        kind: of `KINDS`; None of what nobody sees.
        severity: 1 the weakest; 0 of what nobody sees.
        transform: its name, see `iqatune.transforms`.
    """

    kind: Kind | None
    severity: int
    transform: str

    def of(self, table: PairTable) -> PairTable:
        """The pairs as they are seen then; their human scores are those of the images as they are."""
        of_reference = "" if self.kind is None else self.transform
        pairs = (
            replace(pair, reference_transform=of_reference, distorted_transform=self.transform) for pair in table.pairs
        )
        return replace(table, pairs=tuple(pairs))


def kinds_of(text: str | None) -> tuple[str, ...]:
    """The kinds of `--kinds A,B,...`, in the order of `KINDS`; all where it is not given.

    Raises:
        InputError: for one that there is none of.
    """
    if text is None:
        return KINDS
    given = [name.strip() for name in text.split(",")]
    for name in given:
        if name not in KINDS:
            raise InputError(f"`kinds` {text}: unknown kind '{name}'; {did_you_mean(name, KINDS)}")
    return tuple(kind for kind in KINDS if kind in given)


def conditions(kinds: Sequence[str]) -> tuple[Condition, ...]:
    """All changes of these kinds, the weakest of each first."""
    degraded = [
        Condition(kind, severity, transform)
        for kind, transforms in DEGRADATIONS.items()
        if kind in kinds
        for severity, transform in enumerate(transforms, 1)
    ]
    unseen = [Condition(None, 0, transform) for transform in NOT_SEEN if UNSEEN in kinds]
    return (*degraded, *unseen)


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """The metrics of a data set, and what they say of its pairs as they are changed.

    Attributes:
        scores: on the images as they are.
        changed: the distances of every metric (M, N), by the condition.
        couples: of the pairs; with the human scores' standard errors where these are known.
    """

    scores: ScoredSet
    changed: Mapping[Condition, Floats]
    couples: Couples


def robustness(
    files: Sequence[Path],
    data_sets: Sequence[DataOptions],
    machine: Machine,
    *,
    kinds: Sequence[str] = KINDS,
    baselines: Sequence[Asked] = (),
    force: bool = False,
) -> Robust:
    """What degradation leaves of metrics' agreement with people, and which order what nobody sees changes.

    Statistics and scores of the changed images are kept in the cache like others: interrupted work goes on from there.

    Args:
        files: records, exports (.safetensors) and weights of DISTS (.pt).
        data_sets: each by itself.
        kinds: some of `KINDS`.
        baselines: "uniform" among them stands for the uniform weights of each record's backbone.
        force: take records that are not what was written, and say so.

    Raises:
        InputError: as of `evaluate.score`, and for what has no images: features files and files of scores.
    """
    for data in data_sets:
        refuse_features(data)
    for each in baselines:
        if each.scores is not None:
            raise InputError(
                f"`baseline` {each.name}={each.scores}: contains scores of the images as they are, and these are "
                "degraded here; name a baseline that is measured, or leave it out"
            )
    every = [_on_set(files, data, machine, kinds=kinds, baselines=baselines, force=force) for data in data_sets]
    on_sets = [[_figures(scored, place) for place in range(len(scored.scores.metrics))] for scored in every]
    weights = _weights(on_sets)
    tables = [scored.scores.table for scored in every]
    first = every[0].scores
    measured = costs(first, machine, baselines, force=force)
    metrics = [
        RobustMetric(
            file=metric.file,
            kind=metric.kind,
            backbone=metric.result.run.backbone if metric.result is not None else metric.backbone,
            origin=metric.origin,
            forced=metric.forced,
            war=_average([of_set[place].improved for of_set in on_sets], weights),
            war_by_kind={
                kind: _average([_of_kind(of_set[place], kind) for of_set in on_sets], weights)
                for kind in DEGRADATIONS
                if kind in kinds
            },
            cost=measured[place],
            sets=tuple(of_set[place] for of_set in on_sets),
        )
        for place, metric in enumerate(first.metrics)
    ]
    sets = [
        RobustSet(
            dataset=table.dataset,
            pairs=len(table),
            references=len(table.references),
            simulated=table.simulated,
            weight=float(weight),
        )
        for table, weight in zip(tables, weights, strict=True)
    ]
    return sealed(
        Robust(
            kinds=tuple(kinds),
            a=STEEPNESS,
            intervals=METHOD,
            sets=tuple(sets),
            metrics=tuple(metrics),
            environment=environment(_device(machine)),
        )
    )


def _on_set(
    files: Sequence[Path],
    data: DataOptions,
    machine: Machine,
    *,
    kinds: Sequence[str],
    baselines: Sequence[Asked],
    force: bool,
) -> _Scored:
    table = load_table(data, machine.cache, machine.progress)
    scores = score(files, data, machine, baselines=baselines, table=table, force=force)
    for metric in scores.metrics:
        check_direction(metric, table, machine.progress, strict=False)
    changed = {}
    every = conditions(kinds)
    for number, condition in enumerate(every, 1):
        whose = "the distorted images" if condition.kind is None else "both images"
        machine.progress.say(f"{table.dataset}: {whose} through {condition.transform} ({number} of {len(every)})")
        found = score(files, data, machine, baselines=baselines, table=condition.of(table), force=force)
        changed[condition] = np.stack([metric.distances for metric in found.metrics])
    errors = table.errors
    return _Scored(
        scores=replace(scores, metrics=tuple(marked(scores, machine))),
        changed=changed,
        couples=couples_of(table.quality, np.zeros(len(table)) if errors is None else errors),
    )


def _figures(scored: _Scored, place: int) -> OnSet:
    """The figures of one metric on one data set."""
    table, metric = scored.scores.table, scored.scores.metrics[place]
    degrading = [condition for condition in scored.changed if condition.kind is not None]
    degraded = [scored.changed[condition][place] for condition in degrading]
    kept = retained_agreement(
        table.quality, metric.distances, np.reshape(degraded, (-1, len(table))), table.reference_ids
    )
    found = [
        Degraded(
            transform=condition.transform,
            kind=condition.kind,
            severity=condition.severity,
            srcc=float(kept.low[row]),
            retained=float(kept.retained[row]),
            interval=kept.intervals[row],
            improved=float(kept.improved[row]),
        )
        for row, condition in enumerate(degrading)
    ]
    unseen = [condition for condition in scored.changed if condition.kind is None]
    return OnSet(
        dataset=table.dataset,
        protocol=metric.protocol,
        tuned_here=metric.tuned_here,
        srcc=kept.high,
        retained=_mean(kept.retained),
        interval=kept.interval,
        improved=_mean(kept.improved),
        degraded=tuple(found),
        unseen=tuple(_unseen(scored, place, condition) for condition in unseen),
    )


def _unseen(scored: _Scored, place: int, condition: Condition) -> Unseen:
    table, couples = scored.scores.table, scored.couples
    before, after = scored.scores.metrics[place].distances, scored.changed[condition][place]
    every = order_changes(couples, before, after, table.reference_ids)
    different = None
    if table.errors is not None:
        different = order_changes(couples, before, after, table.reference_ids, among=couples.different)
    return Unseen(
        transform=condition.transform,
        all=_changed(every),
        different=None if different is None else _changed(different),
    )


def _changed(found: OrderChanges) -> Changed:
    share = found.share if found.couples else None
    return Changed(couples=found.couples, changed=found.changed, share=share, interval=found.interval)


def _weights(on_sets: Sequence[Sequence[OnSet]]) -> Floats:
    """Of the data sets, by the metrics that have figures on all of them."""
    improved = np.array([[metric.improved for metric in of_set] for of_set in on_sets])
    return set_weights(improved[:, ~np.isnan(improved).any(axis=0)])


def _of_kind(on_set: OnSet, kind: Kind) -> float:
    return _mean(np.array([each.improved for each in on_set.degraded if each.kind == kind]))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _average(values: Sequence[float], weights: Floats) -> float:
    return float(np.array(values) @ weights)


def _device(machine: Machine) -> str:
    from iqatune.backbones.devices import device_name, resolve_device

    return device_name(resolve_device(machine.device))


def as_csv(document: Robust) -> str:
    """One line a data set, metric and change; those of the images as they are have no transform."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["dataset", "file", "kind", "backbone", "change", "severity", "transform"]
    figures = ["srcc", "retained", "retained_low", "retained_high", "improved"]
    order = ("couples", "changed", "share", "share_low", "share_high")
    orders = [f"{which}{name}" for which in ("", "different_") for name in order]
    none = [""] * len(orders)
    writer.writerow([*names, *figures, *orders])
    for metric in document.metrics:
        for of_set in metric.sets:
            start = [of_set.dataset, metric.file, metric.kind, metric.backbone]
            rows: list[list[object]] = [[*start, "", "", "", of_set.srcc, *[""] * (len(figures) - 1), *none]]
            for each in of_set.degraded:
                figures_of = [each.srcc, each.retained, *(each.interval or ("", "")), each.improved]
                rows.append([*start, each.kind, each.severity, each.transform, *figures_of, *none])
            rows += [
                [*start, UNSEEN, "", each.transform, *[""] * len(figures), *_cells(each.all), *_cells(each.different)]
                for each in of_set.unseen
            ]
            writer.writerows([map(csv_cell, row) for row in rows])
    return text.getvalue()


def _cells(found: Changed | None) -> list[object]:
    if found is None:
        return [""] * 5
    return [found.couples, found.changed, "" if found.share is None else found.share, *(found.interval or ("", ""))]
