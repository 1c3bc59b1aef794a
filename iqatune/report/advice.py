"""The answer in plain words: whether tuning helped on each data set, how sure that is, and which record to take."""

import math
import shlex
from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from iqatune.evaluation.gain import Gain
from iqatune.records.labels import HELD_OUT
from iqatune.records.vocabulary import Split, Verdict
from iqatune.report.collect import SettingRuns
from iqatune.report.context import SIMULATED, Context, is_of_several
from iqatune.report.held_out import comparable, does_as_well, folds_of, gain, srcc_of
from iqatune.report.model import Answer, Fact, slug

UNSEEN: Final[dict[Split, str]] = {
    "references": "references that the weights were not tuned on",
    "sets": "data sets that the weights were not tuned on",
    "distortions": "distortions that the weights were not tuned on",
    "column": "pairs that were held out",
}
"""What held-out figures speak of, by what a fold holds out."""

HEADLINES: Final[dict[Verdict | None, str]] = {
    "helped": "Tuning helped on {}.",
    "not shown to help": "Tuning is not shown to help on {}.",
    "harmed": "Tuning harmed on {}.",
    None: "Whether tuning helped on {} is not known.",
}


IN_A_WORD: Final[dict[Verdict, str]] = {"helped": "helped", "not shown to help": "not shown", "harmed": "harmed"}


def counted(gains: Sequence[Gain]) -> str:
    """How often tuning helped, is not shown to help and harmed, as "helped 2, not shown 1"; empty of nothing."""
    counts = Counter(found.verdict for found in gains)
    return ", ".join(f"{words} {counts[verdict]}" for verdict, words in IN_A_WORD.items() if counts[verdict])


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


def advice(context: Context) -> tuple[Answer, ...]:
    """Whether tuning helped on each data set."""
    return tuple(_of_dataset(context, dataset) for dataset in context.found.datasets)


def _of_dataset(context: Context, dataset: str) -> Answer:
    groups = comparable(context, dataset)
    chosen = max(groups, key=merit)
    held_out = [group for group in groups if group.held_out]
    gained = gain(chosen, among=len(held_out))
    verdict = None if gained is None or math.isnan(gained.mean) else gained.verdict
    simulated = context.found.simulated(dataset)
    record = str(chosen.middle.path)
    file = f"{slug(dataset)}-{slug(chosen.middle.result.run.backbone)}.safetensors"
    sentences = (
        SIMULATED if simulated else "",
        _consequence(chosen, verdict),
        _choice(context, chosen, groups),
        _alone(held_out),
    )
    facts = (
        _held_out_fact(chosen),
        _uniform_fact(chosen, gained, among=len(held_out)),
        _column_fact(chosen) or _baseline_fact(context, chosen),
        _cost_fact(context, chosen),
    )
    return Answer(
        verdict=verdict,
        headline=HEADLINES[verdict].format(f"{dataset} (SIMULATED observers)" if simulated else dataset),
        text=" ".join(sentence for sentence in sentences if sentence),
        facts=tuple(fact for fact in facts if fact is not None),
        record=record,
        command=f"iqatune export {shlex.quote(record)} --output {file}",
    )


def _consequence(chosen: SettingRuns, verdict: Verdict | None) -> str:
    unseen = UNSEEN[chosen.setting.split]
    if not chosen.held_out:
        return "Nothing was held out, so expect less on other images than on those tuned on; --folds 5 tells."
    if verdict is None:
        return "The SRCC is undefined on some fold."
    if verdict == "helped":
        return f"On {unseen}, the tuned weights are better than the uniform ones."
    if verdict == "harmed":
        return f"On {unseen}, the tuned weights are worse than the uniform ones: keep the uniform weights."
    return f"On {unseen}, the uniform weights may serve as well."


def _alone(groups: Sequence[SettingRuns]) -> str:
    """In how many settings tuning helped, each looked at by itself."""
    if len(groups) < 2:
        return ""
    said = counted([found for group in groups if (found := gain(group)) is not None])
    return f"Of the {len(groups)} settings, each looked at by itself: {said}."


def _choice(context: Context, chosen: SettingRuns, groups: Sequence[SettingRuns]) -> str:
    measure = "held-out SRCC" if chosen.held_out else "tuned SRCC"
    difference = context.usual.differences(chosen.setting.dataset, chosen.protocol)
    how = f"{chosen.setting.how}{f'; {difference}' if difference else ''}"
    if len(groups) == 1:
        return f"The only setting that was tried: {chosen.setting.backbone} by {how}."
    best = f"Best by {measure}: {chosen.setting.backbone} by {how}"
    if is_of_several(chosen):
        return f"{best}; means over several data sets are not compared further: 'iqatune evaluate' does so on each set."
    as_good = sum(does_as_well(group, chosen, among=len(groups) - 1) for group in groups if group is not chosen)
    others = len(groups) - 1
    if others == 1:
        return f"{best}; {'the other setting cannot be told apart from it' if as_good else 'it is above the other'}."
    if not as_good:
        return f"{best}; it is above the other {others}, beyond chance."
    others_as_good = (
        f"none of the other {others} can" if as_good == others else f"{as_good} of the other {others} cannot"
    )
    return f"{best}; {others_as_good} be told apart from it, so a quicker one may serve as well."


