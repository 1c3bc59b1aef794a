"""A cache folder on a bad day: flipped bits, copies in another's place, old images and new ones, no room, no right.

Whatever is done to its files: it is told, or nobody can tell from the figures; and a file is never believed that is not
what was written there.
"""

import ctypes
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FLIPS = 112
MEMOS = ("digests.json", "pictures.json", "backbones.json")
KINDS = (*MEMOS, "statistics/", "baselines/")
SEED = 14
BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random", "--device", "cpu")
SEARCH = (*BACKBONE, "--searcher", "random", "--samples", 2, "--folds", 0)
TOLD = "damaged cache file, computed again: "


@dataclass(frozen=True)
class Tried:
    """A set of tiny images, a record tuned on it, and the figures that a whole cache gives."""

    options: tuple[str, ...]
    record: Path
    cache: Path
    figures: Any

    @property
    def evaluate(self) -> tuple[object, ...]:
        return ("evaluate", self.record, *self.options, "--baseline", "psnr", "--device", "cpu", "--format", "json")


def _write_set(folder: Path, seed: int) -> tuple[str, ...]:
    """3 references of 24x24 with 3 noisy versions each; the options that name them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    lines = ["reference,distorted,score"]
    for reference in range(3):
        base = rng.integers(40, 215, (24, 24, 3))
        Image.fromarray(base.astype(np.uint8)).save(folder / f"r{reference}.bmp")
        for level in range(1, 4):
            noisy = np.clip(base + rng.normal(0, 12 * level, base.shape), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(folder / f"r{reference}-{level}.bmp")
            lines.append(f"r{reference}.bmp,r{reference}-{level}.bmp,{5 - level + rng.normal(0, 0.3):.3f}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return ("--dataset", "csv", "--pairs", str(folder / "labels.csv"), "--better", "higher")


@pytest.fixture
def tried(iqatune: Callable[..., Any], tmp_path: Path) -> Tried:
    """A set and a whole cache of it."""
    return _tried(iqatune, tmp_path / "tried", seed=1)


def _tried(iqatune: Callable[..., Any], folder: Path, seed: int, *settings: object) -> Tried:
    options = _write_set(folder / "images", seed)
    cache = folder / "cache"
    ran = iqatune("search", *options, *SEARCH, *settings, "--cache-dir", cache, "--output", folder / "runs", "--quiet")
    assert ran.code == 0, ran.err
    (record,) = (folder / "runs").rglob("result.json")
    tried = Tried(options, record, cache, None)
    ran = iqatune(*tried.evaluate, "--cache-dir", cache)
    assert ran.code == 0, ran.err
    assert {path.name if path.parent == cache else path.parent.parent.name for path in _files(cache)} == {
        "digests.json",
        "pictures.json",
        "backbones.json",
        "rates.json",
        "statistics",
        "baselines",
    }
    return Tried(options, record, cache, json.loads(ran.out))


def _files(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


@pytest.fixture
def outcome(iqatune: Callable[..., Any], tried: Tried, tmp_path: Path) -> Callable[..., bool]:
    """Do something to a copy of a cache; whether it was told. The figures must be those of the whole cache."""

    def run(name: str, harm: Callable[[Path], None]) -> bool:
        cache = tmp_path / "harmed"
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(tried.cache, cache)
        harm(cache)
        ran = iqatune(*tried.evaluate, "--cache-dir", cache, "--quiet")
        assert ran.code == 0, (name, ran.err)
        assert json.loads(ran.out) == tried.figures, name
        lines = ran.err.splitlines()
        assert all(line.startswith(f"warning: {TOLD}{cache}/{name}: ") for line in lines), (name, lines)
        assert len(lines) <= 1
        if lines:  # what was damaged is mended, and told no more
            assert iqatune(*tried.evaluate, "--cache-dir", cache, "--quiet").err == ""
        return bool(lines)

    return run


def _named(tried: Tried, kind: str) -> list[str]:
    names = [path.relative_to(tried.cache).as_posix() for path in _files(tried.cache)]
    return [name for name in names if name.startswith(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_are_told_and_never_believed(kind: str, tried: Tried, outcome: Callable[..., bool]) -> None:
    chance = random.Random(f"{SEED} {kind}")
    names = _named(tried, kind)
    for _ in range(FLIPS // len(KINDS)):
        name = chance.choice(names)

        def flip(cache: Path, name: str = name) -> None:
            data = bytearray((cache / name).read_bytes())
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            (cache / name).write_bytes(data)

        assert outcome(name, flip), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_or_empty_file_is_told_and_never_believed(kind: str, tried: Tried, outcome: Callable[..., bool]) -> None:
    (name, *_) = _named(tried, kind)
    size = (tried.cache / name).stat().st_size
    for length in (0, 1, size // 2, size - 1):
        assert outcome(name, lambda cache, length=length: os.truncate(cache / name, length)), length


def test_a_copy_of_another_file_is_told_and_never_believed(
    iqatune: Callable[..., Any], tried: Tried, outcome: Callable[..., bool], tmp_path: Path
) -> None:
    """Over every file: every other of its kind, and of the caches of other images, and of another resize."""
    others = [_tried(iqatune, tmp_path / "others", seed=2), _tried(iqatune, tmp_path / "small", 3, "--resize", 20)]
    copies = 0
    for kind in ("statistics/", "baselines/"):
        own = [tried.cache / name for name in _named(tried, kind)]
        foreign = [other.cache / name for other in others for name in _named(other, kind)]
        assert len({path.stat().st_size for path in (*own, *foreign)}) <= 2
        pairs = [*permutations(own, 2), *((source, target) for source in foreign for target in own)]
        for source, target in pairs:
            name = target.relative_to(tried.cache).as_posix()
            assert outcome(name, lambda cache, name=name, source=source: shutil.copy(source, cache / name)), name
            copies += 1
    assert copies == 2 * (3 * 2 + 2 * 3 * 3)
    for name, memo in permutations(MEMOS, 2):
        assert outcome(name, lambda cache, name=name, memo=memo: shutil.copy(cache / memo, cache / name))


def test_memos_of_another_folder_are_good_for_nothing_here(
    iqatune: Callable[..., Any], tried: Tried, outcome: Callable[..., bool], tmp_path: Path
) -> None:
    """They are whole, so nothing is told; of the files here they know nothing."""
    other = _tried(iqatune, tmp_path / "others", seed=2)
    for name in MEMOS:
        assert not outcome(name, lambda cache, name=name: shutil.copy(other.cache / name, cache / name))
    # as of a machine that has other images under the same paths, of the same sizes and dates
    images = tried.cache.parent / "images"
    dates = {path: path.stat().st_mtime_ns for path in images.iterdir()}
    shutil.rmtree(images)
    _write_set(images, seed=2)
    for path, date in dates.items():
        os.utime(path, ns=(date, date))
    ran = iqatune(*tried.evaluate, "--cache-dir", tried.cache, "--quiet")
    recorded, now = (found["results"][0]["protocol"] for found in (tried.figures, json.loads(ran.out)))
    assert recorded["dataset_sha256"] != now["dataset_sha256"]


def test_files_of_earlier_releases_are_not_believed(tried: Tried, outcome: Callable[..., bool]) -> None:
    from safetensors.numpy import load_file, save_file

    (statistics, *_), (baseline, *_) = _named(tried, "statistics/"), _named(tried, "baselines/")

    def without_key(cache: Path) -> None:
        from hashlib import sha256

        moments = load_file(cache / statistics)["moments"] + 1
        save_file({"moments": moments}, cache / statistics, metadata={"sha256": sha256(moments.data).hexdigest()})

    assert outcome(statistics, without_key)
    assert outcome(baseline, lambda cache: (cache / baseline).write_text(json.dumps([1.0] * 9)))


def _replace_kept(folder: Path, *, in_place: bool) -> None:
    """Let the least and the most damaged version of every reference change places; sizes and dates stay."""
    for reference in range(3):
        one, other = folder / f"r{reference}-1.bmp", folder / f"r{reference}-3.bmp"
        for path, data in ((one, other.read_bytes()), (other, one.read_bytes())):
            before = path.stat()
            assert before.st_size == len(data)
            if not in_place:
                path.unlink()
            path.write_bytes(data)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("in_place", [True, False])
def test_an_image_replaced_by_one_of_the_same_size_and_date_is_another(
    in_place: bool, iqatune: Callable[..., Any], tried: Tried, tmp_path: Path
) -> None:
    _replace_kept(tried.cache.parent / "images", in_place=in_place)
    found, right = (
        json.loads(iqatune(*tried.evaluate, "--cache-dir", cache, "--quiet").out)
        for cache in (tried.cache, tmp_path / "new")
    )
    assert found == right
    assert found["results"][0]["srcc"] != tried.figures["results"][0]["srcc"]


def test_replay_reads_every_image_whatever_is_remembered(
    iqatune: Callable[..., Any], tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that shows neither times of change nor inodes."""
    told = os.stat

    def blind(path: Any, **settings: Any) -> Any:
        status = told(path, **settings)
        return _Blind(status) if str(path).endswith(".bmp") else status

    monkeypatch.setattr(os, "stat", blind)
    evaluate = (*tried.evaluate, "--cache-dir", tried.cache, "--quiet")
    assert json.loads(iqatune(*evaluate).out) == tried.figures  # the memo holds the blind stamps now
    replay = ("replay", tried.record, "--cache-dir", tried.cache)
    assert iqatune(*replay).code == 0
    _replace_kept(tried.cache.parent / "images", in_place=True)
    assert json.loads(iqatune(*evaluate).out) == tried.figures
    ran = iqatune(*replay)
    assert ran.code == 1
    assert "dataset_sha256" in ran.out + ran.err
    # and what replay found is what counts from now on
    assert json.loads(iqatune(*evaluate).out) != tried.figures


