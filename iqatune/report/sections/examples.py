"""The study's figure 3: a reference and some distorted versions, with the human score and each metric's."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from iqatune.datasets.table import Pair
from iqatune.report.advice import best_per_backbone
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Gallery, Picture, Table, number, slug, word
from iqatune.report.pictures import jpeg
from iqatune.report.protocol import Marks, card
from iqatune.scoring.evaluate import ScoredMetric, ScoredSet

VERSIONS = 5


def chosen_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Distorted versions of one reference from the best to the worst quality, of different distortions if possible.

    The reference is the one with the most versions, the first of several.
    """
    names = [pair.reference_id for pair in pairs]
    reference = max(dict.fromkeys(names), key=names.count)
    versions = sorted((pair for pair in pairs if pair.reference_id == reference), key=lambda pair: -pair.quality)
    count = min(VERSIONS, len(versions))
    chosen: list[Pair] = []
    for wanted in np.linspace(versions[0].quality, versions[-1].quality, count):
        left = [pair for pair in versions if pair not in chosen]
        seen = {pair.distortion for pair in chosen}
        new = [pair for pair in left if pair.distortion not in seen] or left
        chosen.append(min(new, key=lambda pair: abs(pair.quality - wanted)))
    return sorted(chosen, key=lambda pair: -pair.quality)


def examples(context: Context, scores: ScoredSet, *, with_images: bool) -> tuple[Table, Gallery | None]:
    """The versions' scores as a table, and with their pictures where the report is to hold images."""
    dataset = scores.table.dataset
    pairs = chosen_pairs(scores.table.pairs)
    groups = best_per_backbone(context, dataset)
    files = {str(group.middle.path): group for group in groups}
    marks = Marks()
    metrics: list[tuple[str, ScoredMetric]] = []
    for metric in scores.metrics:
        if metric.file in files:
            group = files[metric.file]
            mark = marks.of(context.usual.differences(dataset, group.protocol))
            metrics.append((f"{group.setting.backbone}{mark}, {group.setting.searcher}", metric))
        elif metric.kind == "uniform" and metric.result is not None:
            metrics.append((f"{context.found.names.backbone(metric.result)}, uniform weights", metric))
    rows_of = {pair.distorted: row for row, pair in enumerate(scores.table.pairs)}
    columns = [Column("distortion"), Column("level"), Column("human score"), Column("human rank")]
    columns += [Column(name, title) for title, _ in metrics for name in ("D", "rank")]
    ranks = [_ranks([float(metric.distances[rows_of[pair.distorted]]) for pair in pairs]) for _, metric in metrics]
    human = _ranks([-pair.quality for pair in pairs])
    rows, pictures = (
        [],
        [Picture(jpeg(pairs[0].reference), ("reference", pairs[0].reference_id))] if with_images else [],
    )
    for place, pair in enumerate(pairs):
        distances = [float(metric.distances[rows_of[pair.distorted]]) for _, metric in metrics]
        cells = [word(pair.distortion), number(pair.level, 0) if pair.level is not None else Cell()]
        cells += [number(pair.score, 2), number(human[place], 0)]
        for distance, rank in zip(distances, ranks, strict=True):
            cells += [number(distance, 4), number(rank[place], 0)]
        rows.append(tuple(cells))
        if with_images:
            titled = zip(metrics, distances, ranks, strict=True)
            lines = [f"{title}: D {distance:.4f} (rank {rank[place]})" for (title, _), distance, rank in titled]
            level = "" if pair.level is None else f" {pair.level}"
            head = (f"{pair.distortion}{level}", f"human score {pair.score:.2f} (rank {human[place]})")
            pictures.append(Picture(jpeg(pair.distorted), (*head, *lines)))
    better = scores.table.better
    table = Table(
        name=f"examples-{slug(dataset)}",
        title=f"{dataset}: distorted versions of {pairs[0].reference_id}",
        columns=tuple(columns),
        rows=tuple(rows),
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(
            f"Human scores as published: {better} is better. D: 0 is identical, higher is worse. Rank 1 is the best "
            "quality of these versions.",
            *((SIMULATED,) if scores.table.simulated else ()),
        ),
    )
    gallery = Gallery(table.name, table.title, tuple(pictures)) if with_images else None
    return table, gallery


def _ranks(values: Sequence[float]) -> list[int]:
    """1 for the lowest; equal values share the better rank."""
    return [int(rank) for rank in rankdata(values, method="min")]
