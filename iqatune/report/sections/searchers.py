"""Which searcher is best: ranks over seeds, progress by samples, and how many random samples it is worth."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter

import numpy as np
from scipy.stats import rankdata

from iqatune.evaluation.compare import compare_over_many
from iqatune.evaluation.gain import Gain, gain_of
from iqatune.metric.weights import Floats
from iqatune.records.trial import Trial
from iqatune.report.advice import counted, mean
from iqatune.report.collect import FoundRun, SettingRuns
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Figure, Section, Table, number, ranked, spread, word
from iqatune.report.protocol import card
from iqatune.report.sections.searcher_figures import anytime_figures, rank_figure, time_figures
from iqatune.search.choice import best_trial

CHECKPOINTS = (10, 25, 50)

ENOUGH_BLOCKS = 6
"""Fewer cases cannot make a Wilcoxon signed-rank test significant at 5 %."""

RANDOM = "random"

TITLE = "Which searcher is best"

OLDER = (
    "Tuned less held-out (older): what records of older releases call optimism, the tuned SRCC over all pairs minus "
    "the held-out one. It is of different pairs, and compares with no optimism; (k of n): of the k of n runs that have "
    "it."
)


EQUIVALENT = (
    "Random samples: how many would on average reach what this searcher's run reached on the pairs tuned on, from the "
    "random runs of the same data set, backbone, space, prior and objective, averaged over cases; '>' where some need "
    "more than there are."
)


@dataclass(frozen=True)
class Measure:
    """What searchers are ranked by."""

    name: str
    of: Callable[[FoundRun], float]


def _held_out_srcc(run: FoundRun) -> float:
    return math.nan if run.result.held_out is None else run.result.held_out.srcc_mean


HELD_OUT = Measure("held-out SRCC", _held_out_srcc)
TUNED = Measure("SRCC of the pairs tuned on, for nothing was held out in some run", attrgetter("srcc"))


@dataclass(frozen=True)
class Block:
    """One case in which searchers compete: everything is the same but the searcher. A run for each searcher."""

    dataset: str
    key: tuple[object, ...]
    runs: dict[str, FoundRun]


def searchers_section(context: Context) -> Section:
    """Searchers compared on the blocks that all of them have; curves over whatever they have.

    Figures of people and of simulated observers are never in one mean: where there are both, there is one of each.
    """
    groups = context.found.agreement_groups
    if not groups:
        return Section(TITLE, ("Every run gave up agreement for textures: see there.",))
    of_people = [group for group in groups if not group.protocol.simulated]
    simulated = [group for group in groups if group.protocol.simulated]
    kinds = [_Kind(context, kind) for kind in (of_people, simulated) if kind]
    if len(kinds) > 1:
        kinds[1] = replace(kinds[1], suffix="-simulated", of="simulated observers")
    names = {name for kind in kinds for name in kind.names}
    return Section(
        TITLE if len(names) > 1 else f"The search by {names.pop()}",
        tuple(line for kind in kinds for line in kind.text()),
        tables=tuple(table for kind in kinds for table in kind.tables()),
        figures=tuple(figure for kind in kinds for figure in kind.figures()),
    )


@dataclass(frozen=True)
class _Kind:
    """Settings of human scores, or of simulated ones, whose searchers are compared.

    Attributes:
        suffix: of the names of its tables and figures.
        of: what its titles add.
    """

    context: Context
    groups: Sequence[SettingRuns]
    suffix: str = ""
    of: str = ""

    @cached_property
    def blocks(self) -> list[Block]:
        return blocks_of(self.groups)

    @cached_property
    def names(self) -> list[str]:
        return sorted({name for block in self.blocks for name in block.runs})

    @cached_property
    def whole(self) -> list[Block]:
        """Cases that every searcher has."""
        return [block for block in self.blocks if set(block.runs) == set(self.names)]

    @cached_property
    def cases(self) -> list[Block]:
        """What the figures are means over: means over different cases would compare cases, not searchers."""
        return self.whole or self.blocks

    @cached_property
    def measure(self) -> Measure:
        """Held-out SRCC, where every run has it."""
        runs = [run for case in self.cases for run in case.runs.values()]
        return HELD_OUT if all(run.result.held_out is not None for run in runs) else TUNED

    def text(self) -> list[str]:
        """What tests say of the searchers."""
        said = [f"Of {self.of}:"] if self.of else []
        if len(self.names) < 2:
            return []
        if not self.whole:
            return [
                *said,
                "No case (data set, backbone, space, prior, objective, samples, seed) was run with every searcher: "
                "there are no ranks, and the means below are over different cases, so they do not compare.",
            ]
        return [*said, *_tests(self.names, self.whole, self.measure)]

    def tables(self) -> list[Table]:
        tables = [_summary(self)]
        if len(self.names) > 1 and len(self.whole) >= ENOUGH_BLOCKS:
            tables.append(_wilcoxon(self))
        tables.append(_anytime_table(self))
        return [
            replace(table, name=f"{table.name}{self.suffix}", title=f"{table.title}{f', {self.of}' if self.of else ''}")
            for table in tables
        ]

    def _ranks_drawn(self) -> list[Figure]:
        if len(self.names) < 2 or len(self.whole) < 2:
            return []
        ranks = dict(zip(self.names, _ranks(self.names, self.whole, self.measure).T, strict=True))
        title = f"Rank of each searcher by {self.measure.name} over {len(self.whole)} cases; 1 is the best"
        return [rank_figure(ranks, title)]

    def figures(self) -> list[Figure]:
        drawn = [*self._ranks_drawn(), *anytime_figures(self.context, self.groups), *time_figures(self.groups)]
        return [
            replace(
                figure, name=f"{figure.name}{self.suffix}", title=f"{figure.title}{f', {self.of}' if self.of else ''}"
            )
            for figure in drawn
        ]


def blocks_of(groups: Sequence[SettingRuns]) -> list[Block]:
    """The cases, in the order of data sets, backbones and seeds."""
    found: dict[tuple[object, ...], dict[str, FoundRun]] = defaultdict(dict)
    for group in groups:
        setting = group.setting
        for run in group.runs:
            seed = run.result.run.seed
            numbers = (setting.space, setting.prior, setting.maximised, setting.stop, setting.split)
            key = (setting.dataset, setting.backbone, numbers, setting.samples, seed, setting.protocol)
            found[key][setting.searcher] = run
    return [Block(str(key[0]), key, found[key]) for key in sorted(found, key=str)]


def best_so_far(trials: Sequence[Trial], samples: int) -> float | None:
    """SRCC of the best of the first `samples` samples, of evaluations on all references alone; None for none."""
    best = best_trial([trial for trial in trials if trial.sample < samples])
    return None if best is None else best.srcc


def expected_best(values: Floats) -> Floats:
    """The expected best of k draws without replacement from n values, for k = 1..n: (n,).

    E[max] = sum_i v_(i) C(i-1, k-1) / C(n, k) over the values in ascending order.
    """
    ordered = np.sort(values)
    n = ordered.size
    share = np.full(n, 1 / n)  # the chance of each value to be the best of k draws, k = 1
    result = np.empty(n)
    places = np.arange(n)
    for k in range(1, n + 1):
        result[k - 1] = share @ ordered
        # C(i, k) / C(n, k+1) from C(i, k-1) / C(n, k), i = places
        share = share * (places - k + 1) / k * (k + 1) / max(n - k, 1)
        share[places < k] = 0
    return result


def random_equivalent(target: float, random_values: Floats) -> tuple[int, bool]:
    """How many random samples are expected to reach an SRCC; False when more than there are, the number then theirs."""
    expected = expected_best(random_values)
    reached = np.flatnonzero(expected >= target - 1e-12)
    return (int(reached[0]) + 1, True) if reached.size else (len(random_values), False)


def _summary(kind: _Kind) -> Table:
    context, names, cases, measure = kind.context, kind.names, kind.cases, kind.measure
    complete = len(names) > 1 and bool(kind.whole)
    ranks = _ranks(names, cases, measure) if complete else None
    runs_of = [[case.runs[name] for case in cases if name in case.runs] for name in names]
    tuned = [spread([run.srcc for run in runs]) for runs in runs_of]
    held_out = [
        spread([run.result.held_out.srcc_mean for run in runs if run.result.held_out is not None]) for runs in runs_of
    ]
    if complete:
        tied = _tied(names, cases, measure)
        held_out = ranked(held_out, tied) if measure is HELD_OUT else held_out
        tuned = ranked(tuned, tied) if measure is TUNED else tuned
    has_older = any(_optimism(runs, older=True) for runs in runs_of)
    rows = []
    for place, (name, runs) in enumerate(zip(names, runs_of, strict=True)):
        with_folds = sum(run.result.held_out is not None for run in runs)
        counts = [run.result.strategy for run in runs]
        total = sum(count.random + count.initial + count.model + count.local + count.fitted for count in counts)
        chosen = sum(count.model + count.local + count.fitted for count in counts)
        rows.append(
            (
                word(name),
                held_out[place],
                number(float(ranks[:, place].mean()) if ranks is not None else None, 2),
                number(len(runs), 0),
                _signed([gain.mean for gain in _gains(runs)]),
                _verdicts(runs),
                _signed([run.srcc - run.result.baselines.uniform.srcc for run in runs]),
                tuned[place],
                _partial(_optimism(runs, older=False), with_folds),
                *([_partial(_optimism(runs, older=True), with_folds)] if has_older else []),
                _equivalent(name, cases, kind.blocks),
                number(100 * chosen / total if total else None, 0),
            )
        )
    # the best on top
    place = 1 if measure is HELD_OUT else 7
    rows.sort(key=lambda row: -(row[place].value or -math.inf))
    uniform = _one_of_each(cases)
    uniform_held_out = [run.result.held_out.uniform_srcc_mean for run in uniform if run.result.held_out is not None]
    rows.append(
        (
            word("(uniform weights)"),
            spread(uniform_held_out),
            Cell(),
            number(len(uniform), 0),
            *(Cell() for _ in range(3)),
            spread([run.result.baselines.uniform.srcc for run in uniform]),
            *(Cell() for _ in range(4 if has_older else 3)),
        )
    )
    return Table(
        name="searchers",
        title=f"Searchers compared by {measure.name}" if len(names) > 1 else "What the searcher reached",
        columns=(
            *(Column(name) for name in ("searcher", "held-out", "mean rank", "runs")),
            *(Column(name, "gain over uniform") for name in ("held-out", "verdict", "tuned")),
            Column("tuned SRCC"),
            Column("optimism"),
            *([Column("tuned less held-out (older)")] if has_older else []),
            Column("random samples"),
            Column("not random %"),
        ),
        rows=tuple(rows),
        card=card(context.usual, kind.groups),
        notes=(
            *(
                _of_whole_cases(len(cases), measure)
                if complete
                else (f"Mean over {len(cases)} cases.",) * (len(cases) > 1)
            ),
            "Tuned figures are of all pairs, on which the weights were tuned; held-out ones are the mean over folds of "
            "each fold's own. Compare either with the uniform weights' on the same pairs, as the gains do, not with "
            "each other.",
            "Verdict: in how many runs the folds show that tuning helped or harmed: the 95 % interval of the held-out "
            "gain (standard error corrected after Nadeau and Bengio 2003) leaves 0 out.",
            "Optimism: what the weights tuned on all pairs reach on a fold's pairs above those tuned without them, "
            "averaged over folds.",
            *((OLDER,) if has_older else ()),
            *((EQUIVALENT,) if any(RANDOM in block.runs for block in kind.blocks) else ()),
            "Not random %: samples that a model, a local step or a fit chose, of all.",
            *_simulated(kind.groups),
        ),
    )


def _gains(runs: Sequence[FoundRun]) -> list[Gain]:
    return [gain_of([run.result.held_out]) for run in runs if run.result.held_out is not None]


def _verdicts(runs: Sequence[FoundRun]) -> Cell:
    """How many runs tuning helped and harmed, and how many show neither; missing where nothing was held out."""
    said = counted(_gains(runs))
    return word(said) if said else Cell()


def _optimism(runs: Sequence[FoundRun], *, older: bool) -> list[float]:
    """The optimism of today's records, or what older ones call so: one is of the same pairs, the other of different."""
    folds = [run.result.held_out for run in runs if run.result.held_out is not None]
    return [held_out.optimism for held_out in folds if held_out.is_older == older]


