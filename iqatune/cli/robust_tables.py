"""What `iqatune robust` prints for people."""

from collections.abc import Sequence

from iqatune.cli.table import print_table
from iqatune.cli.tables import SAME_PAIRS, SAME_REFERENCES, SIMULATED
from iqatune.cli.terminal import figure, interval, print_line
from iqatune.errors import counted
from iqatune.records.robust import Changed, Kind, OnSet, Robust
from iqatune.scoring.robustness import DEGRADATIONS, NOT_SEEN


def print_robust(document: Robust) -> None:
    """A data set after the other, then costs and the average over data sets."""
    kinds = [kind for kind in DEGRADATIONS if kind in document.kinds]
    for place, of_set in enumerate(document.sets):
        title = f"{of_set.dataset}: {counted(of_set.pairs, 'pair')}, {counted(of_set.references, 'reference')}"
        rows = [(name, metric.sets[place]) for name, metric in zip(document.names, document.metrics, strict=True)]
        if kinds:
            _print_retained(title, rows, kinds)
            _print_severities(rows, kinds)
        if "unseen" in document.kinds:
            _print_unseen(title, rows)
    _print_costs(document, is_degraded=bool(kinds))
    for name, metric in zip(document.names, document.metrics, strict=True):
        if name != metric.file:
            print_line(f"{name}: {metric.file}")
    for line in _notes(document, is_degraded=bool(kinds)):
        print_line(line)


def _print_retained(title: str, rows: list[tuple[str, OnSet]], kinds: Sequence[Kind]) -> None:
    cells = [
        (
            name,
            f"{figure(on_set.srcc)} {_seen_mark(on_set)}".rstrip(),
            figure(on_set.retained, 3),
            interval(on_set.interval),
            figure(on_set.improved, 3),
            *(figure(_mean([each.retained for each in on_set.degraded if each.kind == kind]), 3) for kind in kinds),
        )
        for name, on_set in rows
    ]
    columns = ("metric", "SRCC", "agreement retained", "95%", "improved", *kinds)
    important = ("agreement retained", "95%", "SRCC", "improved")
    print_table(f"{title}, both images degraded alike", columns, cells, first=important)


def _print_severities(rows: list[tuple[str, OnSet]], kinds: Sequence[Kind]) -> None:
    for kind in kinds:
        cells = [
            (name, figure(on_set.srcc), *(figure(each.srcc) for each in on_set.degraded if each.kind == kind))
            for name, on_set in rows
        ]
        strengths = [transform.partition(":")[2] for transform in DEGRADATIONS[kind]]
        print_table(f"SRCC, {kind}", ("metric", "as it is", *strengths), cells, parted=True)


def _print_unseen(title: str, rows: list[tuple[str, OnSet]]) -> None:
    first = rows[0][1].unseen[0]
    apart = first.different is not None
    heads = [f"{transform}{which}" for transform in NOT_SEEN for which in (", all", ", told apart")[: 1 + apart]]
    cells = [
        (name, *(_share(found) for each in on_set.unseen for found in (each.all, each.different)[: 1 + apart]))
        for name, on_set in rows
    ]
    changed = f"{title}, the distorted images alone changed: couples in another order"
    print_table(changed, ("metric", *heads), cells, parted=True)
    told = f", of which people tell {first.different.couples} apart" if first.different is not None else ""
    print_line(f"Shares, with 95 % intervals, of {first.all.couples} couples of pairs{told}.")


def _share(found: Changed | None) -> str:
    return "-" if found is None else f"{figure(found.share)} {interval(found.interval)}"


def _print_costs(document: Robust, *, is_degraded: bool) -> None:
    rows = [
        (
            name,
            figure(metric.war if is_degraded else None, 3),
            f"{metric.cost.milliseconds:.3g}",
            "-" if metric.cost.macs is None else f"{metric.cost.macs / 1e9:.2f}",
            "-" if metric.cost.parameters is None else f"{metric.cost.parameters / 1e6:.2f}",
        )
        for name, metric in zip(document.names, document.metrics, strict=True)
    ]
    cost = document.metrics[0].cost
    size = f"a pair of {cost.width}x{cost.height}, median of {cost.rounds} rounds, {document.environment.device}"
    columns = ("metric", "WAR", "ms", "10^9 MACs", "10^6 parameters")
    print_table(f"over all data sets, and what it costs ({size})", columns, rows)
    if len(document.sets) > 1 and is_degraded:
        weights = ", ".join(f"{of_set.dataset} {of_set.weight:.2f}" for of_set in document.sets)
        print_line(f"WAR: the improved form averaged over data sets with weights ({weights}).")


def _notes(document: Robust, *, is_degraded: bool) -> list[str]:
    lines = []
    if is_degraded:
        lines.append(
            "Agreement retained: the SRCC with the human scores of the images as they are, over the metric's SRCC on "
            "these. Of strongly degraded images they are no human scores: people would see other differences there."
        )
    marks = {_seen_mark(on_set) for metric in document.metrics for on_set in metric.sets}
    if SAME_PAIRS in marks:
        lines.append(f"{SAME_PAIRS} tuned on these very pairs.")
    if SAME_REFERENCES in marks:
        lines.append(f"{SAME_REFERENCES} tuned on pairs of some of these references.")
    lines += [f"! {metric.file}: {metric.forced}" for metric in document.metrics if metric.forced is not None]
    if any(of_set.simulated for of_set in document.sets):
        lines.append(SIMULATED)
    return lines


def _seen_mark(on_set: OnSet) -> str:
    """What stands behind an SRCC of a metric that has seen the pairs, or their references."""
    here = on_set.tuned_here
    if here is None or not (here.pairs or here.references):
        return ""
    return SAME_PAIRS if here.pairs else SAME_REFERENCES


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
