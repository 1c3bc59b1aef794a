"""`trials.jsonl`: every line proves itself and those before it, and before a search is complete the file is whole."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iqatune.errors import InputError
from iqatune.progress import Advance, Progress
from iqatune.records.options import Run
from iqatune.records.run_folder import RunFolder
from iqatune.records.trial import Inner, Trial
from iqatune.records.trials import TrialLine, read_trials
from iqatune.statistics.cache import Cache
from iqatune.tuning.run import run_search

NAMES = ("a", "b")


def _trial(sample: int, srcc: float = 0.5) -> Trial:
    return Trial(
        sample=sample,
        trial_id=f"{sample:05d}",
        parameters=np.array([0.1, sample / 10]),
        srcc=srcc,
        budget=1.0,
        chosen_by="random",
        seconds=0.25,
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder with six trials, one of them undefined."""
    log = RunFolder(tmp_path).log(NAMES)
    for sample in range(6):
        log.extend([_trial(sample, math.nan if sample == 2 else 0.1 * sample)])
    return RunFolder(tmp_path)


def test_a_line_is_what_its_model_writes(tmp_path: Path) -> None:
    """Lines are made without the model, a million of which would take longer than the search."""
    inner = Inner(shrinkage=None, mean=0.1, error=math.nan, mu=0.5)
    log = RunFolder(tmp_path).log(NAMES)
    log.extend([_trial(0), replace(_trial(1, math.nan), value=math.nan), replace(_trial(2), value=0.25, inner=inner)])
    for text, trial in zip(log.path.read_text().splitlines(), log.trials, strict=True):
        absent = {name for name in ("value", "inner") if getattr(trial, name) is None}
        line = TrialLine.model_validate_json(text)
        assert json.loads(text) == json.loads(line.model_dump_json(exclude=absent))
        assert list(json.loads(text)) == [name for name in TrialLine.model_fields if name not in absent]


def test_trials_of_a_batch_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million lines, each with a file opened for it, take longer than the search."""
    written = []
    monkeypatch.setattr("iqatune.records.trials.append_bytes", lambda path, data: written.append(data))
    log = RunFolder(tmp_path).log(NAMES)
    log.extend([_trial(sample) for sample in range(5)])
    assert [content.count(b"\n") for content in written] == [5]


def _without_checks(file: Path, count: int) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines[:count]:
        del line["check"]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_what_is_written_is_read(folder: RunFolder) -> None:
    read = read_trials(folder.trials_file, NAMES)
    assert [trial.sample for trial in read.trials] == list(range(6))
    assert math.isnan(read.trials[2].srcc)
    assert read.unprotected == 0
    lines = folder.trials_file.read_text().splitlines()
    assert all(len(json.loads(line)["check"]) == 16 for line in lines)
    # what is opened again is gone on with
    folder.log(NAMES).extend([_trial(6)])
    assert len(read_trials(folder.trials_file, NAMES).trials) == 7


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"0.25", b"0.26"), *lines[3:]], 3),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [*lines[:3], *lines[2:]], 4),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
        (lambda lines: lines[1:], 1),
    ],
    ids=["changed", "dropped", "doubled", "swapped", "beheaded"],
)
def test_lines_that_are_not_as_written_are_found(
    spoil: Callable[[list[bytes]], list[bytes]], line: int, folder: RunFolder
) -> None:
    lines = folder.trials_file.read_bytes().splitlines(keepends=True)
    folder.trials_file.write_bytes(b"".join(spoil(lines)))
    with pytest.raises(InputError, match=f"trials.jsonl: line {line} or one before it was changed, lost, doubled"):
        folder.trials(NAMES)


def test_every_single_bit_counts(folder: RunFolder) -> None:
    whole = folder.trials_file.read_bytes()
    before = [(trial.sample, trial.seconds, *trial.parameters) for trial in folder.trials(NAMES)]
    rng = np.random.default_rng(0)
    for place in rng.choice(len(whole), 300, replace=False).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        folder.trials_file.write_bytes(damaged)
        try:
            found = folder.trials(NAMES)
        except InputError:
            continue
        # the end of the last line alone: it is torn, as by a kill, and left out
        assert place == len(whole) - 1
        assert [(trial.sample, trial.seconds, *trial.parameters) for trial in found] == before[:5]


def test_line_ends_of_another_system_are_harmless(folder: RunFolder) -> None:
    folder.trials_file.write_bytes(folder.trials_file.read_bytes().replace(b"\n", b"\r\n"))
    assert len(folder.trials(NAMES)) == 6


def test_lines_of_the_first_releases_are_read_and_counted(folder: RunFolder) -> None:
    _without_checks(folder.trials_file, 6)
    assert read_trials(folder.trials_file, NAMES).unprotected == 6
    folder.log(NAMES).extend([_trial(6)])
    assert read_trials(folder.trials_file, NAMES).unprotected == 6
    # the first line with a checksum protects those before it as well
    folder.trials_file.write_text(folder.trials_file.read_text().replace("0.25", "0.35", 1))
    with pytest.raises(InputError, match="line 7 or one before it"):
        folder.trials(NAMES)


def test_a_line_cannot_lose_its_checksum(folder: RunFolder) -> None:
    lines = folder.trials_file.read_text().splitlines()
    last = {name: value for name, value in json.loads(lines[5]).items() if name != "check"}
    folder.trials_file.write_text("\n".join([*lines[:5], json.dumps(last)]) + "\n")
    with pytest.raises(InputError, match="line 6"):
        folder.trials(NAMES)


def test_reading_changes_nothing_and_going_on_cuts_a_torn_line(folder: RunFolder) -> None:
    torn = folder.trials_file.read_bytes() + b'{"sample": 6, "tri'
    folder.trials_file.write_bytes(torn)
    assert len(folder.trials(NAMES)) == 6
    assert folder.trials_file.read_bytes() == torn
    assert len(folder.log(NAMES).trials) == 6
    assert folder.trials_file.read_bytes() == torn[:-18]


class _Vandal(Progress):
    """Does something to the files of a search when its third sample is done."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self.warnings: list[str] = []
        self._deed = deed
        self._done = 0

    def warn(self, line: str) -> None:
        self.warnings.append(line)

    @contextmanager
    def track(self, title: str, total: int, unit: str, *, done: int = 0) -> Iterator[Advance]:
        def advance(count: int) -> None:
            self._done += count
            if unit == "samples" and self._done == 3:
                self._deed()

        yield advance


