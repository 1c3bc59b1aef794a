"""The files of `iqatune robust`: the document, its figures as CSV, and drawings of agreement against severity."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from iqatune.records.robust import ROBUST_FILE, Bounds, Kind, OnSet, Robust
from iqatune.report.figures import Panel, as_pdf, as_svg, line_panels
from iqatune.runtime.files import write_together
from iqatune.scoring.robustness import DEGRADATIONS, as_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES: Final[dict[Kind, str]] = {
    "side": "short side, pixels",
    "jpeg": "JPEG quality",
    "blur": "blur, sigma in pixels",
    "noise": "noise, sigma of the range",
}


def write(document: Robust, folder: Path) -> None:
    """robust.json, robust.csv, and where images were degraded a robust-DATASET.svg and .pdf for each data set.

    Raises:
        UnwritableError: naming the file; all are as they were before.
    """
    contents: dict[str, str | bytes] = {
        ROBUST_FILE: document.model_dump_json(by_alias=True, indent=2) + "\n",
        "robust.csv": as_csv(document),
    }
    for place, of_set in enumerate(document.sets):
        figure = drawing(document, place)
        if figure is not None:
            # two sets of one name (csv) are told apart by their place
            same = [each.dataset for each in document.sets[:place]].count(of_set.dataset)
            name = f"robust-{of_set.dataset}" + (f"-{same + 1}" if same else "")
            contents |= {f"{name}.svg": as_svg(figure), f"{name}.pdf": as_pdf(figure)}
    write_together(folder, contents)


def drawing(document: Robust, place: int) -> "Figure | None":
    """Agreement retained against severity on one data set: a panel a kind, a line a metric.

    Args:
        place: of the data set in the document.

    Returns:
        None where no images were degraded.
    """
    kinds = [kind for kind in DEGRADATIONS if kind in document.kinds]
    if not kinds:
        return None
    by_name = {name: metric.sets[place] for name, metric in zip(document.names, document.metrics, strict=True)}
    panels: dict[str, Panel] = {kind: _panel(kind, by_name) for kind in kinds}
    return line_panels(panels, y_name="agreement retained")


def _panel(kind: Kind, metrics: dict[str, OnSet]) -> Panel:
    of_kind = {name: [each for each in on_set.degraded if each.kind == kind] for name, on_set in metrics.items()}
    places = ["as it is", *(transform.partition(":")[2] for transform in DEGRADATIONS[kind])]
    start = {name: 1.0 if on_set.srcc > 0 else np.nan for name, on_set in metrics.items()}
    return Panel(
        places=places,
        lines={name: np.array([start[name], *(each.retained for each in found)]) for name, found in of_kind.items()},
        bounds={
            name: np.array([_bar(None), *(_bar(each.interval) for each in found)]) for name, found in of_kind.items()
        },
        x_name=NAMES[kind],
    )


def _bar(bounds: Bounds) -> tuple[float, float]:
    return (np.nan, np.nan) if bounds is None else bounds