def _held_out_fact(chosen: SettingRuns) -> Fact:
    found = srcc_of(chosen)
    if found is None:
        confidence = chosen.middle.result.confidence
        bounds = "" if confidence is None else f"95 % interval {_range(*confidence.srcc)}; "
        return Fact("SRCC of the pairs tuned on", _figure(mean(chosen.srcc)), f"{bounds}{_seeds(len(chosen.runs))}")
    folds = sorted({held_out.folds for held_out in folds_of(chosen)})
    numbers = f"{' or '.join(map(str, folds))} {'fold' if folds == [1] else 'folds'}"
    split = chosen.setting.split
    of_what = "by reference" if split == "references" else f"with {HELD_OUT[split]} held out"
    bounds = "" if math.isnan(found.low) else f"95 % interval {_range(found.low, min(found.high, 1.0))}; "
    seeds = _seeds(len(chosen.held_out))
    return Fact("Held-out SRCC, tuned", _figure(found.mean), f"{bounds}{numbers} {of_what}, {seeds}")


def _uniform_fact(chosen: SettingRuns, gained: Gain | None, *, among: int) -> Fact:
    uniform = mean(chosen.uniform_held_out)
    if uniform is None or gained is None:
        on_all = chosen.runs[0].result.baselines.uniform.srcc
        return Fact("Uniform weights", _figure(on_all), "on the same pairs, on which the others were tuned")
    widened = f", widened for the choice among {among} settings" if among > 1 else ""
    known = not math.isnan(gained.low)
    bounds = f"95 % interval {gained.low:+z.3f} to {gained.high:+z.3f}{widened}" if known else "no interval"
    text = f"on the same pairs; tuning gains {gained.mean:+z.3f} ({bounds})"
    return Fact("Held-out SRCC, uniform weights", _figure(uniform), text)


def _column_fact(chosen: SettingRuns) -> Fact | None:
    """Of a features file, what the column that is best on each fold's training pairs does on the held-out ones."""
    folds = folds_of(chosen)
    alone = mean([fold.best_column_srcc_mean for fold in folds if fold.best_column_srcc_mean is not None])
    if alone is None:
        return None
    names = {part.best_column.name for fold in folds for part in fold.per_fold if part.best_column is not None}
    better = "; better than the tuned metric, so use that" if alone > (mean(chosen.held_out) or 0.0) else ""
    return Fact("The best column alone", _figure(alone), f"{' or '.join(sorted(names))}, held-out{better}")


def _baseline_fact(context: Context, chosen: SettingRuns) -> Fact | None:
    """The best of the metrics that need no tuning, on the same pairs."""
    dataset = chosen.setting.dataset
    others = [metric for metric in context.untuned(dataset) if metric.kind in ("baseline", "scores")]
    defined = [metric for metric in others if not math.isnan(metric.srcc)]
    if not defined:
        return None
    best = max(defined, key=lambda metric: metric.srcc)
    chosen_tied, best_tied = context.ties([chosen], [best])
    kind = "not told apart from the tuned metric" if chosen_tied and best_tied else "better" if best_tied else "worse"
    text = f"{kind}; over all pairs, where the tuned metric reaches {chosen.middle.srcc:.3f} and has seen them"
    return Fact(f"Best other metric, {best.file}", _figure(best.srcc), text)


def _cost_fact(context: Context, chosen: SettingRuns) -> Fact:
    result = chosen.middle.result
    timing, setting = result.timing, chosen.setting
    parts = [f"the search ({setting.effort})"]
    parts += [] if timing.folds is None else [f"{_seconds(timing.folds)} for the folds"]
    if result.channels:
        pairs = timing.pairs_extracted
        statistics = f"{_seconds(timing.extraction)} for the statistics of {pairs} pairs"
        parts.append(statistics if pairs else "statistics were kept from before")
    rates = [speed for speed in context.found.speeds if speed.backbone == result.run.backbone]
    parts += [f"{speed.pairs_per_second:.3g} pairs a second ({speed.precision}, {speed.device})" for speed in rates[:1]]
    return Fact("Cost", _seconds(timing.search), "; ".join(parts))


def _figure(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{value:.3f}"


def _range(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"


def _seconds(value: float) -> str:
    return f"{value / 3600:.1f} h" if value >= 5400 else f"{value / 60:.1f} min" if value >= 90 else f"{value:.2g} s"


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"
