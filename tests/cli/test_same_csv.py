"""One CSV means the same pairs to search, score and doctor, however its names are written."""

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BACKBONE = ("--backbone", "squeezenet", "--backbone-weights", "random")


@pytest.fixture
def folder(small_set: Any, tmp_path: Path) -> Path:
    """Pairs of the small set under names that people have: folders, capitals, blanks, letters composed either way."""
    root = tmp_path / "set"
    for name, source in (
        ("Refs/Rot\u00e9.png", "ref0.png"),
        ("dist/a b.png", "noise0_1.png"),
        ("dist/Upper.PNG", "noise0_2.png"),
        (unicodedata.normalize("NFD", "dist/\u00dcbung \u00e9.png"), "noise0_3.png"),
        ("dist/converted.png", "noise0_4.png"),
        ("dist/a,b.png", "noise0_5.png"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(small_set.folder / source, root / name)
    return root


@pytest.fixture
def plain(folder: Path) -> list[tuple[str, str]]:
    """The pairs under the names that are on the disk."""
    reference = next((folder / "Refs").iterdir())
    names = ("a b.png", "Upper.PNG", unicodedata.normalize("NFD", "\u00dcbung \u00e9.png"), "converted.png", "a,b.png")
    return [(str(reference), str(folder / "dist" / name)) for name in names]


def _csv(path: Path, pairs: list[tuple[str, str]], mark: str = "") -> Path:
    rows = [f'"{first}","{second}",{place}' for place, (first, second) in enumerate(pairs, 1)]
    path.write_text("\r\n".join([f"{mark}Reference, Distorted ,SCORE", *rows]) + "\r\n", encoding="utf-8", newline="")
    return path


WAYS: dict[str, Callable[[str, Path], str]] = {
    "relative": lambda name, root: name,
    "dots": lambda name, root: f"./dist/../{name}",
    "backslashes": lambda name, root: ".\\" + name.replace("/", "\\"),
    "capitals": lambda name, root: name.upper(),
    "small letters": lambda name, root: name.lower(),
    "decomposed": lambda name, root: unicodedata.normalize("NFD", name),
    "composed": lambda name, root: unicodedata.normalize("NFC", name),
    "bmp": lambda name, root: str(Path(name).with_suffix(".bmp")),
    "absolute": lambda name, root: str(root / name),
    "blanks": lambda name, root: f"  {name}\t ",
    "doubled slashes": lambda name, root: name.replace("/", "//"),
}


OFTEN = ("backslashes", "small letters", "decomposed", "bmp")
"""Those that every run of the tests tries."""


@pytest.mark.parametrize(
    "way", [way if way in OFTEN else pytest.param(way, marks=pytest.mark.thorough) for way in WAYS]
)
def test_every_way_to_write_a_name_means_the_same_file_to_every_verb(
    way: str, folder: Path, plain: list[tuple[str, str]], iqatune: Callable[..., Any], small_cache: Path
) -> None:
    written = [tuple(WAYS[way](str(Path(name).relative_to(folder)), folder) for name in pair) for pair in plain]
    csv = _csv(folder / "pairs.csv", [(first, second) for first, second in written], mark="\ufeff")
    as_is = _csv(folder / "plain.csv", plain)
    options = ("--dataset", "csv", "--better", "higher", "--pairs")
    extract = ("extract", *BACKBONE, "--cache-dir", small_cache, "--json", *options)
    kept, found = (iqatune(*extract, path) for path in (as_is, csv))
    assert (kept.code, found.code) == (0, 0), found.err
    # nothing is computed: the same images, in the same order, under one reference
    assert json.loads(found.out)["computed"] == 0
    assert json.loads(found.out)["protocol"]["references"] == 1
    search = ("--searcher", "random", "--samples", 1, "--folds", 0, "--cache-dir", small_cache, "--quiet")
    assert iqatune("search", *options, as_is, *BACKBONE, *search).code == 0
    result = next(Path("runs").rglob("result.json"))
    distances = [
        [pair["distance"] for pair in json.loads(iqatune("score", result, "--pairs", path, "--json").out)["pairs"]]
        for path in (as_is, csv)
    ]
    assert distances[0] == distances[1]
    assert None not in distances[1]
    examined = json.loads(iqatune("doctor", "--only", "data", "--json", *options, csv).out)["findings"]
    assert [finding for finding in examined if finding["check"] in ("loading", "images", "sizes", "content")] == [
        finding
        for finding in examined
        if finding["check"] in ("images", "sizes", "content") and finding["level"] == "ok"
    ]


@pytest.mark.parametrize(
    "name", ["dist/converted.jpg", "dist/a", "converted.png", "C:\\dist\\converted.png", "dist/\0.png"]
)
def test_a_name_that_no_file_has_is_missing_to_every_verb(
    name: str, folder: Path, plain: list[tuple[str, str]], iqatune: Callable[..., Any], small_cache: Path
) -> None:
    as_is = _csv(folder / "plain.csv", plain)
    csv = _csv(folder / "pairs.csv", [*plain, (plain[0][0], name)])
    options = ("--dataset", "csv", "--better", "higher", "--pairs")
    search = (*BACKBONE, "--searcher", "random", "--samples", 1, "--folds", 0, "--cache-dir", small_cache, "--quiet")
    assert iqatune("search", *options, as_is, *search).code == 0
    ran = iqatune("search", *options, csv, *search)
    assert (ran.code, "no such image, though row 7" in ran.last_line) == (2, True)
    ran = iqatune("score", next(Path("runs").rglob("result.json")), "--pairs", csv, "--keep-going", "--json")
    assert ran.code == 2
    assert [pair["distance"] is None for pair in json.loads(ran.out)["pairs"]] == [False] * 5 + [True]
    examined = json.loads(iqatune("doctor", "--only", "data", "--json", *options, csv).out)["findings"]
    assert any(
        finding["check"] == "loading" and "no such image, though row 7" in finding["says"] for finding in examined
    )
