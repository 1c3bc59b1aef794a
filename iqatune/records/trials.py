"""`trials.jsonl`: one line an evaluation, appended as it happens, so that a killed run can go on.

Every line ends with a checksum over itself and over all lines before it, so that a line which was changed, lost,
doubled or moved is found. Files of the first releases have none, and are read as they are.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from iqatune.errors import InputError
from iqatune.records.base import Coefficient, Count, Deviation, Model, Number, Seconds, Sha256, Share
from iqatune.records.documents import validated
from iqatune.records.trial import Inner, Trial
from iqatune.records.vocabulary import ChosenBy
from iqatune.runtime.files import append_bytes, write_bytes, writing

TRIAL_LINE: Final = "iqatune.trial/1"

CHECK: Final = 16
"""Hexadecimal digits of the chain of checksums that a line shows."""

_START: Final = "0" * 64
"""The chain before the first line."""

_CHECKED = re.compile(rb'(.*), "check": "([0-9a-f]{%d})"\}' % CHECK)


class InnerLine(Model):
    """What folds inside the pairs say of a configuration that was fitted."""

    shrinkage: Annotated[float, Field(ge=0)] | None = Field(
        description="towards the uniform weights; null for these themselves"
    )
    mean: Number | None = Field(description="of the run's objective on references left out; null where undefined")
    error: Deviation | None = Field(
        description="corrected standard error of the mean's gain over the uniform weights; null where undefined"
    )
    mu: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="of `mutual`: how much the disagreement of its views counts; absent elsewhere"
    )

    @model_serializer(mode="wrap")
    def _as_it_was(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A line of `fit` is as it always was."""
        content: dict[str, Any] = write(self)
        if self.mu is None:
            content.pop("mu", None)
        return content


class TrialLine(Model):
    """One line of `trials.jsonl`."""

    sample: Count = Field(description="the configuration's number, from 0")
    trial_id: str = Field(description="names the evaluation, unique in its search")
    parameters: dict[str, Share] = Field(description="the numbers of the space, in [0, 1]")
    srcc: Coefficient | None = Field(description="on the references of the budget; null where undefined")
    budget: Annotated[float, Field(gt=0, le=1)] = Field(description="share of the references; 1 is all")
    chosen_by: ChosenBy
    seconds: Seconds = Field(description="of the searcher and the objective together")
    value: Number | None = Field(
        default=None, description="of the run's objective; absent where that is the SRCC, null where undefined"
    )
    inner: InnerLine | None = Field(default=None, description="of a fit, which is chosen by it; absent elsewhere")
    check: str | None = Field(
        default=None, description="first digits of SHA-256 over this line's other keys and the lines before it"
    )


class TrialsDigest(Model):
    """What a record says of the `trials.jsonl` that it was made with."""

    lines: Count
    sha256: Sha256 = Field(description="the chain of checksums at its last line")


@dataclass(frozen=True)
class TrialsRead:
    """The trials of a file.

    Attributes:
        digest: of its lines.
        unprotected: lines that have no checksum.
    """

    trials: tuple[Trial, ...]
    digest: TrialsDigest
    unprotected: int


class TrialLog:
    """The `trials.jsonl` of a search under way: what it holds already, and what is added to it.

    A last line torn by a kill is cut off the file when it is opened.

    Args:
        names: of the parameters.
        check: called before the file is written, to refuse it where another process may have the folder.

    Attributes:
        trials: every trial, in order; grows with `extend`.

    Raises:
        InputError: naming the line, when one before the last is not a trial of these parameters, or is damaged.
    """

    def __init__(self, path: Path, names: Sequence[str], check: Callable[[], object] = lambda: None) -> None:
        self.path = path
        self._check = check
        check()
        self._names = tuple(names)
        _cut_torn_line(path)
        found = read_trials(path, names)
        self.trials = list(found.trials)
        self._chain = found.digest.sha256

    @property
    def digest(self) -> TrialsDigest:
        """Of all lines, as they should be in the file."""
        return TrialsDigest(lines=len(self.trials), sha256=self._chain)

    def extend(self, trials: Sequence[Trial]) -> None:
        """Keep trials, in memory and in the file; those that become known together are written together."""
        self._check()
        content, chain = _text(trials, self._names, self._chain)
        append_bytes(self.path, content)
        self._chain = chain
        self.trials.extend(trials)

    def settle(self) -> bool:
        """Compare the file with the trials in memory, and write it again if anything of them is not in it.

        Returns:
            whether it had to be written again.

        Raises:
            InputError: when the file does not keep what is written to it.
        """
        if self._is_whole():
            return False
        content, self._chain = _text(self.trials, self._names, _START)
        self._check()
        write_bytes(self.path, content)
        if not self._is_whole():
            raise InputError(f"{self.path}: does not contain the trials that were written to it; check the disk")
        return True

    def _is_whole(self) -> bool:
        try:
            return digest_of(self.path) == self.digest
        except InputError:  # lines were lost or changed: that is the question
            return False


