"""Disks that are full, read-only or out of inodes, for every verb that writes.

Exit code 2 and a line that names the file, the old file kept, no half one and nothing temporary left; and once there is
room, what there would have been without all this.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from safetensors import safe_open

import iqatune as package
from iqatune.metric.exchange import EXTRA_FILE
from iqatune.metric.files import HEADER
from iqatune.records.result import Result, write_result
from tests.run_paths import run_at

PAGE = 4096
SIZES = 8
RANDOM_SQUEEZENET = ("--backbone", "squeezenet", "--backbone-weights", "random")
RECORD = "csv/squeezenet/random-stage-s0/result.json"

MOMENTS = 48 * 5 * 1347 * 4 + PAGE
"""Of the small set seen through SqueezeNet, which a sweep's processes share."""

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Verb:
    """A command that writes.

    Attributes:
        arguments: with the file or folder that it writes as {place}.
        place: its name.
        old: files that were there before, below the place (or the place itself, as ""). A verb that
            overwrites with --force alone is here with both and with neither: nothing that it left may stop it then.
        passing: bytes that it takes while it works.
    """

    arguments: str
    place: str
    old: tuple[str, ...] = ()
    passing: int = 0


VERBS = {
    "search": Verb(
        "search {data} {backbone} --searcher random --samples 30 --folds 2 --output {place} --cache-dir {cache}", "runs"
    ),
    "sweep": Verb("sweep {grid} --jobs 1 --output {place} --cache-dir {cache}", "runs", passing=MOMENTS),
    "extract": Verb("extract {data} {backbone} --cache-dir {place}", "cache"),
    "report": Verb("report {runs} --output {place}", "report", ("report.html", "tables/mine.csv")),
    "evaluate": Verb("evaluate {record} {data} --by reference --format csv --cache-dir {cache}", "scores.csv"),
    "safetensors": Verb("export {record} --output {place} --include-backbone --force", "metric.safetensors", ("",)),
    "new safetensors": Verb("export {record} --output {place} --include-backbone", "metric.safetensors"),
    "pt2": Verb("export {record} --output {place} --force", "metric.pt2", ("",)),
    "onnx": Verb("export {record} --output {place} --force", "metric.onnx", ("",)),
    "robust": Verb(
        "robust {record} {data} --kinds side --output {place} --cache-dir {cache} --force", "robust", ("robust.json",)
    ),
    "new robust": Verb("robust {record} {data} --kinds side --output {place} --cache-dir {cache}", "robust"),
    "bench": Verb("bench --quick --backbone squeezenet --output {place}", "bench", ("bench.json",)),
}
TO_STDOUT = "evaluate"
SLOW = {"pt2", "onnx", "bench", "sweep"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, small_set: Any, small_cache: Path) -> dict[str, str]:
    """What the verbs read: a search's record among them, whose metric has two stages and is exported quickly."""
    from iqatune.cli.main import main

    folder = tmp_path_factory.mktemp("inputs")
    search = ["search", *small_set.options, *RANDOM_SQUEEZENET, "--searcher", "random", "--samples", "3"]
    search += ["--folds", "2", "--cache-dir", str(small_cache), "--quiet"]
    assert main([*search, "--output", str(folder / "runs")]) == 0
    record = json.loads(run_at(folder / "runs" / RECORD).read_text())
    channels = sum(record["channels"][:2])
    for name in ("alpha", "beta"):
        record["best"][name][channels:] = [0.0] * (len(record["best"][name]) - channels)
    total = sum(record["best"]["alpha"]) + sum(record["best"]["beta"])
    for name in ("alpha", "beta"):
        record["best"][name] = [value / total for value in record["best"][name]]
    write_result(folder / "record.json", Result.model_validate({**record, "seal": None}))
    robust = ["robust", str(folder / "record.json"), *small_set.options, "--kinds", "side", "--quiet"]
    assert main([*robust, "--cache-dir", str(small_cache)]) == 0  # its cache is on another disk, and holds all
    (folder / "grid.yaml").write_text(
        f"datasets: [{{dataset: csv, pairs: '{small_set.labels}', better: higher}}]\n"
        "backbones: [{backbone: squeezenet, backbone_weights: random}]\nsearchers: random\nsamples: 30\nfolds: 0\n"
    )
    return {
        "data": " ".join(small_set.options),
        "backbone": " ".join(RANDOM_SQUEEZENET),
        "cache": str(small_cache),
        "runs": str(folder / "runs"),
        "record": str(folder / "record.json"),
        "grid": str(folder / "grid.yaml"),
    }


