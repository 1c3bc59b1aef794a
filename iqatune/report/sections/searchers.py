"""Which searcher is best: ranks over seeds, progress by samples, and how many random samples it is worth."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from iqatune.evaluation.compare import compare_over_many
from iqatune.evaluation.gain import Gain, gain_of
from iqatune.metric.weights import Floats
from iqatune.records.trial import Trial
from iqatune.records.vocabulary import Verdict
from iqatune.report.advice import mean
from iqatune.report.collect import FoundRun, SettingRuns
from iqatune.report.context import SIMULATED, Context
from iqatune.report.model import Cell, Column, Section, Table, number, ranked, spread, word
from iqatune.report.protocol import card
from iqatune.report.sections.searcher_figures import anytime_figures, rank_figure, time_figures
from iqatune.search.choice import best_trial

CHECKPOINTS = (10, 25, 50)

ENOUGH_BLOCKS = 6
"""Fewer cases cannot make a Wilcoxon signed-rank test significant at 5 %."""

RANDOM = "random"

OLDER = (
    "Tuned less held-out (older): what records of older releases call optimism, the tuned SRCC over all pairs minus "
    "the held-out one. It is of different pairs, and compares with no optimism; (k of n): of the k of n runs that have "
    "it."
)


@dataclass(frozen=True)
class Block:
    """One case in which searchers compete: everything is the same but the searcher. A run for each searcher."""

    dataset: str
    key: tuple[object, ...]
    runs: dict[str, FoundRun]


def searchers_section(context: Context) -> Section:
    """Searchers compared on the blocks that all of them have; curves over whatever they have."""
    groups = context.found.agreement_groups
    blocks = blocks_of(groups)
    if not blocks:
        return Section("Which searcher is best", ("Every run gave up agreement for textures: see there.",))
    names = sorted({name for block in blocks for name in block.runs})
    whole = [block for block in blocks if set(block.runs) == set(names)]
    # means over different cases would compare cases, not searchers
    cases = whole or blocks
    tables = [_summary(context, names, cases, blocks), _anytime_table(context, names, cases)]
    drawings = [*anytime_figures(context, groups), *time_figures(groups)]
    text = []
    if len(names) < 2:
        text.append("One searcher was run: there is nothing to compare it with.")
    elif not whole:
        text.append(
            "No case (data set, backbone, space, prior, objective, samples, seed) was run with every searcher: there "
            "are no ranks, and the means below are over different cases, so they do not compare."
        )
    else:
        drawings.insert(0, rank_figure(dict(zip(names, _ranks(names, whole).T, strict=True)), len(whole)))
        text += _tests(names, whole)
        if len(whole) >= ENOUGH_BLOCKS:
            tables.append(_wilcoxon(context, names, whole))
    return Section("Which searcher is best", tuple(text), tables=tuple(tables), figures=tuple(drawings))


def blocks_of(groups: Sequence[SettingRuns]) -> list[Block]:
    """The cases, in the order of data sets, backbones and seeds."""
    found: dict[tuple[object, ...], dict[str, FoundRun]] = defaultdict(dict)
    for group in groups:
        setting = group.setting
        for run in group.runs:
            seed = run.result.run.seed
            numbers = (setting.space, setting.prior, setting.maximised, setting.stop)
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


def _summary(context: Context, names: Sequence[str], cases: Sequence[Block], blocks: Sequence[Block]) -> Table:
    complete = len(names) > 1 and all(set(case.runs) == set(names) for case in cases)
    ranks = _ranks(names, cases) if complete else None
    runs_of = [[case.runs[name] for case in cases if name in case.runs] for name in names]
    tuned = [spread([run.srcc for run in runs]) for runs in runs_of]
    tuned = ranked(tuned, _tied(names, cases)) if complete else tuned
    has_older = any(_optimism(runs, older=True) for runs in runs_of)
    rows = []
    for place, (name, runs) in enumerate(zip(names, runs_of, strict=True)):
        held_out = [run.result.held_out.srcc_mean for run in runs if run.result.held_out is not None]
        counts = [run.result.strategy for run in runs]
        total = sum(count.random + count.initial + count.model + count.local + count.fitted for count in counts)
        chosen = sum(count.model + count.local + count.fitted for count in counts)
        rows.append(
            (
                word(name),
                number(len(runs), 0),
                number(float(ranks[:, place].mean()) if ranks is not None else None, 2),
                tuned[place],
                spread(held_out),
                _signed([run.srcc - run.result.baselines.uniform.srcc for run in runs]),
                _signed([gain.mean for gain in _gains(runs)]),
                _verdicts(runs),
                _partial(_optimism(runs, older=False), len(held_out)),
                *([_partial(_optimism(runs, older=True), len(held_out))] if has_older else []),
                _equivalent(name, cases, blocks),
                number(100 * chosen / total if total else None, 0),
            )
        )
    uniform = _one_of_each(cases)
    held_out = [run.result.held_out.uniform_srcc_mean for run in uniform if run.result.held_out is not None]
    rows.append(
        (
            word("(uniform weights)"),
            number(len(uniform), 0),
            Cell(),
            spread([run.result.baselines.uniform.srcc for run in uniform]),
            spread(held_out),
            *(Cell() for _ in range(7 if has_older else 6)),
        )
    )
    return Table(
        name="searchers",
        title="Searchers compared",
        columns=(
            *(Column(name) for name in ("searcher", "runs", "mean rank", "tuned SRCC", "held-out")),
            *(Column(name, "gain over uniform") for name in ("tuned", "held-out", "verdict")),
            Column("optimism"),
            *([Column("tuned less held-out (older)")] if has_older else []),
            Column("random samples"),
            Column("not random %"),
        ),
        rows=tuple(rows),
        card=card(context.usual, context.found.groups),
        notes=(
            *(_of_whole_cases(len(cases)) if complete else (f"Over {len(cases)} cases that differ by searcher.",)),
            "Tuned figures are of all pairs, held-out ones the mean over folds of each fold's own: compare either with "
            "the uniform weights' on the same pairs, as the gains do, and not with each other.",
            "Verdict: in how many runs the folds show that tuning helped or harmed: the 95 % interval of the held-out "
            "gain (standard error corrected after Nadeau and Bengio 2003) leaves 0 out.",
            "Optimism: what the weights tuned on all pairs reach on a fold's pairs above those tuned without them, "
            "averaged over folds.",
            *((OLDER,) if has_older else ()),
            "Random samples: how many would on average reach what this searcher's run reached, from the random runs of "
            "the same data set, backbone, space, prior and objective, averaged over cases; '>' where some need more "
            "than there are.",
            "Not random %: samples that a model, a local step or a fit chose, of all.",
            *_simulated(context),
        ),
    )


def _gains(runs: Sequence[FoundRun]) -> list[Gain]:
    return [gain_of([run.result.held_out]) for run in runs if run.result.held_out is not None]


def _verdicts(runs: Sequence[FoundRun]) -> Cell:
    """How many runs tuning helped and harmed, and how many show neither; missing where nothing was held out."""
    counts = Counter(gain.verdict for gain in _gains(runs))
    said: dict[Verdict, str] = {"helped": "helped", "not shown to help": "not shown", "harmed": "harmed"}
    found = [f"{words} {counts[verdict]}" for verdict, words in said.items() if counts[verdict]]
    return word(", ".join(found)) if found else Cell()


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


def _of_whole_cases(count: int) -> tuple[str, str]:
    return (
        f"Over the {count} cases (data set, backbone, space, prior, objective, samples, seed) that every searcher has; "
        "mean rank of the tuned SRCC, 1 is the best.",
        "* tied with the best (bold): Holm-corrected Wilcoxon tests at 5 % do not tell them apart, or there are too "
        "few cases for a test.",
    )


def _tied(names: Sequence[str], cases: Sequence[Block]) -> list[bool]:
    """Which searchers the Wilcoxon tests do not tell from the one with the highest mean; all, where they cannot."""
    if len(cases) < ENOUGH_BLOCKS or len(names) < 2 or any(set(case.runs) != set(names) for case in cases):
        return [True] * len(names)
    table = np.array([[case.runs[name].srcc for name in names] for case in cases])
    p = compare_over_many(table).wilcoxon_p[int(table.mean(axis=0).argmax())]
    return [bool(value > 0.05) for value in p]


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


def _ranks(names: Sequence[str], whole: Sequence[Block]) -> Floats:
    """(blocks, searchers) ranks of the tuned SRCC, 1 the best."""
    if not whole:
        return np.empty((0, len(names)))
    return np.array([rankdata([-block.runs[name].srcc for name in names]) for block in whole], dtype=np.float64)


def _tests(names: Sequence[str], whole: Sequence[Block]) -> list[str]:
    if len(whole) < ENOUGH_BLOCKS:
        return [
            f"{len(whole)} case{'' if len(whole) == 1 else 's'} with every searcher: too few for a test (it takes "
            f"{ENOUGH_BLOCKS}); differences of ranks may be chance."
        ]
    found = compare_over_many([[block.runs[name].srcc for name in names] for block in whole])
    if found.friedman_p != found.friedman_p:
        return []
    verdict = "the searchers differ" if found.friedman_p < 0.05 else "no difference between the searchers is shown"
    return [
        f"Friedman's test over {len(whole)} cases: p = {found.friedman_p:.2g}, so {verdict}. Seeds of one data set and "
        "backbone share their pairs: the test says something of these data, not of others."
    ]


def _wilcoxon(context: Context, names: Sequence[str], whole: Sequence[Block]) -> Table:
    found = compare_over_many([[block.runs[name].srcc for name in names] for block in whole])
    rows = tuple(
        (word(name), *(Cell() if i == j else _p(float(found.wilcoxon_p[i, j])) for j in range(len(names))))
        for i, name in enumerate(names)
    )
    return Table(
        name="searchers-wilcoxon",
        title=f"Wilcoxon signed-rank tests of the tuned SRCC, p after Holm's correction ({len(whole)} cases)",
        columns=(Column("searcher"), *(Column(name) for name in names)),
        rows=rows,
        card=card(context.usual, context.found.groups),
        notes=_simulated(context),
    )


def _p(value: float) -> Cell:
    return number(value, text="< 0.001" if value < 0.001 else f"{value:.3f}")


def _anytime_table(context: Context, names: Sequence[str], blocks: Sequence[Block]) -> Table:
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
        title="Best tuned SRCC so far",
        columns=(Column("searcher"), *(Column(f"{samples} samples") for samples in CHECKPOINTS)),
        rows=tuple(rows),
        card=card(context.usual, context.found.groups),
        notes=(
            "Mean over cases (± standard deviation). Evaluations on a part of the references do not count; a cell is "
            "missing where some run has none on all of them yet, or has fewer samples.",
            *_simulated(context),
        ),
    )


def _one_of_each(blocks: Sequence[Block]) -> list[FoundRun]:
    return [next(iter(block.runs.values())) for block in blocks]


def _simulated(context: Context) -> tuple[str, ...]:
    return (SIMULATED,) if any(context.found.simulated(dataset) for dataset in context.found.datasets) else ()
