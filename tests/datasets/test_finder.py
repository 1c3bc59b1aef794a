"""Files are found whatever the case of their names, and never a wrong one."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqatune.datasets.files import FileFinder
from iqatune.errors import InputError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_an_exact_name_wins(tmp_path: Path) -> None:
    touch(tmp_path, "a/I01.bmp", "a/i01.bmp")
    finder = FileFinder(tmp_path)
    assert finder.find("a/i01.bmp") == tmp_path / "a" / "i01.bmp"
    assert finder.find("a/I01.bmp") == tmp_path / "a" / "I01.bmp"


def test_folders_in_any_case(tmp_path: Path) -> None:
    touch(tmp_path, "DST_imgs/AWGN/1600.awgn.1.PNG")
    assert FileFinder(tmp_path).find("dst_imgs/awgn/1600.AWGN.1.png") == tmp_path / "DST_imgs/AWGN/1600.awgn.1.PNG"


def test_png_in_place_of_bmp_but_not_the_other_way(tmp_path: Path) -> None:
    touch(tmp_path, "one.PNG", "two.bmp", "both.png", "both.bmp", "other.jpg")
    finder = FileFinder(tmp_path)
    assert finder.find("ONE.BMP") == tmp_path / "one.PNG"
    assert finder.find("both.BMP") == tmp_path / "both.bmp"
    assert finder.find("two.png") is None
    assert finder.find("other.bmp") is None


def test_absent_files_folders_and_broken_links(tmp_path: Path) -> None:
    touch(tmp_path, "file.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
    finder = FileFinder(tmp_path)
    for name in ("absent.png", "nowhere/file.png", "folder.png", "broken.png", "file.png/file.png"):
        assert finder.find(name) is None


def test_relative_root_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "sub/a.png")
    monkeypatch.chdir(tmp_path)
    assert FileFinder(Path("sub")).find("A.png") == tmp_path / "sub" / "a.png"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.booleans(), min_size=24, max_size=24))
def test_any_mixture_of_case(tmp_path_factory: pytest.TempPathFactory, upper: list[bool]) -> None:
    root = tmp_path_factory.getbasetemp() / "mixture"
    touch(root, "Distorted_Images/i25_17_3.bmp")
    name = "distorted_images/i25_17_3.bmp"
    mixed = "".join(letter.upper() if up else letter for letter, up in zip(name, [*upper, *upper], strict=False))
    assert FileFinder(root).find(mixed) == root / "Distorted_Images" / "i25_17_3.bmp"


ONE, TWO = "\u00e9.png", "e\u0301.png"  # é as one character, and as a letter with an accent after it


@pytest.mark.parametrize(("on_disk", "asked"), [(ONE, TWO), (TWO, ONE), (TWO, ONE.upper()), (ONE.upper(), TWO)])
def test_letters_may_be_composed_otherwise(on_disk: str, asked: str, tmp_path: Path) -> None:
    folder = unicodedata.normalize("NFD", "Über")
    (tmp_path / folder).mkdir()
    (tmp_path / folder / on_disk).touch()
    assert FileFinder(tmp_path).find(f"Über/{asked}") == tmp_path / folder / on_disk


def test_between_two_names_that_look_the_same_nobody_guesses(tmp_path: Path) -> None:
    # a letter with two accents has three spellings that look the same
    spelled = ("e\u0323\u0301.png", "\u00e9\u0323.png")
    for name in spelled:
        (tmp_path / name).touch()
    finder = FileFinder(tmp_path)
    assert [finder.find(name) for name in spelled] == [tmp_path / name for name in spelled]  # exact ones
    with pytest.raises(InputError, match="2 files that look like"):
        finder.find("\u1eb9\u0301.png")
