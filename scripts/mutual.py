"""Two views of an image, tuned on few references and on many: do they do better where they learn from each other?

For each pair of views, and each number of references, the same random references are tuned on by every method, and the
others are scored: each view alone (`fit`), the plain mean of both (each D over its standard deviation on the pairs
tuned on), one joint fit of both views' stages (`fit`), `mutual`, and `mutual` with images that have no scores. "All"
references are folds. Writes OUTPUT/mutual.json, mutual.md and mutual.svg. Run from the root of the project:

    python scripts/mutual.py --tid2013 DIR --live DIR --squeezenet FILE --mobilenet FILE --output results/mutual
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import iqatune
from iqatune.api.cache import open_cache
from iqatune.api.figure import subplots
from iqatune.errors import InputError
from iqatune.evaluation.correlation import srcc
from iqatune.evaluation.folds import Split, by_reference
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions, Run
from iqatune.runtime.files import replacing, write_text
from iqatune.search.choice import best_trial
from iqatune.search.objective import distances_of
from iqatune.search.task import Task
from iqatune.statistics.prepare import Prepared
from iqatune.statistics.unlabelled import with_unlabelled

DRAWS = {5: 12, 10: 8, 20: 5}
"""Draws of each number of references; more where they are fewer, as a draw then says less and costs less."""

FOLDS, SEEDS = 5, 1
"""Of all references."""

MOBILENET = "timm:mobilenetv2_100"
JOINT = "joint fit"
METHODS = ("view A", "view B", "plain mean", JOINT, "mutual", "mutual, unlabelled")


@dataclass(frozen=True)
class Views:
    """Two views of a data set, together and each alone."""

    name: str
    both: Prepared
    alone: tuple[Prepared, Prepared]


def main() -> int:
    arguments = parse()
    started = time.perf_counter()
    try:
        tid = [
            views_of(pair, {"dataset": "tid2013", "data_root": arguments.tid2013}, arguments)
            for pair in pairs(arguments)
        ]
        labels = {"dataset": "csv", "pairs": f"{arguments.live}/labels.csv", "better": "lower"}
        live = [views_of(pairs(arguments)[0], labels, arguments)]
    except InputError as error:
        print(f"mutual: {error}", file=sys.stderr)
        return 2
    extracted = time.perf_counter()
    found = [*(study(views, "tid2013", DRAWS) for views in tid), *(study(views, "live", {}) for views in live)]
    seconds = {"statistics": round(extracted - started, 1), "study": round(time.perf_counter() - extracted, 1)}
    content = {"draws": DRAWS, "folds": FOLDS, "seconds": seconds, "studies": found}
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_text(arguments.output / "mutual.json", json.dumps(content, indent=1) + "\n")
    write_text(arguments.output / "mutual.md", table(found))
    draw(found, arguments.output / "mutual.svg")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tid2013", required=True, help="folder of TID2013, or of a part of it")
    parser.add_argument(
        "--live", required=True, help="folder of LIVE with labels.csv; its references are the images without scores"
    )
    parser.add_argument("--squeezenet", required=True, help="ImageNet parameters")
    parser.add_argument("--mobilenet", required=True, help="ImageNet parameters of timm's mobilenetv2_100")
    parser.add_argument("--cache-dir", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def pairs(arguments: argparse.Namespace) -> list[tuple[str, tuple[str, ...]]]:
    """The pairs of views, each with its name."""
    return [
        ("SqueezeNet x MobileNetV2", (f"backbone:{MOBILENET}={arguments.mobilenet}",)),
        ("SqueezeNet x its resize:192", ("resize:192",)),
        ("SqueezeNet stages 0-2 x 3-5", ("stages:0-2", "stages:3-5")),
        ("SqueezeNet x its flip", ("flip",)),
    ]


def views_of(pair: tuple[str, tuple[str, ...]], data: Mapping[str, str], arguments: argparse.Namespace) -> Views:
    """Two views of a data set; those of TID2013 with the images without scores."""
    name, view = pair
    options = {"backbone": "squeezenet", "backbone_weights": arguments.squeezenet, "view": view}
    asked: dict[str, Any] = {**data, **options}
    both = iqatune.prepare(**asked, cache_dir=arguments.cache_dir, progress="none")
    if data["dataset"] == "tid2013":
        both = with_unlabelled(
            both,
            Path(arguments.live) / "refimgs",
            backbone=BackboneOptions.parsed(options),
            similarity=Similarity(),
            cache=open_cache(arguments.cache_dir),
            progress=Progress(),
        )
    first, second = (one_view(both, stages) for stages in both.views)
    return Views(name, both, (first, second))


def one_view(both: Prepared, stages: range) -> Prepared:
    """One of two views by itself."""
    ends = np.cumsum((0, *both.channels))
    channels, taken = both.channels[stages.start : stages.stop], slice(ends[stages.start], ends[stages.stop])
    return replace(both, channels=channels, moments=both.moments[:, :, taken], views=(), unlabelled=None)


def study(views: Views, dataset: str, draws: Mapping[int, int]) -> dict[str, object]:
    """Held-out SRCC of every method for every number of references, draw by draw."""
    tasks = {
        "view A": task_of("fit", views.alone[0]),
        "view B": task_of("fit", views.alone[1]),
        JOINT: task_of("fit", views.both),
        "mutual": replace(task_of("mutual", views.both), unlabelled=()),
        "mutual, unlabelled": task_of("mutual", views.both),
    }
    if views.both.unlabelled is None:
        del tasks["mutual, unlabelled"]
    groups = views.both.table.groups
    everything: Callable[[int], Sequence[Split]] = lambda seed: by_reference(groups, FOLDS, seed)  # noqa: E731
    figures: dict[str, dict[str, list[float]]] = {}
    mus: dict[str, list[str]] = {}
    for count, splits in (
        *((str(count), [drawn(groups, count, draw) for draw in range(times)]) for count, times in draws.items()),
        ("all", [split for seed in range(SEEDS if draws else 3) for split in everything(seed)]),
    ):
        started = time.perf_counter()
        rows = [scored(tasks, split) for split in splits]
        figures[count] = {method: [row[0][method] for row in rows] for method in rows[0][0]}
        mus[count] = [row[1] for row in rows]
        print(f"{dataset}, {views.name}, {count}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    d = [one.uniform() for one in views.alone]
    alike = {"srcc_of_both_views_under_uniform_weights": srcc(d[0], d[1])}
    return {"dataset": dataset, "views": views.name, **alike, "srcc": figures, "mu": mus}


def task_of(searcher: str, prepared: Prepared) -> Task:
    run = Run(dataset="tid2013", backbone="squeezenet", searcher=searcher, view=("flip",) if prepared.views else ())
    return Task.of(run, prepared)


def drawn(groups: Sequence[str], count: int, draw: int) -> Split:
    """Some references to tune on, the same for every method; the others are held out."""
    names = sorted(set(groups))
    tuned = np.isin(groups, np.random.default_rng((count, draw)).choice(names, count, replace=False))
    return Split(~tuned, tuned)


def scored(tasks: Mapping[str, Task], split: Split) -> tuple[dict[str, float], str]:
    """Held-out SRCC of every method tuned on one side of a split, and the mu that `mutual` chose."""
    found, distances, mu = {}, {}, ""
    for method, task in tasks.items():
        tuned, left_out = task.split(split)
        searcher, trials = tuned.run()
        best = best_trial(trials)
        if best is None:
            raise InputError(f"{method}: no weights")
        found[method] = left_out.srcc(best.parameters)
        mu = searcher.details.get("mu", "uniform") if method == "mutual" else mu
        both = (distances_of(part.space, part.tables, best.parameters) for part in (tuned, left_out))
        distances[method] = tuple(both)
    mean: Floats = sum(of[1] / of[0].std() for of in (distances["view A"], distances["view B"]))
    found["plain mean"] = srcc(left_out.quality, -mean)
    uniform = tasks[JOINT].split(split)[1]
    found["uniform"] = srcc(uniform.quality, -np.asarray(uniform.tables[0], dtype=np.float64) @ uniform.space.uniform)
    return found, mu


def error_of(values: Sequence[float]) -> float:
    """Standard error of a mean over draws."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def rows_of(found: Mapping[str, object]) -> Iterator[tuple[str, dict[str, list[float]]]]:
    yield from found["srcc"].items()  # type: ignore[attr-defined]


