"""The answer in plain words: which backbone and searcher to use on each data set, and how sure that is."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from iqatune.evaluation.gain import gain_of
from iqatune.records.labels import HELD_OUT, search_note
from iqatune.records.vocabulary import Split
from iqatune.report.collect import SettingRuns
from iqatune.report.context import SIMULATED, Context, is_of_several
from iqatune.report.model import Advice

UNSEEN: Final[dict[Split, str]] = {
    "references": "unseen images",
    "sets": "data sets that it was not tuned on",
    "distortions": "distortions that it was not tuned on",
    "column": "the pairs that were held out",
}
"""What held-out figures speak of, by what a fold holds out."""


def mean(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return fmean(values) if values else None


def merit(group: SettingRuns) -> tuple[float, float]:
    """What settings are chosen by: mean held-out SRCC, then tuned SRCC; a setting without folds comes last."""
    held_out = mean(group.held_out)
    return (held_out if held_out is not None else -2.0, mean(group.srcc) or 0.0)


def best_per_backbone(context: Context, dataset: str) -> tuple[SettingRuns, ...]:
    """The setting with the most merit of each backbone on a data set."""
    best: dict[str, SettingRuns] = {}
    for group in context.found.groups:
        setting = group.setting
        if setting.dataset == dataset and (
            setting.backbone not in best or merit(group) > merit(best[setting.backbone])
        ):
            best[setting.backbone] = group
    return tuple(best.values())


def advice(context: Context) -> tuple[Advice, ...]:
    """What to use on each data set."""
    return tuple(_of_dataset(context, dataset) for dataset in context.found.datasets)


def _of_dataset(context: Context, dataset: str) -> Advice:
    all_groups = [group for group in context.found.groups if group.setting.dataset == dataset]
    groups = [group for group in all_groups if context.usual.same_pairs(dataset, group.protocol)]
    # held-out figures of other folds do not compare, and those by reference are what a user wants to know
    split = "references" if any(each.setting.split == "references" for each in groups) else groups[0].setting.split
    groups = [group for group in groups if group.setting.split == split]
    tied = [group for group, is_tied in zip(groups, context.ties(groups), strict=True) if is_tied]
    chosen = max(tied, key=merit)
    sentences = (
        _figures(chosen),
        _gain(chosen),
        _beside_best_column(chosen),
        _certainty(chosen, tied, groups),
        _beside_baselines(context, chosen),
        SIMULATED if context.found.simulated(dataset) else "",
    )
    return Advice(
        f"On {dataset}, use {_name(context, chosen)}.", " ".join(sentence for sentence in sentences if sentence)
    )


def _beside_best_column(chosen: SettingRuns) -> str:
    """Of a features file, what the column that is best on each fold's training pairs does on the held-out ones."""
    folds = [run.result.held_out for run in chosen.runs if run.result.held_out is not None]
    alone = mean([fold.best_column_srcc_mean for fold in folds if fold.best_column_srcc_mean is not None])
    if alone is None:
        return ""
    names = {part.best_column.name for fold in folds for part in fold.per_fold if part.best_column is not None}
    reached = f"The best column alone ({' or '.join(sorted(names))}) reaches {alone:.3f} there"
    return f"{reached}: better, so use that." if alone > (mean(chosen.held_out) or 0.0) else f"{reached}."


