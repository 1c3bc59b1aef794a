"""Names under which timm finds models outside of itself: folders, and the hub where there is a network."""

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch

from iqatune.backbones import timm_source
from iqatune.backbones.identity import recall, remember
from iqatune.backbones.network import build_backbone
from iqatune.backbones.zoo import origin_of
from iqatune.errors import InputError
from iqatune.progress import Progress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a model as timm itself writes it."""
    model = timm.create_model("mobilenetv3_small_050")
    timm.models.save_for_hf(model, str(tmp_path / "own model"))
    return tmp_path / "own model"


def test_a_folders_model_is_what_was_saved_there(folder: Path) -> None:
    backbone = build_backbone(f"timm:local-dir:{folder}")
    saved = timm.create_model(f"local-dir:{folder}", pretrained=True, features_only=True).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for mine, other in zip(backbone(image)[1:], saved(backbone._normalised(image)), strict=True):
            torch.testing.assert_close(mine, other)
    assert build_backbone(f"timm:local-dir:{folder}@0,2").channels == (3, 16, 16)
    assert build_backbone(f"timm:local-dir:{folder}", "random").parameters_sha256 != backbone.parameters_sha256


def test_what_a_folder_holds_tells_its_backbone_from_others(folder: Path, tmp_path: Path) -> None:
    name, memo = f"timm:local-dir:{folder}", tmp_path / "memo.json"
    built = build_backbone(name).identity
    remember(built, name, "pretrained", "auto", memo=memo, progress=Progress())
    assert recall(name, "pretrained", "auto", memo=memo, progress=Progress()) == built
    before = origin_of(name)
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"]["mean"] = [0.1, 0.2, 0.3]
    (folder / "config.json").write_text(json.dumps(config))
    assert origin_of(name) != before
    assert recall(name, "pretrained", "auto", memo=memo, progress=Progress()) is None
    assert build_backbone(name).mean == (0.1, 0.2, 0.3)


def test_a_folder_without_a_model_is_told_in_a_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"not a folder of a timm model \(Config file not found.*name one that contains"
    ):
        build_backbone(f"timm:local-dir:{tmp_path / 'absent'}")
    (folder / "model.safetensors").write_bytes(b"damaged")
    for other in folder.glob("pytorch_model*"):
        other.unlink()
    with pytest.raises(InputError, match="its parameters cannot be read"):
        build_backbone(f"timm:local-dir:{folder}")
    (folder / "config.json").write_text('{"architecture": "nothing"}')
    with pytest.raises(InputError, match="architecture 'nothing', which timm does not know"):
        build_backbone(f"timm:local-dir:{folder}")
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="not a folder of a timm model"):
        build_backbone(f"timm:local-dir:{folder}")


def test_the_hub_without_a_network_is_one_helpful_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(timm_source, "check_answers", closed)
    with pytest.raises(InputError) as refused:
        build_backbone("timm:hf-hub:someone/nothing@main@0,1", "random")
    line = str(refused.value)
    assert "could not be downloaded from the Hugging Face hub (Network is unreachable)" in line
    assert "timm:local-dir:FOLDER" in line


def test_a_model_of_the_hub_that_was_downloaded_before_needs_no_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's own cache, as its client lays it out."""
    from huggingface_hub import constants

    revision = "0" * 40
    root = tmp_path / "hub" / "models--me--own"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(revision)
    shutil.copytree(folder, root / "snapshots" / revision)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    offline = build_backbone("timm:hf-hub:me/own")
    assert offline.parameters_sha256 == build_backbone(f"timm:local-dir:{folder}").parameters_sha256
