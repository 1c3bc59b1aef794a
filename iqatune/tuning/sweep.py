"""A sweep: every cell of a grid searched, whatever happens to some of them, and `sweep.json` about all."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.labels import source_label
from iqatune.records.options import BackboneOptions, DataOptions, Run
from iqatune.records.result import Protocol, Result, without_weights
from iqatune.records.run_folder import RunFolder
from iqatune.records.sweep import SWEEP_FILE, CellState, Sweep
from iqatune.runtime.files import check_writable, write_text
from iqatune.runtime.locks import Hold, locked
from iqatune.search.searchers.registry import find
from iqatune.search.task import problem_of
from iqatune.statistics.cache import Cache
from iqatune.statistics.prepare import load_table
from iqatune.statistics.rates import keep_search_time, kind_of
from iqatune.statistics.several import fill_cache
from iqatune.statistics.source import PreparedPairs, Source
from iqatune.tuning.grid import Cell
from iqatune.tuning.resume import differences, earlier_result
from iqatune.tuning.run import time_of
from iqatune.tuning.tracking import check_trackers, tracking
from iqatune.tuning.workers import Job, Workers, local_workers, ray_workers, reason, remove_left

Show = Callable[[Sweep], None]
"""Called with the sweep whenever a cell has changed."""


def run_sweep(
    cells: Sequence[Cell],
    output: Path,
    *,
    cache: Cache,
    progress: Progress,
    show: Show = lambda sweep: None,
    address: str | None = None,
    jobs: int | None = None,
    strict: bool = False,
    track: Sequence[str] = (),
    command: str | None = None,
) -> Sweep:
    """Search every cell that has no complete result yet, side by side, and keep `sweep.json` up to date.

    The statistics of a data set seen through a backbone are computed once, here, before its cells are searched. A cell
    that fails is recorded with its reason, and tried again by the next sweep; the others go on.

    Args:
        cells: of the grid.
        output: folder of the results.
        cache: of the statistics.
        progress: where loading and extraction are told.
        show: where the grid is shown.
        address: of a Ray cluster whose tasks search; by default processes of this machine do.
        jobs: cells at a time; by default the number of processors there.
        strict: whether a cell fails whose searcher could not act as its name says.
        track: trackers that are told of every run when it is over (`TRACKERS`).
        command: the command line that was typed, for the records.

    Raises:
        InputError: before any work, for a data set that cannot be loaded, or no cluster at the address.
        KeyboardInterrupt: with everything that is done kept.
    """
    check_trackers(track)
    check_writable(output, option="output")
    with locked(output) as hold:
        remove_left(output)
        data_sets = dict.fromkeys(DataOptions.of(cell.run) for cell in cells)
        tables = {data: load_table(data, cache, progress) for data in data_sets}
        board = _Board(cells, hold, show)
        work = _Work(tables=tables, board=board, output=output, cache=cache, progress=progress, track=tuple(track))
        try:
            unfinished = _unfinished(cells, work)
            board.write("running")
            if unfinished:
                with _workers(address, jobs, output) as workers:
                    _search(unfinished, work, workers, strict=strict, command=command)
        except BaseException:
            with suppress(InputError):  # on a full disk; what ended the sweep is what its user has to know
                board.write("interrupted")
            raise
        return board.write("complete")


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What a sweep works with."""

    tables: Mapping[DataOptions, PairTable]
    board: "_Board"
    output: Path
    cache: Cache
    progress: Progress
    track: tuple[str, ...]

    def folder(self, cell: Cell) -> RunFolder:
        """Where a cell's files are."""
        return RunFolder(self.output / cell.place)


class _Board:
    """The state of every cell, in memory, in `sweep.json` and before the user's eyes."""

    def __init__(self, cells: Sequence[Cell], hold: Hold, show: Show) -> None:
        self._states = {cell.place: _state(cell) for cell in cells}
        self._hold = hold
        self._show = show

    def running(self, cell: Cell) -> None:
        self._set(cell, state="running")

    def done(self, cell: Cell, result: Result) -> None:
        self._set(
            cell,
            state="done",
            srcc=result.best.srcc if result.best else float("nan"),
            held_out_srcc=result.held_out.srcc_mean if result.held_out else None,
            uniform_srcc=result.baselines.uniform.srcc,
            simulated=result.protocol.simulated,
            warnings=result.strategy.warnings,
        )

    def over(self, cell: Cell, result: Result) -> None:
        """A complete record: the cell is done, or failed where no sample has a defined SRCC."""
        if result.best is None:
            self.failed(cell, without_weights(result))
        else:
            self.done(cell, result)

    def failed(self, cell: Cell, error: str) -> None:
        self._set(cell, state="failed", error=error)

    def write(self, status: Literal["running", "interrupted", "complete"]) -> Sweep:
        sweep = Sweep(status=status, cells=tuple(self._states.values()))
        self._hold.check()
        write_text(self._hold.folder / SWEEP_FILE, sweep.model_dump_json(by_alias=True, indent=2) + "\n")
        self._show(sweep)
        return sweep

    def _set(self, cell: Cell, **changes: object) -> None:
        self._states[cell.place] = self._states[cell.place].model_copy(update=changes)


