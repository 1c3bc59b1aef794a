"""What the members of a fusion say of its pairs, and what they say where a fold's pairs are not known.

A record that was tuned on these very pairs is tuned anew without each fold's, with its own options, or its own folds'
weights are taken where they hold out the same references.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from iqatune.datasets.table import PairTable
from iqatune.errors import InputError
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Floats
from iqatune.records.evaluation import TunedHere
from iqatune.records.fusion import FuseOptions, HeldOutHow
from iqatune.records.labels import search_note
from iqatune.records.result import Protocol, Result, open_result
from iqatune.runtime.files import sha256_of_file
from iqatune.runtime.threads import processors
from iqatune.scoring.evaluate import Machine, backbone_options, score
from iqatune.scoring.members import Member, values_of_column
from iqatune.scoring.tuned_here import tuned_here
from iqatune.search.task import Task
from iqatune.statistics.prepare import prepare
from iqatune.tuning.folds import Folds, fold_searches


@dataclass(frozen=True, kw_only=True)
class MemberDistances:
    """What a member says of N pairs.

    Attributes:
        sha256: of its file.
        values: (N,) distances, or a column as it is in its file.
        of_folds: (N,) of each fold, under weights tuned without it; none where they are `values`.
        how: of these.
        protocol: of a metric of images; None of a column.
        made: where its weights come from, in words.
        tuned_here: what it has seen of these pairs; None where that is not known.
    """

    member: Member
    sha256: str
    values: Floats
    of_folds: tuple[Floats, ...] = ()
    how: HeldOutHow = "as it is"
    protocol: Protocol | None = None
    backbone: str = ""
    made: str = ""
    tuned_here: TunedHere | None = None

    @property
    def name(self) -> str:
        """What tells it from the other members."""
        return self.member.name

    def of_fold(self, place: int) -> Floats:
        """(N,) what it says of all pairs where a fold's are not known."""
        return self.of_folds[place] if self.of_folds else self.values


def member_distances(
    member: Member, options: FuseOptions, table: PairTable, *, folds: Folds, machine: Machine
) -> MemberDistances:
    """What a member says of the pairs.

    Args:
        machine: without parameters of a backbone, which the options say.

    Raises:
        InputError: naming its file, and all that is wrong with it or the images.
    """
    sha256 = hash_of(member)
    if member.kind == "column":
        values = values_of_column(member.file, member.column, table)
        return MemberDistances(member=member, sha256=sha256, values=values)
    result = open_result(member.file).trusted(force=False) if member.kind == "record" else None
    if result is not None:
        machine = replace(machine, backbone_weights=options.weights_of(result.run.backbone))
    (metric,) = score([member.file], options.data, machine, table=table).metrics
    found = MemberDistances(
        member=member,
        sha256=sha256,
        values=metric.distances,
        protocol=metric.protocol,
        backbone=metric.backbone,
        made=metric.origin,
        tuned_here=metric.tuned_here,
    )
    if result is None:
        return found
    run, cache, progress = result.run, machine.cache, machine.progress
    found = replace(
        found,
        backbone=run.backbone,
        made=f"{run.searcher} ({run.space} space{search_note(run)}) on {run.dataset}",
        tuned_here=tuned_here(result, table, metric.protocol, cache=cache, progress=progress),
    )
    if result.protocol.dataset_sha256 != metric.protocol.dataset_sha256 or not folds.splits:
        return found
    return _with_folds(found, result, options, table, folds=folds, machine=machine)


def _with_folds(
    found: MemberDistances,
    result: Result,
    options: FuseOptions,
    table: PairTable,
    *,
    folds: Folds,
    machine: Machine,
) -> MemberDistances:
    """A member with its distances on all pairs under weights that were tuned, with its options, without each fold."""
    backbone = backbone_options(result, machine)
    prepared = prepare(
        options.data,
        backbone,
        similarity=Similarity.of(result.protocol),
        cache=machine.cache,
        progress=machine.progress,
        table=table,
    )
    task = Task.of(result.run.model_copy(update={"backbone": backbone.backbone}), prepared)
    how: HeldOutHow = "of its record"
    parameters = _of_record(result, table, folds, task.space.names)
    if parameters is None:
        how = "refitted"
        machine.progress.say(f"{found.name}: tuned again without each of the {len(folds.splits)} folds")
        with fold_searches(task, folds.splits, processors()) as trials:
            parameters = [None if trial is None else trial.parameters for trial in trials()]
    space = prepared.space(result.run.space, result.run.prior)
    distances = []
    for each in parameters:
        if each is None:
            raise InputError(
                f"{found.name}: finds no weights without a fold's pairs; leave it out, or take fewer `folds`"
            )
        similarity = prepared.similarity.with_constant(space.constant(each))
        distances.append(prepared.distances(space.weights(each), similarity))
    return replace(found, of_folds=tuple(distances), how=how)


def _of_record(result: Result, table: PairTable, folds: Folds, names: Sequence[str]) -> list[Floats | None] | None:
    """The parameters that a record's own folds found, where they hold out what these do; None where they do not."""
    if result.held_out is None or folds.kind != "references" or result.held_out.split != "references":
        return None
    found = {frozenset(fold.references): fold.parameters for fold in result.held_out.per_fold}
    ids = np.array(table.reference_ids)
    wanted = [frozenset(ids[split.held_out].tolist()) for split in folds.splits]
    if not all(set(found.get(references, ())) == set(names) for references in wanted):
        return None
    return [np.array([found[references][name] for name in names]) for references in wanted]


def hash_of(member: Member) -> str:
    """SHA-256 of a member's file.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        return sha256_of_file(member.file)
    except OSError as error:
        raise InputError(f"{member.file}: cannot be read ({error.strerror})") from error
