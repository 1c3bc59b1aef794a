"""CNNs that do not take every size: what images are padded to, and what a user is told by every verb."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from iqatune.backbones.network import Backbone
from iqatune.backbones.parameters import parameters_sha256
from iqatune.backbones.timm_source import _bicubic

LEVIT = ("--backbone", "timm:levit_128s", "--backbone-weights", "random")
"""A model of images of 224 x 224 alone."""


@pytest.mark.parametrize(
    ("name", "padding", "rows", "columns"),
    [
        ("hrnet_w18_small", "multiples of 32", 256, 352),
        ("vit_tiny_patch16_224", "multiples of 16", 256, 352),
        ("swin_tiny_patch4_window7_224", "multiples of 4", 256, 344),
    ],
)
def test_an_image_is_padded_and_the_maps_show_it_alone(
    name: str, padding: str, rows: int, columns: int, random_backbone: Callable[..., Backbone]
) -> None:
    """The maps are those that timm itself makes of the padded image, without those rows and columns beyond it."""
    backbone = random_backbone(f"timm:{name}")
    assert str(backbone.padding) == padding
    image = torch.rand(1, 3, 256, 341, generator=torch.Generator().manual_seed(2))
    normalised = (image - torch.tensor(backbone.mean).view(1, 3, 1, 1)) / torch.tensor(backbone.std).view(1, 3, 1, 1)
    padded = torch.zeros(1, 3, rows, columns)
    padded[:, :, :256, :341] = normalised
    with torch.no_grad():
        stages, whole = backbone(image)[1:], backbone._network(padded)
    for mine, other in zip(stages, whole, strict=True):
        expected = other.movedim(-1, 1) if "swin" in name else other
        down, across = rows / expected.shape[2], columns / expected.shape[3]
        assert mine.shape[2:] == (math.ceil(256 / down), math.ceil(341 / across))
        torch.testing.assert_close(mine, expected[:, :, : mine.shape[2], : mine.shape[3]])


def test_an_image_of_fitting_sides_is_taken_as_it_is(random_backbone: Callable[..., Backbone]) -> None:
    backbone = random_backbone("timm:hrnet_w18_small")
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        expected = backbone._network(backbone._normalised(image))
        assert all(torch.equal(mine, other) for mine, other in zip(backbone(image)[1:], expected, strict=True))


def test_a_model_of_one_size_is_built_for_others_with_the_same_parameters(
    random_backbone: Callable[..., Backbone],
) -> None:
    backbone = random_backbone("timm:visformer_tiny")
    digest = backbone.parameters_sha256
    image = torch.rand(1, 3, 100, 90)
    with torch.inference_mode():
        first = backbone(image)
    with torch.no_grad():
        again = backbone.placed(torch.device("cpu"), torch.float32)(image)
    assert all((mine - other).abs().max() < 1e-3 * mine.abs().max() for mine, other in zip(first, again, strict=True))
    assert parameters_sha256(backbone._network) == digest
    built = backbone._network_for((128, 96)).state_dict()
    ours = backbone._network.state_dict()
    differ = {key for key in ours if built[key].shape != ours[key].shape}
    assert differ == {"model.pos_embed1", "model.pos_embed2", "model.pos_embed3"}
    assert all(built[key].data_ptr() == ours[key].data_ptr() for key in ours if key not in differ)
    # of a table that rises evenly, what is resampled rises evenly: values at the centres of the new places
    table = torch.linspace(0, 1, 14)[:, None] + torch.linspace(1, 2, 14)
    resized = _bicubic(table[None, None], (8, 6))[0, 0]
    down, across = (((np.arange(count) + 0.5) * 14 / count - 0.5) / 13 for count in (8, 6))
    np.testing.assert_allclose(resized.numpy()[1:-1, 1:-1], (down[:, None] + 1 + across)[1:-1, 1:-1], atol=0.02)
    image.requires_grad_()
    backbone(image)[-1].sum().backward()  # what was built in inference mode takes part in gradients
    assert image.grad is not None


def test_an_error_that_is_not_of_the_size_stays_a_defect(random_backbone: Callable[..., Backbone]) -> None:
    backbone = random_backbone("squeezenet")
    with pytest.raises(RuntimeError, match="size of tensor a"):
        backbone(torch.rand(1, 7, 64, 64))


@pytest.fixture
def large(small_set: Any, tmp_path: Path) -> tuple[str, ...]:
    """The small set at 240 x 232 pixels, which that CNN refuses; it takes the set's own 40 x 36, padded."""
    for path in small_set.folder.glob("*.png"):
        with Image.open(path) as image:
            image.resize((240, 232)).save(tmp_path / path.name)
    shutil.copy(small_set.labels, tmp_path / "large.csv")
    return "--dataset", "csv", "--pairs", str(tmp_path / "large.csv"), "--better", "higher"