def _signed(values: Sequence[float]) -> Cell:
    average = mean(values)
    return number(average, 4, None if average is None else f"{average:+z.4f}")


def _partial(values: Sequence[float], runs: int) -> Cell:
    """The mean, which says of how many runs it is where some have no such figure."""
    cell = _signed(values)
    if cell.missing or len(values) == runs:
        return cell
    return replace(cell, text=f"{cell.text} ({len(values)} of {runs})", more=(("runs", len(values)),))


def _of_whole_cases(count: int, measure: Measure) -> tuple[str, str]:
    cases = "the one case" if count == 1 else f"the {count} cases"
    return (
        f"Over {cases} (data set, backbone, space, prior, objective, samples, seed) that every searcher has; "
        f"mean rank by {measure.name}, 1 is the best.",
        "* tied with the best (bold): Holm-corrected Wilcoxon tests at 5 % do not tell them apart, or there are too "
        "few cases for a test.",
    )


def _tied(names: Sequence[str], cases: Sequence[Block], measure: Measure) -> list[bool]:
    """Which searchers the Wilcoxon tests do not tell from the one with the highest mean; all, where they cannot."""
    if len(cases) < ENOUGH_BLOCKS:
        return [True] * len(names)
    table = np.array([[measure.of(case.runs[name]) for name in names] for case in cases])
    p = compare_over_many(table).wilcoxon_p[int(table.mean(axis=0).argmax())]
    # NaN, where there is nothing to test, tells nothing apart
    return [not value <= 0.05 for value in p]