class _Blind:
    def __init__(self, status: os.stat_result) -> None:
        self._status = status

    def __getattr__(self, name: str) -> Any:
        return 0 if name in ("st_ctime_ns", "st_ino") else getattr(self._status, name)


@pytest.mark.parametrize("verb", ["extract", "evaluate"])
def test_an_image_changed_while_it_is_being_read_is_refused(
    verb: str, iqatune: Callable[..., Any], tried: Tried, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its digest is of what it was before, and its figures would be kept under that."""
    from iqatune.scoring import measured
    from iqatune.statistics import extract

    changed = tried.cache.parent / "images" / "r1-2.bmp"
    room = extract if verb == "extract" else measured
    read_transformed = room.read_transformed

    def changing(path: Path, transform: str, resize: int | None) -> Any:
        if path == changed:
            path.write_bytes(path.read_bytes())
        return read_transformed(path, transform, resize)

    monkeypatch.setattr(room, "read_transformed", changing)
    cache = tmp_path / "new"
    if verb == "extract":
        command: tuple[object, ...] = ("extract", *tried.options, *BACKBONE)
    else:
        command = tried.evaluate
        shutil.copytree(tried.cache / "statistics", cache / "statistics")
    ran = iqatune(*command, "--cache-dir", cache, "--quiet")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"iqatune: {changed}: was changed while it was being read")
    kept = {path.name for path in _files(cache)} - {path.name for path in _files(tried.cache)}
    assert kept == set()
    monkeypatch.undo()
    assert iqatune(*command, "--cache-dir", cache, "--quiet").code == 0


PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def _without_roots_rights() -> None:
    """Permissions count for root as well, once the programs that it starts may not override them."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


Shell = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell() -> Shell:
    """Run `iqatune ARGUMENTS...` in a process of its own, for which permissions count."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "iqatune", *map(str, arguments)]
        return subprocess.run(
            command, preexec_fn=_without_roots_rights, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture
def read_only(tried: Tried) -> Iterator[Path]:
    """The cache, with no right to write anywhere in it."""
    places = [tried.cache, *tried.cache.rglob("*")]
    for place in places:
        place.chmod(place.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    probe = [sys.executable, "-c", f"open({str(tried.cache / 'probe')!r}, 'w')"]
    if subprocess.run(probe, preexec_fn=_without_roots_rights, capture_output=True, check=False).returncode == 0:
        pytest.skip("needs a system on which permissions count for this user")
    yield tried.cache
    for place in places:
        place.chmod(place.stat().st_mode | stat.S_IWUSR)


def _state(cache: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in _files(cache)}


def test_a_read_only_cache_that_holds_everything_works(
    read_only: Path, tried: Tried, shell: Shell, tmp_path: Path
) -> None:
    before = _state(read_only)
    cache = ("--cache-dir", read_only, "--quiet")
    searched = shell("search", *tried.options, *SEARCH, *cache, "--output", tmp_path / "runs", "--json")
    assert (searched.returncode, searched.stderr) == (0, "")
    assert json.loads(searched.stdout)["best"] == json.loads(tried.record.read_text())["best"]
    evaluated = shell(*tried.evaluate, *cache)
    assert (evaluated.returncode, evaluated.stderr) == (0, "")
    assert json.loads(evaluated.stdout) == tried.figures
    replayed = shell("replay", tried.record, *cache)
    assert (replayed.returncode, replayed.stderr) == (0, "")
    assert _state(read_only) == before


def test_a_read_only_cache_that_lacks_something_is_named(
    read_only: Path, tried: Tried, shell: Shell, tmp_path: Path
) -> None:
    before = _state(read_only)
    # the statistics of images that it does not know, and a baseline
    other = _write_set(tmp_path / "others", seed=2)
    for command, says in (
        (("search", *other, *SEARCH, "--output", tmp_path / "runs"), f"{read_only}/statistics/squeezenet-"),
        ((*tried.evaluate, "--baseline", "fsim"), f"{read_only}/baselines/fsim-"),
    ):
        ran = shell(*command, "--cache-dir", read_only, "--quiet")
        assert (ran.returncode, ran.stdout) == (2, "")
        *warnings, line = ran.stderr.splitlines()
        assert line.startswith(f"iqatune: {says}")
        assert "cannot be written (Permission denied)" in line
        assert line.endswith("or name another place, and run it again")
        assert all(re.match(rf"warning: {read_only}/(digests|pictures).json: not kept", line) for line in warnings)
    assert _state(read_only) == before
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("result.json"))


def test_a_read_only_cache_may_lack_what_only_saves_time(
    read_only: Path, tried: Tried, shell: Shell, tmp_path: Path
) -> None:
    """The images moved: all statistics are there, and the digests are made anew."""
    moved = shutil.copytree(tried.cache.parent / "images", tmp_path / "moved")
    ran = shell("replay", tried.record, "--pairs", moved / "labels.csv", "--cache-dir", read_only, "--quiet")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stderr.splitlines()
    assert lines
    assert all(line.startswith(f"warning: {read_only}/digests.json: not kept") for line in lines), lines


@pytest.mark.parametrize(("largest", "name"), [(1_000, "digests.json"), (40_000, "statistics/squeezenet-")])
def test_a_full_cache_is_named_and_keeps_what_it_has(
    largest: int,
    name: str,
    tried: Tried,
    iqatune: Callable[..., Any],
    files_of_at_most: Callable[..., Any],
    tmp_path: Path,
) -> None:
    cache = shutil.copytree(tried.cache, tmp_path / "full")
    for damaged in [cache / "digests.json", *(cache / "statistics").rglob("*.safetensors")]:
        damaged.write_bytes(b"damaged")
    before = _state(cache)
    with files_of_at_most(largest):
        ran = iqatune("extract", *tried.options, *BACKBONE, "--cache-dir", cache, "--quiet")
    assert (ran.code, ran.out) == (2, ""), ran.err
    assert ran.last_line.startswith(f"iqatune: {cache}/{name}")
    assert "cannot be written (File too large)" in ran.last_line
    now = _state(cache)
    assert {path for path in now if before[path] != now[path]} <= {f"{cache}/digests.json"}
    assert now.keys() == before.keys()  # no temporary file either
    assert iqatune("extract", *tried.options, *BACKBONE, "--cache-dir", cache, "--quiet").code == 0
    assert json.loads(iqatune(*tried.evaluate, "--cache-dir", cache, "--quiet").out) == tried.figures
