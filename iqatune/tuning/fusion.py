"""A fusion from options to record: several metrics as one, their weights found as those of a features file's columns.

The members' distances stand where the columns of a features file do. A member that was tuned on these very pairs is
tuned anew for each fold, without the fold's references, so that the held-out figures are of images that neither the
member nor the fusion has seen.
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from iqatune.datasets.table import PairTable
from iqatune.errors import InputError, as_flags
from iqatune.evaluation.agreement import confidence, correlation
from iqatune.evaluation.correlation import average_ranks, srcc
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.environment import environment
from iqatune.records.fusion import (
    FUSION_FILE,
    FuseOptions,
    Fusion,
    FusionMember,
    RankMean,
    open_fusion,
    write_fusion,
)
from iqatune.records.paths import LONGEST, backbone_folder, options_path
from iqatune.records.result import BestColumn, ColumnWeight, Strategy, Timing
from iqatune.runtime.files import check_writable
from iqatune.runtime.locks import locked
from iqatune.runtime.threads import processors
from iqatune.scoring.evaluate import Machine, fused_distances
from iqatune.scoring.members import Member, check_weights, members_of
from iqatune.search.choice import best_trial
from iqatune.search.objective import distances_of
from iqatune.search.searchers.registry import find as find_searcher
from iqatune.search.task import Task
from iqatune.statistics.cache import Cache
from iqatune.statistics.columns import NO_CNN, PreparedColumns, columns_protocol
from iqatune.statistics.prepare import load_table
from iqatune.tuning.beforehand import advise
from iqatune.tuning.checks import check_objective
from iqatune.tuning.folds import Folds, folds_of, held_out_of, searches_beside, tuned_on
from iqatune.tuning.members import MemberDistances, hash_of, member_distances
from iqatune.tuning.recorded import counts, split_seed, undefined_reason
from iqatune.tuning.resume import refuse_another
from iqatune.tuning.scales import scales_of

SEEN = "{names}: tuned on these very pairs, and cannot be tuned anew: the held-out figures are optimistic"
UNKNOWN = (
    "{names}: what it was tuned on is not known; if these pictures were among it, the held-out figures are optimistic"
)
SHARED = "{names}: tuned on other images of these pictures: the held-out figures are optimistic"


@dataclass(frozen=True, kw_only=True)
class PreparedFusion:
    """Members on the pairs that they are fused on.

    Attributes:
        prepared: their distances on all pairs, as the columns of a features file are.
        task: the search for their weights.
        of_folds: the same of each fold, with the members' distances there.
    """

    options: FuseOptions
    members: tuple[MemberDistances, ...]
    prepared: PreparedColumns
    folds: Folds
    task: Task
    of_folds: tuple[Task, ...]

    @property
    def table(self) -> PairTable:
        """The pairs."""
        return self.prepared.table


@dataclass(frozen=True)
class Found:
    """What the searches found.

    Attributes:
        parameters: (P,) of the fusion; None where no sample has a defined figure.
        of_folds: (P,) of each fold.
    """

    parameters: Floats
    of_folds: tuple[Floats | None, ...]
    strategy: Strategy


def fuse(
    options: FuseOptions,
    output: Path,
    *,
    cache: Cache,
    progress: Progress,
    name: str | None = None,
    strict: bool = False,
    command: str | None = None,
) -> tuple[Fusion, Path]:
    """Fuse metrics, say how well that does on references left out, and record it.

    A fusion of the same members, options and pairs that is recorded already is returned as it is.

    Args:
        name: of the last folder, in the place of what tells the options.
        command: the command line that was typed, for the record.

    Returns:
        the record, and its file.

    Raises:
        InputError: for bad input, and where no weights have a defined figure.
    """
    started = time.perf_counter()
    options = options.model_copy(update={"searcher": find_searcher(options.searcher).name})
    members = members_of(options)
    folder = output / folder_of(options, members, name)
    check_writable(folder, option="output")
    prepared = prepare_fusion(options, members, cache=cache, progress=progress)
    with locked(folder) as hold:
        file = folder / FUSION_FILE
        earlier = _earlier(file, prepared)
        if earlier is not None:
            progress.say(f"{file}: this fusion is complete; delete it to fuse again")
            return earlier, file
        before = time.perf_counter()
        found = search_weights(prepared, progress, strict=strict)
        searched = time.perf_counter() - before
        record = recorded(prepared, found, folder)
        timing = Timing(extraction=0, pairs_extracted=0, search=searched, total=time.perf_counter() - started)
        record = record.model_copy(update={"timing": timing, "environment": environment(NO_CNN, command=command)})
        for note in record.notes:
            progress.warn(note)
        hold.check()
        return write_fusion(file, record), file


def prepare_fusion(
    options: FuseOptions, members: Sequence[Member], *, cache: Cache, progress: Progress
) -> PreparedFusion:
    """The members' distances on the pairs, on all of them and as they are where each fold is not known.

    Raises:
        InputError: for all that is wrong with the pairs or a member, and members that cannot be one metric.
    """
    run = options.run
    if run.datasets:
        raise InputError(f"`dataset` {run.dataset}: name one; the members' weights are of one data set's scores")
    names = [member.name for member in members if member.kind != "column"]
    if names and not options.on_images:
        raise InputError(f"{names[0]}: takes images, and `features` has none; name the images with `dataset`")
    data = options.data
    if not options.on_images:  # others may have holes
        columns = tuple(member.column for member in members if member.column)
        data = data.model_copy(update={"feature_columns": columns})
    table = load_table(data, cache, progress)
    check_objective(run, table)
    folds = folds_of(run, table)
    for note in folds.notes:
        progress.warn(note)
    machine = Machine(device=options.device, cache=cache, progress=progress)
    found = [member_distances(member, options, table, folds=folds, machine=machine) for member in members]
    check_weights(options, [member.backbone for member in found if member.backbone])
    _check_alike(found)
    for member in found:
        if np.ptp(member.values) == 0:
            raise InputError(f"{member.name}: is the same for every pair; leave it out")
    first = next((member.protocol for member in found if member.protocol is not None), None)
    names_of_all = tuple(member.name for member in found)
    protocol = (
        columns_protocol(table, names_of_all)
        if first is None
        else first.model_copy(
            update={
                "columns": names_of_all,
                "backbone_weights": "",
                "backbone_sha256": "",
                "taps": (),
                "padding": None,
                "split_seed": None,
            }
        )
    )
    prepared = PreparedColumns(
        table=table,
        names=names_of_all,
        columns=np.stack([member.values for member in found], axis=1),
        protocol=protocol.model_copy(update={"split_seed": split_seed(run, folds)}),
        seconds=0.0,
        directions=np.array([0.0 if member.member.kind == "column" else 1.0 for member in found]),
    )
    task = replace(Task.of(run, prepared), directions=prepared.directions)
    of_folds = tuple(
        replace(task, columns=np.stack([member.of_fold(place) for member in found], axis=1))
        for place in range(len(folds.splits))
    )
    return PreparedFusion(
        options=options, members=tuple(found), prepared=prepared, folds=folds, task=task, of_folds=of_folds
    )


def search_weights(fusion: PreparedFusion, progress: Progress, *, strict: bool = False) -> Found:
    """The members' weights on all pairs and, beside, on those of each fold.

    Raises:
        InputError: where no weights have a defined figure; under `strict` where the searcher could not act as its name
            says, or a direction is probably wrong.
    """
    task, splits = fusion.task, fusion.folds.splits
    uniform = fusion.prepared.uniform()
    warnings = advise(fusion.options.run, task, progress, strict=strict, uniform=uniform)
    tuned = [partial(tuned_on, of_fold, split) for of_fold, split in zip(fusion.of_folds, splits, strict=True)]
    with searches_beside(tuned, processors()) as trials:
        searcher, found = task.run()
        of_folds = [None if trial is None else trial.parameters for trial in trials()]
    best = best_trial(found)
    if best is None:
        raise InputError(f"no weights of the members have a defined SRCC: {undefined_reason(task)}")
    strategy = Strategy(
        **counts(found),
        repeatable=searcher.repeatable,
        details=dict(searcher.details),
        warnings=tuple(map(as_flags, (*warnings, *fusion.folds.notes))),
    )
    return Found(best.parameters, tuple(of_folds), strategy)


def recorded(fusion: PreparedFusion, found: Found, folder: Path) -> Fusion:
    """What a record says of weights and of the members, on these pairs; times and environment aside.

    Args:
        folder: of the record, from which the members' files are named.
    """
    task, table, prepared = fusion.task, fusion.table, fusion.prepared
    columns: dict[str, ColumnWeight] = prepared.weights(prepared.space(""), found.parameters)["columns"]
    folds = fusion.folds
    held_out = (
        held_out_of(
            task,
            folds,
            found.of_folds,
            tuned=found.parameters,
            uniform=prepared.uniform(),
            of_folds=fusion.of_folds,
        )
        if folds.splits
        else None
    )
    alone = _alone(fusion)
    members = tuple(
        FusionMember(
            **columns[member.name].model_dump(),
            name=member.name,
            kind=member.member.kind,
            file=_from(folder, member.member.file),
            sha256=member.sha256,
            column=member.member.column,
            backbone=member.backbone,
            made=member.made,
            srcc=srcc(table.quality, -prepared.scaling(prepared.columns)[:, place]),
            held_out_srcc=alone[place] if folds.splits else None,
            held_out_how=member.how,
            tuned_here=member.tuned_here,
        )
        for place, member in enumerate(fusion.members)
    )
    best = int(np.argmax(np.where(np.isnan(alone), -np.inf, alone))) if folds.splits else None
    record = Fusion(
        options=fusion.options,
        protocol=prepared.protocol,
        members=members,
        parameters=dict(zip(task.space.names, found.parameters.tolist(), strict=True)),
        figures=correlation(table.quality, distances_of(task.space, task.tables, found.parameters)),
        uniform=correlation(table.quality, prepared.uniform()),
        best_member=prepared.best_column(),
        rank_mean=_rank_mean(fusion),
        held_out=held_out,
        best_member_held_out=None if best is None else BestColumn(name=members[best].name, srcc=alone[best]),
        confidence=None,
        strategy=found.strategy,
        timing=Timing(extraction=0, pairs_extracted=0, search=0, total=0),
        environment=environment(NO_CNN, {}),
        notes=_notes(fusion.members) if folds.splits else (),
    )
    used = [place for place, member in enumerate(members) if member.weight > 0]
    distances = fused_distances(record, prepared.columns[:, used])
    return record.model_copy(
        update={
            "figures": correlation(table.quality, distances),
            "confidence": confidence(table.quality, distances, table.reference_ids),
            "scales": scales_of(
                task, table, distances, folds=folds, parameters=found.of_folds, of_folds=fusion.of_folds
            ),
        }
    )


def folder_of(options: FuseOptions, members: Sequence[Member], name: str | None = None) -> Path:
    """Where a fusion is put below the folder of results; other members and other options have another folder.

    Raises:
        InputError: for a member's file that cannot be read, and a name that is no name of a folder.
    """
    hashes = [(member.name, hash_of(member), member.column) for member in members]
    digest = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:8]
    names = backbone_folder("+".join(member.name for member in members))
    if len(names) > LONGEST:
        names = f"{len(members)}-members"
    run = options.run
    return Path(run.dataset, "fusion", f"{names}-{digest}", options_path(run, name))


def _alone(fusion: PreparedFusion) -> list[float]:
    """Held-out SRCC of each member alone, averaged over the folds; each as it is where the fold is not known."""
    folds = [of_fold.split(split)[1] for of_fold, split in zip(fusion.of_folds, fusion.folds.splits, strict=True)]
    return [
        float(np.mean([srcc(fold.quality, -fold.tables[0][:, place]) for fold in folds])) if folds else float("nan")
        for place in range(len(fusion.members))
    ]


def _rank_mean(fusion: PreparedFusion) -> RankMean:
    folds = [of_fold.split(split)[1] for of_fold, split in zip(fusion.of_folds, fusion.folds.splits, strict=True)]
    return RankMean(
        srcc=_of_ranks(fusion.task),
        held_out_srcc=float(np.mean([_of_ranks(fold) for fold in folds])) if folds else None,
    )


def _of_ranks(task: Task) -> float:
    """SRCC of the mean of the columns' ranks among the pairs of a task."""
    ranks = np.stack([average_ranks(column) for column in task.tables[0].T], axis=1)
    return srcc(task.quality, -ranks.mean(axis=1))


