"""The tables that verbs print for people."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from string import ascii_uppercase
from typing import Final

from iqatune.cli.human_scores import print_human_scores
from iqatune.cli.table import print_table
from iqatune.cli.terminal import figure, interval, print_line
from iqatune.cli.textures import print_tolerance, tolerance_lines
from iqatune.errors import as_flags, counted
from iqatune.evaluation.gain import FEWEST_FOLDS, Gain, gain_of
from iqatune.metric.weights import tuned_weights
from iqatune.records.diagnosis import Diagnosis
from iqatune.records.distances import Distances, PairDistance
from iqatune.records.evaluation import Evaluated, Evaluation
from iqatune.records.labels import HELD_OUT, dataset_label, search_note, source_label
from iqatune.records.names import with_short_files
from iqatune.records.replay import Replay
from iqatune.records.result import BestColumn, HeldOut, Protocol, Result, SetResult
from iqatune.records.run_folder import RunFolder
from iqatune.records.vocabulary import Split

SIMULATED = "The scores come from SIMULATED observers: they show that the job runs, not how good the metric is."

UNSEEN: Final[dict[Split, str]] = {
    "references": "references",
    "sets": "data sets",
    "distortions": "distortions",
    "column": "pairs",
}
"""What held-out figures speak of, by what a fold holds out."""

NOT_SHOWN = "tuning is not shown to help"


def print_search(result: Result, folder: RunFolder) -> None:
    """A finished search: tuned, held-out and uniform figures, and where the weight sits."""
    run, best = result.run, result.best
    columns = ("weights", "SRCC", "95% interval", "KRCC", "PLCC", "held-out SRCC")
    uniform, held_out = result.baselines.uniform, result.held_out
    rows = [
        (
            "uniform",
            figure(uniform.srcc),
            "-",
            figure(uniform.krcc),
            figure(uniform.plcc),
            figure(held_out.uniform_srcc_mean if held_out else None),
        )
    ]
    if best is not None:
        mean = _mean_and_deviation(held_out)
        bounds = result.confidence.srcc if result.confidence else None
        tuned = (run.searcher, figure(best.srcc), interval(bounds), figure(best.krcc), figure(best.plcc), mean)
        rows.insert(0, tuned)
    if result.baselines.best_column is not None:
        column = result.baselines.best_column
        folds = figure(held_out.best_column_srcc_mean if held_out else None)
        rows.append((f"best column ({column.name})", figure(column.srcc), "-", "-", "-", folds))
    protocol = result.protocol
    data = f"{dataset_label(run)} ({counted(protocol.pairs, 'pair')}, {counted(protocol.references, 'reference')})"
    title = f"{data}, {source_label(run)}{search_note(run)}, {counted(_configurations(result), 'sample')}"
    print_table(title, columns, rows, first=("SRCC", "held-out SRCC", "95% interval", "PLCC"))
    if result.sets:
        parts = [_of_set(name, part) for name, part in result.sets.items()]
        print_table("by data set", SET_COLUMNS, parts, first=("SRCC", "uniform", "held-out SRCC", "uniform held out"))
        print_line("Figures of all sets are weighted means: scores of two sets are never ranked together.")
    if best is not None and best.columns:
        shares = [
            [name, f"{weight.weight:.3f}", weight.direction, f"{weight.scale:.4g}"]
            for name, weight in sorted(best.columns.items(), key=lambda item: -item[1].weight)
        ]
        print_table("where the weight sits", ("column", "share", "direction", "scale"), shares)
    elif best is not None:
        alpha, beta = tuned_weights(result).stage_sums()
        stages = [str(stage) for stage in range(len(result.channels))]
        shares = [[name, *(f"{value:.3f}" for value in sums)] for name, sums in (("alpha", alpha), ("beta", beta))]
        print_table("where the weight sits, by stage", ("", *stages), shares, parted=True)
        if best.c is not None:
            print_line(f"Constants c1 = c2 = {best.c:g} were chosen; the uniform weights have {_constants(protocol)}.")
    for line in _gains(result):
        print_line(line)
    if best is not None and result.baselines.best_column is not None:
        print_line(_over_best_column(result, best.srcc, result.baselines.best_column))
    if best is not None and best.value is not None:
        print_line(_objective(result, best.value))
    for line in tolerance_lines(result):
        print_line(line)
    print_line(f"Samples: {_how(result)}.")
    if protocol.simulated:
        print_line(SIMULATED)
    print_line(f"Record: {folder.result_file}")


def _constants(protocol: Protocol) -> str:
    if protocol.c1 == protocol.c2:
        return f"c1 = c2 = {protocol.c1:g}"
    return f"c1 = {protocol.c1:g} and c2 = {protocol.c2:g}"


def _mean_and_deviation(held_out: HeldOut | None) -> str:
    if held_out is None:
        return "-"
    mean = figure(held_out.srcc_mean)
    return mean if held_out.folds == 1 else f"{mean} ± {figure(held_out.srcc_std)}"


def _gains(result: Result) -> list[str]:
    """What tuning brought, each figure beside the uniform weights' on the same pairs; and the verdict."""
    if result.best is None:
        return []
    tuned = f"{_signed(result.best.srcc - result.baselines.uniform.srcc)} tuned (all {result.protocol.pairs} pairs)"
    held_out = result.held_out
    if held_out is None:
        return [
            f"Gain over the uniform weights: {tuned}.",
            f"Verdict: {NOT_SHOWN}: nothing was held out, so that nothing is known of other images.",
        ]
    gain = gain_of([held_out])
    return [
        f"Gain over the uniform weights: {tuned}, {_signed(gain.mean)} held out ({_mean_of(held_out)}; "
        f"standard error {figure(gain.error)}).",
        _optimism(held_out),
        f"Verdict: {_verdict(gain, held_out)} Quote the held-out figure.",
    ]


