"""Files are written whole or not at all, and what a killed process leaves is gone after the next one."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import iqatune
from iqatune.runtime.files import (
    UnwritableError,
    append_bytes,
    replacing,
    temporary_folder,
    write_bytes,
    write_text,
    write_together,
)


def _replace(path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(bytes(5000))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_bytes(path, bytes(5000)),
        lambda path: write_text(path, "é" * 3000),
        lambda path: append_bytes(path, bytes(5000)),
        _replace,
    ],
)
def test_what_there_is_no_room_for_leaves_the_file_as_it_was(
    write: Callable[[Path], None], tmp_path: Path, files_of_at_most: Callable[..., Any]
) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with files_of_at_most(4000), pytest.raises(UnwritableError) as refused:
        write(path)
    reason = os.strerror(errno.EFBIG)
    assert str(refused.value) == f"{path}: cannot be written ({reason}); make room, and run it again"
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    write(path)
    assert path.stat().st_size >= 5000


def test_of_several_files_none_is_replaced_unless_all_are_written(
    tmp_path: Path, files_of_at_most: Callable[..., Any]
) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("old")
    (tmp_path / "tables" / "mine.csv").write_text("mine")
    texts = {"tables/a.csv": "new", "page.html": "x" * 5000, "figures/b.svg": "new"}
    with files_of_at_most(4000), pytest.raises(UnwritableError) as refused:
        write_together(tmp_path, texts)
    assert str(refused.value).startswith(f"{tmp_path / 'page.html'}: cannot be written (")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == {"tables/a.csv", "tables/mine.csv"}
    assert (tmp_path / "tables" / "a.csv").read_text() == "old"
    write_together(tmp_path, texts)
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.*")}
    assert found == {**texts, "tables/mine.csv": "mine"}


def test_what_a_folder_in_the_way_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "result.json").mkdir()
    with pytest.raises(UnwritableError, match=r"result.json: cannot be written \(Is a directory\)"):
        write_text(tmp_path / "result.json", "text")
    (tmp_path / "file").touch()
    with pytest.raises(UnwritableError, match=r"file/result.json: cannot be written \(Not a directory\)"):
        write_text(tmp_path / "file" / "result.json", "text")


KILLED = """
import os, signal, sys
from pathlib import Path
from iqatune.runtime.files import replacing, temporary_folder
folder = Path(sys.argv[1])
with replacing(folder / "file") as one, temporary_folder(folder) as other:
    one.write_text("half")
    (other / "deep").mkdir()
    (other / "deep" / "file").write_text("half")
    print("written", flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_writer_removes_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path) -> None:
    (tmp_path / ".other.tmp").touch()
    settings = {**os.environ, "PYTHONPATH": str(Path(iqatune.__file__).parents[1])}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    write_text(tmp_path / "mine", "text")
    with temporary_folder(tmp_path):
        pass
    assert len(list(tmp_path.iterdir())) == 4
    process.communicate("die\n")
    assert len(list(tmp_path.iterdir())) == 4
    write_text(tmp_path / "mine", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.tmp", "mine"]
