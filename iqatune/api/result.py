"""A run's record as it is used in Python: with its trials as a table, and its figures drawn."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from iqatune.api.cache import open_cache
from iqatune.api.figure import empty_figure, subplots
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.metric.weights import Floats, Weights, tuned_weights
from iqatune.progress import Progress
from iqatune.records import result as records
from iqatune.records.labels import search_note, source_label
from iqatune.records.options import DataOptions
from iqatune.records.run_folder import RESULT_FILE, RunFolder
from iqatune.report.figures import Scatter, draw_distortions, draw_importance, draw_scatter, draw_search
from iqatune.scoring.human_scores import residuals
from iqatune.search.importance import Importance, fewest, importance, is_sample
from iqatune.statistics.source import Source

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Result(records.Result):
    """The record of one search, and what is in its folder beside it.

    Every key of `result.json` is an attribute: `result.best.srcc`, `result.held_out.srcc_mean`, `result.protocol`.

    Example:
        >>> result = iqatune.read_result("runs/live/squeezenet/random-stage-s0/result.json")  # doctest: +SKIP
        >>> result.trials().nlargest(3, "srcc")  # doctest: +SKIP
    """

    _folder: RunFolder | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path:
        """The record's file, for `Metric.load`, `evaluate` and the command line."""
        return self._in_folder.result_file

    @property
    def weights(self) -> Weights:
        """The tuned alpha and beta, of every channel.

        Raises:
            InputError: when the run has no sample of a defined SRCC, and of a run on a features file, whose weights are
            `best.columns`.
        """
        return tuned_weights(self)

    def trials(self) -> "pandas.DataFrame":
        """Every evaluation, a row each, in the order in which they were made.

        Columns: sample, trial_id, srcc (on the references of its budget), value (of the objective: the SRCC unless the
        run says otherwise), budget (the share of the references), chosen_by (random, initial, model or local), seconds,
        and a column for every number of the space.

        Raises:
            InputError: when the record was not read from a folder, or its trials are damaged.
        """
        import pandas

        names = tuple(self.best.parameters) if self.best is not None else ()
        rows = [
            {
                "sample": trial.sample,
                "trial_id": trial.trial_id,
                "srcc": trial.srcc,
                "value": trial.merit,
                "budget": trial.budget,
                "chosen_by": trial.chosen_by,
                "seconds": trial.seconds,
                **dict(zip(names, trial.parameters.tolist(), strict=True)),
            }
            for trial in self._in_folder.trials(names)
        ]
        columns = ["sample", "trial_id", "srcc", "value", "budget", "chosen_by", "seconds", *names]
        return pandas.DataFrame(rows, columns=columns)

    def plot(self, *, cache_dir: Path | str | None = None) -> "Figure":
        """The search over its samples, and human score against metric with the fitted curve, side by side.

        Args:
            cache_dir: where the statistics of the pairs are kept.

        Returns:
            a matplotlib figure, which a notebook shows; `figure.savefig("search.svg")` keeps it, as SVG, PDF or PNG.

        Raises:
            InputError: when the run has no weights, or its data set cannot be read where it was.
        """
        data = self._data
        figure, (left, *others) = subplots(width=6.0 * (1 + len(data)), height=4.2, columns=1 + len(data))
        self._draw_search(left)
        for axes, each in zip(others, data, strict=True):
            self._draw_scatter(axes, each, cache_dir)
        return figure

    def plot_search(self) -> "Figure":
        """The SRCC of every sample, how it was chosen, and the best so far.

        Raises:
            InputError: when the record was not read from a folder.
        """
        figure, (axes,) = subplots(width=6.4, height=4.0)
        self._draw_search(axes)
        return figure

    def plot_scores(self, *, cache_dir: Path | str | None = None) -> "Figure":
        """Human score against the tuned metric's distance, by distortion, with the fitted logistic; a panel a data set.

        Bars are 95 % of each human score, where the data set has deviations of all of them.

        Raises:
            InputError: as of `plot`.
        """
        data = self._data
        figure, panels = subplots(width=6.8 * len(data), height=4.0, columns=len(data))
        for axes, each in zip(panels, data, strict=True):
            self._draw_scatter(axes, each, cache_dir)
        return figure

    def plot_distortions(self, *, cache_dir: Path | str | None = None) -> "Figure":
        """`plot_scores` with a panel for each distortion, the other distortions in grey.

        Raises:
            InputError: as of `plot`, and of a run on several data sets.
        """
        data = self._data
        if len(data) > 1:
            raise InputError("a run on several data sets: plot_scores draws each of them")
        table, distances = self._scored(data[0], cache_dir)
        scatter = Scatter.of(
            [pair.score for pair in table.pairs],
            distances,
            distortions=[pair.distortion for pair in table.pairs],
            better=table.better,
            errors=table.errors,
        )
        figure = empty_figure()
        draw_distortions(figure, scatter)
        return figure

    def importance(self, *others: "Result") -> "pandas.DataFrame":
        """What each number of the space was worth: how much of the samples' order follows from it, the largest first.

        By functional ANOVA (`iqatune.search.importance`). Columns: number, share (in [0, 1]; mean over 8 resamples),
        low, high (the lowest and the highest of these), above_chance (whether low is above what a number that does
        nothing reaches).

        Args:
            others: further runs whose samples count as well, as those of other seeds and searchers; of the same pairs,
                backbone, space, prior and objective.

        Raises:
            InputError: when there are too few samples (100 are needed, and 8 for each number), or another run is not
            of the same space.

        Example:
            >>> first.importance(second, third).nlargest(3, "share")  # doctest: +SKIP
        """
        import pandas

        found = self._importance(others)
        rows = [(each.name, each.share, each.low, each.high, each.low > found.noise) for each in found.numbers]
        return pandas.DataFrame(rows, columns=["number", "share", "low", "high", "above_chance"])

    def plot_importance(self, *others: "Result") -> "Figure":
        """`importance` as a figure.

        Raises:
            InputError: as of `importance`.
        """
        figure = empty_figure()
        draw_importance(figure, self._importance(others))
        return figure

    def residuals(self, *, cache_dir: Path | str | None = None) -> "pandas.DataFrame":
        """By how much the tuned metric misses each human score after the logistic fit, the largest first.

        Columns: dataset, reference, distorted, distortion, level, score (human, as published), fitted (in its place, on
        the same scale), residual (score less fitted), in_errors (in standard errors of the human score; NaN where it
        has none).

        Raises:
            InputError: as of `plot`.
        """
        import pandas

        rows = []
        for data in self._data:
            table, distances = self._scored(data, cache_dir)
            rows += [
                {
                    "dataset": table.dataset,
                    "reference": str(found.pair.reference),
                    "distorted": str(found.pair.distorted),
                    "distortion": found.pair.distortion,
                    "level": found.pair.level,
                    "score": found.score,
                    "fitted": found.fitted,
                    "residual": found.residual,
                    "in_errors": found.in_errors,
                }
                for found in residuals(table, distances)
            ]
        names = ["dataset", "reference", "distorted", "distortion", "level", "score", "fitted", "residual", "in_errors"]
        return pandas.DataFrame(rows, columns=names)

    def __repr__(self) -> str:
        run = self.run
        through = f"through {run.backbone}" if run.features is None else f"over {source_label(run)}"
        parts = [f"{run.searcher} on {run.dataset} {through}, {self.status}"]
        if self.best is not None:
            # every figure beside the uniform weights' on the same pairs
            parts.append(f"SRCC {self.best.srcc:.4f} (uniform {self.baselines.uniform.srcc:.4f})")
        else:
            parts.append(f"uniform {self.baselines.uniform.srcc:.4f}")
        if self.held_out is not None:
            held_out = f"held-out {self.held_out.srcc_mean:.4f} (uniform {self.held_out.uniform_srcc_mean:.4f})"
            parts.append(held_out if self.held_out.verdict is None else f"{held_out}, {self.held_out.verdict}")
        return f"<Result: {'; '.join(parts)}>"

    __str__ = __repr__

    @property
    def _in_folder(self) -> RunFolder:
        if self._folder is None:
            raise InputError("this record was not read from a folder; read it with iqatune.read_result")
        return self._folder

    @property
    def _function(self) -> tuple[object, ...]:
        """What runs share whose samples are of one function of the same numbers."""
        run, protocol = self.run, self.protocol.model_copy(update={"split_seed": None})
        return protocol, run.space, run.prior, run.objective, run.texture_weight, run.weights

    def _importance(self, others: Sequence["Result"]) -> Importance:
        names = tuple(self._best.parameters)
        for other in others:
            if other._function != self._function:
                raise InputError(f"{other.file}: of other pairs, or another backbone, space, prior or objective")
        trials = [trial for each in (self, *others) for trial in each._in_folder.trials(names)]
        found = importance(trials, names)
        if found is None:
            samples = sum(map(is_sample, trials))
            raise InputError(
                f"{samples} samples, and what {len(names)} numbers were worth takes {fewest(len(names))} that differ; "
                "search with more `samples`, or give further runs of the same space"
            )
        return found

    def _draw_search(self, axes: "Axes") -> None:
        names = tuple(self.best.parameters) if self.best is not None else ()
        objective, baselines = self.run.objective, self.baselines
        uniform = baselines.uniform.srcc if baselines.uniform_value is None else baselines.uniform_value
        less = f" - {self.run.texture_weight:g} x texture tolerance" if self.run.texture_weight else ""
        name = f"{'SRCC' if objective == 'srcc' else objective}{less}"
        draw_search(axes, self._in_folder.trials(names), uniform=uniform, objective=name)
        axes.set_title(f"{self.run.searcher}, {self.run.space} space{search_note(self.run)}, seed {self.run.seed}")

    @property
    def _data(self) -> tuple[DataOptions, ...]:
        """Every data set that it was tuned on."""
        return DataOptions.of(self.run).sets

    def _draw_scatter(self, axes: "Axes", data: DataOptions, cache_dir: Path | str | None) -> None:
        table, distances = self._scored(data, cache_dir)
        draw_scatter(
            axes,
            [pair.score for pair in table.pairs],
            distances,
            distortions=[pair.distortion for pair in table.pairs],
            better=table.better,
            errors=table.errors,
        )
        simulated = ", SIMULATED observers" if table.simulated else ""
        axes.set_title(f"{source_label(self.run)} on {table.dataset}{simulated}")

    @property
    def _best(self) -> records.Best:
        if self.best is None:
            raise InputError(records.without_weights(self))
        return self.best

    def _scored(self, data: DataOptions, cache_dir: Path | str | None) -> tuple[PairTable, Floats]:
        """The pairs of a data set, and the tuned metric's distance of each."""
        source = replace(Source.of(self.run), data=data, textures=None)
        prepared = source.prepare(open_cache(cache_dir), Progress())
        return prepared.table, prepared.distances_of(self._best)


def read_result(path: Path | str, *, force: bool = False) -> Result:
    """Read the record of a run.

    Args:
        path: a `result.json`, or the folder that it is in.
        force: take a record whose seal is broken: one that is not what was written.

    Raises:
        InputError: naming the file, when it is missing, no record of a search, or not what was written.

    Example:
        >>> iqatune.read_result("runs/live/squeezenet/random-stage-s0")  # doctest: +SKIP
        <Result: random on demo through squeezenet, complete; SRCC 0.8929 (uniform 0.8704);
         held-out 0.8969 (uniform 0.8797), not shown to help>
    """
    path = Path(path)
    file = path / RESULT_FILE if path.is_dir() else path
    return in_folder(records.open_result(file).trusted(force=force), RunFolder(file.parent))


def in_folder(record: records.Result, folder: RunFolder) -> Result:
    """A record with the folder that it is in."""
    fields: dict[str, Any] = {name: getattr(record, name) for name in type(record).model_fields}
    result = Result.model_construct(**fields)
    result._folder = folder
    return result