def _over_best_column(result: Result, tuned: float, column: BestColumn) -> str:
    """What fusing brought over the best column alone."""
    line = f"Gain over the best column, {column.name}: {_signed(tuned - column.srcc)} tuned"
    held_out = result.held_out
    if held_out is None or held_out.best_column_srcc_mean is None:
        return f"{line}."
    chosen = Counter(fold.best_column.name for fold in held_out.per_fold if fold.best_column is not None)
    names = ", ".join(f"{name} in {count}" for name, count in chosen.most_common())
    gain = held_out.srcc_mean - held_out.best_column_srcc_mean
    alone = " That column alone does better on references that were not seen." if gain < 0 else ""
    return f"{line}, {_signed(gain)} held out (each fold's best column is that of its training pairs: {names}).{alone}"


def _mean_of(held_out: HeldOut) -> str:
    if held_out.folds == 1:
        return f"one fold, {HELD_OUT[held_out.split]} held out"
    kind = " by reference" if held_out.split == "references" else f", {HELD_OUT[held_out.split]} held out in each"
    return f"mean of {held_out.folds} folds{kind}, each on its own pairs"


SET_COLUMNS = ("data set", "weight", "SRCC", "uniform", "95% interval", "held-out SRCC", "uniform held out")


def _of_set(name: str, part: SetResult) -> tuple[str, ...]:
    held_out = part.held_out
    return (
        name,
        f"{part.weight:.3f}",
        figure(part.best.srcc if part.best else None),
        figure(part.uniform.srcc),
        interval(part.confidence.srcc if part.confidence else None),
        figure(held_out.srcc_mean if held_out else None),
        figure(held_out.uniform_srcc_mean if held_out else None),
    )


def _signed(difference: float) -> str:
    return "undefined" if math.isnan(difference) else f"{difference:+z.4f}"


def _optimism(held_out: HeldOut) -> str:
    if held_out.is_older:
        return (
            f"Tuned minus held-out, as an older release recorded it: {_signed(held_out.optimism)}; they are of "
            "different pairs, and that is no measure of the optimism. Search again for it."
        )
    return (
        f"Optimism: {_signed(held_out.optimism)}, what the weights tuned on all pairs reach on a fold's pairs above "
        "those tuned without them."
    )


