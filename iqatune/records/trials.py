"""`trials.jsonl`: one line an evaluation, appended as it happens, so that a killed run can go on."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field, ValidationError

from iqatune.errors import InputError
from iqatune.records.base import Model
from iqatune.records.trial import Trial
from iqatune.records.vocabulary import ChosenBy
from iqatune.runtime.files import append_bytes, writing

TRIAL_LINE: Final = "iqatune.trial/1"


class TrialLine(Model):
    """One line of `trials.jsonl`."""

    sample: int = Field(description="the configuration's number, from 0")
    trial_id: str = Field(description="names the evaluation, unique in its search")
    parameters: dict[str, float] = Field(description="the numbers of the space, in [0, 1]")
    srcc: float | None = Field(description="on the references of the budget; null where undefined")
    budget: float = Field(description="share of the references; 1 is all")
    chosen_by: ChosenBy
    seconds: float = Field(description="of the searcher and the objective together")


def append_trial(path: Path, names: Sequence[str], trial: Trial) -> None:
    """Append one line; SRCC that is undefined is null."""
    line = TrialLine(
        sample=trial.sample,
        trial_id=trial.trial_id,
        parameters=dict(zip(names, trial.parameters.tolist(), strict=True)),
        srcc=None if math.isnan(trial.srcc) else trial.srcc,
        budget=trial.budget,
        chosen_by=trial.chosen_by,
        seconds=trial.seconds,
    )
    append_bytes(path, json.dumps(line.model_dump()).encode() + b"\n")


def read_trials(path: Path, names: Sequence[str]) -> list[Trial]:
    """The trials kept so far, but for a last line that was torn by a kill, or that is being written just now.

    Raises:
        InputError: naming the line, when one before the last is not a trial of these parameters.
    """
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0]
    return [_trial(path, number, line, names) for number, line in enumerate(whole.splitlines(), start=1)]


def discard_torn_line(path: Path) -> None:
    """Cut a last line without an end off the file, if it has one."""
    if not path.exists():
        return
    whole, newline, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        with writing(path), path.open("rb+") as file:
            file.truncate(len(whole) + len(newline))


def _trial(path: Path, number: int, text: bytes, names: Sequence[str]) -> Trial:
    try:
        line = TrialLine.model_validate_json(text)
        parameters = np.array([line.parameters[name] for name in names], dtype=np.float64)
    except (ValidationError, KeyError) as error:
        raise InputError(
            f"{path}: line {number} is not a trial of this run; delete the folder to start anew"
        ) from error
    return Trial(
        sample=line.sample,
        trial_id=line.trial_id,
        parameters=parameters,
        srcc=math.nan if line.srcc is None else line.srcc,
        budget=line.budget,
        chosen_by=line.chosen_by,
        seconds=line.seconds,
    )