def _certainty(chosen: SettingRuns, tied: Sequence[SettingRuns], groups: Sequence[SettingRuns]) -> str:
    if len(groups) == 1:
        return "It is the only setting that was tried, so nothing is known of others."
    if is_of_several(chosen):
        measure = "held-out SRCC" if chosen.held_out else "tuned SRCC"
        return (
            f"It has the highest {measure} of {len(groups)} settings; means over several data sets are not tested, and "
            "it may be no better than another: 'iqatune evaluate' compares them on each set."
        )
    if len(tied) == 1:
        return f"It is better than the other {len(groups) - 1} settings that were tried, beyond chance."
    names = {
        "backbone": sorted({group.setting.backbone for group in tied}),
        "searcher": sorted({group.setting.searcher for group in tied}),
    }
    of = " and ".join(f"{kind}s {', '.join(found)}" for kind, found in names.items() if len(found) > 1)
    measure = "held-out SRCC" if chosen.held_out else "tuned SRCC"
    return (
        f"Take the choice with caution: {len(tied)} of {len(groups)} settings are tied with the best"
        f"{f' ({of})' if of else ''}, which means that these data cannot tell them apart. The one named has the "
        f"highest {measure} among them; a quicker or smaller one may serve as well."
    )


def _beside_baselines(context: Context, chosen: SettingRuns) -> str:
    """What metrics that need no tuning do on the same pairs."""
    baselines = [metric for metric in context.untuned(chosen.setting.dataset) if metric.kind in ("baseline", "scores")]
    if not baselines:
        return ""
    said: dict[str, list[str]] = {"better": [], "not told apart from it": [], "worse": []}
    for baseline in baselines:
        chosen_tied, baseline_tied = context.ties([chosen], [baseline])
        kind = "not told apart from it" if chosen_tied and baseline_tied else "better" if baseline_tied else "worse"
        said[kind].append(f"{baseline.file} ({baseline.srcc:.3f})")
    parts = [f"{kind} {', '.join(names)}" for kind, names in said.items() if names]
    return f"SRCC of metrics without tuning on the same pairs: {'; '.join(parts)}."


def _name(context: Context, group: SettingRuns) -> str:
    setting = group.setting
    difference = context.usual.differences(setting.dataset, group.protocol)
    how = [
        f"{setting.space} space{search_note(setting)}",
        setting.effort,
        *([difference] if difference else []),
    ]
    return f"{setting.backbone} tuned by {setting.searcher} ({', '.join(how)})"


def _figures(group: SettingRuns) -> str:
    seeds = _seeds(len(group.runs))
    confidence = group.middle.result.confidence
    bounds = f", 95 % interval {confidence.srcc[0]:.3f} to {confidence.srcc[1]:.3f}" if confidence is not None else ""
    tuned = f"Over all pairs, on which it was tuned, its SRCC is {mean(group.srcc):.3f}{bounds}"
    if not group.held_out:
        return f"{tuned} ({seeds}); nothing was held out, so expect less on other images."
    folds = sorted({run.result.held_out.folds for run in group.runs if run.result.held_out is not None})
    numbers = " or ".join(str(number) for number in folds)
    return (
        f"Expect an SRCC of {mean(group.held_out):.3f} on {UNSEEN[group.setting.split]} ({numbers} "
        f"{'fold' if folds == [1] else 'folds'}{_held_out(group)}, "
        f"{_seeds(len(group.held_out))}). {tuned}{'' if len(group.held_out) == len(group.runs) else f' ({seeds})'}; "
        "the two are of different pairs and do not compare."
    )


def _held_out(group: SettingRuns) -> str:
    split = group.setting.split
    return " by reference" if split == "references" else f", {HELD_OUT[split]} held out in each"


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


def _gain(group: SettingRuns) -> str:
    folds = [run.result.held_out for run in group.runs if run.result.held_out is not None]
    uniform = mean(group.uniform_held_out)
    if not folds or uniform is None:
        return ""
    gain = gain_of(folds)
    if math.isnan(gain.mean):
        return "On some fold the SRCC is undefined, so that nothing is known of what tuning gains."
    there = f"The untuned (uniform) weights reach {uniform:.3f} there"
    figures = f"{gain.mean:+z.3f}, standard error {gain.error:.3f}"
    if gain.verdict == "helped":
        return f"{there}: tuning helped ({figures})."
    if gain.verdict == "harmed":
        return f"{there}: tuning harmed ({figures}); keep the uniform weights."
    return f"{there}: tuning is not shown to help ({figures})."
