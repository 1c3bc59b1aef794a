"""Held-out figures of settings: which compare, what tuning gained, and which do as well as the best."""

from iqatune.evaluation.gain import Estimate, Gain, difference_of, estimate, gain_of, test_to_train
from iqatune.records.result import HeldOut
from iqatune.report.collect import SettingRuns
from iqatune.report.context import Context


def comparable(context: Context, dataset: str) -> tuple[SettingRuns, ...]:
    """The settings of a data set whose held-out figures compare: of the usual pairs, and of one kind of folds.

    Folds by reference where there are any: they are what a user wants to know. What gave up agreement for textures is
    left out where anything else is there.
    """
    every = [group for group in context.found.groups if group.setting.dataset == dataset]
    groups = [group for group in every if not group.setting.texture_weight] or every
    groups = [group for group in groups if context.usual.same_pairs(dataset, group.protocol)] or groups
    splits = [group.setting.split for group in groups]
    split = "references" if "references" in splits else splits[0]
    return tuple(group for group in groups if group.setting.split == split)


def folds_of(group: SettingRuns) -> list[HeldOut]:
    """Of every seed that has folds."""
    return [run.result.held_out for run in group.runs if run.result.held_out is not None]


def srcc_of(group: SettingRuns) -> Estimate | None:
    """The mean held-out SRCC and its interval; None where nothing was held out."""
    repetitions = folds_of(group)
    if not repetitions:
        return None
    figures = [fold.srcc for held_out in repetitions for fold in held_out.per_fold]
    return estimate(figures, test_to_train(repetitions))


def gain(group: SettingRuns, *, among: int = 1) -> Gain | None:
    """What tuning gained over the uniform weights on the same pairs; None where nothing was held out.

    Args:
        among: how many settings it was chosen from, for which the interval is widened.
    """
    repetitions = folds_of(group)
    return gain_of(repetitions, among=among) if repetitions else None


def does_as_well(group: SettingRuns, best: SettingRuns, *, among: int) -> bool:
    """Whether the folds do not show that a setting is below the best one; so too where their folds are not the same.

    Args:
        among: how many settings are looked at.
    """
    of_seed = {run.result.run.seed: run.result.held_out for run in best.runs}
    couples = [
        (other, run.result.held_out)
        for run in group.runs
        if (other := of_seed.get(run.result.run.seed)) is not None and run.result.held_out is not None
    ]
    found = difference_of(couples, among=among) if couples else None
    # NaN shows nothing
    return group is best or found is None or not found.low > 0
