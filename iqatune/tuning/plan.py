"""What a verb would do, for `--dry-run`: refused as in earnest where it is wrong, and nothing of it is done.

Labels are read and files are looked for, as before any run. No image is read and no CNN is built: what the cache holds
is told by what it remembers of the images, and how long work takes by how long such work took on this machine before.
"""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from iqatune.backbones.zoo import find as find_backbone
from iqatune.datasets import demo
from iqatune.datasets.registry import load_pairs
from iqatune.datasets.table import Pair, PairTable
from iqatune.errors import InputError
from iqatune.metric.spaces import make_space
from iqatune.progress import Progress
from iqatune.records.frontier import FrontierOptions
from iqatune.records.fusion import FUSION_FILE, FuseOptions, is_fusion
from iqatune.records.options import BackboneOptions, DataOptions, Run
from iqatune.records.paths import options_path
from iqatune.records.plan import Plan, PlannedRun, PlannedStatistics, State
from iqatune.records.result import open_result
from iqatune.records.run_folder import RunFolder
from iqatune.records.vocabulary import COLUMNS
from iqatune.runtime.threads import processors
from iqatune.scoring.evaluate import Machine, backbone_options
from iqatune.scoring.members import members_of
from iqatune.scoring.metric_files import is_metric_file
from iqatune.scoring.robustness import conditions
from iqatune.search.searchers.base import Problem
from iqatune.search.searchers.registry import find as find_searcher
from iqatune.statistics.cache import Cache, settings_of
from iqatune.statistics.prepare import joined_table, refuse_features
from iqatune.statistics.rates import Rates, kind_of, known_rates, rate_of
from iqatune.tuning.checks import check_objective, checked_run
from iqatune.tuning.folds import folds_of
from iqatune.tuning.frontier import check_frontier
from iqatune.tuning.fusion import folder_of
from iqatune.tuning.grid import Cell
from iqatune.tuning.resume import differences, refuse_another
from iqatune.tuning.tracking import check_trackers

IMAGE: Final = 3
"""Channels of the first stage, the image."""


def plan_search(
    run: Run,
    output: Path,
    *,
    cache: Cache,
    progress: Progress,
    name: str | None = None,
    strict: bool = False,
    track: Sequence[str] = (),
) -> Plan:
    """What a search would do.

    Raises:
        InputError: for bad input, as of `run_search`.
    """
    run = checked_run(run)
    check_trackers(track)
    planner = _Planner(cache=cache, progress=progress, strict=strict)
    folder = RunFolder.of(output, run, name)
    _check_could_write(folder.path)
    planned = planner.run(run, folder)
    return planner.plan("search", statistics=planner.statistics([run]), runs=[planned])


def plan_sweep(
    cells: Sequence[Cell],
    output: Path,
    *,
    cache: Cache,
    progress: Progress,
    strict: bool = False,
    track: Sequence[str] = (),
) -> Plan:
    """What a sweep would do.

    Raises:
        InputError: for bad input, as of `run_sweep`.
    """
    check_trackers(track)
    planner = _Planner(cache=cache, progress=progress, strict=strict)
    _check_could_write(output)
    runs = [planner.run(cell.run, RunFolder(output / cell.place)) for cell in cells]
    return planner.plan("sweep", statistics=planner.statistics(cell.run for cell in cells), runs=runs)


def plan_extract(data: DataOptions, backbones: Sequence[BackboneOptions], *, cache: Cache, progress: Progress) -> Plan:
    """What an extraction would do.

    Raises:
        InputError: for bad input, as of `extract_all`.
    """
    refuse_features(data)
    planner = _Planner(cache=cache, progress=progress)
    found = [each for options in backbones for each in planner.through(data, options)]
    return planner.plan("extract", statistics=found, runs=[])


def plan_frontier(
    options: FrontierOptions, output: Path, *, cache: Cache, progress: Progress, name: str | None = None
) -> Plan:
    """What finding a frontier would do: the statistics, and the first of its fits.

    Raises:
        InputError: for bad input, as of `run_frontier`.
    """
    check_frontier(options)
    run = checked_run(options.run())
    planner = _Planner(cache=cache, progress=progress)
    folder = options.folder(output, name)
    _check_could_write(folder)
    planned = planner.run(run, RunFolder(folder))
    planner.note("each point of the frontier is such a search; how many there are shows when costs are measured")
    return planner.plan("frontier", statistics=planner.statistics([run]), runs=[planned])


def plan_robust(
    files: Sequence[Path], data_sets: Sequence[DataOptions], machine: Machine, *, kinds: Sequence[str]
) -> Plan:
    """What measuring the robustness of tuned records would do: the images as they are and under each change.

    Raises:
        InputError: for bad input, as of `robustness`.
    """
    planner = _Planner(cache=machine.cache, progress=machine.progress)
    backbones = planner.backbones_of(files, machine)
    for data in data_sets:
        refuse_features(data)
    found = []
    for data in data_sets:
        table = planner.table(data)
        changed = [table, *(condition.of(table) for condition in conditions(kinds))]
        found += [planner.images(changed, options) for options in backbones]
    planner.note("baselines see each of these images as well, and are not counted here")
    return planner.plan("robust", statistics=found, runs=[])


