"""What an earlier run left in a folder: the same run to go on with, or another one to put out of the way."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iqatune.progress import Progress
from iqatune.records.options import Run
from iqatune.records.result import Protocol, Result
from iqatune.records.run_folder import RunFolder
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

NOT_COMPARED: Any = {"split_seed": True, "textures": {"source"}}
"""Of the protocol: the seed of the split follows from the options and the data, and a folder may have another name."""


def earlier_result(folder: RunFolder, run: Run, protocol: Protocol, progress: Progress) -> Result | None:
    """The record of this very run from before; what another run left is archived, and said so.

    A run of fewer samples is this one as far as it came, where the searcher does not plan by their number.

    Args:
        folder: locked.
        run, protocol: of the run about to start.
    """
    earlier = folder.result()
    if earlier is None:
        folder.discard_trials()
        return None
    others = differences(earlier, run, protocol)
    if not others:
        return earlier
    if others == ("samples",) and run.samples > earlier.run.samples:
        if not find(run.searcher).plans_by_total:
            progress.say(f"{folder.path}: goes on from {earlier.run.samples} samples to {run.samples}")
            return earlier.model_copy(update={"status": "interrupted"})
        progress.warn(
            f"{run.searcher} plans its samples by their total number, so a search with more of them starts again"
        )
    if others == ("prior",):
        name = RunFolder.of(Path(), earlier.run).path.name
        if folder.hand_over(name):
            progress.warn(f"{folder.path}: held a run under the prior {earlier.run.prior}, which is now in {name}")
            return None
    archive(folder, others, progress)
    return None


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
