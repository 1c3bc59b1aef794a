"""A search as data: all that a process needs to run it, here, in a worker or on a cluster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from iqatune.evaluation.jackknife import jackknife_error
from iqatune.evaluation.measures import Labels, Measure
from iqatune.metric.spaces import Space
from iqatune.metric.weights import Floats
from iqatune.records.options import Run
from iqatune.records.trial import Trial
from iqatune.records.vocabulary import ObjectiveName, Stop
from iqatune.search.fidelity import nested_subsets
from iqatune.search.loop import search
from iqatune.search.objective import Objective, OtherObjective, distances_of
from iqatune.search.searchers.base import Problem, Searcher
from iqatune.search.searchers.registry import find, make_searcher
from iqatune.search.stopping import Stopping
from iqatune.statistics.columns import Scaling
from iqatune.statistics.source import PreparedPairs


@dataclass(frozen=True, kw_only=True)
class Task:
    """One search.

    Attributes:
        searcher: its name.
        samples: configurations to try.
        seed: of the searcher and of the subsets of references.
        space: what turns parameters into weights.
        tables: (N, F) features of the pairs in that space, one for each way to compare that it offers.
        quality: (N,) human scores, higher is better.
        reference_ids: (N) which reference each pair is of.
        objective_name: what is maximised.
        stop: the rule that ends it before its last sample, if any.
        distortions: (N) the distortion of each pair, which `worst-distortion` alone needs.
        columns: (N, F) columns of a features file, as in the file; None through a backbone. The features are these,
            in directions and at scales found on the pairs that the search sees (see `split`).
    """

    searcher: str
    samples: int
    seed: int
    space: Space
    tables: tuple[Floats, ...]
    quality: Floats
    reference_ids: tuple[str, ...]
    objective_name: ObjectiveName = "srcc"
    stop: Stop | None = None
    distortions: tuple[str, ...] = ()
    columns: Floats | None = None

    @classmethod
    def of(cls, run: Run, prepared: PreparedPairs) -> "Task":
        """The search that a run asks for, on prepared data."""
        space, table = prepared.space(run.space, run.prior), prepared.table
        return cls(
            searcher=run.searcher,
            samples=run.samples,
            seed=run.seed,
            space=space,
            tables=prepared.tables(space),
            quality=table.quality,
            reference_ids=table.reference_ids,
            objective_name=run.objective,
            stop=run.stop,
            distortions=tuple(pair.distortion for pair in table.pairs),
            columns=prepared.columns,
        )

    def subsets(self) -> tuple[NDArray[np.intp], ...]:
        """Rows of every budget, the last one all; a single budget unless the searcher makes use of more."""
        return _subsets(self.searcher, self.reference_ids, self.seed)

    def objective(self) -> Objective:
        """The SRCC, which is maximised unless `objective_name` says otherwise."""
        return Objective(self.space, self.tables, self.quality, self.subsets())

    def maximised(self) -> Objective | OtherObjective:
        """What a search in this process maximises."""
        if self.objective_name == "srcc":
            return self.objective()
        subsets = self.subsets()
        return OtherObjective(self.objective(), self.tables, [self.measure(rows) for rows in subsets], subsets)

    def measure(self, rows: NDArray[np.intp] | None = None) -> Measure:
        """The objective as a figure of distances, of all pairs or of some rows."""
        rows = np.arange(len(self.quality)) if rows is None else rows
        labels = Labels(*([names[row] for row in rows] for names in (self.reference_ids, self.distortions) if names))
        return Measure.of(self.objective_name, self.quality[rows], self.tables[0][rows], labels)

    def value(self, parameters: Floats | None) -> float:
        """The objective's figure of (P,) parameters on all pairs; NaN of None."""
        if parameters is None:
            return float("nan")
        return self.measure()(distances_of(self.space, self.tables, parameters))

    def problem(self) -> Problem:
        """What the searcher is told."""
        budgets = _budgets(self.reference_ids, self.subsets())
        pairs = self if find(self.searcher).fits else None
        return Problem(self.space.names, self.samples, self.seed, budgets, task=pairs)

    def make_searcher(self) -> Searcher:
        """A fresh searcher, which stops by the rule where there is one."""
        searcher = make_searcher(self.searcher, self.problem())
        return searcher if self.stop is None else Stopping(searcher, self.standard_error)

    def standard_error(self, parameters: Floats) -> float:
        """Of the objective's figure of (P,) parameters, over references; NaN where there is none."""
        return jackknife_error(lambda rows: self.of_rows(rows).value(parameters), self.reference_ids)

    def of_rows(self, rows: NDArray[np.bool_]) -> "Task":
        """The same search on some of the pairs."""
        ids = tuple(identity for identity, chosen in zip(self.reference_ids, rows, strict=True) if chosen)
        kinds = (
            tuple(kind for kind, chosen in zip(self.distortions, rows, strict=True) if chosen)
            if self.distortions
            else ()
        )
        return replace(
            self,
            tables=tuple(table[rows] for table in self.tables),
            quality=self.quality[rows],
            reference_ids=ids,
            distortions=kinds,
            columns=None if self.columns is None else self.columns[rows],
        )

    def split(self, held_out: NDArray[np.bool_]) -> tuple["Task", "Task"]:
        """The same search on the other pairs, and the held-out pairs as its weights see them.

        Columns of a features file get the directions and scales of the pairs that are searched on, in both parts: of
        the held-out pairs nothing is known.
        """
        tuned_on, left_out = self.of_rows(~held_out), self.of_rows(held_out)
        if tuned_on.columns is None or left_out.columns is None:
            return tuned_on, left_out
        scaling = Scaling.of(tuned_on.columns, tuned_on.quality)
        return (
            replace(tuned_on, tables=(scaling(tuned_on.columns),)),
            replace(left_out, tables=(scaling(left_out.columns),)),
        )

    def run(
        self, recorded: Sequence[Trial] = (), keep: Callable[[Trial], None] = lambda trial: None
    ) -> tuple[Searcher, list[Trial]]:
        """Search in this process; see `iqatune.search.loop.search`."""
        searcher = self.make_searcher()
        return searcher, search(searcher, self.maximised(), recorded, keep)


def problem_of(run: Run, prepared: PreparedPairs) -> Problem:
    """What the searcher of a run will be told, without the features that only its objective needs."""
    ids = prepared.table.reference_ids
    budgets = _budgets(ids, _subsets(run.searcher, ids, run.seed))
    return Problem(prepared.space(run.space).names, run.samples, run.seed, budgets)


def _subsets(searcher: str, reference_ids: Sequence[str], seed: int) -> tuple[NDArray[np.intp], ...]:
    if not find(searcher).wants_budgets:
        return (np.arange(len(reference_ids)),)
    return nested_subsets(reference_ids, seed=seed)


def _budgets(reference_ids: Sequence[str], subsets: Sequence[NDArray[np.intp]]) -> tuple[float, ...]:
    """The share of the references that each subset holds."""
    ids = np.array(reference_ids)
    everything = len(set(reference_ids))
    return tuple(len(set(ids[rows])) / everything for rows in subsets)
