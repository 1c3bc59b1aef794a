"""What the samples show: every one of some searches, and what each number of their spaces was worth."""

from collections.abc import Sequence

from iqatune.report import figures
from iqatune.report.advice import merit
from iqatune.report.collect import FoundRun, SettingRuns
from iqatune.report.context import SIMULATED, Context
from iqatune.report.figures import Searched
from iqatune.report.model import Cell, Column, Figure, Section, Table, number, slug, word
from iqatune.search.importance import ENOUGH, ENOUGH_EACH, Importance, importance, is_sample

MOST_PANELS = 8
"""Searchers whose samples are drawn for each data set."""


def samples_section(context: Context) -> Section | None:
    """For each data set the searches of its best space; None where nothing was sampled."""
    drawings: list[Figure] = []
    tables: list[Table] = []
    too_few = False
    for dataset in context.found.datasets:
        groups = _best_space(context, dataset)
        if not groups:
            continue
        drawings.append(_history(context, dataset, groups))
        found = _importance(groups)
        too_few |= found is None
        if found is not None:
            drawings.append(_importance_figure(context, dataset, groups, found))
            tables.append(_importance_table(context, dataset, groups, found))
    if not drawings:
        return None
    text: tuple[str, ...] = (
        "Of each data set the searches in the space, and through the backbone, that reach the highest held-out SRCC by "
        "sampling. A fit samples nothing, and is not here.",
    )
    if too_few:
        text += (
            f"What a number was worth is said where there are {ENOUGH} samples, and {ENOUGH_EACH} for each number of "
            "the space.",
        )
    return Section("What the samples show", text, tables=tuple(tables), figures=tuple(drawings))


def _samples(run: FoundRun) -> bool:
    return any(is_sample(trial) for trial in run.trials)


def _space(group: SettingRuns) -> tuple[object, ...]:
    """What searches share whose samples are of one function of the same numbers."""
    setting = group.setting
    return setting.backbone, setting.space, setting.prior, setting.maximised, setting.protocol


def _best_space(context: Context, dataset: str) -> list[SettingRuns]:
    """The settings that sampled in the best space of a data set, the best first."""
    groups = [group for group in context.found.groups if group.setting.dataset == dataset]
    sampled = sorted((group for group in groups if any(map(_samples, group.runs))), key=merit, reverse=True)
    return [group for group in sampled if _space(group) == _space(sampled[0])]


def _where(groups: Sequence[SettingRuns]) -> str:
    setting = groups[0].setting
    return f"{setting.dataset}, {setting.backbone}, {setting.space} space, {setting.prior}"


def _notes(context: Context, dataset: str) -> tuple[str, ...]:
    return (SIMULATED,) if context.found.simulated(dataset) else ()


def _objective(groups: Sequence[SettingRuns]) -> str:
    maximised = groups[0].setting.maximised
    return "SRCC" if maximised == "srcc" else maximised


def _history(context: Context, dataset: str, groups: Sequence[SettingRuns]) -> Figure:
    panels = {}
    for group in groups[:MOST_PANELS]:
        run = group.middle if _samples(group.middle) else next(filter(_samples, group.runs))
        baselines = run.result.baselines
        uniform = baselines.uniform.srcc if baselines.uniform_value is None else baselines.uniform_value
        of_several = "" if len(group.runs) == 1 else f", seed {run.result.run.seed}"
        effort = "" if len({each.setting.samples for each in groups}) == 1 else f", {group.setting.effort}"
        panels[f"{group.setting.searcher}{effort}{of_several}"] = Searched(trials=run.trials, uniform=uniform)
    left_out = f"{len(groups) - len(panels)} more searches are not drawn." if len(groups) > len(panels) else ""
    return figures.drawn(
        f"history-{slug(dataset)}",
        f"{_where(groups)}: every sample of a search, in its order",
        figures.history(panels, objective=_objective(groups)),
        (
            "On the pairs that are tuned on, of the seed with the median SRCC. Random and initial samples know of no "
            "result; a model proposes from the results so far, and a local step starts from the best of them. "
            "Hollow marks on the lower edge: samples below it.",
            *([left_out] if left_out else []),
            *_notes(context, dataset),
        ),
    )


def _importance(groups: Sequence[SettingRuns]) -> Importance | None:
    """Over the samples of all searches of the space, which are of one function."""
    trials = [trial for group in groups for run in group.runs for trial in run.trials]
    best = groups[0].middle.result.best
    return None if best is None else importance(trials, tuple(best.parameters))


def _importance_figure(context: Context, dataset: str, groups: Sequence[SettingRuns], found: Importance) -> Figure:
    return figures.drawn(
        f"importance-{slug(dataset)}",
        f"{_where(groups)}: what each number of the space was worth",
        figures.importance_figure(found),
        (
            f"How much of the order of {found.samples} samples by {_objective(groups)}, of all searches of this space, "
            f"follows from a number alone (functional ANOVA of their ranks); {100 * found.together:.0f} % follow from "
            "several together, or from nothing. A high share says that the number can spoil or save a metric, not that "
            "more of it is better. What is not to the right of the dashed line is not told from chance.",
            *_notes(context, dataset),
        ),
    )


def _importance_table(context: Context, dataset: str, groups: Sequence[SettingRuns], found: Importance) -> Table:
    rows = [
        (
            word(each.name),
            number(each.share, 3),
            number(each.low, 3),
            number(each.high, 3),
            word("yes" if each.low > found.noise else "no"),
        )
        for each in found.numbers
    ]
    rows.append((word("(several together, or none)"), number(found.together, 3), Cell(), Cell(), Cell()))
    return Table(
        name=f"importance-{slug(dataset)}",
        title=f"{_where(groups)}: what each number was worth",
        columns=(
            Column("number"),
            Column("share"),
            Column("lowest", "of 8 resamples"),
            Column("highest", "of 8 resamples"),
            Column("above chance"),
        ),
        rows=tuple(rows),
        notes=(
            f"Above chance: in every resample above the {found.noise:.3f} that a number at random, which the objective "
            "does not know, reaches in some.",
            *_notes(context, dataset),
        ),
    )
