"""The taps in a backbone's name: what they are, what is refused, and where they are kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st

from iqatune.backbones import zoo
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.errors import InputError
from iqatune.records.options import Run
from iqatune.records.paths import backbone_folder
from iqatune.records.result import Protocol
from iqatune.records.run_folder import RunFolder


@given(
    st.sampled_from(["vgg19", "resnet50", "timm:resnet18", "timm:hf-hub:a/b@v1"]),
    st.sets(st.integers(0, 30), min_size=1),
)
def test_what_stands_after_the_name_is_taken_apart(cnn: str, numbers: set[int]) -> None:
    taps = tuple(map(str, sorted(numbers)))
    assert zoo.parsed(f"{cnn}@{','.join(taps)}") == zoo.Named(cnn, taps)
    assert zoo.parsed(cnn) == zoo.Named(cnn)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:vit_tiny_patch16_224@2,12", "it has no tap 12; its maps are 0 to 11, -1 is the last"),
        ("timm:vit_tiny_patch16_224@5,2", "taps must go from the image to the deepest one; give @2,5"),
        ("timm:vit_tiny_patch16_224@11,-1", "names one map twice"),
        ("timm:vit_tiny_patch16_224@2,2", "tap 2 is given twice; keep one"),
        ("timm:vit_tiny_patch16_224@blocks.2", "'blocks.2' is not a number"),
        ("timm:vit_tiny_patch16_224@", "a tap without a name"),
        ("squeezenet@features.1,", "a tap without a name"),
        ("squeezenet@x", "has no module 'x'; known: features, "),
        ("squeezenet@features.11,features.99", "has no module 'features.99'; did you mean"),
        (
            "squeezenet@features.4,features.1",
            "taps must go from the image to the deepest one; give @features.1,features.4",
        ),
        ("squeezenet@features.1,flatten", "flatten gives no maps; tap a layer before"),
        ("vgg91@features.1", "unknown backbone; did you mean"),
    ],
)
def test_taps_that_are_none_are_refused_in_a_line(name: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        build_backbone(name, "random")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_maps_are_those_of_the_blocks_that_are_named(random_backbone: Callable[..., Backbone]) -> None:
    backbone = random_backbone("timm:vit_tiny_patch16_224@1,4")
    model = timm.create_model("vit_tiny_patch16_224", dynamic_img_size=True).eval()
    state = {key.removeprefix("model."): value for key, value in backbone._network.state_dict().items()}
    model.load_state_dict(state, strict=False)
    image = torch.rand(1, 3, 64, 48)
    maps: dict[int, torch.Tensor] = {}

    def keep(block: int, tokens: torch.Tensor) -> None:
        maps[block] = tokens[:, 1:].transpose(1, 2).reshape(1, -1, 4, 3)

    for block in (1, 4):
        model.blocks[block].register_forward_hook(  # type: ignore[union-attr, index]
            lambda _, __, tokens, block=block: keep(block, tokens)
        )
    with torch.no_grad():
        model(backbone._normalised(image))
        stages = backbone(image)[1:]
    for stage, expected in zip(stages, maps.values(), strict=True):
        torch.testing.assert_close(stage, expected)


def test_torchvisions_modules_are_tapped_by_name(random_backbone: Callable[..., Backbone]) -> None:
    own, asked = random_backbone("squeezenet"), random_backbone("squeezenet@features.4,features.12")
    image = torch.rand(1, 3, 64, 72)
    with torch.no_grad():
        every, some = own(image), asked(image)
    assert asked.channels == (3, 128, 512)
    assert asked.taps == ("features.4", "features.12")
    assert torch.equal(some[1], every[2])
    assert torch.equal(some[2], every[5])


@pytest.mark.parametrize(
    ("model", "taps"),
    [
        ("vit_tiny_patch16_224", ("2", "5", "8", "11")),
        ("mixer_s32_224", ("1", "3", "5", "7")),
        ("mobilenetv3_small_050", ("0", "1", "2", "3", "4")),
    ],
)
def test_models_of_one_stride_are_tapped_over_their_depth(
    model: str, taps: tuple[str, ...], random_backbone: Callable[..., Backbone]
) -> None:
    assert random_backbone(f"timm:{model}").taps == taps


def test_taps_and_odd_names_are_safe_in_a_folders_name() -> None:
    run = Run(dataset="demo", backbone="vgg19@features.3,features.8", searcher="random")
    assert RunFolder.of(Path("runs"), run).path.parts[2] == "vgg19@features.3,features.8"
    for name in ("timm:local-dir:../../x", "timm:local-dir:/" + "long/" * 80, "timm:local-dir:a\nb"):
        folder = backbone_folder(name)
        assert len(Path(folder).parts) == 1
        assert len(folder) < 140
        assert folder.isprintable()
    assert backbone_folder("timm:local-dir:/" + "a" * 300) != backbone_folder("timm:local-dir:/" + "a" * 301)


def test_a_record_without_taps_has_those_that_it_was_made_with(random_backbone: Callable[..., Backbone]) -> None:
    older = zoo.as_recorded("timm:vit_tiny_patch16_224", (), (3, 192, 192, 192))
    backbone = random_backbone(older)
    assert backbone.taps == ("9", "10", "11")
    default = timm.create_model("vit_tiny_patch16_224", features_only=True)
    assert tuple(default.feature_info.out_indices) == (9, 10, 11)  # type: ignore[union-attr, arg-type]
    for name, channels in (("squeezenet", (3, 64, 64, 64)), ("timm:resnet18", (3, 64, 64, 128, 256, 512))):
        assert zoo.as_recorded(name, (), channels) == name
    assert (
        zoo.as_recorded("timm:vit_tiny_patch16_224", ("1", "2", "3"), (3, 192, 192, 192)) == "timm:vit_tiny_patch16_224"
    )


def test_an_older_record_of_a_vit_replays_as_it_was(small_set: Any, iqatune: Callable[..., Any]) -> None:
    """A record as an earlier release wrote it: three last blocks, square sides, nothing said of taps."""
    search = ("--backbone-weights", "random", "--searcher", "random", "--samples", 2, "--folds", 0, "--cache-dir", "c")
    name = "timm:vit_tiny_patch16_224"
    assert iqatune("search", *small_set.options, "--backbone", f"{name}@-3,-2,-1", *search).code == 0
    (path,) = Path("runs").rglob("result.json")
    record = json.loads(path.read_text())
    assert record["protocol"]["taps"] == ["9", "10", "11"]
    for key in ("taps", "padding"):
        del record["protocol"][key]
    record["run"]["backbone"] = name
    del record["seal"]
    path.write_text(json.dumps(record))
    ran = iqatune("replay", path, "--cache-dir", "c", "--json")
    changed = [each["name"] for each in json.loads(ran.out)["changed"]]
    assert changed in ([], ["seal"])
    pair = (small_set.folder / "ref0.png", small_set.folder / "blur0_3.png")
    assert iqatune("score", path, *pair, "--force").code == 0


def test_what_is_told_of_older_protocols() -> None:
    known = {
        "pairs": 1, "references": 1, "label": "x", "better": "higher", "excluded": (), "missing": 0, "simulated": False,
        "resize": None, "interpolation": None, "pooling": "native", "structure": "covariance", "precision": "fp32",
        "dataset_sha256": "0" * 64, "backbone_weights": "random", "backbone_sha256": "0" * 64,
    }  # fmt: skip
    older, now = Protocol(**known), Protocol(**known, taps=("1", "2"), padding={"multiple": 16})
    assert older.as_made(now) == older
    assert now.as_made(older) == older
    assert now.as_made(now) == now
    # how moments are measured is told, and makes no protocol another one
    anew = now.model_copy(update={"statistics": 5})
    assert (now.as_made(anew), anew.as_made(now)) == (now, anew)
