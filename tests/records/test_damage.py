"""Bits flipped at random in what a search and an export write, and files copied over others of their kind.

Whatever was damaged is found by the verbs that read it, or the figures are what they were.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Copy = Callable[..., Path]
Command = Callable[..., Any]


def _says_the_same(text: bytes, other: bytes) -> bool:
    """Whether JSON says what another says, as 1E-05 does for 1e-05."""
    try:
        return bool(json.loads(text) == json.loads(other))
    except ValueError:
        return False


def _flips(content: bytes, count: int, seed: int) -> list[bytes]:
    """The content, each time with another bit flipped."""
    rng = np.random.default_rng(seed)
    flipped = []
    for place in rng.choice(8 * len(content), count, replace=False).tolist():
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        flipped.append(bytes(damaged))
    return flipped


@pytest.fixture
def distance(iqatune: Command, small_set: Any) -> Callable[[Path], float | None]:
    """D of a pair under a metric's file; None where the file is refused in a line."""
    pair = (small_set.folder / "ref0.png", small_set.folder / "noise0_3.png")

    def score(file: Path) -> float | None:
        ran = iqatune("score", file, *pair, "--json")
        if ran.code == 0:
            return float(json.loads(ran.out)["pairs"][0]["distance"])
        assert ran.code == 2, ran.err
        assert ran.out == ""
        assert len(ran.err.strip().splitlines()) == 1, ran.err
        return None

    return score


@pytest.mark.parametrize(("name", "count"), [("result.json", 130), ("trials.jsonl", 90)])
def test_flipped_bits_of_a_run(
    name: str, count: int, own_copy: Copy, distance: Callable[[Path], float | None], iqatune: Command, small_cache: Path
) -> None:
    run = own_copy(space="stage+1")
    whole, before = (run / name).read_bytes(), distance(run / "result.json")
    assert before is not None
    found = 0
    for damaged in _flips(whole, count, seed=1):
        (run / name).write_bytes(damaged)
        now = distance(run / "result.json")
        assert now in (None, before)
        found += now is None or _says_the_same(damaged, whole)
    assert found == count, "no bit of these is without meaning"
    # a replay says so too: a file that it cannot read, or a difference
    for damaged in _flips(whole, 12, seed=2):
        if _says_the_same(damaged, whole):
            continue
        (run / name).write_bytes(damaged)
        assert iqatune("replay", run / "result.json", "--cache-dir", small_cache).code in (1, 2)
        assert iqatune("report", run, "--output", "report").code == 2


@pytest.mark.parametrize("options", [(), ("--include-backbone",)], ids=["weights", "with backbone"])
def test_flipped_bits_of_an_export(
    options: tuple[str, ...], finished: Callable[..., Path], distance: Callable[[Path], float | None], iqatune: Command
) -> None:
    file = Path("metric.safetensors")
    assert iqatune("export", finished() / "result.json", "--output", file, *options).code == 0
    whole, before = file.read_bytes(), distance(file)
    assert before is not None
    found = 0
    for damaged in _flips(whole, 60, seed=3):
        file.write_bytes(damaged)
        now = distance(file)
        assert now in (None, before)
        found += now is None
    # among the bytes of a header, the spaces at its end alone mean nothing
    assert found >= 58


def test_copies_over_others_of_their_kind(
    own_copy: Copy, distance: Callable[[Path], float | None], iqatune: Command
) -> None:
    first, second = own_copy("first"), own_copy("second", seed=1)
    assert distance(first / "result.json") != distance(second / "result.json")
    for name in ("result.json", "trials.jsonl"):
        spoiled = Path(shutil.copytree(first, first.with_name(f"spoiled-{name}")))
        shutil.copy(second / name, spoiled / name)
        assert distance(spoiled / "result.json") is None
        assert iqatune("report", spoiled, "--output", "report").code == 2
    # both together are the other run, and say so
    shutil.copytree(second, first, dirs_exist_ok=True)
    assert distance(first / "result.json") == distance(second / "result.json")


def test_files_over_others_of_another_kind(
    own_copy: Copy, distance: Callable[[Path], float | None], iqatune: Command
) -> None:
    run = own_copy()
    assert iqatune("export", run / "result.json", "--output", run / "metric.safetensors").code == 0
    files = ("result.json", "trials.jsonl", "metric.safetensors")
    contents = {name: (run / name).read_bytes() for name in files}
    for name in files:
        for other in files:
            if other == name:
                continue
            (run / name).write_bytes(contents[other])
            for metric in ("result.json", "metric.safetensors"):
                if metric == name or (name == "trials.jsonl" and metric == "result.json"):
                    assert distance(run / metric) is None, (name, other)
        (run / name).write_bytes(contents[name])
