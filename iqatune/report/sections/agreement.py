"""The study's figure 2: SRCC and KRCC of each backbone on each data set, with their intervals."""

from collections.abc import Mapping
from statistics import fmean

from iqatune.report import figures
from iqatune.report.advice import best_per_backbone
from iqatune.report.collect import SettingRuns
from iqatune.report.context import Context
from iqatune.report.figures import Dot
from iqatune.report.model import Figure
from iqatune.report.protocol import deviations

MOST_ROWS = 30
"""In a figure, which has to fit on a page; the title of a panel takes two."""


def agreement_figures(context: Context) -> tuple[Figure, ...]:
    """The best setting of each backbone on each data set; none where there is but one."""
    if sum(len(best_per_backbone(context, dataset)) for dataset in context.found.datasets) < 2:
        return ()
    return *_of(context, "SRCC"), *_of(context, "KRCC")


def _of(context: Context, name: str) -> list[Figure]:
    panels: dict[str, list[Dot]] = {}
    shown: list[SettingRuns] = []
    for dataset in context.found.datasets:
        groups = best_per_backbone(context, dataset)
        title = f"{dataset} (simulated)" if context.found.simulated(dataset) else dataset
        panels[title] = [_dot(group, name) for group in groups]
        shown += groups
    notes = (
        "Dots: mean over seeds of each backbone's best setting, on the pairs that it was tuned on, also written at the "
        "right. Lines: 95 % interval of the seed with the median SRCC.",
        *deviations(context.usual, shown),
    )
    return [
        figures.drawn(
            f"agreement-{name.lower()}" + (f"-{place + 1}" if place else ""),
            f"Tuned {name} per backbone and data set{', continued' if place else ''}",
            figures.dots(page, x_name=name),
            notes,
        )
        for place, page in enumerate(_pages(panels))
    ]


def _pages(panels: Mapping[str, list[Dot]]) -> list[dict[str, list[Dot]]]:
    """The panels of each figure: as many as have room on a page, one at least."""
    pages: list[dict[str, list[Dot]]] = [{}]
    for title, rows in panels.items():
        if pages[-1] and sum(map(len, pages[-1].values())) + 2 * len(pages[-1]) + len(rows) > MOST_ROWS:
            pages.append({})
        pages[-1][title] = rows
    return pages


def _dot(group: SettingRuns, name: str) -> Dot:
    middle = group.middle.result
    uniform, confidence = middle.baselines.uniform, middle.confidence
    of_srcc = name == "SRCC"
    return Dot(
        name=group.setting.backbone,
        value=fmean(group.srcc if of_srcc else group.krcc),
        interval=None if confidence is None else confidence.srcc if of_srcc else confidence.krcc,
        uniform=uniform.srcc if of_srcc else uniform.krcc,
    )
