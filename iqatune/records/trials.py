"""`trials.jsonl`: one line an evaluation, appended as it happens, so that a killed run can go on."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from iqatune.errors import InputError
from iqatune.records.trial import Trial


def append_trial(path: Path, names: Sequence[str], trial: Trial) -> None:
    """Append one line; SRCC that is undefined is null."""
    line = {
        "sample": trial.sample,
        "trial_id": trial.trial_id,
        "parameters": dict(zip(names, trial.parameters.tolist(), strict=True)),
        "srcc": None if math.isnan(trial.srcc) else trial.srcc,
        "budget": trial.budget,
        "chosen_by": trial.chosen_by,
        "seconds": trial.seconds,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read_trials(path: Path, names: Sequence[str]) -> list[Trial]:
    """The trials kept so far; a last line torn by a kill is cut off the file.

    Raises:
        InputError: naming the line, when one before the last is not a trial of these parameters.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    whole, newline, torn = content.rpartition(b"\n")
    if torn:
        with path.open("rb+") as file:
            file.truncate(len(whole) + len(newline))
    return [_trial(path, number, line, names) for number, line in enumerate(whole.splitlines(), start=1)]


def _trial(path: Path, number: int, line: bytes, names: Sequence[str]) -> Trial:
    try:
        content = json.loads(line)
        parameters = content["parameters"]
        srcc = content["srcc"]
        return Trial(
            sample=content["sample"],
            trial_id=content["trial_id"],
            parameters=np.array([parameters[name] for name in names], dtype=np.float64),
            srcc=math.nan if srcc is None else srcc,
            budget=content["budget"],
            chosen_by=content["chosen_by"],
            seconds=content["seconds"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: line {number} is not a trial of this run; delete the folder to start anew"
        ) from error