def _equivalent(name: str, cases: Sequence[Block], blocks: Sequence[Block]) -> Cell:
    pools: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for block in blocks:
        if RANDOM in block.runs:
            pools[_pool(block)] += [
                trial.merit for trial in block.runs[RANDOM].trials if trial.budget == 1 and trial.merit == trial.merit
            ]
    found = [
        random_equivalent(case.runs[name].merit, np.array(pools[_pool(case)]))
        for case in cases
        if name in case.runs and pools.get(_pool(case))
    ]
    if not found:
        return Cell()
    average = float(np.mean([samples for samples, _ in found]))
    if all(reached for _, reached in found):
        return Cell(f"{average:.0f}", average)
    return Cell(f"> {average:.0f}", average, more=(("at least", average),))


def _pool(block: Block) -> tuple[object, ...]:
    dataset, backbone, numbers, _samples, _seed, protocol = block.key
    return dataset, backbone, numbers, protocol


def _ranks(names: Sequence[str], whole: Sequence[Block], measure: Measure) -> Floats:
    """(blocks, searchers) ranks, 1 the best."""
    return np.array([rankdata([-measure.of(block.runs[name]) for name in names]) for block in whole], dtype=np.float64)


def _tests(names: Sequence[str], whole: Sequence[Block], measure: Measure) -> list[str]:
    if len(whole) < ENOUGH_BLOCKS:
        return [
            f"{len(whole)} case{'' if len(whole) == 1 else 's'} with every searcher: too few for a test (it takes "
            f"{ENOUGH_BLOCKS}); differences of ranks may be chance."
        ]
    found = compare_over_many([[measure.of(block.runs[name]) for name in names] for block in whole])
    if found.friedman_p != found.friedman_p:
        return []
    verdict = "the searchers differ" if found.friedman_p < 0.05 else "no difference between the searchers is shown"
    return [
        f"Friedman's test of the {measure.name} over {len(whole)} cases: p = {found.friedman_p:.2g}, so {verdict}. "
        "Seeds of one data set and backbone share their pairs: the test says something of these data, not of others."
    ]