def plan_fuse(options: FuseOptions, output: Path, *, cache: Cache, progress: Progress, name: str | None = None) -> Plan:
    """What fusing metrics would do: the images of its records' backbones, and the search for the members' weights.

    Raises:
        InputError: for bad input, as of `fuse`.
    """
    options = options.model_copy(update={"searcher": find_searcher(options.searcher).name})
    members = members_of(options)
    folder = output / folder_of(options, members, name)
    _check_could_write(folder)
    planner = _Planner(cache=cache, progress=progress)
    table = planner.table(options.data)
    check_objective(options.run, table)
    backbones: list[BackboneOptions] = []
    for member in members:
        if member.kind == "column":
            continue
        weights = None
        if member.kind == "record":
            weights = options.weights_of(open_result(member.file).result.run.backbone)
        machine = Machine(device=options.device, backbone_weights=weights, cache=cache, progress=progress)
        backbones += planner.backbones_of([member.file], machine)
    names = tuple(member.name for member in members)
    problem = Problem(names, options.run.samples, options.run.seed)
    is_there = (folder / FUSION_FILE).exists()
    planned = PlannedRun(
        folder=str(folder),
        state="complete" if is_there else "new",
        dataset=table.dataset,
        pairs=len(table),
        references=len(table.references),
        searcher=options.searcher,
        space=COLUMNS,
        samples=options.run.samples,
        folds=len(folds_of(options.run, table).splits),
        seconds=0.0 if is_there else find_searcher(options.searcher).expected_seconds(problem),
    )
    planner.note("records that were tuned on these pairs are tuned anew without each fold, which is not counted here")
    found = [planner.images([table], each) for each in dict.fromkeys(backbones)]
    return planner.plan("fuse", statistics=found, runs=[planned])