def _verdict(gain: Gain, held_out: HeldOut) -> str:
    unseen = UNSEEN[held_out.split]
    if gain.verdict == "helped":
        return f"tuning helped on {unseen} that it had not seen."
    if gain.verdict == "harmed":
        return f"tuning harmed on {unseen} that it had not seen; keep the uniform weights."
    if held_out.folds < FEWEST_FOLDS:
        folds = "1 fold is" if held_out.folds == 1 else f"{held_out.folds} folds are"
        return f"{NOT_SHOWN}: {folds} too few to tell; it takes {FEWEST_FOLDS}."
    return f"{NOT_SHOWN} on {unseen} that it had not seen; the uniform weights may serve as well."


MOST_COMPARED = 8
"""Metrics whose comparisons, each with each, are still read with ease."""

LONGEST_HEAD = 7
"""Letters of a metric's name that is the head of its column; others are given a letter."""


def print_evaluation(evaluation: Evaluation) -> None:
    """Metrics side by side, each beside each, then their groups, the weakest first."""
    evaluation, file_key = with_short_files(evaluation)
    rows = [
        (
            metric.file,
            metric.tuned_on + _seen_mark(metric),
            figure(metric.srcc) + ("" if len(evaluation.results) == 1 else " *" if metric.tied_with_best else "  "),
            interval(metric.confidence.srcc if metric.confidence else None),
            figure(metric.krcc),
            interval(metric.confidence.krcc if metric.confidence else None),
            figure(metric.plcc),
            interval(metric.confidence.plcc if metric.confidence else None),
        )
        for metric in evaluation.results
    ]
    first = evaluation.results[0].protocol
    columns = ("metric", "tuned on", "SRCC", "SRCC 95%", "KRCC", "KRCC 95%", "PLCC", "PLCC 95%")
    title = f"{evaluation.dataset}: {counted(first.pairs, 'pair')}, {counted(first.references, 'reference')}"
    important = ("SRCC", "SRCC 95%", "tuned on", "PLCC", "KRCC", "PLCC 95%")
    print_table(title, columns, rows, left=2, first=important)
    if len(evaluation.results) > 1:
        print_line("* tied with the best: the 95 % interval of the paired difference, over references, holds 0.")
    for line in (*seen_lines(evaluation), *protocol_differences(evaluation)):
        print_line(line)
    print_human_scores(evaluation)
    print_tolerance(evaluation)
    for metric in evaluation.results:
        if metric.forced is not None:
            print_line(f"! {metric.file}: {metric.forced}")
    heads = _heads(evaluation)
    is_compared = 2 < len(evaluation.results) <= MOST_COMPARED and bool(evaluation.comparisons)
    is_grouped = bool(evaluation.results[0].groups)
    if is_compared:
        _print_comparisons(evaluation, heads)
    if is_grouped:
        _print_groups(evaluation, heads)
    if is_compared or (is_grouped and len(evaluation.results) > 1):
        for head, metric in zip(heads, evaluation.results, strict=True):
            if head != metric.file:
                print_line(f"{head}: {metric.file}")
    for line in file_key:
        print_line(line)
    if evaluation.simulated:
        print_line(SIMULATED)


SAME_PAIRS, SAME_REFERENCES = "†", "‡"


def _seen_mark(metric: Evaluated) -> str:
    """What stands behind the name of the data set that a metric was tuned on."""
    here = metric.tuned_here
    if here is None or not (here.pairs or here.references):
        return ""
    return f" {SAME_PAIRS if here.pairs else SAME_REFERENCES}".rstrip()


def seen_lines(evaluation: Evaluation) -> list[str]:
    """What metrics have seen of the pairs that they are scored on, a line for each kind of it."""
    tuned = [metric for metric in evaluation.results if metric.kind == "tuned"]
    lines = []
    if any(metric.tuned_here is not None and metric.tuned_here.pairs for metric in tuned):
        lines.append(
            f"{SAME_PAIRS} tuned on these very pairs: what it reaches on images that it has not seen is the held-out "
            "SRCC of its record."
        )
    shared = {
        metric.tuned_here.references
        for metric in tuned
        if metric.tuned_here is not None and not metric.tuned_here.pairs and metric.tuned_here.references
    }
    references = evaluation.results[0].protocol.references
    lines += [
        f"{SAME_REFERENCES} tuned on {count} of these {counted(references, 'reference')}, by other pairs of them."
        for count in sorted(shared)
    ]
    lines += [
        f"{metric.file}: whether it was tuned on any of these references is not known{_why(metric)}."
        for metric in tuned
        if metric.tuned_here is None or (not metric.tuned_here.pairs and metric.tuned_here.references is None)
    ]
    return lines


