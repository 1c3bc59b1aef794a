"""Held-out SRCC of every backbone and searcher on a data set, and what tuning gained for each backbone."""

from collections.abc import Sequence

from iqatune.report.advice import IN_A_WORD, counted, mean, merit
from iqatune.report.collect import SettingRuns
from iqatune.report.context import SIMULATED, Context, is_of_several
from iqatune.report.held_out import comparable, does_as_well, gain
from iqatune.report.model import Cell, Column, Table, interval, number, ranked, slug, word
from iqatune.report.protocol import Marks, card

BY_FOLDS = (
    "* not told apart from the best (bold): paired differences over the same folds do not show it to be lower, at 95 % "
    "for all settings together."
)
GAIN = "Gain: held-out SRCC of the best setting minus that of the uniform weights on the same pairs."
WIDENED = (
    "Its 95 % interval is widened for the choice of that setting among the backbone's (Bonferroni). All settings: each "
    "looked at by itself."
)
CHOSEN = "Of several settings of a searcher (space, prior, ...) the one with the highest figure; all of them are below."
NOTHING_HELD_OUT = (
    "Nothing was held out: these are figures of the pairs tuned on, which rise with every further sample."
)


def gains(context: Context, dataset: str) -> Table:
    """For every backbone its best setting beside the uniform weights; tuned figures where nothing was held out."""
    groups, held_out = comparable(context, dataset), _has_folds(context, dataset)
    marks = Marks()
    rows = []
    best = []
    for name, of_row in _by_backbone(context, dataset, marks).items():
        chosen = max(of_row, key=merit)
        best.append(chosen)
        rows.append((word(name), _cell(chosen, held_out=held_out), *_gain(chosen, of_row), word(chosen.setting.how)))
    tied = _tied(context, dataset, best)
    figures = ranked([row[1] for row in rows], tied)
    of_what = _of_what(held_out=held_out)
    return Table(
        name=f"gains-{slug(dataset)}",
        title=f"{_name(context, dataset)}: {of_what} of each backbone's best setting, and what tuning gained",
        columns=(
            Column("backbone"),
            Column("best", of_what),
            Column("uniform", of_what),
            *(Column(name, "gain over uniform") for name in ("mean", "95 %", "verdict", "all settings")),
            Column("best setting"),
        ),
        rows=tuple((name, figure, *rest) for (name, _, *rest), figure in zip(rows, figures, strict=True)),
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(
            *((_tie_note(context, dataset),) if len(rows) > 1 else ()),
            NOTHING_HELD_OUT if not held_out else GAIN if len(groups) == len(rows) else f"{GAIN} {WIDENED}",
            *((SIMULATED,) if context.found.simulated(dataset) else ()),
        ),
    )


def matrix(context: Context, dataset: str) -> Table | None:
    """A row for each backbone, a column for each searcher; None of a single searcher."""
    groups, held_out = comparable(context, dataset), _has_folds(context, dataset)
    searchers = sorted({group.setting.searcher for group in groups})
    if len(searchers) < 2:
        return None
    marks = Marks()
    by_backbone = _by_backbone(context, dataset, marks)
    chosen = [_best_of(of_row, searcher) for of_row in by_backbone.values() for searcher in searchers]
    present = [group for group in chosen if group is not None]
    tied = iter(_tied(context, dataset, present))
    cells = ranked(
        [_cell(group, held_out=held_out) for group in chosen],
        [group is not None and next(tied) for group in chosen],
    )
    rows = []
    for place, (name, of_row) in enumerate(by_backbone.items()):
        of_searchers = cells[place * len(searchers) : (place + 1) * len(searchers)]
        rows.append((word(name), *of_searchers, _uniform(max(of_row, key=merit), held_out=held_out)))
    return Table(
        name=f"matrix-{slug(dataset)}",
        title=f"{_name(context, dataset)}: {_of_what(held_out=held_out)} of backbones and searchers",
        columns=(Column("backbone"), *(Column(name) for name in searchers), Column("(uniform)")),
        rows=tuple(rows),
        card=(*card(context.usual, groups), *marks.lines()),
        notes=(
            _tie_note(context, dataset),
            *((CHOSEN,) if len(present) < len(groups) else ()),
            *(() if held_out else (NOTHING_HELD_OUT,)),
            *((SIMULATED,) if context.found.simulated(dataset) else ()),
        ),
    )


def _has_folds(context: Context, dataset: str) -> bool:
    return any(group.held_out for group in comparable(context, dataset))


def _of_what(*, held_out: bool) -> str:
    return "held-out SRCC" if held_out else "SRCC of the pairs tuned on"


def _name(context: Context, dataset: str) -> str:
    return f"{dataset}{' (SIMULATED observers)' if context.found.simulated(dataset) else ''}"


def _by_backbone(context: Context, dataset: str, marks: Marks) -> dict[str, list[SettingRuns]]:
    """The settings of each backbone, whose name is marked where its protocol is another; the best backbone first."""
    found: dict[str, list[SettingRuns]] = {}
    for group in sorted(comparable(context, dataset), key=merit, reverse=True):
        mark = marks.of(context.usual.differences(dataset, group.protocol))
        found.setdefault(f"{group.setting.backbone}{mark}", []).append(group)
    return found


def _tied(context: Context, dataset: str, groups: Sequence[SettingRuns]) -> list[bool]:
    """Which of some settings of a data set do as well as the best of all, as far as its folds tell."""
    every = comparable(context, dataset)
    if not _by_folds(context, dataset):
        return list(context.ties(groups))
    best = max(every, key=merit)
    return [does_as_well(group, best, among=max(len(every) - 1, 1)) for group in groups]


def _by_folds(context: Context, dataset: str) -> bool:
    """Whether folds tell which settings do as well: means over several data sets are not tested."""
    return _has_folds(context, dataset) and not any(map(is_of_several, comparable(context, dataset)))


def _tie_note(context: Context, dataset: str) -> str:
    return BY_FOLDS if _by_folds(context, dataset) else context.tie_note(dataset)


def _best_of(groups: Sequence[SettingRuns], searcher: str) -> SettingRuns | None:
    return max((group for group in groups if group.setting.searcher == searcher), key=merit, default=None)


def _cell(group: SettingRuns | None, *, held_out: bool) -> Cell:
    return Cell() if group is None else number(mean(group.held_out if held_out else group.srcc))


def _uniform(group: SettingRuns, *, held_out: bool) -> Cell:
    return number(mean(group.uniform_held_out) if held_out else group.runs[0].result.baselines.uniform.srcc)


def _gain(best: SettingRuns, groups: Sequence[SettingRuns]) -> tuple[Cell, ...]:
    """The uniform weights' figure, the gain over it with its interval and verdict, and the verdicts of all settings."""
    single = [found for group in groups if (found := gain(group)) is not None]
    found = gain(best, among=max(len(single), 1))
    if found is None:
        return (_uniform(best, held_out=False), *(Cell() for _ in range(4)))
    return (
        _uniform(best, held_out=True),
        number(found.mean, text=f"{found.mean:+z.4f}"),
        interval((found.low, found.high)),
        word(IN_A_WORD[found.verdict]),
        word(counted(single)) if len(single) > 1 else Cell(),
    )
