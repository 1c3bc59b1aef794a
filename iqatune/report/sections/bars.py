"""The study's figure 2: SRCC and KRCC of each backbone on each data set, as bars."""

from iqatune.report import figures
from iqatune.report.advice import best_per_backbone, mean
from iqatune.report.collect import SettingRuns
from iqatune.report.context import Context
from iqatune.report.model import Figure
from iqatune.report.protocol import deviations


def bars(context: Context) -> tuple[Figure, ...]:
    """The best setting of each backbone on each data set; none where there is but one."""
    if sum(len(best_per_backbone(context, dataset)) for dataset in context.found.datasets) < 2:
        return ()
    return _bars(context, "SRCC"), _bars(context, "KRCC")


def _bars(context: Context, name: str) -> Figure:
    values: dict[str, dict[str, float | None]] = {}
    shown: list[SettingRuns] = []
    for dataset in context.found.datasets:
        for group in best_per_backbone(context, dataset):
            figure = mean(group.srcc if name == "SRCC" else group.krcc)
            values.setdefault(group.setting.backbone, {})[dataset] = figure
            shown.append(group)
    labels = [
        f"{dataset} (simulated)" if context.found.simulated(dataset) else dataset for dataset in context.found.datasets
    ]
    rows = {backbone: [found.get(dataset) for dataset in context.found.datasets] for backbone, found in values.items()}
    return Figure(
        f"bars-{name.lower()}",
        f"Tuned {name} per backbone and data set",
        figures.as_svg(figures.grouped_bars(labels, rows, y_name=name)),
        (
            "Mean over seeds of each backbone's best setting; a missing bar was not run.",
            *deviations(context.usual, shown),
        ),
    )