@dataclass
class _Statistics:
    """What a group's cells work on, as the workers share it, and how many cells still need it."""

    shared: Any
    users: int


def _unfinished(cells: Sequence[Cell], work: _Work) -> dict[Source, list[Cell]]:
    """The cells that have no complete record of this very run; what another run left in their folders is archived."""
    unfinished: dict[Source, list[Cell]] = defaultdict(list)
    protocols: dict[Source, Protocol] = {}
    for cell in cells:
        source = Source.of(cell.run)
        folder = work.folder(cell)
        try:
            earlier = folder.result()
            if earlier is not None and source not in protocols:
                protocols[source] = source.protocol(work.tables[source.data], work.cache, work.progress)
            if earlier is not None and differences(earlier, cell.run, protocols[source]):
                with folder.locked() as owned:
                    earlier = earlier_result(owned, cell.run, protocols[source], work.progress)
        except InputError as error:
            work.board.failed(cell, reason(error))
            continue
        if earlier is not None and earlier.status == "complete":
            work.board.over(cell, earlier)
            continue
        unfinished[source].append(cell)
    return unfinished


def _search(
    unfinished: Mapping[Source, Sequence[Cell]], work: _Work, workers: Workers, *, strict: bool, command: str | None
) -> None:
    board = work.board
    under_way: dict[RunFolder, tuple[Cell, _Statistics]] = {}
    timed: dict[Run, Result] = {}

    def collect() -> None:
        for ended in workers.next():
            cell, statistics = under_way.pop(ended.job.folder)
            statistics.users -= 1
            if statistics.users == 0:
                workers.drop(statistics.shared)
            if ended.result is not None:
                board.over(cell, ended.result)
                timed[cell.run] = ended.result
                _track(ended.result, ended.job.folder, work)
            else:
                board.failed(cell, str(ended.error))
        board.write("running")

    _extract_together(unfinished, work)
    # a source's statistics are loaded while the last cells of the one before are still searched, and no sooner
    for source, cells in unfinished.items():
        try:
            prepared = source.prepare(work.cache, work.progress, work.tables[source.data])
        except (InputError, OSError, RuntimeError, ValueError, MemoryError) as error:
            for cell in cells:
                board.failed(cell, reason(error))
            board.write("running")
            continue
        _advise(cells, prepared, work.progress)
        statistics = _Statistics(workers.share(prepared), len(cells))
        del prepared
        for cell in cells:
            while len(under_way) >= workers.count:
                collect()
            folder = work.folder(cell)
            under_way[folder] = (cell, statistics)
            board.running(cell)
            workers.start(Job(cell.run, folder, strict=strict, command=command), statistics.shared)
        board.write("running")
    while under_way:
        collect()
    for run, result in {kind_of(run): (run, result) for run, result in timed.items()}.values():
        keep_search_time(work.cache, run, time_of(result))


def _track(result: Result, folder: RunFolder, work: _Work) -> None:
    """Tell the trackers of a run that is over; a sweep's runs are searched in other processes, or on other machines."""
    if not work.track or result.best is None:
        return
    with tracking(work.track, result, folder, progress=work.progress) as track:
        for trial in folder.trials(tuple(result.best.parameters)):
            track.trial(trial)
        track.end(result)


def _extract_together(sources: Iterable[Source], work: _Work) -> None:
    """Compute the statistics of every data set through all of its backbones in one pass."""
    by_data: dict[DataOptions, list[BackboneOptions]] = defaultdict(list)
    for source in sources:
        if source.backbone is not None:
            by_data[source.data].append(source.backbone)
    for data, backbones in by_data.items():
        # who is at fault is told by its own cells; the others' statistics are computed one by one
        with suppress(InputError):
            fill_cache(work.tables[data], backbones, cache=work.cache, progress=work.progress)


def _advise(cells: Sequence[Cell], prepared: PreparedPairs, progress: Progress) -> None:
    """Say before they run which cells' searchers cannot act as their names say; the others' seeds change nothing."""
    for run in {(cell.run.searcher, cell.run.space, cell.run.samples): cell.run for cell in cells}.values():
        try:
            warning = find(run.searcher).degenerate(problem_of(run, prepared))
        except InputError:
            # a space that this backbone does not have, or a searcher that is broken: the cell itself will say so
            continue
        if warning is not None:
            progress.warn(f"{run.dataset}, {source_label(run)}: {warning}")


def _workers(address: str | None, jobs: int | None, output: Path) -> AbstractContextManager[Workers]:
    return local_workers(jobs, output) if address is None else ray_workers(address, jobs)


def _state(cell: Cell) -> CellState:
    run = cell.run
    return CellState(
        folder=cell.place.as_posix(),
        dataset=run.dataset,
        backbone=run.backbone,
        features=run.features,
        searcher=run.searcher,
        space=run.space,
        prior=run.prior,
        objective=run.objective,
        stop=run.stop,
        split=run.split,
        penalty=run.penalty,
        last_stage=run.last_stage,
        texture_weight=run.texture_weight,
        view=run.view,
        seed=run.seed,
    )