@pytest.fixture
def disturbed(small_set: Any, small_cache: Path, tmp_path: Path) -> Callable[..., tuple[RunFolder, list[str]]]:
    """A search of bohb, which asks for one sample after another, under whose hands its trials are spoiled."""
    run = Run(
        dataset="csv",
        pairs=str(small_set.labels),
        better="higher",
        backbone="squeezenet",
        backbone_weights="random",
        searcher="bohb",
        samples=8,
        folds=0,
    )

    def search(deed: Callable[[Path], object] = lambda file: None, name: str = "runs") -> tuple[RunFolder, list[str]]:
        output = tmp_path / name
        vandal = _Vandal(lambda: deed(RunFolder.of(output, run).trials_file))
        folder = run_search(run, output, cache=Cache(small_cache), progress=vandal)[1]
        return folder, [line for line in vandal.warnings if "trials.jsonl" in line]

    return search


def _lines(folder: RunFolder) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in folder.trials_file.read_text().splitlines()]
    return [{**line, "seconds": 0, "check": ""} for line in lines]


@pytest.mark.parametrize(
    "deed",
    [
        Path.unlink,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-40]),
        lambda file: file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[::-1])),
        lambda file: file.write_bytes(file.read_bytes() * 2),
    ],
    ids=["deleted", "emptied", "torn", "reversed", "doubled"],
)
def test_what_was_lost_meanwhile_is_written_again(
    deed: Callable[[Path], object], disturbed: Callable[..., tuple[RunFolder, list[str]]]
) -> None:
    undisturbed, warnings = disturbed(name="undisturbed")
    assert warnings == []
    spoiled, warnings = disturbed(deed, name="spoiled")
    assert len(warnings) == 1
    assert "all" in warnings[0]
    assert _lines(spoiled) == _lines(undisturbed)
    result = spoiled.result()
    assert result is not None
    assert result.trials_file is not None
    assert result.trials_file.lines == len(_lines(undisturbed))
