"""fit: no samples, but a convex fit whose strength of shrinkage folds inside the pairs decide."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import numpy as np

from iqatune.evaluation.folds import by_reference, possible_folds
from iqatune.evaluation.gain import corrected_error
from iqatune.metric.weights import Floats
from iqatune.records.trial import Inner
from iqatune.records.vocabulary import FIT
from iqatune.runtime.threads import ThreadPools, processors
from iqatune.search.choice import chosen
from iqatune.search.fitting import Couples, Fit, Fitted
from iqatune.search.searchers.base import Pairs, Problem, Proposal, Searcher, SearchExhausted
from iqatune.search.supports import couples_of, stages_in_words, supported

SHRINKAGES: Final = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 3e-4, 1e-4, 1e-5)
"""The path, from next to the uniform weights to hardly any shrinkage; it ends where more freedom has not helped
PATIENCE times."""

PATIENCE: Final = 3

LOOK: Final = 0.01
"""Shrinkage at which constants are compared."""

INNER_FOLDS: Final = 5

QUICK: Final = 5.0
"""Seconds below which a search is not worth saying how long it takes."""


@dataclass(frozen=True)
class _Candidate:
    """One configuration of the path.

    Attributes:
        shrinkage: None for the uniform weights.
        mu: as of `Inner`.
        table: which table of features.
        figures: of each inner fold's held-out references.
    """

    shrinkage: float | None
    mu: float | None
    table: int
    figures: tuple[float, ...]

    @property
    def mean(self) -> float:
        """What is to be expected on references left out; NaN where a fold has no figure."""
        return float(np.mean(self.figures)) if self.figures else float("nan")


class AnyFit(Protocol):
    """A fit of a space's numbers to some pairs, as `Fit` has it."""

    @property
    def start(self) -> Fitted:
        """Where the path begins."""

    def solve(self, shrinkage: float, start: Fitted) -> Fitted:
        """The weights of least loss and shrinkage, from where a fit stands."""


FitOf = Callable[[Pairs, int, Couples, float | None], AnyFit]
"""The fit to some pairs through one of their tables of features, at one mu."""