def read_trials(path: Path, names: Sequence[str]) -> TrialsRead:
    """The trials kept so far, none where there is no file; a last line torn by a kill is left out.

    Raises:
        InputError: naming the line, when one before the last is not a trial of these parameters, or is damaged.
    """
    trials, unprotected, chain = [], 0, _START
    for number, (line, is_checked, chain) in enumerate(_chained(path), start=1):  # noqa: B007 the last chain counts
        trials.append(_trial(path, number, line, names))
        unprotected += not is_checked
    return TrialsRead(tuple(trials), TrialsDigest(lines=len(trials), sha256=chain), unprotected)


def digest_of(path: Path) -> TrialsDigest:
    """The digest of a whole file's lines, which are not read any further.

    Raises:
        InputError: naming the line that is damaged; a torn last one is.
    """
    if _is_torn(path):
        raise InputError(f"{path}: its last line is incomplete")
    count, chain = 0, _START
    for _, _, chain in _chained(path):  # noqa: B007 the last chain counts
        count += 1
    return TrialsDigest(lines=count, sha256=chain)


def _linked(chain: str, text: bytes) -> str:
    return hashlib.sha256(chain.encode() + b"\n" + text).hexdigest()


def _text(trials: Iterable[Trial], names: Sequence[str], chain: str) -> tuple[bytes, str]:
    """Trials as lines, and the chain with them.

    Args:
        chain: at the line before.
    """
    lines = []
    for trial in trials:
        text = json.dumps(_content(trial, names), allow_nan=False).encode().removesuffix(b"}")
        chain = _linked(chain, text)
        lines.append(text + f', "check": "{chain[:CHECK]}"}}\n'.encode())
    return b"".join(lines), chain


def _content(trial: Trial, names: Sequence[str]) -> dict[str, Any]:
    """What `TrialLine` is of a trial, figures that are undefined as None: no model is made of each of a million."""
    content = {
        "sample": trial.sample,
        "trial_id": trial.trial_id,
        "parameters": dict(zip(names, trial.parameters.tolist(), strict=True)),
        "srcc": _defined(trial.srcc),
        "budget": trial.budget,
        "chosen_by": trial.chosen_by,
        "seconds": trial.seconds,
    }
    if trial.value is not None:
        content["value"] = _defined(trial.value)
    if trial.inner is not None:
        content["inner"] = _inner_line(trial.inner).model_dump()
    return content


def _inner_line(inner: Inner) -> InnerLine:
    return InnerLine(shrinkage=inner.shrinkage, mean=_defined(inner.mean), error=_defined(inner.error), mu=inner.mu)


def _inner(line: InnerLine) -> Inner:
    return Inner(shrinkage=line.shrinkage, mean=_or_nan(line.mean), error=_or_nan(line.error), mu=line.mu)


def _defined(figure: float | None) -> float | None:
    """JSON has no NaN."""
    return None if figure is None or math.isnan(figure) else figure


def _or_nan(figure: float | None) -> float:
    return math.nan if figure is None else figure


def _lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a file, one at a time; none where there is no file.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _is_torn(path: Path) -> bool:
    """Whether a file ends in the middle of a line.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _cut_torn_line(path: Path) -> None:
    if _is_torn(path):
        whole = sum(map(len, _lines(path)))
        with writing(path), path.open("rb+") as file:
            file.truncate(whole)


def _chained(path: Path) -> Iterator[tuple[bytes, bool, str]]:
    """Every line, whether it has a checksum, and the chain up to it.

    Raises:
        InputError: for a line whose checksum is another, and one without any after one that has it.
    """
    chain, protected = _START, False
    for number, raw in enumerate(_lines(path), start=1):
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        checked = _CHECKED.fullmatch(line)
        chain = _linked(chain, line if checked is None else checked[1])
        wrong = protected if checked is None else checked[2].decode() != chain[:CHECK]
        if wrong:
            raise InputError(
                f"{path}: line {number} or one before it was changed, lost, doubled or moved; delete the folder to "
                "search again"
            )
        protected = checked is not None
        yield line, protected, chain


def _trial(path: Path, number: int, text: bytes, names: Sequence[str]) -> Trial:
    try:
        line = validated(path, text, TrialLine, "a trial")
        parameters = np.array([line.parameters[name] for name in names], dtype=np.float64)
    except (InputError, KeyError) as error:
        raise InputError(
            f"{path}: line {number} is not a trial of this run; delete the folder to start again"
        ) from error
    if line.check is not None and _CHECKED.fullmatch(text) is None:
        raise InputError(f"{path}: line {number} is not as it was written; delete the folder to search again")
    return Trial(
        sample=line.sample,
        trial_id=line.trial_id,
        parameters=parameters,
        srcc=_or_nan(line.srcc),
        budget=line.budget,
        chosen_by=line.chosen_by,
        seconds=line.seconds,
        value=_or_nan(line.value) if "value" in line.model_fields_set else None,
        inner=None if line.inner is None else _inner(line.inner),
    )
