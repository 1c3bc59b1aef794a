"""What an earlier run left in a folder: the same run to go on with, or another one to put out of the way."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import Run
from iqatune.records.paths import options_path, other_samples, run_path
from iqatune.records.result import Protocol, Result
from iqatune.records.run_folder import TRIALS_FILE, RunFolder
from iqatune.records.view import without_file
from iqatune.search.searchers.registry import find

INCIDENTAL = {
    "data_root",
    "pairs",
    "features",
    "backbone_weights",
    "device",
    "address",
    "textures",
    "unlabelled",
}
"""Options that decide how a run is computed and not what it finds, so a change of them continues the same run; what
files hold is in the protocol, by their hashes."""

IN_WORDS: Final = {"dataset_sha256": "images or scores", "backbone_sha256": "parameters of the CNN"}
"""What a hash in a protocol is of."""

NOT_COMPARED: Any = {"split_seed": True, "label": True, "textures": {"source"}}
"""Of the protocol: the seed of the split follows from the options and the data, and files and folders may have another
name: what is in them is known by its hash."""


def earlier_result(folder: RunFolder, run: Run, protocol: Protocol, progress: Progress) -> Result | None:
    """The record of this very run from before, as far as it came.

    A finished run of fewer samples is this one as far as it came, where the searcher does not plan by their number; it
    stays where it is. What else was finished is never touched: a run of other options that an earlier release put here
    is moved to the folder that is its own now, and any other one is refused.

    Args:
        folder: locked.
        run, protocol: of the run about to start.

    Raises:
        InputError: when the folder holds another run that is finished.
    """
    earlier = folder.result()
    if earlier is None:
        folder.discard_trials()
        return _of_fewer_samples(folder, run, protocol, progress)
    others = differences(earlier, run, protocol)
    if not others:
        return earlier
    if earlier.status != "complete":
        if others == ("samples",) and run.samples > earlier.run.samples and not find(run.searcher).plans_by_total:
            progress.say(f"{folder.path}: goes on from {earlier.run.samples} samples to {run.samples}")
            return earlier
        archive(folder, others, progress)
    elif (name := _moved(folder, earlier, run)) is not None:
        progress.warn(f"{folder.path}: held a run of other {', '.join(others)}, which is now in {name}")
    else:
        refuse_another(folder.result_file, others)
    return _of_fewer_samples(folder, run, protocol, progress)


def refuse_another(file: Path, others: Sequence[str]) -> None:
    """Refuse to put one experiment in the place of another that is finished.

    Args:
        file: the record.
        others: in what the two differ.

    Raises:
        InputError: where they differ.
    """
    if others:
        words = dict.fromkeys(IN_WORDS.get(name, name) for name in others)
        raise InputError(
            f"{file}: is of another run (other {', '.join(words)}); give this one another `name` or `output`"
        )


def _moved(folder: RunFolder, earlier: Result, run: Run) -> str | None:
    """The folder, beside this one, that a finished run was moved to; None where it was not."""
    own, here = run_path(earlier.run), run_path(run)
    if own == here or folder.path.parts[-len(here.parts) :] != here.parts:
        return None  # it is where it belongs, or has a name
    place = folder.path.parents[len(here.parts) - 1] / own
    return str(place) if folder.hand_over(place) else None


def _of_fewer_samples(folder: RunFolder, run: Run, protocol: Protocol, progress: Progress) -> Result | None:
    """The same run's record of fewer samples, from the folder beside this one, with its trials copied to go on from."""
    if folder.path.name != options_path(run).name:  # it has a name, or is a copy elsewhere
        return None
    names = other_samples(run)
    best: tuple[Result, RunFolder] | None = None
    for path in sorted(folder.path.parent.iterdir()):
        beside = RunFolder(path)
        if path == folder.path or not names.fullmatch(path.name) or not beside.result_file.exists():
            continue
        try:
            found = beside.result()
        except InputError:
            continue  # a damaged record is none to go on from, and a report names it
        if found is None or found.status != "complete" or found.run.samples >= run.samples:
            continue
        if differences(found, run, protocol) == ("samples",) and (
            best is None or found.run.samples > best[0].run.samples
        ):
            best = found, beside
    if best is None:
        return None
    found, beside = best
    if find(run.searcher).plans_by_total:
        progress.warn(
            f"{run.searcher} plans its samples by their total number, so a search with more of them starts again"
        )
        return None
    progress.say(
        f"{folder.path}: goes on from {found.run.samples} samples to {run.samples}, those in {beside.path.name}"
    )
    folder.write_content({TRIALS_FILE: beside.trials_file.read_bytes()} if beside.trials_file.exists() else {})
    return found.model_copy(update={"status": "interrupted"})


def differences(earlier: Result, run: Run, protocol: Protocol) -> tuple[str, ...]:
    """Names of what makes a run another one than the recorded: options, and what the protocol says of data and CNN."""
    incidental: dict[str, Any] = dict.fromkeys(INCIDENTAL, True)
    # those of each of several data sets as well
    incidental["datasets"] = {"__all__": {"data_root", "pairs"}}
    options = [
        {**each.model_dump(exclude=incidental), "view": [without_file(view) for view in each.view]}
        for each in (earlier.run, run)
    ]
    pairs = (
        (options[0], options[1]),
        (
            earlier.protocol.model_dump(exclude=NOT_COMPARED),
            earlier.protocol.as_made(protocol).model_dump(exclude=NOT_COMPARED),
        ),
    )
    others = [name for then, now in pairs for name, value in then.items() if value != now[name]]
    # an older record tells no taps, but it has a stage for each
    untold = bool(protocol.taps) and not earlier.protocol.taps and len(protocol.taps) != len(earlier.channels) - 1
    return tuple(dict.fromkeys((*others, "taps") if untold else others))


def archive(folder: RunFolder, others: Sequence[str], progress: Progress) -> None:
    """Put another run's files out of the way, and say in what it differs."""
    name = folder.archive()
    progress.warn(f"{folder.path}: held a run of other {', '.join(others)}, whose record is now {name}")
