"""What is remembered of a backbone, and what makes it another one."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import torchvision

from iqatune.backbones import identity
from iqatune.backbones.identity import recall, remember
from iqatune.backbones.network import build_backbone
from iqatune.cli.progress import WarningsOnly
from iqatune.progress import Progress


@pytest.fixture
def parameters(tmp_path: Path) -> Path:
    """A SqueezeNet's parameters in a file."""
    path = tmp_path / "some.pth"
    torch.save(torchvision.models.squeezenet1_1().state_dict(), path)
    return path


def test_what_was_built_is_remembered(parameters: Path, tmp_path: Path) -> None:
    memo = tmp_path / "memo.json"
    for options in (("squeezenet", "random", "auto"), ("squeezenet", str(parameters), "l2")):
        assert recall(*options, memo=memo, progress=Progress()) is None
        built = build_backbone(*options).identity
        remember(built, *options, memo=memo, progress=Progress())
        assert recall(*options, memo=memo, progress=Progress()) == built
    found = recall("squeezenet", "random", "auto", memo=memo, progress=Progress())
    assert found is not None
    assert found.weights == "random"


def test_every_option_and_the_files_content_make_another(parameters: Path, tmp_path: Path) -> None:
    memo = tmp_path / "memo.json"
    options = ("squeezenet", str(parameters), "auto")
    remember(build_backbone(*options).identity, *options, memo=memo, progress=Progress())
    assert recall("squeezenet", str(parameters), "l2", memo=memo, progress=Progress()) is None
    assert recall("squeezenet", "random", "auto", memo=memo, progress=Progress()) is None
    assert recall("alexnet", str(parameters), "auto", memo=memo, progress=Progress()) is None
    moved = tmp_path / "folder" / parameters.name
    moved.parent.mkdir()
    shutil.copy(parameters, moved)
    assert recall("squeezenet", str(moved), "auto", memo=memo, progress=Progress()) is not None
    moved.write_bytes(moved.read_bytes() + b"!")
    assert recall("squeezenet", str(moved), "auto", memo=memo, progress=Progress()) is None
    moved.unlink()
    assert recall("squeezenet", str(moved), "auto", memo=memo, progress=Progress()) is None


def test_of_a_file_that_cannot_be_read_nothing_is_known(tmp_path: Path) -> None:
    # a folder in its place, for a test that runs as root can read every file
    memo = tmp_path / "memo.json"
    built = build_backbone("squeezenet", "random").identity
    remember(built, "squeezenet", str(tmp_path), "auto", memo=memo, progress=Progress())
    assert recall("squeezenet", str(tmp_path), "auto", memo=memo, progress=Progress()) is None
    assert not memo.exists()


def test_another_version_of_the_code_or_a_library_remembers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo = tmp_path / "memo.json"
    options = ("squeezenet", "random", "auto")
    remember(build_backbone(*options).identity, *options, memo=memo, progress=Progress())
    with monkeypatch.context() as patch:
        patch.setattr(identity, "VERSION", identity.VERSION + 1)
        assert recall(*options, memo=memo, progress=Progress()) is None
    monkeypatch.setattr(identity, "package_version", lambda package: "another")
    assert recall(*options, memo=memo, progress=Progress()) is None


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"KEY": 3}', '{"KEY": IDENTITY}', "[" * 100_000])
def test_a_damaged_memo_knows_nothing_and_is_made_anew(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last but one is a memo as earlier releases wrote it, without a checksum."""
    memo = tmp_path / "memo.json"
    options = ("squeezenet", "random", "auto")
    built = build_backbone(*options).identity
    remember(built, *options, memo=memo, progress=Progress())
    ((key, entry),) = json.loads(memo.read_text())["content"].items()
    memo.write_text(content.replace("KEY", key).replace("IDENTITY", json.dumps(entry)))
    assert recall(*options, memo=memo, progress=WarningsOnly()) is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: damaged cache file, computed again: {memo}: ")
    remember(built, *options, memo=memo, progress=WarningsOnly())
    assert capsys.readouterr().err == ""
    assert recall(*options, memo=memo, progress=Progress()) == built
