"""Ctrl-C: one line that says what is kept, and the same command does not do that again."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iqatune.cli.main import GOES_ON, KEEPS_STATISTICS, VERBS
from iqatune.statistics import store

RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")


@pytest.fixture
def interrupted_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have Ctrl-C come when the statistics of so many references are written."""
    write = store.write_group

    def prepare(count: int) -> None:
        left = iter(range(count))

        def and_interrupt(*arguments: Any) -> None:
            write(*arguments)
            if next(left, None) is None:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr("iqatune.statistics.cache.write_group", and_interrupt if count else write)

    return prepare


def kept(cache: Path) -> dict[Path, int]:
    """The files of statistics, and when they were written."""
    return {file: file.stat().st_mtime_ns for file in cache.rglob("*.safetensors")}


@pytest.mark.parametrize("verb", ["extract", "search", "evaluate", "robust"])
def test_the_same_command_goes_on(
    verb: str,
    iqatune: Callable[..., Any],
    search: Callable[..., Any],
    small_set: Any,
    tmp_path: Path,
    interrupted_after: Callable[[int], None],
) -> None:
    line: tuple[object, ...] = (verb, *small_set.options, "--cache-dir", tmp_path / "kept")
    if verb in ("evaluate", "robust"):
        search("--searcher", "random", "--quiet")
        line = (*line, *Path("runs").rglob("result.json"))
    else:
        line = (*line, *RANDOM_SQUEEZENET)
    if verb == "search":
        line = (*line, "--searcher", "random", "--samples", 3, "--folds", 0, "--output", tmp_path / "new")
    if verb == "robust":
        line = (*line, "--kinds", "unseen")
    interrupted_after(3)
    ran = iqatune(*line)
    assert ran.code == 130
    told = "what was done is kept" if verb in GOES_ON else "computed statistics are kept"
    assert ran.last_line.startswith(f"iqatune: interrupted; {told}, and the same command goes on ")
    assert "Traceback" not in ran.err
    before = kept(tmp_path / "kept")
    assert len(before) >= 3
    interrupted_after(0)
    ran = iqatune(*line)
    assert ran.code == 0, ran.err
    after = kept(tmp_path / "kept")
    assert len(after) > len(before)
    assert before.items() <= after.items()


def test_what_is_said_of_a_verb_is_of_one() -> None:
    assert set(VERBS) >= GOES_ON | KEEPS_STATISTICS
    assert not GOES_ON & KEEPS_STATISTICS
