"""A sweep: every cell of a grid searched, whatever happens to some of them, and `sweep.json` about all."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions, DataOptions, Run
from iqatune.records.result import RESULT_FILE, Protocol, Result, read_result
from iqatune.records.sweep import SWEEP_FILE, CellState, Sweep
from iqatune.records.vocabulary import Structure
from iqatune.runtime.files import alone_in, check_writable, write_text
from iqatune.search.searchers.registry import find
from iqatune.search.task import Task
from iqatune.statistics.prepare import Prepared, current_protocol, prepare
from iqatune.tuning.grid import Cell
from iqatune.tuning.run import differences, put_aside
from iqatune.tuning.workers import Job, Workers, local_workers, ray_workers, reason

Group = tuple[DataOptions, BackboneOptions, Structure]
"""What cells share that work on the same statistics: the data, the backbone, the form of s."""


Show = Callable[[Sweep], None]
"""Called with the sweep whenever a cell has changed."""


def run_sweep(
    cells: Sequence[Cell],
    output: Path,
    cache_dir: Path,
    progress: Progress,
    show: Show = lambda sweep: None,
    address: str | None = None,
    jobs: int | None = None,
    strict: bool = False,
) -> Sweep:
    """Search every cell that has no complete result yet, side by side, and keep `sweep.json` up to date.

    The statistics of a data set seen through a backbone are computed once, here, before its cells are searched. A cell
    that fails is recorded with its reason, and tried again by the next sweep; the others go on.

    Args:
        cells: of the grid.
        output: folder of the results.
        cache_dir: of the statistics.
        progress: where loading and extraction are told.
        show: where the grid is shown.
        address: of a Ray cluster whose tasks search; by default processes of this machine do.
        jobs: cells at a time; by default the number of processors there.
        strict: whether a cell fails whose searcher could not act as its name says.

    Raises:
        InputError: before any work, for a data set that cannot be loaded, or no cluster at the address.
        KeyboardInterrupt: with everything that is done kept.
    """
    check_writable(output, "--output")
    with alone_in(output):
        tables = {_data(cell.run): load_pairs(cell.run) for cell in {_data(cell.run): cell for cell in cells}.values()}
        board = _Board(cells, output, show)
        try:
            groups = _unfinished(cells, tables, board, output, cache_dir, progress)
            board.write("running")
            if groups:
                with _workers(address, jobs, output) as workers:
                    _search(groups, tables, board, workers, output, cache_dir, progress, strict)
        except BaseException:
            board.write("interrupted")
            raise
        return board.write("complete")


class _Board:
    """The state of every cell, in memory, in `sweep.json` and before the user's eyes."""

    def __init__(self, cells: Sequence[Cell], output: Path, show: Show) -> None:
        self._states = {cell.place: _state(cell) for cell in cells}
        self._output = output
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

    def failed(self, cell: Cell, error: str) -> None:
        self._set(cell, state="failed", error=error)

    def write(self, status: Literal["running", "interrupted", "complete"]) -> Sweep:
        sweep = Sweep(status=status, cells=tuple(self._states.values()))
        write_text(self._output / SWEEP_FILE, sweep.model_dump_json(by_alias=True, indent=2) + "\n")
        self._show(sweep)
        return sweep

    def _set(self, cell: Cell, **changes: object) -> None:
        self._states[cell.place] = self._states[cell.place].model_copy(update=changes)


@dataclass
class _Statistics:
    """What a group's cells work on, as the workers share it, and how many cells still need it."""

    shared: Any
    users: int


def _unfinished(
    cells: Sequence[Cell],
    tables: Mapping[DataOptions, PairTable],
    board: _Board,
    output: Path,
    cache_dir: Path,
    progress: Progress,
) -> dict[Group, list[Cell]]:
    """The cells that have no complete record of this very run; what another run left in their folders is put aside."""
    groups: dict[Group, list[Cell]] = defaultdict(list)
    protocols: dict[Group, Protocol] = {}
    for cell in cells:
        data, features, structure = group = (_data(cell.run), _features(cell.run), cell.run.structure)
        path = output / cell.place / RESULT_FILE
        try:
            earlier = read_result(path) if path.exists() else None
            if earlier is not None and group not in protocols:
                protocols[group] = current_protocol(tables[data], features, structure, cache_dir, progress)
        except InputError as error:
            board.failed(cell, reason(error))
            continue
        others = differences(earlier, cell.run, protocols[group]) if earlier is not None else ()
        if others:
            put_aside(path.parent, others, progress)
        elif earlier is not None and earlier.status == "complete":
            board.done(cell, earlier)
            continue
        groups[group].append(cell)
    return groups


def _search(
    groups: Mapping[Group, Sequence[Cell]],
    tables: Mapping[DataOptions, PairTable],
    board: _Board,
    workers: Workers,
    output: Path,
    cache_dir: Path,
    progress: Progress,
    strict: bool,
) -> None:
    under_way: dict[Path, tuple[Cell, _Statistics]] = {}

    def collect() -> None:
        for ended in workers.next():
            cell, statistics = under_way.pop(ended.job.folder)
            statistics.users -= 1
            if statistics.users == 0:
                workers.drop(statistics.shared)
            if ended.error is None:
                board.done(cell, read_result(ended.job.folder / RESULT_FILE))
            else:
                board.failed(cell, ended.error)
        board.write("running")

    # a group's statistics are loaded while the last cells of the group before are still searched, and no sooner
    for (data, features, structure), cells in groups.items():
        try:
            prepared = prepare(data, features, structure, cache_dir, progress, tables[data])
        except (InputError, OSError, RuntimeError, ValueError, MemoryError) as error:
            for cell in cells:
                board.failed(cell, reason(error))
            board.write("running")
            continue
        _advise(cells, prepared, progress)
        statistics = _Statistics(workers.share(prepared), len(cells))
        del prepared
        for cell in cells:
            while len(under_way) >= workers.count:
                collect()
            folder = output / cell.place
            under_way[folder] = (cell, statistics)
            board.running(cell)
            workers.start(Job(cell.run, folder, strict), statistics.shared)
        board.write("running")
    while under_way:
        collect()


def _advise(cells: Sequence[Cell], prepared: Prepared, progress: Progress) -> None:
    """Say before they run which cells' searchers cannot act as their names say; the others' seeds change nothing."""
    for run in {(cell.run.searcher, cell.run.space, cell.run.samples): cell.run for cell in cells}.values():
        try:
            space = prepared.space(run.space)
        except InputError:
            continue  # a space that this backbone does not have: the cell itself will say so
        nothing = np.empty((0, 0))
        table = prepared.table
        task = Task(run.searcher, run.samples, run.seed, space, nothing, table.quality, table.reference_ids)
        warning = find(run.searcher).degenerate(task.problem())
        if warning is not None:
            progress.warn(f"{run.dataset}, {run.backbone}: {warning}")


def _workers(address: str | None, jobs: int | None, output: Path) -> AbstractContextManager[Workers]:
    return local_workers(jobs, output) if address is None else ray_workers(address, jobs)


def _state(cell: Cell) -> CellState:
    run = cell.run
    return CellState(
        folder=cell.place.as_posix(),
        dataset=run.dataset,
        backbone=run.backbone,
        searcher=run.searcher,
        space=run.space,
        seed=run.seed,
    )


def _data(run: Run) -> DataOptions:
    return DataOptions(**{name: getattr(run, name) for name in DataOptions.model_fields})


def _features(run: Run) -> BackboneOptions:
    return BackboneOptions(**{name: getattr(run, name) for name in BackboneOptions.model_fields})