def _check_alike(members: Sequence[MemberDistances]) -> None:
    """Refuse metrics of images that could not be one metric.

    Raises:
        InputError: naming two of them.
    """
    of_images = [(member.name, member.protocol) for member in members if member.protocol is not None]
    for name, protocol in of_images[1:]:
        first_name, first = of_images[0]
        for what in ("resize", "precision"):
            one, other = getattr(first, what), getattr(protocol, what)
            if one != other:
                sides = [value or "none" for value in (other, one)]
                raise InputError(
                    f"{name}: was tuned at {what} {sides[0]}, {first_name} at {sides[1]}; take metrics of one {what}"
                )


def _notes(members: Sequence[MemberDistances]) -> tuple[str, ...]:
    """What the members have seen of the pairs that the folds hold out."""
    as_they_are = [member for member in members if member.how == "as it is"]
    here = [member for member in as_they_are if member.tuned_here is not None and member.tuned_here.pairs]
    shared = [member for member in as_they_are if member not in here and _references(member)]
    unknown = [member for member in as_they_are if member not in here and _references(member) is None]
    return tuple(
        line.format(names=", ".join(member.name for member in group[:3]) + (", ..." if len(group) > 3 else ""))
        for line, group in ((SEEN, here), (SHARED, shared), (UNKNOWN, unknown))
        if group
    )


def _references(member: MemberDistances) -> int | None:
    return None if member.tuned_here is None else member.tuned_here.references


def _earlier(file: Path, fusion: PreparedFusion) -> Fusion | None:
    """The record of the same fusion; None where there is none.

    Raises:
        InputError: where it is of other members, pairs or options.
    """
    if not file.exists():
        return None
    earlier = open_fusion(file).trusted(force=False)
    where = dict.fromkeys(("members", "device", "backbone_weights", "data_root", "pairs", "features"))
    then, now = (dict(each.model_copy(update=where)) for each in (earlier.options, fusion.options))
    others = [option for option in then if then[option] != now[option]]
    others += [part for part, value in fusion.prepared.protocol if value != getattr(earlier.protocol, part)]
    if [(member.name, member.sha256, member.column) for member in earlier.members] != [
        (member.name, member.sha256, member.member.column) for member in fusion.members
    ]:
        others.append("members")
    refuse_another(file, others)
    return earlier


def _from(folder: Path, file: Path) -> str:
    """A file's path from a folder."""
    return Path(os.path.relpath(file.absolute(), folder.absolute())).as_posix()
