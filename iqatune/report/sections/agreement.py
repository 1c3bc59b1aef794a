"""The study's figure 2: SRCC and KRCC of each backbone on each data set, with their intervals."""

from statistics import fmean

from iqatune.report import figures
from iqatune.report.advice import best_per_backbone
from iqatune.report.collect import SettingRuns
from iqatune.report.context import Context
from iqatune.report.figures import Dot
from iqatune.report.model import Figure
from iqatune.report.protocol import deviations


def agreement_figures(context: Context) -> tuple[Figure, ...]:
    """The best setting of each backbone on each data set; none where there is but one."""
    if sum(len(best_per_backbone(context, dataset)) for dataset in context.found.datasets) < 2:
        return ()
    return _figure(context, "SRCC"), _figure(context, "KRCC")


def _figure(context: Context, name: str) -> Figure:
    panels: dict[str, list[Dot]] = {}
    shown: list[SettingRuns] = []
    for dataset in context.found.datasets:
        groups = best_per_backbone(context, dataset)
        title = f"{dataset} (simulated)" if context.found.simulated(dataset) else dataset
        panels[title] = [_dot(group, name) for group in groups]
        shown += groups
    return figures.drawn(
        f"agreement-{name.lower()}",
        f"Tuned {name} per backbone and data set",
        figures.dots(panels, x_name=name),
        (
            "Dots: mean over seeds of each backbone's best setting, on the pairs that it was tuned on, also written at "
            "the right. Lines: 95 % interval of the seed with the median SRCC.",
            *deviations(context.usual, shown),
        ),
    )


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
