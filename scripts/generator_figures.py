"""The figures of scripts/generate.py: what every arm's rebuilt crops are worth, as numbers and as pictures."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Compare = Callable[[Tensor, Tensor], Tensor]
"""From crops and their copies, (N, 3, H, W) each, to N numbers."""

Crops = Mapping[str, Tensor]
"""Crops (N, 3, H, W) of every photograph, by its name."""

Curve = Mapping[str, Sequence[float]]
"""What was measured along the way, by its name; "step" says when."""


def one_by_one(compare: Callable[[Tensor, Tensor], Any]) -> Compare:
    """Of what compares (1, 3, H, W) images to one number."""
    return lambda crops, copies: torch.tensor(
        [float(compare(crop[None], copy[None])) for crop, copy in zip(crops, copies, strict=True)]
    )


def compare(measures: Mapping[str, Compare], crops: Crops, rebuilt: Mapping[str, Crops]) -> dict[str, Any]:
    """Every measure of every arm's copies of the crops, and how the arms differ from the first one."""
    return {name: _measured(measure, crops, rebuilt) for name, measure in measures.items()}


@torch.no_grad()
def _measured(measure: Compare, crops: Crops, rebuilt: Mapping[str, Crops]) -> dict[str, Any]:
    values = {
        arm: {name: measure(crops[name], copies[name]).double().cpu().numpy() for name in crops}
        for arm, copies in rebuilt.items()
    }
    first, *others = values
    means = {arm: {name: float(each.mean()) for name, each in found.items()} for arm, found in values.items()}
    return {
        "by_photograph": means,
        "mean": {arm: float(np.mean(list(found.values()))) for arm, found in means.items()},
        f"less_{first}": {arm: _difference(values[arm], values[first]) for arm in others},
    }


def _difference(values: Mapping[str, Any], of_first: Mapping[str, Any]) -> dict[str, float]:
    """How two arms differ: crops of one photograph are alike, so photographs are counted, by Student's t."""
    crops = [values[name] - of_first[name] for name in values]
    means = np.array([each.mean() for each in crops])
    interval = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    return {
        "mean": float(means.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
        "photographs_higher": int((means > 0).sum()),
        "crops_higher": float((np.concatenate(crops) > 0).mean()),
    }


def table(compared: Mapping[str, Any]) -> str:
    """The figures in Markdown: means over photographs; differences from the first arm with their 95 % intervals."""
    arms = next(iter(compared.values()))["mean"]
    first, *others = arms
    lines = ["| measure | " + " | ".join(arms) + " |", "|---" * (len(arms) + 1) + "|"]
    for measure, found in compared.items():
        cells = [f"{found['mean'][first]:.4g}"]
        for arm in others:
            less = found[f"less_{first}"][arm]
            interval = f"{less['mean']:+.2g} [{less['low']:+.2g}, {less['high']:+.2g}]"
            cells.append(f"{found['mean'][arm]:.4g} ({interval})")
        lines.append(f"| {measure} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def picture_of_rows(rows: Mapping[str, Tensor]) -> bytes:
    """A PNG of rows of images (N, 3, H, W), with the rows' names, two pixels of the picture to one of theirs."""
    from matplotlib.figure import Figure

    framed = {name: F.pad(images.cpu(), (1, 1, 1, 1), value=1.0) for name, images in rows.items()}
    picture = torch.cat([images.permute(2, 0, 3, 1).flatten(1, 2) for images in framed.values()]).numpy()
    height, width = picture.shape[:2]
    names, dpi = 260, 100
    figure = Figure(figsize=((2 * width + names) / dpi, 2 * height / dpi), dpi=dpi)
    axes = figure.add_axes((names / (2 * width + names), 0, 2 * width / (2 * width + names), 1))
    axes.imshow(picture, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for row, name in enumerate(rows):
        axes.text(-8, (row + 0.5) * height / len(rows), name, ha="right", va="center")
    return _png(figure)


def picture_of_curves(curves: Mapping[str, Sequence[Curve]]) -> bytes:
    """A PNG of what was measured along the way, of every arm: means over its folds."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for folds in curves.values() for name in folds[0] if name != "step"))
    figure = Figure(figsize=(11, 5), dpi=80, layout="tight")
    for axes, name in zip(figure.subplots(2, -(-len(names) // 2)).flat, names, strict=False):
        for number, (arm, folds) in enumerate(curves.items()):
            if name in folds[0]:
                mean = np.mean([fold[name] for fold in folds], axis=0)
                axes.plot(folds[0]["step"], mean, color=f"C{number}", label=arm, linewidth=1)
        axes.set_title(name, fontsize="medium")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize="small")
    return _png(figure)


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
