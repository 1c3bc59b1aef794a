"""Two views of an image, tuned on few references and on many: do they do better where they learn from each other?

For each pair of views, and each number of references, the same random references are tuned on by every method, and the
others are scored: each view alone (`fit`), the plain mean of both (each D over its standard deviation on the pairs
tuned on), one joint fit of both views' stages (`fit`), `mutual`, and `mutual` with images that have no scores. "All"
references are folds. Writes OUTPUT/mutual.json, mutual.md and mutual.svg. Run from the root of the project:

    python scripts/mutual.py --tid2013 DIR --live DIR --squeezenet FILE --mobilenet FILE --output results/mutual
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
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

DRAWS = {"5": 6, "10": 4, "20": 3}
"""Draws of each number of references; more where they are fewer, as a draw then says less and costs less."""

FOLDS = 5
"""Of all references."""

LIVE_FOLDS, LIVE_SEEDS = 4, 2
"""Of LIVE's eight references."""

MOBILENET = "timm:mobilenetv2_100"
JOINT = "joint fit"
Rows = Sequence[Mapping[str, Any]]
METHODS = ("view A", "view B", "plain mean", JOINT, "mutual", "mutual, unlabelled")


@dataclass(frozen=True)
class Views:
    """Two views of a data set, together and each alone."""

    both: Prepared
    alone: tuple[Prepared, Prepared]


def main() -> int:
    arguments = parse()
    file = arguments.output / "mutual.json"
    found: dict[str, Any] = json.loads(file.read_text())["studies"] if file.exists() else {}
    started = time.perf_counter()
    arguments.output.mkdir(parents=True, exist_ok=True)
    try:
        for study in studies(arguments):
            for _ in study.missing(found):
                write_text(file, json.dumps({"draws": DRAWS, "folds": FOLDS, "studies": found}, indent=1) + "\n")
                if time.perf_counter() - started > arguments.seconds:
                    print("mutual: there is more; run it again to go on", file=sys.stderr)
                    told(found, arguments.output)
                    return 1
    except InputError as error:
        print(f"mutual: {error}", file=sys.stderr)
        return 2
    told(found, arguments.output)
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
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long; run again to go on")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


@dataclass(frozen=True)
class Study:
    """Two views on one data set.

    Attributes:
        draws: how often so many references are drawn; "all" stands for folds.
        unlabelled: a folder of images without scores, where they are to take part.
    """

    name: str
    view: tuple[str, ...]
    data: Mapping[str, str]
    draws: Mapping[str, int]
    unlabelled: Path | None
    arguments: argparse.Namespace

    def missing(self, found: dict[str, Any]) -> Iterator[None]:
        """Fill in what is missing, draw by draw."""
        mine = found.setdefault(self.name, {"seconds": 0.0, "rows": {count: [] for count in self.draws}})
        if all(len(mine["rows"][count]) == times for count, times in self.draws.items()):
            return
        views = self.prepared()
        first, second = (one.uniform() for one in views.alone)
        mine["srcc_of_one_view_with_the_other_under_uniform_weights"] = srcc(first, second)
        tasks = {
            "view A": task_of("fit", views.alone[0]),
            "view B": task_of("fit", views.alone[1]),
            JOINT: task_of("fit", views.both),
            "mutual": replace(task_of("mutual", views.both), unlabelled=()),
        }
        if self.unlabelled is not None:
            tasks["mutual, unlabelled"] = task_of("mutual", views.both)
        for count, times in self.draws.items():
            for number in range(len(mine["rows"][count]), times):
                started = time.process_time()
                mine["rows"][count].append(scored(tasks, self.split(views.both.table.groups, count, number)))
                mine["seconds"] = round(mine["seconds"] + time.process_time() - started, 1)
                yield

    def split(self, groups: Sequence[str], count: str, number: int) -> Split:
        """The references that are tuned on, the same for every method and every pair of views; the others are scored.

        Args:
            number: of the draw, or of the fold.
        """
        if count == "all":
            folds = FOLDS if self.data["dataset"] == "tid2013" else LIVE_FOLDS
            seed, fold = divmod(number, folds)
            return by_reference(groups, folds, seed)[fold]
        names = sorted(set(groups))
        tuned = np.isin(groups, np.random.default_rng((int(count), number)).choice(names, int(count), replace=False))
        return Split(~tuned, tuned)

    def prepared(self) -> Views:
        """Both views' moments, and those of the images without scores."""
        options = {"backbone": "squeezenet", "backbone_weights": self.arguments.squeezenet, "view": self.view}
        asked: dict[str, Any] = {**self.data, **options}
        both = iqatune.prepare(**asked, cache_dir=self.arguments.cache_dir, progress="none")
        if self.unlabelled is not None:
            both = with_unlabelled(
                both,
                self.unlabelled,
                backbone=BackboneOptions.parsed(options),
                similarity=Similarity(),
                cache=open_cache(self.arguments.cache_dir),
                progress=Progress(),
            )
        first, second = (one_view(both, stages) for stages in both.views)
        return Views(both, (first, second))