def _wilcoxon(kind: _Kind) -> Table:
    names, whole, measure = kind.names, kind.whole, kind.measure
    found = compare_over_many([[measure.of(block.runs[name]) for name in names] for block in whole])
    rows = tuple(
        (word(name), *(Cell() if i == j else _p(float(found.wilcoxon_p[i, j])) for j in range(len(names))))
        for i, name in enumerate(names)
    )
    return Table(
        name="searchers-wilcoxon",
        title=f"Wilcoxon signed-rank tests of the {measure.name}, p after Holm's correction ({len(whole)} cases)",
        columns=(Column("searcher"), *(Column(name) for name in names)),
        rows=rows,
        card=card(kind.context.usual, kind.groups),
        notes=_simulated(kind.groups),
        detail=True,
    )


def _p(value: float) -> Cell:
    return number(value, text="< 0.001" if value < 0.001 else f"{value:.3f}")


def _anytime_table(kind: _Kind) -> Table:
    context, groups, names, blocks = kind.context, kind.groups, kind.names, kind.cases
    rows = []
    for name in names:
        runs = [block.runs[name] for block in blocks if name in block.runs]
        cells = []
        for samples in CHECKPOINTS:
            long_enough = [run for run in runs if run.result.run.samples >= samples]
            values = [best_so_far(run.trials, samples) for run in long_enough]
            present = [value for value in values if value is not None]
            cells.append(spread(present) if present and len(present) == len(values) else Cell())
        rows.append((word(name), *cells))
    baseline = spread([block_run.result.baselines.uniform.srcc for block_run in _one_of_each(blocks)])
    rows.append((word("(uniform weights)"), *(baseline for _ in CHECKPOINTS)))
    return Table(
        name="searchers-anytime",
        title="Best SRCC so far on the pairs tuned on, by samples",
        columns=(Column("searcher"), *(Column(f"{samples} samples") for samples in CHECKPOINTS)),
        rows=tuple(rows),
        card=card(context.usual, groups),
        notes=(
            "Mean over cases (± standard deviation). Evaluations on a part of the references do not count; a cell is "
            "missing where some run has none on all of them yet, or has fewer samples.",
            *_simulated(groups),
        ),
        detail=True,
    )


def _one_of_each(blocks: Sequence[Block]) -> list[FoundRun]:
    return [next(iter(block.runs.values())) for block in blocks]


def _simulated(groups: Sequence[SettingRuns]) -> tuple[str, ...]:
    return (SIMULATED,) if any(group.protocol.simulated for group in groups) else ()