def test_verbs_refuse_the_size_in_a_line_and_score_goes_on(
    small_set: Any, large: tuple[str, ...], iqatune: Callable[..., Any], tmp_path: Path
) -> None:
    says = "--backbone timm:levit_128s: cannot take images of 232 x 240 pixels (height x width), it is made for 224 x"
    search = (*LEVIT, "--searcher", "random", "--samples", 2, "--folds", 0, "--cache-dir", "c")
    ran = iqatune("search", *large, *search)
    assert ran.code == 2
    assert ran.last_line.startswith(f"iqatune: {tmp_path}/ref0.png: {says}")
    assert iqatune("search", *small_set.options, *search).code == 0
    result = next(Path("runs").rglob("result.json"))
    assert json.loads(result.read_text())["protocol"]["padding"] == {"multiple": 224, "square": True}
    ran = iqatune("evaluate", result, *large, "--cache-dir", "c")
    assert (ran.code, says in ran.last_line) == (2, True)

    small = small_set.folder
    mixed = tmp_path / "mixed.csv"
    names = [(f"{small}/ref0.png", f"{small}/blur0_1.png"), ("ref0.png", "blur0_1.png")]
    mixed.write_text("reference,distorted\n" + "".join(f"{first},{second}\n" for first, second in names))
    ran = iqatune("score", result, "--pairs", mixed, "--keep-going", "--json")
    assert ran.code == 2
    pairs = json.loads(ran.out)["pairs"]
    assert [pair["distance"] is None for pair in pairs] == [False, True]
    assert pairs[1]["error"].startswith(f"{tmp_path}/ref0.png: {says}")


def test_doctor_tries_the_sizes_of_the_data(
    small_set: Any, large: tuple[str, ...], iqatune: Callable[..., Any]
) -> None:
    only = ("--only", "data", "--only", "backbone", "--json")
    found = {}
    for name, options in (("refused", large), ("taken", small_set.options)):
        ran = iqatune("doctor", *options, *LEVIT, *only)
        found[name] = ran.code, {finding["check"]: finding for finding in json.loads(ran.out)["findings"]}
    code, findings = found["refused"]
    assert (code, findings["taken sizes"]["level"]) == (1, "problem")
    assert findings["taken sizes"]["says"].startswith("1 refused (54 images, as ")
    says = "1 of 1 sizes tried: --backbone timm:levit_128s: cannot take images of 232 x 240"
    assert says in findings["taken sizes"]["says"]
    code, findings = found["taken"]
    taken = "the backbone takes 40x36, padded to squares of multiples of 224; 1 of 1 sizes tried"
    assert (code, findings["taken sizes"]["says"]) == (0, taken)
    assert findings["size"]["says"].startswith(
        "images are padded to squares of multiples of 224 pixels; channels 3 128"
    )


MULTIPLE = {"vit_": 16, "hrne": 32, "swin": 4}
PADDED = (
    "vit_tiny_patch16_224@2,5",
    pytest.param("hrnet_w18_small@0,1", marks=pytest.mark.thorough),
    pytest.param("swin_tiny_patch4_window7_224@0,1", marks=pytest.mark.thorough),
)


@pytest.mark.parametrize("name", PADDED)
def test_the_record_holds_taps_and_padding_and_everything_agrees(
    name: str, small_set: Any, iqatune: Callable[..., Any]
) -> None:
    """search, replay, score, export and the export's own scores, of images that are padded."""
    backbone = ("--backbone", f"timm:{name}", "--backbone-weights", "random")
    search = (*backbone, "--searcher", "random", "--samples", 3, "--folds", 0, "--cache-dir", "c", "--space", "channel")
    ran = iqatune("search", *small_set.options, *search)
    assert ran.code == 0, ran.err
    folder = f"timm_{name}"
    (result,) = (Path("runs") / "csv" / folder).rglob("result.json")
    record = json.loads(result.read_text())
    taps = name.partition("@")[2].split(",")
    assert record["protocol"]["taps"] == taps
    assert record["protocol"]["padding"] == {"multiple": MULTIPLE[name[:4]], "square": False}
    assert record["run"]["backbone"] == f"timm:{name}"
    assert len(record["channels"]) == 3
    assert iqatune("replay", result, "--cache-dir", "c").code == 0
    assert iqatune("export", result, "--output", "m.safetensors").code == 0
    header = json.loads(_header("m.safetensors"))
    assert header["taps"] == taps
    assert header["padding"] == record["protocol"]["padding"]
    pair = (small_set.folder / "ref0.png", small_set.folder / "blur0_3.png")
    tuned, exported = (json.loads(iqatune("score", file, *pair, "--json").out) for file in (result, "m.safetensors"))
    assert tuned["pairs"][0]["distance"] == exported["pairs"][0]["distance"] > 0
    same = json.loads(iqatune("score", result, pair[0], pair[0], "--json").out)
    assert same["pairs"][0]["distance"] == 0


def _header(path: str) -> str:
    with safe_open(path, framework="numpy") as file:
        return str(file.metadata()["iqatune.metric"])