def studies(arguments: argparse.Namespace) -> Iterator[Study]:
    """What is measured."""
    tid = {"dataset": "tid2013", "data_root": arguments.tid2013}
    live = {"dataset": "csv", "pairs": f"{arguments.live}/labels.csv", "better": "lower"}
    pictures = Path(arguments.live) / "refimgs"
    draws = {**DRAWS, "all": FOLDS}
    cnns = (f"backbone:{MOBILENET}={arguments.mobilenet}",)
    halves = ("stages:0-2", "stages:3-5")
    yield Study("SqueezeNet x MobileNetV2", cnns, tid, draws, pictures, arguments)
    folds = {"all": LIVE_FOLDS * LIVE_SEEDS}
    yield Study("LIVE, SqueezeNet x MobileNetV2", cnns, live, folds, None, arguments)
    yield Study("SqueezeNet x flip", ("flip",), tid, {"10": 3}, None, arguments)
    yield Study("SqueezeNet x resize:192", ("resize:192",), tid, draws, None, arguments)
    yield Study("SqueezeNet stages 0-2 x 3-5", halves, tid, draws, None, arguments)


def one_view(both: Prepared, stages: range) -> Prepared:
    """One of two views by itself."""
    ends = np.cumsum((0, *both.channels))
    channels, taken = both.channels[stages.start : stages.stop], slice(ends[stages.start], ends[stages.stop])
    return replace(both, channels=channels, moments=np.asarray(both.moments)[:, :, taken], views=(), unlabelled=None)


def task_of(searcher: str, prepared: Prepared) -> Task:
    run = Run(dataset="tid2013", backbone="squeezenet", searcher=searcher, view=("flip",) if prepared.views else ())
    return Task.of(run, prepared)


def scored(tasks: Mapping[str, Task], split: Split) -> dict[str, Any]:
    """Held-out SRCC of every method tuned on one side of a split, and the mu that `mutual` chose."""
    found: dict[str, Any] = {}
    distances: dict[str, tuple[Floats, Floats]] = {}
    for method, task in tasks.items():
        tuned, left_out = task.split(split)
        searcher, trials = tuned.run()
        best = best_trial(trials)
        if best is None:
            raise InputError(f"{method}: no weights")
        found[method] = left_out.srcc(best.parameters)
        if method.startswith("mutual"):
            found[f"mu of {method}"] = searcher.details.get("mu", "uniform weights")
        first, second = (distances_of(part.space, part.tables, best.parameters) for part in (tuned, left_out))
        distances[method] = (first, second)
    mean: Floats = np.zeros(int(split.held_out.sum()))
    for view in ("view A", "view B"):
        of_tuned, of_left_out = distances[view]
        mean = mean + of_left_out / of_tuned.std()
    joint = tasks[JOINT].split(split)[1]
    found["plain mean"] = srcc(joint.quality, -mean)
    found["uniform"] = srcc(joint.quality, -joint.tables[0] @ joint.space.uniform)
    return found


def error_of(values: Floats) -> float:
    """Standard error of a mean over draws."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def told(found: Mapping[str, Any], output: Path) -> None:
    """Write the table and the plot of what has been drawn twice at least."""
    rows = {
        study: {count: drawn for count, drawn in content["rows"].items() if len(drawn) > 1}
        for study, content in found.items()
    }
    rows = {study: by_count for study, by_count in rows.items() if by_count}
    if rows:
        write_text(output / "mutual.md", table(rows))
        draw({study: by_count for study, by_count in rows.items() if len(by_count) > 1}, output / "mutual.svg")


def columns_of(rows: Rows) -> dict[str, Floats]:
    """The figures of every method, draw by draw."""
    return {name: np.array([row[name] for row in rows]) for name in ("uniform", *METHODS) if name in rows[0]}


def table(found: Mapping[str, Mapping[str, Rows]]) -> str:
    """Means and standard errors over the draws, and the paired difference from the joint fit."""
    lines = []
    for study, rows in found.items():
        by_count = {count: columns_of(drawn) for count, drawn in rows.items()}
        names = list(next(iter(by_count.values())))
        others = [name for name in names if name != JOINT]
        lines += [f"## {study}", "", f"| references | draws | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
        for count, figures in by_count.items():
            cells = [f"{values.mean():.4f} ± {error_of(values):.4f}" for values in figures.values()]
            lines.append(f"| {count} | {len(figures[JOINT])} | {' | '.join(cells)} |")
        lines += ["", f"Less the {JOINT}, draw by draw:", ""]
        lines += [f"| references | {' | '.join(others)} |", "|---" * (len(others) + 1) + "|"]
        for count, figures in by_count.items():
            gains = [figures[name] - figures[JOINT] for name in others]
            cells = [f"{gain.mean():+.4f} ± {error_of(gain):.4f}" for gain in gains]
            lines.append(f"| {count} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def draw(shown: Mapping[str, Mapping[str, Rows]], path: Path) -> None:
    """The paired differences from the joint fit, by the number of references."""
    if not shown:
        return
    figure, panels = subplots(width=3.6 * len(shown), height=3.6, columns=len(shown))
    for axes, (study, by_count) in zip(panels, shown.items(), strict=True):
        figures = [columns_of(rows) for rows in by_count.values()]
        others = [name for name in METHODS if name != JOINT and name in figures[0]]
        for place, method in enumerate(others):
            gains = [each[method] - each[JOINT] for each in figures]
            means, errors = [gain.mean() for gain in gains], [error_of(gain) for gain in gains]
            places = np.arange(len(gains)) + 0.08 * (place - 2)
            axes.errorbar(places, means, errors, fmt="o-", markersize=3, linewidth=1, label=method)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(range(len(by_count)), list(by_count))
        axes.set_title(study, fontsize=9)
        axes.set_xlabel("references tuned on")
    panels[0].set_ylabel("held-out SRCC less the joint fit's")
    panels[0].legend(fontsize=7)
    with replacing(path) as part:
        figure.savefig(part, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
