"""The folder of one run, and everything that happens to the files in it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from iqatune.records.options import Run
from iqatune.records.paths import run_path
from iqatune.records.result import Result, read_result, write_result
from iqatune.records.trial import Trial
from iqatune.records.trials import TrialLog, read_trials
from iqatune.runtime.files import write_bytes
from iqatune.runtime.locks import Hold, locked

RESULT_FILE = "result.json"
TRIALS_FILE = "trials.jsonl"


@dataclass(frozen=True)
class RunFolder:
    """A run's `result.json` and `trials.jsonl`.

    Attributes:
        hold: inside `locked`, what keeps others out; it is checked before anything is written or moved.
    """

    path: Path
    hold: Hold | None = field(default=None, compare=False)

    @classmethod
    def of(cls, output: Path, run: Run, name: str | None = None) -> "RunFolder":
        """Where a search puts a run, below the folder of results: `run_path`."""
        return cls(output / run_path(run, name))

    @property
    def result_file(self) -> Path:
        """The record."""
        return self.path / RESULT_FILE

    @property
    def trials_file(self) -> Path:
        """The evaluations so far, a line each."""
        return self.path / TRIALS_FILE

    @contextmanager
    def locked(self) -> Iterator["RunFolder"]:
        """This folder, with every other process kept out that asks for it here too.

        Raises:
            InputError: when another process is at work in it.
        """
        with locked(self.path) as hold:
            yield replace(self, hold=hold)

    def result(self) -> Result | None:
        """The record; None where there is none yet.

        Raises:
            InputError: when it is damaged, or is not what was written.
        """
        return read_result(self.result_file) if self.result_file.exists() else None

    def write(self, result: Result) -> Result:
        """Write the record, whole or not at all; gives it as written, with its seal."""
        self._check()
        return write_result(self.result_file, result)

    def trials(self, names: Sequence[str]) -> list[Trial]:
        """The evaluations kept so far; nothing is changed, and a last line torn by a kill is left out.

        Args:
            names: of the parameters.

        Raises:
            InputError: naming the line, when one before the last is not a trial of these parameters, or is damaged.
        """
        return list(read_trials(self.trials_file, names).trials)

    def log(self, names: Sequence[str]) -> TrialLog:
        """The evaluations kept so far, to go on with; a last line torn by a kill is cut off the file.

        Args:
            names: of the parameters.

        Raises:
            InputError: as of `trials`.
        """
        return TrialLog(self.trials_file, names, self._check)

    def discard_trials(self) -> None:
        """Delete evaluations that no record belongs to."""
        self._check()
        self.trials_file.unlink(missing_ok=True)

    def archive(self) -> str:
        """Give the files names that nothing reads, so that another run has the folder and nothing is lost.

        Returns:
            the record's new name.
        """
        self._check()
        number = next(number for number in count(1) if not (self.path / _numbered(RESULT_FILE, number)).exists())
        # the record last: trials without one would be discarded if this process ended in between
        for file in (self.trials_file, self.result_file):
            if file.exists():
                file.replace(self.path / _numbered(file.name, number))
        return _numbered(RESULT_FILE, number)

    def hand_over(self, path: Path) -> bool:
        """Move the files to another folder, where reports and searches look for such a run.

        Returns:
            False where that is this one, or has a record of its own: nothing is moved then.

        Raises:
            InputError: when another process is at work there.
        """
        self._check()
        other = RunFolder(path)
        if other == self or other.result_file.exists():
            return False
        with other.locked() as owned:
            # the record last: trials without one would be discarded if this process ended in between
            for file, place in ((self.trials_file, owned.trials_file), (self.result_file, owned.result_file)):
                if file.exists():
                    file.replace(place)
        return True

    def content(self) -> dict[str, bytes]:
        """The files that there are, by their names, to be worked on elsewhere."""
        return {file.name: file.read_bytes() for file in (self.trials_file, self.result_file) if file.exists()}

    def write_content(self, content: Mapping[str, bytes]) -> None:
        """Write files that were worked on elsewhere: the record last, for with it a run is complete."""
        self._check()
        for file in (self.trials_file, self.result_file):
            if file.name in content:
                write_bytes(file, content[file.name])

    def _check(self) -> None:
        if self.hold is not None:
            self.hold.check()


def _numbered(name: str, number: int) -> str:
    path = Path(name)
    return f"{path.stem}-{number}{path.suffix}"