@dataclass(frozen=True)
class Command:
    """A verb that is run, and where it writes."""

    verb: Verb
    place: Path
    run: Callable[[], tuple[int, str]]

    def put_old_files(self) -> None:
        for name in self.verb.old:
            path = self.place / name if name else self.place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"old")

    @property
    def old_files(self) -> Files:
        return {f"{self.place.name}/{name}".rstrip("/"): b"old" for name in self.verb.old}


@pytest.fixture
def command_of(iqatune: Callable[..., Any], inputs: Mapping[str, str]) -> Callable[[str, Path], Command]:
    """A verb by its name here, that writes into a folder; run, it gives its exit code and the last line on stderr."""

    def make(name: str, folder: Path) -> Command:
        verb = VERBS[name]
        place = folder / verb.place
        arguments = verb.arguments.format(place=place, **inputs).split()

        def run() -> tuple[int, str]:
            ran = iqatune(*arguments, "--quiet")
            return ran.code, ran.last_line

        def run_into_file() -> tuple[int, str]:
            settings = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1]), "PYTHONUNBUFFERED": "1"}
            with place.open("wb") as file:
                ran = subprocess.run(
                    [sys.executable, "-m", "iqatune", *arguments], stdout=file, stderr=subprocess.PIPE, env=settings
                )
            return ran.returncode, (ran.stderr.decode().splitlines() or [""])[-1]

        return Command(verb, place, run_into_file if name == TO_STDOUT else run)

    return make


