"""The tables that verbs print for people."""

from collections import Counter
from pathlib import Path

from iqatune.cli.terminal import figure, interval, print_table
from iqatune.metric.weights import tuned_weights
from iqatune.records.diagnosis import Diagnosis
from iqatune.records.evaluation import Evaluation
from iqatune.records.replay import Replay
from iqatune.records.result import RESULT_FILE, Result

SIMULATED = "The scores come from SIMULATED observers: they show that the job runs, not how good the metric is."


def print_search(result: Result, folder: Path) -> None:
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
        mean = f"{figure(held_out.srcc_mean)} ± {figure(held_out.srcc_std)}" if held_out else "-"
        bounds = result.confidence.srcc if result.confidence else None
        tuned = (run.searcher, figure(best.srcc), interval(bounds), figure(best.krcc), figure(best.plcc), mean)
        rows.insert(0, tuned)
    protocol = result.protocol
    data = f"{run.dataset} ({protocol.pairs} pairs, {protocol.references} references)"
    title = f"{data}, {run.backbone}, {run.samples} samples"
    print_table(title, columns, rows)
    if best is not None:
        alpha, beta = tuned_weights(result).stage_sums()
        stages = [str(stage) for stage in range(len(result.channels))]
        shares = [[name, *(f"{value:.3f}" for value in sums)] for name, sums in (("alpha", alpha), ("beta", beta))]
        print_table("where the weight sits, by stage", ("", *stages), shares)
    if held_out is not None:
        print(
            f"Tuned minus held-out: {held_out.optimism:+.4f} over {held_out.folds} folds by reference. "
            "Quote the held-out figure."
        )
    print(f"Samples: {_how(result)}.")
    if protocol.simulated:
        print(SIMULATED)
    print(f"Record: {folder / RESULT_FILE}")


def print_evaluation(evaluation: Evaluation) -> None:
    """Metrics side by side, then their groups, the weakest first."""
    rows = [
        (
            one.file,
            one.tuned_on,
            figure(one.srcc) + (" *" if one.tied_with_best and len(evaluation.results) > 1 else ""),
            interval(one.confidence.srcc if one.confidence else None),
            figure(one.krcc),
            interval(one.confidence.krcc if one.confidence else None),
            figure(one.plcc),
            interval(one.confidence.plcc if one.confidence else None),
        )
        for one in evaluation.results
    ]
    first = evaluation.results[0].protocol
    columns = ("metric", "tuned on", "SRCC", "95%", "KRCC", "95%", "PLCC", "95%")
    print_table(f"{evaluation.dataset}: {first.pairs} pairs, {first.references} references", columns, rows, left=2)
    if len(evaluation.results) > 1:
        print("* tied with the best: the 95 % interval of the paired difference, over references, holds 0.")
    for difference in protocol_differences(evaluation):
        print(difference)
    for one in evaluation.results:
        if one.groups:
            groups = [
                (group.group, str(group.pairs), figure(group.srcc), figure(group.krcc), figure(group.plcc))
                for group in one.groups
            ]
            print_table(f"{one.file} by {evaluation.by}", (str(evaluation.by), "pairs", "SRCC", "KRCC", "PLCC"), groups)
    if evaluation.simulated:
        print(SIMULATED)


def print_replay(replay: Replay) -> None:
    """What differs from the record; where nothing does, its main figures."""
    different = [figure for figure in replay.figures if not figure.same]
    main = [figure for figure in replay.figures if "[" not in figure.name]
    rows = [
        (one.name, figure(one.recorded, 8), figure(one.recomputed, 8), "same" if one.same else "DIFFERS")
        for one in different or main
    ]
    if rows:
        print_table(replay.file, ("figure", "recorded", "recomputed", ""), rows)
    for change in replay.changed:
        print(f"{change.name} has changed: {change.recorded} in the record, {change.now} now")
    same = len(replay.figures) - len(different)
    print(f"{same} of {len(replay.figures)} figures are as recorded.")


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Every finding in a line, and how many problems there are."""
    rows = [
        (one.subject, one.check, one.level.upper() if one.level == "problem" else one.level, one.says)
        for one in diagnosis.findings
    ]
    print_table("doctor", ("what", "check", "result", "finding"), rows, left=4)
    counts = Counter(one.level for one in diagnosis.findings)
    print(", ".join(f"{counts[level]} {level}" for level in ("problem", "warning", "note", "ok") if counts[level]))


def protocol_differences(evaluation: Evaluation) -> list[str]:
    """In what the protocols of metrics in one table differ from the first one's; the backbone is meant to differ."""
    expected = {"backbone_weights", "backbone_sha256", "split_seed"}
    first = evaluation.results[0]
    lines = []
    for one in evaluation.results[1:]:
        pairs = zip(first.protocol.model_dump().items(), one.protocol.model_dump().items(), strict=True)
        different = [
            f"{name} {theirs!r} instead of {ours!r}"
            for (name, ours), (_, theirs) in pairs
            if ours != theirs and name not in expected
        ]
        if different:
            lines.append(f"! {one.file} was scored under another protocol: {', '.join(different)}")
    return lines


def _how(result: Result) -> str:
    strategy = result.strategy
    kinds = ("random", "initial", "model", "local")
    counts = [f"{getattr(strategy, kind)} {kind}" for kind in kinds if getattr(strategy, kind)]
    details = [f"{name} {value}" for name, value in strategy.details.items()]
    return ", ".join(counts + details) or "none"
