"""CNNs that do not take every size: what a user is told, by every verb that passes images through one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from iqatune.backbones.network import Backbone
from iqatune.errors import InputError

DLA = ("--backbone", "timm:dla46_c", "--backbone-weights", "random")


@pytest.mark.parametrize(
    ("name", "size", "fits"),
    [
        ("hrnet_w18_small", (256, 341), "though it takes 256 x 352"),
        ("dla34", (256, 341), "though it takes 256 x 352"),
        ("dla46_c", (256, 341), "though it takes 256 x 352"),
        ("mvitv2_tiny", (256, 341), "it is made for 224 x 224"),
        ("swin_tiny_patch4_window7_224", (66, 83), "though it takes 64 x 96"),
    ],
)
def test_a_size_that_is_refused_is_told_with_one_that_fits(
    name: str, size: tuple[int, int], fits: str, random_backbone: Callable[..., Backbone]
) -> None:
    backbone = random_backbone(f"timm:{name}")
    with pytest.raises(InputError) as refused, torch.inference_mode():
        backbone(torch.rand(1, 3, *size))
    assert f"cannot take images of {size[0]} x {size[1]} pixels (height x width), {fits} (" in str(refused.value)
    height, width = map(int, fits.split()[-3::2])
    with torch.inference_mode():
        assert len(backbone(torch.rand(1, 3, height, width))) == len(backbone.channels)


def test_an_error_that_is_not_of_the_size_stays_a_defect(random_backbone: Callable[..., Backbone]) -> None:
    backbone = random_backbone("squeezenet")
    with pytest.raises(RuntimeError, match="size of tensor a"):
        backbone(torch.rand(1, 7, 64, 64))


@pytest.fixture
def squares(small_set: Any, tmp_path: Path) -> tuple[str, ...]:
    """The small set at 32 x 32 pixels, which that CNN takes; it refuses the set's own 40 x 36."""
    for path in small_set.folder.glob("*.png"):
        with Image.open(path) as image:
            image.resize((32, 32)).save(tmp_path / path.name)
    shutil.copy(small_set.labels, tmp_path / "squares.csv")
    return "--dataset", "csv", "--pairs", str(tmp_path / "squares.csv"), "--better", "higher"


def test_verbs_refuse_the_size_in_a_line_and_score_goes_on(
    small_set: Any, squares: tuple[str, ...], iqatune: Callable[..., Any], tmp_path: Path
) -> None:
    says = "--backbone timm:dla46_c: cannot take images of 36 x 40 pixels (height x width), though it takes 32 x 32"
    search = (*DLA, "--searcher", "random", "--samples", 2, "--folds", 0, "--cache-dir", "c")
    ran = iqatune("search", *small_set.options, *search)
    assert ran.code == 2
    assert ran.last_line.startswith(f"iqatune: {says}")
    assert iqatune("search", *squares, *search).code == 0
    result = next(Path("runs").rglob("result.json"))
    ran = iqatune("evaluate", result, *small_set.options, "--cache-dir", "c")
    assert (ran.code, says in ran.last_line) == (2, True)

    small = small_set.folder
    mixed = tmp_path / "mixed.csv"
    names = [("ref0.png", "blur0_1.png"), (f"{small}/ref0.png", f"{small}/blur0_1.png"), ("ref1.png", "blur1_2.png")]
    mixed.write_text("reference,distorted\n" + "".join(f"{first},{second}\n" for first, second in names))
    ran = iqatune("score", result, "--pairs", mixed, "--keep-going", "--json")
    assert ran.code == 2
    pairs = json.loads(ran.out)["pairs"]
    assert [pair["distance"] is None for pair in pairs] == [False, True, False]
    assert pairs[1]["error"].startswith(says)
    ran = iqatune("score", result, "--pairs", mixed)
    assert (ran.code, says in ran.last_line, ran.out) == (2, True, "")


def test_doctor_tries_the_sizes_of_the_data(
    small_set: Any, squares: tuple[str, ...], iqatune: Callable[..., Any]
) -> None:
    only = ("--only", "data", "--only", "backbone", "--json")
    found = {}
    for name, options in (("refused", small_set.options), ("taken", squares)):
        ran = iqatune("doctor", *options, *DLA, *only)
        found[name] = ran.code, {finding["check"]: finding for finding in json.loads(ran.out)["findings"]}
    code, findings = found["refused"]
    assert (code, findings["taken sizes"]["level"]) == (1, "problem")
    assert (
        "1 refused, 1 of 1 sizes tried: --backbone timm:dla46_c: cannot take images of 36 x 40"
        in (findings["taken sizes"]["says"])
    )
    code, findings = found["taken"]
    assert (code, findings["taken sizes"]["says"]) == (0, "the backbone takes 32x32; 1 of 1 sizes tried")
    assert "and larger" not in findings["size"]["says"]
