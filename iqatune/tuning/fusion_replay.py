"""Recompute a fusion's record from its members' files and the data, and say what differs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from iqatune.errors import InputError
from iqatune.metric.weights import Floats
from iqatune.progress import Progress
from iqatune.records.fusion import FuseOptions, Fusion, OpenedFusion, open_fusion
from iqatune.records.moved import check_all_there
from iqatune.records.replay import Changed, Replay, Replayed
from iqatune.runtime.files import sha256_of_file
from iqatune.scoring.members import Member
from iqatune.statistics.cache import Cache
from iqatune.tuning.fusion import Found, PreparedFusion, prepare_fusion, recorded, search_weights
from iqatune.tuning.proof import NEAR
from iqatune.tuning.replay import flat, is_same, protocol_changes, tolerance

FIGURES = {
    "scales",
    "members",
    "figures",
    "uniform",
    "best_member",
    "rank_mean",
    "held_out",
    "best_member_held_out",
    "confidence",
}


def replay_fusion(file: Path, where: Mapping[str, Any], *, cache: Cache, progress: Progress) -> Replay:
    """Prove a fusion: its seal, its members' files and distances, its weights, its folds and every figure.

    Args:
        where: options that say where things are now: data_root, pairs, features, device.

    Raises:
        InputError: for a file that is no record, a member's file that is gone, and all that is wrong with the data.
    """
    opened = open_fusion(file)
    fusion = opened.fusion
    options = _where_it_is_now(fusion.options, where)
    check_all_there(file, options)
    members = tuple(_member(opened, place, options) for place in range(len(fusion.members)))
    changed = [] if opened.fault is None else [_changed("seal", "of what was written", opened.fault)]
    for member, then in zip(members, fusion.members, strict=True):
        if not member.file.is_file():
            raise InputError(f"{file}: its member {then.name} is not at {member.file}; put it there")
        if sha256_of_file(member.file) != then.sha256:
            changed.append(_changed(f"file of {then.name}", then.sha256[:12], sha256_of_file(member.file)[:12]))
    prepared = prepare_fusion(options, members, cache=replace(cache, hashes_anew=True), progress=progress)
    of_protocol, renamed = protocol_changes(fusion.protocol, prepared.prepared.protocol)
    changed += [*of_protocol, *_folds(fusion, prepared)]
    parameters = _vector(fusion.parameters, prepared)
    held_out = fusion.held_out
    folds = [] if held_out is None else [_vector(fold.parameters, prepared) for fold in held_out.per_fold]
    if parameters is None or len(folds) != len(prepared.folds.splits):
        changed.append(_changed("parameters", "of other members or folds", "of these"))
        return Replay(file=str(file), changed=tuple(changed), figures=())
    again = recorded(prepared, Found(parameters, tuple(folds), fusion.strategy), file.parent)
    now = search_weights(prepared, progress)
    changed += [
        _changed(name, "recorded", "the search finds others")
        for name, found, others in (
            ("parameters", parameters, now.parameters),
            *(
                (f"held_out.per_fold[{place}].parameters", *both)
                for place, both in enumerate(zip(folds, now.of_folds, strict=True))
            ),
        )
        if not _alike(found, others)
    ]
    changed += _words(fusion, again)
    before, today = (dict(flat(each.model_dump(include=FIGURES), "")) for each in (fusion, again))
    figures = tuple(
        Replayed(
            name=name,
            recorded=value,
            recomputed=today[name],
            same=is_same(value, today[name], tolerance(name, fusion.scales)),
        )
        for name, value in before.items()
        if name in today
    )
    lost = [_changed(name, value, "nothing") for name, value in before.items() if name not in today]
    return Replay(file=str(file), changed=(*changed, *lost), figures=figures, notes=tuple(renamed))


def _where_it_is_now(options: FuseOptions, where: Mapping[str, Any]) -> FuseOptions:
    if "backbone_weights" in where:
        raise InputError(
            f"`backbone_weights` {where['backbone_weights']}: a fusion's members name theirs; put the files there, or "
            "fuse again with `backbone_weights` NAME=FILE"
        )
    moved = {
        name: [where[name]] if isinstance(where[name], str) else where[name]
        for name in ("data_root", "pairs")
        if where.get(name)
    }
    others = {name: value for name, value in where.items() if name not in ("data_root", "pairs")}
    return options.moved(**moved).model_copy(update=others)


def _member(opened: OpenedFusion, place: int, options: FuseOptions) -> Member:
    member = opened.fusion.members[place]
    moved = options.features != opened.fusion.options.features
    file = Path(str(options.features)) if member.column and moved else opened.member_file(member)
    return Member(name=member.name, kind=member.kind, file=file, column=member.column)


def _changed(name: str, recorded: object, now: object) -> Changed:
    return Changed(name=name, recorded=str(recorded), now=str(now))


def _folds(fusion: Fusion, prepared: PreparedFusion) -> Iterator[Changed]:
    now = prepared.prepared.protocol.split_seed
    if fusion.protocol.split_seed != now:
        yield _changed("split_seed", fusion.protocol.split_seed, now)
    if fusion.held_out is None:
        return
    ids = np.array(prepared.table.reference_ids)
    masks = [split.held_out for split in prepared.folds.splits]
    references = [sorted(set(ids[mask].tolist())) for mask in masks]
    if [sorted(fold.references) for fold in fusion.held_out.per_fold] != references:
        yield _changed("references of the folds", "those of the record", "others")


def _vector(parameters: Mapping[str, float], prepared: PreparedFusion) -> Floats | None:
    names = prepared.task.space.names
    return np.array([parameters[name] for name in names]) if set(parameters) == set(names) else None


def _alike(recorded: Floats | None, now: Floats | None) -> bool:
    """Whether parameters are the same, but for what another processor may round."""
    if recorded is None or now is None:
        return recorded is now
    return bool(np.allclose(recorded, now, rtol=0, atol=NEAR))


def _words(fusion: Fusion, again: Fusion) -> Iterator[Changed]:
    """What a record says beside its figures."""
    for then, now in zip(fusion.members, again.members, strict=True):
        for name in ("direction", "held_out_how", "made", "backbone"):
            if getattr(then, name) != getattr(now, name):
                yield _changed(f"members.{then.name}.{name}", getattr(then, name), getattr(now, name))
    for name in ("notes",):
        if getattr(fusion, name) != getattr(again, name):
            yield _changed(name, getattr(fusion, name), getattr(again, name))
    both = [None if each.held_out is None else each.held_out.verdict for each in (fusion, again)]
    if both[0] != both[1]:
        yield _changed("held_out.verdict", both[0], both[1])