def _why(metric: Evaluated) -> str:
    if metric.tuned_here is None or not metric.tuned_on:
        return f" ({metric.origin})" if metric.origin else ""
    return f", as the pairs of {metric.tuned_on} are not at hand"


def _heads(evaluation: Evaluation) -> list[str]:
    """A short name for the column of every metric: its own, or a letter."""
    names = [metric.file for metric in evaluation.results]
    letters = _letters()
    return [
        name
        if len(name) <= LONGEST_HEAD and names.count(name) == 1
        else next(letter for letter in letters if letter not in names)
        for name in names
    ]


def _letters() -> Iterator[str]:
    """A, B, ..., Z, A2, B2, ..."""
    for again in count(1):
        for letter in ascii_uppercase:
            yield letter if again == 1 else f"{letter}{again}"


SIGNS: Final = {"better": ">", "worse": "<", "tie": "=", "not tested": "?"}
"""What a table of comparisons has for the row's metric beside the column's."""


def _print_comparisons(evaluation: Evaluation, heads: Sequence[str]) -> None:
    turned = {">": "<", "<": ">"}
    cells = [["" for _ in heads] for _ in heads]
    for couple in evaluation.comparisons:
        sign = SIGNS[couple.verdict]
        cells[couple.first][couple.second] = sign
        cells[couple.second][couple.first] = turned.get(sign, sign)
    rows = [[head, *row] for head, row in zip(heads, cells, strict=True)]
    print_table("each beside each, by SRCC", ("", *heads), rows, parted=True)
    print_line(
        "> the row is better than the column, < worse, = a tie, ? not tested; by a paired bootstrap over references at "
        "5 % after Holm's correction over all couples."
    )


def _print_groups(evaluation: Evaluation, heads: Sequence[str]) -> None:
    """One table of the groups: of one metric all its figures, of several the SRCC of each."""
    by = str(evaluation.by)
    first = evaluation.results[0]
    if len(evaluation.results) == 1:
        rows = [
            (group.group, str(group.pairs), figure(group.srcc), figure(group.krcc), figure(group.plcc))
            for group in first.groups
        ]
        columns = (by, "pairs", "SRCC", "KRCC", "PLCC")
        print_table(f"{first.file} by {by}", columns, rows, first=("SRCC", "PLCC", "KRCC"))
        return
    of_metric = [{group.group: group.srcc for group in metric.groups} for metric in evaluation.results]
    cells = []
    for group in first.groups:
        values = [by_group.get(group.group, math.nan) for by_group in of_metric]
        best = max((value for value in values if not math.isnan(value)), default=math.nan)
        cells.append(["- " if math.isnan(value) else f"{value:.3f}{'*' if value == best else ' '}" for value in values])
    by_metric = [(group.group, str(group.pairs), *row) for group, row in zip(first.groups, cells, strict=True)]
    print_table(f"SRCC by {by}", (by, "pairs", *heads), by_metric, names=2, parted=True)
    print_line(
        f"* the highest of its row; -: too few pairs. The order is that of {heads[0]}, the weakest first; "
        "--format json and csv have KRCC and PLCC."
    )


def print_replay(replay: Replay) -> None:
    """What differs from the record; where nothing does, its main figures."""
    different = [figure for figure in replay.figures if not figure.same]
    main = [figure for figure in replay.figures if "[" not in figure.name]
    rows = [
        (shown.name, figure(shown.recorded, 8), figure(shown.recomputed, 8), "same" if shown.same else "DIFFERS")
        for shown in different or main
    ]
    if rows:
        print_table(replay.file, ("figure", "recorded", "recomputed", "is"), rows, first=("is", "recorded"))
    for change in replay.changed:
        print_line(f"{change.name} has changed: {change.recorded} in the record, {change.now} now")
    for note in replay.notes:
        print_line(f"{note[0].upper()}{note[1:]}.")
    same = len(replay.figures) - len(different)
    figures = "figure is" if len(replay.figures) == 1 else "figures are"
    print_line(f"{same} of {len(replay.figures)} {figures} as recorded.")