def table(studies: Sequence[Mapping[str, object]]) -> str:
    """Means and standard errors over the draws, and the paired difference from the joint fit."""
    lines = []
    for each in studies:
        lines += [f"## {each['views']}, {each['dataset']}", ""]
        names = ["uniform", *(name for name in METHODS if name in next(rows_of(each))[1])]
        lines += [f"| references | draws | {' | '.join(names)} |", "|" + "---|" * (len(names) + 2)]
        for count, figures in rows_of(each):
            cells = [f"{np.mean(figures[name]):.4f} ± {error_of(figures[name]):.4f}" for name in names]
            lines.append(f"| {count} | {len(figures[JOINT])} | {' | '.join(cells)} |")
        lines += ["", f"Less the {JOINT}, pair by pair:", ""]
        others = [name for name in names if name != JOINT]
        lines += [f"| references | {' | '.join(others)} |", "|" + "---|" * (len(others) + 1)]
        for count, figures in rows_of(each):
            gains = [np.subtract(figures[name], figures[JOINT]).tolist() for name in others]
            cells = [f"{np.mean(gain):+.4f} ± {error_of(gain):.4f}" for gain in gains]
            lines.append(f"| {count} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def draw(studies: Sequence[Mapping[str, object]], path: Path) -> None:
    """The paired differences from the joint fit, by the number of references."""
    shown = [each for each in studies if each["dataset"] == "tid2013"]
    figure, panels = subplots(width=3.1 * len(shown), height=3.4, columns=len(shown))
    for axes, each in zip(panels, shown, strict=True):
        counts = [count for count, _ in rows_of(each)]
        for place, method in enumerate(name for name in METHODS if name != JOINT):
            gains = [np.subtract(figures[method], figures[JOINT]).tolist() for _, figures in rows_of(each)]
            places = np.arange(len(counts)) + 0.08 * (place - 2)
            axes.errorbar(
                places,
                [np.mean(gain) for gain in gains],
                [error_of(gain) for gain in gains],
                fmt="o-",
                ms=3,
                lw=1,
                label=method,
            )
        axes.axhline(0, color="black", lw=0.8)
        axes.set_xticks(range(len(counts)), counts)
        axes.set_title(str(each["views"]), fontsize=9)
        axes.set_xlabel("references tuned on")
    panels[0].set_ylabel("held-out SRCC less the joint fit's")
    panels[-1].legend(fontsize=7)
    with replacing(path) as part:
        figure.savefig(part, format="svg")


if __name__ == "__main__":
    sys.exit(main())