class DirectFit(Searcher):
    """Weights by a convex loss on couples of pairs (`iqatune.search.fitting`), on a path of shrinkages.

    Where the run limits stages or penalises them by what they cost, some shares are 0 from the start
    (`iqatune.search.supports`), and "uniform" is so among the others.

    Folds by reference inside the pairs say how well each strength of shrinkage, and each constant of a space with
    `+c`, does on references left out. The best of them is chosen, and the uniform weights are kept unless it beats
    them there by more than a standard error. Every configuration of the path is a sample, fitted to all pairs.
    """

    name = FIT
    description = "a convex fit to couples of pairs, shrunk to the uniform weights as far as inner folds say"
    drives = "scipy L-BFGS-B"
    needs_no_results = True
    fits = True
    mus: ClassVar[tuple[float | None, ...]] = (None,)
    """How much the disagreement of two views may count; None where there are none."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._proposals: Iterator[Proposal] | None = None

    def propose(self) -> Proposal:
        if self._proposals is None:
            self._proposals = self._path()
        proposal = next(self._proposals, None)
        if proposal is None:
            raise SearchExhausted("the whole path is proposed")
        return proposal

    def observe(self, proposal: Proposal, srcc: float) -> None:
        """Nothing: inner folds choose, not the figure on the pairs that were fitted."""

    @classmethod
    def most_samples(cls, problem: Problem) -> int:
        tables = 1 if problem.task is None else len(problem.task.tables)
        looked = tables // 2 + 2 if tables > 1 else 0
        return tables + looked + len(cls.mus) * len(SHRINKAGES)

    @classmethod
    def expected_seconds(cls, problem: Problem) -> float | None:
        task = problem.task
        if task is None:
            return None
        pairs, features = task.tables[0].shape
        constants = 3 if len(task.tables) > 1 else 1
        steps = 150 * (INNER_FOLDS + 1) * (constants + len(cls.mus) - 1)
        seconds = steps * (6e-4 + 7e-10 * pairs * features)
        return seconds if seconds > QUICK else None

    @staticmethod
    def fit_of(task: Pairs, table: int, couples: Couples, mu: float | None) -> AnyFit:
        """The fit to some pairs through one of their tables of features.

        Args:
            mu: one of `mus`.
        """
        return Fit(task.space, task.tables[table], couples, penalty=task.texture_penalty(table))

    def _path(self) -> Iterator[Proposal]:
        task = self.problem.task
        if task is None:
            raise ValueError("a fit needs the pairs themselves, not a problem alone")
        # one thread: sums are then the same on every machine of a kind, and folds run side by side
        with ThreadPools().limit(1):
            if task.sparsity.asked:
                task = supported(task)
                self.details["weighted_stages"] = stages_in_words(task.space)
            candidates = _candidates(task, self.fit_of, self.mus)
            uniform = max((one for one in candidates if one.shrinkage is None), key=_rank)
            self.details["inner_folds"] = str(len(uniform.figures))
            found = _fitted(task, candidates, self.fit_of)
        path = [
            Inner(shrinkage=one.shrinkage, mean=one.mean, error=_error_of_gain(one, uniform), mu=one.mu)
            for one in candidates
        ]
        best = path[chosen(path)]
        self.details["shrinkage"] = "to the uniform weights" if best.shrinkage is None else f"{best.shrinkage:g}"
        if best.mu is not None:
            self.details["mu"] = f"{best.mu:g}"
        for sample, (candidate, fitted, inner) in enumerate(zip(candidates, found, path, strict=True)):
            yield Proposal(
                f"{sample:05d}",
                sample,
                task.space.parameters(fitted.shares, fitted.own, candidate.table),
                "initial" if candidate.shrinkage is None else "fit",
                budget=len(self.problem.budgets) - 1,
                inner=inner,
            )


def _candidates(task: Pairs, fit_of: FitOf, mus: Sequence[float | None]) -> list[_Candidate]:
    """What inner folds say of the uniform weights, of every constant at one shrinkage, and of the paths at the best."""
    folds = _InnerFolds(task, fit_of)
    tables = range(len(task.tables))
    found = [folds.uniform(table) for table in tables]
    if not folds.tasks:
        return found
    best = 0
    if len(tables) > 1:
        # decades first, then the half decades beside the best: the figure changes slowly with the constant
        looked = {table: folds.at(LOOK, table, mus[0]) for table in tables[::2]}
        best = max(looked, key=lambda table: _rank(looked[table]))
        looked |= {table: folds.at(LOOK, table, mus[0]) for table in (best - 1, best + 1) if table in tables}
        best = max(looked, key=lambda table: _rank(looked[table]))
        found += [looked[table] for table in sorted(looked) if table != best]
    return found + [candidate for mu in mus for candidate in folds.path(best, mu)]


class _InnerFolds:
    """The pairs' references in folds, and fits to all but one of them at a time.

    Of several data sets each fold holds out its share of each, and a picture that two share is on one side.

    Attributes:
        tasks: for every fold what is fitted and what is left out; none where there are too few references.
    """

    def __init__(self, task: Pairs, fit_of: FitOf) -> None:
        self._fit_of = fit_of
        self._space = task.space
        count = possible_folds(task.groups, INNER_FOLDS, task.seed, task.set_ids)
        folds = by_reference(task.groups, count, task.seed, task.set_ids) if count else ()
        self.tasks = [task.split(fold) for fold in folds]
        self._couples = [couples_of(tuned) for tuned, _ in self.tasks]

    def uniform(self, table: int) -> _Candidate:
        """The uniform weights, which nothing is fitted for."""
        even = Fitted(self._space.uniform, np.full(len(self._space.own), 0.5))
        return _Candidate(None, None, table, self._figures([even] * len(self.tasks), table))

    def at(self, shrinkage: float, table: int, mu: float | None) -> _Candidate:
        """One shrinkage, from the uniform weights."""
        fits = self._fits(table, mu)
        stands = _solved(fits, shrinkage, [fit.start for fit in fits])
        return _Candidate(shrinkage, mu, table, self._figures(stands, table))

    def path(self, table: int, mu: float | None) -> list[_Candidate]:
        """The shrinkages, each from the solution of the one before, until more freedom helps no longer."""
        fits = self._fits(table, mu)
        stands = [fit.start for fit in fits]
        found: list[_Candidate] = []
        for shrinkage in SHRINKAGES:
            stands = _solved(fits, shrinkage, stands)
            found.append(_Candidate(shrinkage, mu, table, self._figures(stands, table)))
            best = max(range(len(found)), key=lambda place: _rank(found[place]))
            if len(found) - 1 - best >= PATIENCE:
                break
        return found

    def _fits(self, table: int, mu: float | None) -> list[AnyFit]:
        return [
            self._fit_of(tuned, table, couples, mu)
            for (tuned, _), couples in zip(self.tasks, self._couples, strict=True)
        ]

    def _figures(self, stands: Sequence[Fitted], table: int) -> tuple[float, ...]:
        return tuple(
            left_out.value(self._space.parameters(stand.shares, stand.own, table))
            for (_, left_out), stand in zip(self.tasks, stands, strict=True)
        )


def _solved(fits: Sequence[AnyFit], shrinkage: float, stands: Sequence[Fitted]) -> list[Fitted]:
    """Every fold's fit at one shrinkage, side by side: each runs on one thread, and comes out as by itself."""
    with ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(lambda fit, stand: fit.solve(shrinkage, stand), fits, stands))


def _fitted(task: Pairs, candidates: Sequence[_Candidate], fit_of: FitOf) -> list[Fitted]:
    """Every candidate, fitted to all pairs: along a path each from the solution before."""
    couples = couples_of(task)
    found: list[Fitted] = []
    fits: dict[tuple[int, float | None], AnyFit] = {}
    stands: dict[tuple[int, float | None], Fitted] = {}
    for candidate in candidates:
        if candidate.shrinkage is None:
            found.append(Fit(task.space, task.tables[candidate.table], couples).uniform)
            continue
        key = (candidate.table, candidate.mu)
        if key not in fits:
            fits[key] = fit_of(task, candidate.table, couples, candidate.mu)
            stands[key] = fits[key].start
        stands[key] = fits[key].solve(candidate.shrinkage, stands[key])
        found.append(stands[key])
    return found


def _rank(candidate: _Candidate) -> tuple[bool, float]:
    """Undefined below everything."""
    return not np.isnan(candidate.mean), candidate.mean


def _error_of_gain(candidate: _Candidate, uniform: _Candidate) -> float:
    """Corrected standard error of what a candidate's figures are above the uniform weights'."""
    folds = len(uniform.figures)
    if folds < 2:
        return float("nan")
    gains: Floats = np.subtract(candidate.figures, uniform.figures)
    return corrected_error(gains, 1 / (folds - 1))