def print_distances(distances: Distances) -> None:
    """The distance of every pair, and its score where a scale was asked for; a dash where there is none."""
    title = f"{distances.metric}: {distances.origin or distances.backbone}"
    columns, scale = ["reference", "distorted", "D (lower is better)"], distances.scale
    if scale is not None:
        interval = "interval" if scale.level is None else f"{scale.level:.0%} interval".replace("%", " %")
        columns += [f"score ({scale.better} is better)", interval]
    rows = [
        (pair.reference, pair.distorted, *_figures_of(pair)[: 1 if scale is None else 3]) for pair in distances.pairs
    ]
    print_table(title, columns, rows, left=2, names=2)
    if scale is not None:
        simulated = "; SIMULATED observers" if scale.simulated else ""
        print_line(f"Score: {scale.name}{simulated}. The interval is of the score that people would give the image.")


def _figures_of(pair: PairDistance) -> tuple[str, str, str]:
    """D, score and interval, each a dash where there is none."""
    distance = "-" if pair.distance is None else f"{pair.distance:.6f}"
    score = "-" if pair.score is None else f"{pair.score:.4g}"
    interval = "-" if pair.low is None or pair.high is None else f"[{pair.low:.4g}, {pair.high:.4g}]"
    return distance, score, interval


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Every finding in a line, and how many problems there are."""
    rows = [
        (
            finding.subject,
            finding.check,
            finding.level.upper() if finding.level == "problem" else finding.level,
            as_flags(finding.says),
        )
        for finding in diagnosis.findings
    ]
    print_table("doctor", ("what", "check", "result", "finding"), rows, left=4, first=("result", "finding"))
    counts = Counter(finding.level for finding in diagnosis.findings)
    told = [counted(counts[level], level) for level in ("problem", "warning", "note") if counts[level]]
    print_line(", ".join([*told, f"{counts['ok']} ok"] if counts["ok"] else told))


def protocol_differences(evaluation: Evaluation) -> list[str]:
    """In what the protocols of metrics in one table differ from the first one's, where they are not meant to."""
    expected = {"backbone_weights", "backbone_sha256", "columns", "split_seed", "views", "unlabelled"}
    first = evaluation.results[0]
    lines = []
    for metric in evaluation.results[1:]:
        if metric.kind == "scores":  # made by others, who alone know how
            continue
        pairs = zip(first.protocol.model_dump().items(), metric.protocol.model_dump().items(), strict=True)
        different = [
            f"{name} {theirs!r} instead of {ours!r}"
            for (name, ours), (_, theirs) in pairs
            if ours != theirs and name not in expected
        ]
        if different:
            lines.append(f"! {metric.file} was scored under another protocol: {', '.join(different)}")
    return lines


def _objective(result: Result, tuned: float) -> str:
    run = result.run
    textures = f" less {run.texture_weight:g} times the texture tolerance" if run.texture_weight else ""
    line = f"Maximised: {run.objective}{textures}, {figure(tuned)} (uniform {figure(result.baselines.uniform_value)})"
    held_out = None if result.held_out is None else result.held_out.objective
    if held_out is None:
        return f"{line}."
    return f"{line}; held-out {figure(held_out.mean)} (uniform {figure(held_out.uniform_mean)})."


def _configurations(result: Result) -> int:
    """How many there are, whatever was asked for."""
    strategy = result.strategy
    return strategy.random + strategy.initial + strategy.model + strategy.local + strategy.fitted


def _how(result: Result) -> str:
    strategy = result.strategy
    kinds = ("random", "initial", "model", "local", "fitted")
    counts = [f"{getattr(strategy, kind)} {kind}" for kind in kinds if getattr(strategy, kind)]
    details = [f"{name} {value}" for name, value in strategy.details.items()]
    return ", ".join(counts + details) or "none"
