"""A search as data: all that a process needs to run it, here, in a worker or on a cluster."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from iqatune.evaluation.folds import Split
from iqatune.evaluation.jackknife import jackknife_error
from iqatune.evaluation.measures import Labels, Measure
from iqatune.evaluation.tolerance import tolerance
from iqatune.metric.spaces import Space
from iqatune.metric.weights import Floats
from iqatune.records.options import Run
from iqatune.records.trial import Trial
from iqatune.records.vocabulary import ObjectiveName, Stop
from iqatune.search.fidelity import nested_subsets
from iqatune.search.loop import search
from iqatune.search.objective import (
    JointObjective,
    Objective,
    OtherJointObjective,
    OtherObjective,
    distances_of,
    weighted_mean,
)
from iqatune.search.products import WORTH, gpu_of
from iqatune.search.searchers.base import Problem, Searcher
from iqatune.search.searchers.registry import find, make_searcher
from iqatune.search.sparsity import Sparsity
from iqatune.search.stopping import Stopping
from iqatune.search.tolerance import Plain, Ratio, TexturePenalty, TolerantObjective, ratios_of
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
        set_ids: (N) the data set of each pair; none where there is one set.
        set_weights: of each set in the objective, by its name; the others count where some are left out.
        pictures: (N) of several sets the picture that each pair's reference shows; see `groups`.
        columns: (N, F) columns of a features file, as in the file; None through a backbone. The features are these,
            in directions and at scales found on the pairs that the search sees (see `split`).
        sparsity: which stages a fit may use, and what their weights cost it.
        directions: (F,) those of them that are known beforehand; see `Scaling.of`.
        textures: (M, F) features of textures' crop pairs, one table for each way to compare; none without textures.
            They have no scores, so that a split leaves them to both sides.
        texture_weight: of the texture tolerance in what is maximised.
        views: the stages that each of two views has among the space's; none where there are no views.
        unlabelled: (U, F) features of pairs without scores, a table for each of `tables`; none where there are none.
            They are on no side of a split: nothing is known of them but the images.
        device: as the option of that name: a GPU multiplies batches where they are worth it; None for no GPU.
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
    set_ids: tuple[str, ...] = ()
    set_weights: Mapping[str, float] = field(default_factory=dict)
    pictures: tuple[str, ...] = ()
    columns: Floats | None = None
    sparsity: Sparsity = field(default_factory=Sparsity)
    directions: Floats | None = None
    textures: tuple[Floats, ...] = ()
    texture_weight: float = 0.0
    views: tuple[range, ...] = ()
    unlabelled: tuple[Floats, ...] = ()
    device: str | None = None

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
            set_ids=table.set_ids,
            set_weights=run.weights,
            pictures=table.pictures,
            columns=prepared.columns,
            sparsity=Sparsity(run.penalty, run.stage_costs, run.last_stage),
            textures=() if prepared.textures is None else prepared.textures.tables(space),
            texture_weight=run.texture_weight,
            views=prepared.views,
            unlabelled=prepared.unlabelled_tables(space),
            device=run.device,
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """(N) what is on one side of a split: references, or all of several sets that show one picture."""
        return self.pictures or self.reference_ids

    def subsets(self) -> tuple[NDArray[np.intp], ...]:
        """Rows of every budget, the last one all; a single budget unless the searcher makes use of more."""
        return _subsets(self.searcher, self.reference_ids, self.seed, self.set_ids)

    def parts(self) -> "tuple[Part, ...]":
        """The search on each data set by itself; of one set, itself. A figure of this task is `mean_of` theirs."""
        names = tuple(dict.fromkeys(self.set_ids))
        if len(names) < 2:
            return (Part(names[0] if names else "", 1.0, np.arange(len(self.quality)), self),)
        ids = np.asarray(self.set_ids)
        total = math.fsum(self.set_weights[name] for name in names)
        return tuple(
            Part(name, self.set_weights[name] / total, np.flatnonzero(ids == name), self.of_rows(ids == name))
            for name in names
        )

    def mean_of(self, figure: Callable[["Part"], float]) -> float:
        """The weighted mean of a figure of each data set; of one set that figure."""
        parts = self.parts()
        return weighted_mean([figure(part) for part in parts], [part.weight for part in parts])

    def objective(self) -> Objective | JointObjective:
        """The SRCC, which is maximised unless `objective_name` says otherwise."""
        parts, weights, subsets = self._by_set()
        of_each = [part.of_subsets(rows) for part, rows in zip(parts, subsets, strict=True)]
        return of_each[0] if len(of_each) == 1 else JointObjective(of_each, weights)

    @property
    def maximises_srcc(self) -> bool:
        """Whether the SRCC itself is maximised: no other objective, and no texture term."""
        return self.objective_name == "srcc" and not self.texture_weight

    def maximised(self) -> Objective | OtherObjective | TolerantObjective | JointObjective | OtherJointObjective:
        """What a search in this process maximises."""
        if self.maximises_srcc:
            return self.objective()
        parts, weights, subsets = self._by_set()
        of_each = [part.other_of_subsets(rows) for part, rows in zip(parts, subsets, strict=True)]
        return of_each[0] if len(of_each) == 1 else OtherJointObjective(of_each, weights)

    def of_subsets(self, subsets: Sequence[NDArray[np.intp]]) -> Objective:
        """The SRCC of one data set on some rows for every budget."""
        is_worth_it = self.samples * self.tables[0].size >= WORTH
        device = gpu_of(self.device) if is_worth_it else None
        return Objective(self.space, self.tables, self.quality, subsets, device=device)

    def other_of_subsets(self, subsets: Sequence[NDArray[np.intp]]) -> OtherObjective | TolerantObjective:
        """What is maximised, where that is not the SRCC, of one data set on some rows for every budget."""
        by_srcc = self.of_subsets(subsets)
        if self.objective_name == "srcc":
            return self._tolerant(by_srcc, subsets)
        other = OtherObjective(by_srcc, self.tables, [self.measure(rows) for rows in subsets], subsets)
        return self._tolerant(other, subsets) if self.texture_weight else other

    def _tolerant(self, plain: Plain, subsets: Sequence[NDArray[np.intp]]) -> TolerantObjective:
        ratios = ratios_of(self.textures, self.tables, subsets)
        return TolerantObjective(self.space, plain, ratios, self.texture_weight)

    def texture_penalty(self, table: int) -> TexturePenalty | None:
        """What a fit through one table of features adds to its loss; None without a texture term."""
        if not self.texture_weight:
            return None
        parts = self.parts()
        ratios = [Ratio.of(self.textures[table], part.task.tables[table]) for part in parts]
        return TexturePenalty(tuple(ratios), tuple(self.texture_weight * part.weight for part in parts))

    def measure(self, rows: NDArray[np.intp] | None = None) -> Measure:
        """The objective as a figure of distances of one data set, of all pairs or of some rows."""
        rows = np.arange(len(self.quality)) if rows is None else rows
        labels = Labels(*([names[row] for row in rows] for names in (self.reference_ids, self.distortions) if names))
        return Measure.of(self.objective_name, self.quality[rows], self.tables[0][rows], labels)

    def figure(self, distances: Floats, crops: Floats | None = None) -> float:
        """What is maximised, of (N,) distances and, with a texture term, the (M,) distances of the crop pairs."""
        agreement = self.mean_of(lambda part: part.task.measure()(distances[part.rows]))
        return agreement - self.texture_weight * self.tolerance(distances, crops) if self.texture_weight else agreement

    def tolerance(self, distances: Floats, crops: Floats | None) -> float:
        """The texture tolerance of (N,) distances and the (M,) of the crop pairs; NaN without these."""
        if crops is None:
            return float("nan")
        return self.mean_of(lambda part: tolerance(crops, distances[part.rows]))

    def tolerance_of(self, parameters: Floats | None) -> float:
        """The texture tolerance of (P,) parameters; NaN of None, and without textures."""
        if parameters is None or not self.textures:
            return float("nan")
        of_pairs, of_crops = (distances_of(self.space, tables, parameters) for tables in (self.tables, self.textures))
        return self.tolerance(of_pairs, of_crops)

    def value(self, parameters: Floats | None) -> float:
        """What is maximised, of (P,) parameters on all pairs; NaN of None."""
        if parameters is None:
            return float("nan")
        crops = distances_of(self.space, self.textures, parameters) if self.texture_weight else None
        return self.figure(distances_of(self.space, self.tables, parameters), crops)

    def srcc(self, parameters: Floats | None) -> float:
        """The SRCC of (P,) parameters on all pairs, as a search finds it; NaN of None."""
        if parameters is None:
            return float("nan")
        return self.mean_of(lambda part: Objective(part.task.space, part.task.tables, part.task.quality)(parameters))

    def _by_set(self) -> "tuple[list[Task], list[float], list[list[NDArray[np.intp]]]]":
        """The task of every data set, its weight, and the rows of its own that belong to every budget."""
        parts, subsets = self.parts(), self.subsets()
        if len(parts) == 1:
            return [self], [1.0], [list(subsets)]
        rows = [[np.flatnonzero(np.isin(part.rows, subset)) for subset in subsets] for part in parts]
        return [part.task for part in parts], [part.weight for part in parts], rows

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
        """Of the objective's figure of (P,) parameters, over references, or pictures; NaN where there is none.

        Of several data sets the figure is their weighted mean, which is undefined without one of them.
        """
        every = set(self.set_ids)

        def figure(rows: NDArray[np.bool_]) -> float:
            others = self.of_rows(rows)
            return others.value(parameters) if set(others.set_ids) == every else float("nan")

        return jackknife_error(figure, self.groups)

    def of_rows(self, rows: NDArray[np.bool_]) -> "Task":
        """The same search on some of the pairs."""
        places = np.flatnonzero(rows).tolist()

        def of(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(names[place] for place in places) if names else ()

        return replace(
            self,
            tables=tuple(table[rows] for table in self.tables),
            quality=self.quality[rows],
            reference_ids=of(self.reference_ids),
            distortions=of(self.distortions),
            set_ids=of(self.set_ids),
            pictures=of(self.pictures),
            columns=None if self.columns is None else self.columns[rows],
        )

    def split(self, fold: Split) -> tuple["Task", "Task"]:
        """The same search on the pairs that a fold tunes on, and the held-out pairs as its weights see them.

        Columns of a features file get the directions and scales of the pairs that are searched on, in both parts: of
        the held-out pairs nothing is known.
        """
        tuned_on, left_out = self.of_rows(fold.tuned), self.of_rows(fold.held_out)
        if tuned_on.columns is None or left_out.columns is None:
            return tuned_on, left_out
        scaling = Scaling.of(tuned_on.columns, tuned_on.quality, self.directions)
        return (
            replace(tuned_on, tables=(scaling(tuned_on.columns),)),
            replace(left_out, tables=(scaling(left_out.columns),)),
        )

    def within(self, space: Space) -> "Task":
        """The same search in a part of its space."""
        return replace(self, space=space)

    def run(
        self, recorded: Sequence[Trial] = (), keep: Callable[[Sequence[Trial]], None] = lambda trials: None
    ) -> tuple[Searcher, list[Trial]]:
        """Search in this process; see `iqatune.search.loop.search`."""
        searcher = self.make_searcher()
        return searcher, search(searcher, self.maximised(), recorded, keep)


@dataclass(frozen=True)
class Part:
    """A search on one of several data sets.

    Attributes:
        name: of the set; empty where there is one.
        weight: its share in the objective, those of all parts summing to 1.
        rows: its pairs in the whole task.
        task: the search on these alone.
    """

    name: str
    weight: float
    rows: NDArray[np.intp]
    task: Task


def problem_of(run: Run, prepared: PreparedPairs) -> Problem:
    """What the searcher of a run will be told, without the features that only its objective needs."""
    ids = prepared.table.reference_ids
    budgets = _budgets(ids, _subsets(run.searcher, ids, run.seed, prepared.table.set_ids))
    return Problem(prepared.space(run.space).names, run.samples, run.seed, budgets)


def _subsets(
    searcher: str, reference_ids: Sequence[str], seed: int, set_ids: Sequence[str]
) -> tuple[NDArray[np.intp], ...]:
    if not find(searcher).wants_budgets:
        return (np.arange(len(reference_ids)),)
    return nested_subsets(reference_ids, seed=seed, set_ids=set_ids)


def _budgets(reference_ids: Sequence[str], subsets: Sequence[NDArray[np.intp]]) -> tuple[float, ...]:
    """The share of the references that each subset holds."""
    ids = np.array(reference_ids)
    everything = len(set(reference_ids))
    return tuple(len(set(ids[rows])) / everything for rows in subsets)