@dataclass(kw_only=True)
class _Planner:
    """Plans runs and statistics; each table is loaded once."""

    cache: Cache
    progress: Progress
    strict: bool = False
    notes: dict[str, None] = field(default_factory=dict)
    _tables: dict[DataOptions, PairTable] = field(default_factory=dict)
    _devices: dict[str, str] = field(default_factory=dict)

    @cached_property
    def rates(self) -> Rates:
        """What is known of this machine."""
        return known_rates(self.cache, self.progress)

    def plan(self, verb: str, *, statistics: Sequence[PlannedStatistics], runs: Sequence[PlannedRun]) -> Plan:
        """All together."""
        for each in statistics:
            if each.seconds is None:
                self.note(f"no rate known here yet: `iqatune bench --backbone {each.backbone}` measures it")
        if any(run.seconds is None for run in runs):
            kinds = ", ".join(dict.fromkeys(run.searcher for run in runs if run.seconds is None))
            self.note(f"no search of this kind ({kinds}) was timed here yet; the first one says how long they take")
        seconds = [*(each.seconds for each in statistics), *(run.seconds for run in runs)]
        known = [each for each in seconds if each is not None]
        return Plan(
            verb=verb,
            statistics=tuple(statistics),
            runs=tuple(runs),
            seconds=sum(known) if len(known) == len(seconds) else None,
            notes=tuple(self.notes),
        )

    def note(self, line: str) -> None:
        """Say something once."""
        self.notes[line] = None

    def statistics(self, runs: Iterable[Run]) -> list[PlannedStatistics]:
        """The images of runs, of each data set through each backbone once."""
        found: dict[tuple[DataOptions, BackboneOptions], list[PlannedStatistics]] = {}
        for run in runs:
            if run.features is not None:
                continue
            what = DataOptions.of(run), BackboneOptions.of(run)
            if what not in found:
                found[what] = self.through(*what)
            for kind in ("textures", "unlabelled"):
                if getattr(run, kind) is not None:
                    self.note(f"the images of --{kind} pass the CNN as well, and are not counted here")
        return [each for statistics in found.values() for each in statistics]

    def through(self, data: DataOptions, options: BackboneOptions) -> list[PlannedStatistics]:
        """The images of each data set through a backbone, or through both views of one."""
        table = self.table(data)
        seen = [branch.backbone for branch in options.branches] or [options]
        return [self.images([each], backbone) for each in table.sets or (table,) for backbone in seen]

    def backbones_of(self, files: Sequence[Path], machine: Machine) -> list[BackboneOptions]:
        """What the metrics of records see images through, each once; exports are not looked into."""
        found: dict[BackboneOptions, None] = {}
        for file in files:
            if is_metric_file(file) or is_fusion(file):
                self.note(f"{file}: the images that pass its CNN are not counted here")
                continue
            options = backbone_options(open_result(file).result, machine)
            found |= dict.fromkeys([branch.backbone for branch in options.branches] or [options])
        return list(found)

    def table(self, data: DataOptions) -> PairTable:
        """The pairs, as their labels say; copies of one reference are not looked for."""
        if data not in self._tables:
            self._tables[data] = _table(data)
        return self._tables[data]

    def run(self, run: Run, folder: RunFolder) -> PlannedRun:
        """One search."""
        table = self.table(DataOptions.of(run))
        check_objective(run, table)
        folds = len(folds_of(run, table).splits)
        problem = self._problem(run, table)
        searcher = find_searcher(run.searcher)
        samples = run.samples if problem is None else searcher.most_samples(problem)
        degenerate = None if problem is None else searcher.degenerate(problem)
        if degenerate is not None and self.strict:
            raise InputError(f"`strict`: {degenerate}")
        if degenerate is not None:
            self.note(degenerate)
        state = _state(run, folder)
        timed = self.rates.searches.get(kind_of(run))
        seconds = None if problem is None else searcher.expected_seconds(problem)
        if state == "complete":
            seconds = 0.0
        elif timed is not None:
            seconds = timed.of(samples=run.samples, folds=folds, pairs=len(table))
        elif seconds is not None:
            seconds *= 1 + math.ceil(folds / processors())
        return PlannedRun(
            folder=str(folder.path),
            state=state,
            dataset=table.dataset,
            pairs=len(table),
            references=len(table.references),
            searcher=run.searcher,
            space=run.space,
            samples=samples,
            folds=folds,
            seconds=seconds,
        )

    def _problem(self, run: Run, table: PairTable) -> Problem | None:
        """What the searcher will be told; None where that takes the CNN's channels, or statistics, first."""
        if run.features is not None:
            names = tuple(table.columns)
        elif run.view or (run.space.startswith("stage+") and run.space != "stage+c") or not self._channels(run):
            return None
        else:
            names = tuple(make_space(run.space, self._channels(run)).names)
        return Problem(names, run.samples, run.seed)

    def _channels(self, run: Run) -> tuple[int, ...]:
        options = BackboneOptions.of(run)
        identity = self.cache.identity(options, self.progress)
        if identity is not None:
            return identity.channels
        channels = find_backbone(run.backbone).channels
        return (IMAGE, *channels) if channels else ()

    def images(self, tables: Sequence[PairTable], options: BackboneOptions) -> PlannedStatistics:
        """The images of a data set through a backbone, as they are and as they are changed in further tables."""
        find_backbone(options.backbone)
        identity = self.cache.identity(options, self.progress)
        if identity is None:
            # here, not above: torch takes seconds to import
            from iqatune.backbones.parameters import check_choice

            check_choice(options.backbone_weights)
        pairs = [pair for table in tables for pair in table.pairs]
        if identity is None or not pairs[0].reference.exists():  # the demo's images are not made yet
            lacking = pairs
        else:
            settings = settings_of(identity, options)
            lacks = [lack for table in tables for lack in self.cache.lacks(table, settings, self.progress)]
            lacking = [pair for pair, lacks_it in zip(pairs, lacks, strict=True) if lacks_it]
        to_compute = len(_images(lacking))
        rate = self.rates.images.get(rate_of(options, self._device(options.device))) if to_compute else None
        return PlannedStatistics(
            dataset=tables[0].dataset,
            backbone=options.backbone,
            pairs=len(pairs),
            pairs_cached=len(pairs) - len(lacking),
            images=len(_images(pairs)),
            images_to_compute=to_compute,
            images_a_second=rate,
            seconds=0.0 if not to_compute else None if rate is None else to_compute / rate,
        )

    def _device(self, asked: str) -> str:
        if asked not in self._devices:
            # here, not above: torch takes seconds to import, and with everything at hand nothing of it is needed
            from iqatune.backbones.devices import device_name, resolve_device

            self._devices[asked] = device_name(resolve_device(asked))
        return self._devices[asked]


def _images(pairs: Iterable[Pair]) -> set[tuple[Path, str]]:
    """Every image once: its file, and how it is changed."""
    references = {(pair.reference, pair.reference_transform) for pair in pairs}
    return references | {(pair.distorted, pair.distorted_transform) for pair in pairs}


def _table(data: DataOptions) -> PairTable:
    if not data.datasets:
        return demo.table_to_be(data) if data.dataset == demo.INFO.name else load_pairs(data)
    tables = [_table(each) for each in data.sets]
    references = {pair.reference for table in tables for pair in table.pairs}
    return joined_table(tables, {reference: reference for reference in references})


def _state(run: Run, folder: RunFolder) -> State:
    """What is in a run's folder, by the options alone; whether the images are still the same shows when they are read.

    Raises:
        InputError: for a record that is damaged, and for a finished run of other options under a name of the user's.
    """
    earlier = folder.result()
    if earlier is None:
        return "new"
    others = differences(earlier, run, earlier.protocol)
    if others and earlier.status == "complete" and folder.path.name != options_path(run).name:
        refuse_another(folder.result_file, others)
    if others:
        return "another run"
    return "complete" if earlier.status == "complete" else "unfinished"


def _check_could_write(folder: Path) -> None:
    """Refuse a folder that could not be written, without making it.

    Raises:
        InputError: as of `check_writable`.
    """
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        reason = "Permission denied" if there.is_dir() else "Not a directory"
        raise InputError(f"`output` {folder}: cannot be written ({reason}); name another folder")