def _content(folder: Path) -> dict[str, bytes]:
    """All files of a folder that a verb may leave there, but for what tells the time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        # rates.json is of the images that passed at one go: there are fewer where work goes on
        if path.is_file() and path.name not in (".lock", "filler", "rates.json"):
            found[str(path.relative_to(folder))] = _timeless(path)
    return found


def _timeless(path: Path) -> bytes:
    if path.name in ("bench.json", "robust.json") and path.read_bytes() != b"old":
        return json.dumps(sorted(json.loads(path.read_bytes()))).encode()
    if path.name == "result.json":
        timed = dict.fromkeys(("timing", "environment", "trials_file", "seal"))
        return json.dumps({**json.loads(path.read_bytes()), **timed}).encode()
    if path.name == "trials.jsonl":
        lines = [{**json.loads(line), "seconds": 0, "check": ""} for line in path.read_bytes().splitlines()]
        return json.dumps(lines).encode()
    if path.name in ("digests.json", "pictures.json", "backbones.json"):
        return b""  # when the images changed, and what they and the CNN are: their names are in the others' names
    if path.name == "metric.safetensors" and path.read_bytes() != b"old":
        with safe_open(path, framework="np") as file:
            return str(file.metadata()[HEADER]).encode()  # with a seal over the tensors
    if path.suffix == ".safetensors" and path.read_bytes() != b"old":
        with safe_open(path, framework="np") as file:  # the order of its metadata is left to chance
            moments: bytes = file.get_tensor("moments").tobytes()
            return moments
    if path.suffix == ".pt2" and path.read_bytes() != b"old":
        with ZipFile(path) as archive:
            return b"".join(archive.read(name) for name in archive.namelist() if name.endswith(EXTRA_FILE))
    if path.suffix == ".onnx" and path.read_bytes() != b"old":
        return path.read_bytes().rpartition(b'{"format":')[2]
    return path.read_bytes()


class Disk:
    """A file system in memory that holds what one says, and takes no more than one says.

    Making one takes the right to mount; a test that has it not is skipped.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._mount(folder, "-t", "tmpfs", "tmpfs", "-o", "size=64m")

    def remount(self, options: str) -> None:
        self._mount(self.folder, "-o", f"remount,{options}")

    @property
    def used(self) -> int:
        """Bytes."""
        status = os.statvfs(self.folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    @property
    def inodes(self) -> int:
        """Files and folders."""
        status = os.statvfs(self.folder)
        return status.f_files - status.f_ffree

    @staticmethod
    def _mount(folder: Path, *options: str) -> None:
        try:
            subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs the right to mount a file system")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """An empty disk with room."""
    made = Disk(tmp_path / "disk")
    yield made
    subprocess.run(["umount", "--lazy", str(made.folder)], check=True)


def _refused(command: Command, folder: Path) -> None:
    """It ends with 2, names a file in the folder, and leaves the old ones, no half ones and nothing temporary."""
    before = _content(folder)
    code, line = command.run()
    assert code == 2, line
    if command.verb is VERBS[TO_STDOUT]:
        assert line.startswith("iqatune: stdout: ")
        return
    assert line.startswith("iqatune: ")
    assert str(folder) in line.split(": cannot be ")[0]
    found = _content(folder)
    assert not [name for name in found if ".iqatune-" in name or ".shared-" in name]
    if not command.verb.arguments.startswith(("search", "sweep")):  # which go on where they stopped
        assert {name: found[name] for name in before} == before
    if not command.verb.arguments.startswith(("search", "sweep", "extract")):
        assert found == before


def _succeeds(command: Command) -> None:
    code, line = command.run()
    assert code == 0, line


def _written(folder: Path) -> dict[str, bytes]:
    """All files but old ones that are not a verb's own."""
    return {name: data for name, data in _content(folder).items() if data != b"old"}


@pytest.mark.parametrize("name", [name for name in VERBS if name not in SLOW])
def test_a_file_that_may_not_grow(
    name: str, command_of: Callable[[str, Path], Command], tmp_path: Path, files_of_at_most: Callable[..., Any]
) -> None:
    full, whole = tmp_path / "full", tmp_path / "whole"
    full.mkdir()
    whole.mkdir()
    command = command_of(name, full)
    command.put_old_files()
    with files_of_at_most(100 if name == TO_STDOUT else 700):  # where the rest of what is printed has room
        _refused(command, full)
    _succeeds(command)
    _succeeds(command_of(name, whole))
    assert _written(full) == _content(whole)


@pytest.mark.thorough
def test_a_table_that_may_not_grow_to_its_size(
    command_of: Callable[[str, Path], Command], tmp_path: Path, files_of_at_most: Callable[..., Any]
) -> None:
    command = command_of(TO_STDOUT, tmp_path)
    _succeeds(command)
    whole = _content(tmp_path)
    for eighths in range(SIZES):
        with files_of_at_most(len(whole[command.verb.place]) * eighths // SIZES):
            _refused(command, tmp_path)
    _succeeds(command)
    assert _content(tmp_path) == whole


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.thorough if name in SLOW else ()) for name in VERBS if name != TO_STDOUT],
)
def test_a_full_disk(name: str, command_of: Callable[[str, Path], Command], disk: Disk, tmp_path: Path) -> None:
    full, whole = disk.folder / "full", disk.folder / "whole"
    full.mkdir()
    whole.mkdir()
    empty = disk.used
    _succeeds(command_of(name, whole))
    expected, needed = _content(whole), (disk.used - empty) // PAGE
    shutil.rmtree(whole)
    command = command_of(name, full)
    command.put_old_files()
    (disk.folder / "filler").write_bytes(b"x")  # no size stands for no limit
    used = disk.used
    for eighths in range(SIZES) if name != "bench" else (0,):  # which takes long, and writes one small file
        passing = command.verb.passing if eighths > 0 else 0
        disk.remount(f"size={used + passing + needed * eighths // SIZES * PAGE}")
        _refused(command, full)
    disk.remount("size=64m")
    _succeeds(command)
    assert _written(full) == expected


@pytest.mark.parametrize("name", [name for name in VERBS if name not in {*SLOW, TO_STDOUT}])
def test_a_disk_without_inodes(name: str, command_of: Callable[[str, Path], Command], disk: Disk) -> None:
    command = command_of(name, disk.folder)
    command.put_old_files()
    for free in (0,) if command.place.suffix else (0, 1, 2):  # one file takes one inode
        disk.remount(f"nr_inodes={disk.inodes + free}")
        _refused(command, disk.folder)
    disk.remount("nr_inodes=10000")
    _succeeds(command)


@pytest.mark.parametrize("name", [name for name in VERBS if name != TO_STDOUT])
def test_a_disk_that_is_read_only(name: str, command_of: Callable[[str, Path], Command], disk: Disk) -> None:
    command = command_of(name, disk.folder)
    command.put_old_files()
    command.place.parent.mkdir(exist_ok=True)
    if command.verb.place in ("cache",):
        command.place.mkdir()
    disk.remount("ro")
    code, line = command.run()
    assert code == 2
    assert str(disk.folder) in line
    assert "Read-only file system" in line
    assert _content(disk.folder) == command.old_files
