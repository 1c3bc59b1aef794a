"""The direct fit: what it chose, and where the searchers that draw samples are behind it and where not."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from iqatune.evaluation.gain import gain_of
from iqatune.records.trial import Inner
from iqatune.records.vocabulary import FIT
from iqatune.report import figures
from iqatune.report.collect import FoundRun, Setting, SettingRuns
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Figure, Section, Table, number, slug, spread, word
from iqatune.report.protocol import card
from iqatune.search.choice import best_trial

UNIFORM = "uniform weights"


class Case(NamedTuple):
    """What a fit and a search share where they compete: the fit knows neither prior nor number of samples."""

    dataset: str
    backbone: str
    space: str
    objective: str
    protocol: object
    seed: int


def fits_section(context: Context) -> Section | None:
    """None where nothing was fitted."""
    fitted = [group for group in context.found.agreement_groups if any(_path(run) for run in group.runs)]
    if not fitted:
        return None
    others = [group for group in context.found.agreement_groups if group not in fitted]
    # figures of people and of simulated observers are never in one mean
    kinds = [
        _Compared(against, simulated=simulated)
        for simulated in (False, True)
        if (against := _against(_of_kind(fitted, simulated=simulated), _of_kind(others, simulated=simulated)))
    ]
    tables = [_choices(context, fitted), *(_compared(context, kind, alone=len(kinds) == 1) for kind in kinds)]
    return Section(
        "The direct fit",
        (
            "A fit is chosen by folds inside its pairs, not by the SRCC on the pairs that it was fitted to, so the two "
            "kinds compare by references that neither had seen.",
            *(line for kind in kinds for line in _said(kind)),
        ),
        tables=tuple(tables),
        figures=tuple(_drawings(fitted)),
    )


class _Compared(NamedTuple):
    """For every searcher and prior the held-out figures of the fit and its own, case by case."""

    against: Mapping[tuple[str, str], Sequence[tuple[float, float]]]
    simulated: bool


def _of_kind(groups: Sequence[SettingRuns], *, simulated: bool) -> list[SettingRuns]:
    return [group for group in groups if group.protocol.simulated == simulated]


def _path(run: FoundRun) -> tuple[Inner, ...]:
    return tuple(trial.inner for trial in run.trials if trial.inner is not None)


def _choices(context: Context, fitted: Sequence[SettingRuns]) -> Table:
    rows = []
    for group in fitted:
        setting = group.setting
        best = [trial for run in group.runs if (trial := best_trial(run.trials)) is not None]
        taken = [trial.inner.shrinkage for trial in best if trial.inner is not None]
        constants = [run.result.best.c for run in group.runs if run.result.best is not None]
        gains = [gain_of([run.result.held_out]).mean for run in group.runs if run.result.held_out is not None]
        rows.append(
            (
                word(setting.backbone),
                spread(group.held_out),
                spread(group.uniform_held_out),
                spread(gains),
                word(setting.dataset),
                word(_fitted_in(setting)),
                number(len(group.runs), 0),
                word(_listed(taken, UNIFORM)),
                word(_listed(constants, "-")),
            )
        )
    return Table(
        name="fits",
        title="What the fits chose",
        columns=(
            Column("backbone"),
            *(Column(name, "held-out") for name in ("fit", "uniform", "gain")),
            *(Column(name) for name in ("data set", "space", "runs", "shrinkage", "c1 = c2")),
        ),
        rows=tuple(rows),
        card=card(context.usual, fitted),
        notes=("Shrinkage and constant of every seed, of the fit to all pairs; the folds choose their own.",),
    )


def _listed(values: Sequence[float | None], none: str) -> str:
    return ", ".join(none if value is None else f"{value:.2g}" for value in dict.fromkeys(values))


def _against(
    fitted: Sequence[SettingRuns], others: Sequence[SettingRuns]
) -> Mapping[tuple[str, str], Sequence[tuple[float, float]]]:
    """For every searcher and prior the held-out figures of the fit and its own, case by case."""
    fits = {case: held_out for group in fitted for case, held_out in _held_out(group)}
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for group in others:
        for case, held_out in _held_out(group):
            if case in fits:
                found[group.setting.searcher, group.setting.prior].append((fits[case], held_out))
    return {name: found[name] for name in sorted(found)}


def _held_out(group: SettingRuns) -> list[tuple[Case, float]]:
    setting = group.setting
    shared = (setting.dataset, setting.backbone, setting.space, setting.maximised, setting.protocol)
    return [
        (Case(*shared, run.result.run.seed), run.result.held_out.srcc_mean)
        for run in group.runs
        if run.result.held_out is not None
    ]


def _compared(context: Context, kind: _Compared, *, alone: bool) -> Table:
    rows = []
    for (searcher, prior), pairs in kind.against.items():
        ahead = [fit - other for fit, other in pairs]
        rows.append(
            (
                word(searcher),
                word(prior),
                number(len(pairs), 0),
                spread([fit for fit, _ in pairs]),
                spread([other for _, other in pairs]),
                _signed(ahead),
                number(sum(value > 0 for value in ahead), 0),
            )
        )
    return Table(
        name="fits-against" if alone or not kind.simulated else "fits-against-simulated",
        title=f"The fit against searchers, held out{', simulated observers' if kind.simulated else ''}",
        columns=(
            *(Column(name) for name in ("searcher", "prior", "cases")),
            *(Column(name, "held-out") for name in ("fit", "searcher")),
            *(Column(name, "fit ahead") for name in ("by", "in cases")),
        ),
        rows=tuple(rows),
        card=card(context.usual, _of_kind(context.found.groups, simulated=kind.simulated)),
        notes=(
            *((SIMULATED,) if kind.simulated else ()),
            "Over the cases (data set, backbone, space, objective, seed) that both have: the same folds, so that "
            "differences are of the same pairs. Cases of one data set share its pairs.",
        ),
    )


def _signed(values: Sequence[float]) -> Cell:
    cell = spread(values)
    return (
        cell
        if cell.value is None
        else Cell(" ".join((f"{cell.value:+z.4f}", *cell.text.split(" ")[1:])), cell.value, more=cell.more)
    )


def _said(kind: _Compared) -> list[str]:
    """In words: whom the fit is ahead of on average, and whom not."""
    means = {
        f"{searcher} ({prior})": sum(fit - other for fit, other in pairs) / len(pairs)
        for (searcher, prior), pairs in kind.against.items()
    }
    behind = [f"{name} by {value:.4f}" for name, value in means.items() if value > 0]
    before = [f"{name} by {-value:.4f}" for name, value in means.items() if value <= 0]
    observers = " (simulated observers)" if kind.simulated else ""
    return [
        *([f"On average{observers} the fit is ahead of {'; '.join(behind)}."] if behind else []),
        *([f"It is not{observers} ahead of {'; '.join(before)}."] if before else []),
    ]


def _drawings(fitted: Sequence[SettingRuns]) -> list[Figure]:
    """One for each data set and backbone, a line for each space: of the run in the middle."""
    places: dict[tuple[str, str], dict[str, tuple[Inner, ...]]] = defaultdict(dict)
    searchers: dict[str, str] = {}
    for group in fitted:
        setting = group.setting
        name = _fitted_in(setting) + ("" if setting.maximised == "srcc" else f", {setting.maximised}")
        paths = _by_mu(name, _of_one_table(group.middle))
        places[setting.dataset, setting.backbone] |= paths
        searchers |= dict.fromkeys(paths, setting.searcher)
    return [
        figures.drawn(
            f"fits-{slug(dataset)}-{slug(backbone)}",
            f"{dataset}, {backbone}: figures on references left out in inner folds, by shrinkage",
            figures.fit_paths(rows, figures.looks_of({row: searchers[row] for row in rows})),
        )
        for (dataset, backbone), rows in places.items()
    ]


def _fitted_in(setting: Setting) -> str:
    """The space, and the searcher where it is another than the usual one."""
    return setting.space if setting.searcher == FIT else f"{setting.space}, {setting.searcher}"


def _by_mu(name: str, path: Sequence[Inner]) -> dict[str, tuple[Inner, ...]]:
    """The path of each strength by itself, from the uniform weights on."""
    mus = dict.fromkeys(one.mu for one in path if one.mu is not None)
    if not mus:
        return {name: tuple(path)}
    return {f"{name} {mu:g}": tuple(one for one in path if one.shrinkage is None or one.mu == mu) for mu in mus}


def _of_one_table(run: FoundRun) -> tuple[Inner, ...]:
    """The path without the other constants that were looked at: from the last uniform weights of its constant on."""
    path = [trial for trial in run.trials if trial.inner is not None]
    constant = path[-1].parameters[-1] if run.result.best is not None and run.result.best.c is not None else None
    return tuple(trial.inner for trial in path if trial.inner is not None and constant in (None, trial.parameters[-1]))
