"""The stages of every backbone: how many channels, and the very maps that the CNN itself computes on its way."""

import copy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from iqatune.backbones import zoo
from iqatune.backbones.network import Backbone, build_backbone
from iqatune.errors import InputError

CHANNELS = {
    "vgg16": (3, 64, 128, 256, 512, 512),
    "vgg19": (3, 64, 128, 256, 512, 512),
    "alexnet": (3, 64, 192, 384, 256, 256),
    "squeezenet": (3, 64, 128, 256, 384, 512),
    "resnet50": (3, 64, 256, 512, 1024, 2048),
    "resnet101": (3, 64, 256, 512, 1024, 2048),
    "xception": (3, 64, 128, 256, 728, 2048),
    "timm:convnext_atto": (3, 40, 80, 160, 320),
    "timm:swin_tiny_patch4_window7_224": (3, 96, 192, 384, 768),
    "timm:mobilenetv3_small_050": (3, 16, 8, 16, 24, 288),
}
L2_BY_DEFAULT = {"vgg16", "vgg19"}


@pytest.mark.parametrize("name", CHANNELS)
def test_every_stage_has_its_channels(name: str, random_backbone: Callable[..., Backbone], images: Tensor) -> None:
    backbone = random_backbone(name)
    with torch.no_grad():
        stages = backbone(images)
    assert backbone.channels == CHANNELS[name]
    assert tuple(stage.shape[1] for stage in stages) == CHANNELS[name]
    assert stages[0] is images
    heights = [stage.shape[2] for stage in stages]
    assert heights == sorted(heights, reverse=True)
    assert all(stage.isfinite().all() and stage.var() > 0 for stage in stages)
    assert backbone.pooling == ("l2" if name in L2_BY_DEFAULT else "native")


def test_the_zoo_says_the_channels_that_the_cnns_have() -> None:
    named = {listed.info.name: (3, *listed.info.channels) for listed in zoo.available() if listed.info.channels}
    assert named == {name: channels for name, channels in CHANNELS.items() if not name.startswith("timm:")}


def test_maps_that_come_channels_last_are_permuted(random_backbone: Callable[..., Backbone]) -> None:
    backbone = random_backbone("timm:swin_tiny_patch4_window7_224")
    image = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(1))
    model = timm.create_model("swin_tiny_patch4_window7_224", features_only=True, strict_img_size=False).eval()
    model.load_state_dict(backbone._network.state_dict())
    mean, std = torch.tensor(backbone.mean).view(1, 3, 1, 1), torch.tensor(backbone.std).view(1, 3, 1, 1)
    with torch.no_grad():
        ours, theirs = backbone(image)[1:], model((image - mean) / std)
    assert [tuple(stage.shape[2:]) for stage in ours] == [(8, 16), (4, 8), (2, 4), (1, 2)]
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other.movedim(-1, 1))


def _sequential(
    name: str, whole: torchvision.models.VGG | torchvision.models.AlexNet, normalised: Tensor
) -> list[Tensor]:
    """The maps before every max pooling (VGG) or after every ReLU (AlexNet), told by what the layers are."""
    maps, last = [], normalised
    for layer in whole.features:
        if isinstance(layer, nn.MaxPool2d) and name != "alexnet":
            maps.append(last.clone())
        last = normalised = layer(normalised)
        if isinstance(layer, nn.ReLU) and name == "alexnet":
            maps.append(last.clone())
    return maps


def _squeezenet(whole: torchvision.models.SqueezeNet, normalised: Tensor) -> list[Tensor]:
    maps, fires = [], 0
    for layer in whole.features:
        normalised = layer(normalised)
        fires += type(layer).__name__ == "Fire"
        if isinstance(layer, nn.ReLU) or (type(layer).__name__ == "Fire" and fires % 2 == 0):
            maps.append(normalised.clone())
    return maps


def _resnet(whole: torchvision.models.ResNet, normalised: Tensor) -> list[Tensor]:
    first = whole.bn1(whole.conv1(normalised)).clamp(min=0)
    maps = [first]
    state = whole.maxpool(first)
    for layer in (whole.layer1, whole.layer2, whole.layer3, whole.layer4):
        state = layer(state)
        maps.append(state.clone())
    return maps


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("vgg16", "vgg16"),
        ("vgg19", "vgg19"),
        ("alexnet", "alexnet"),
        ("squeezenet", "squeezenet1_1"),
        ("resnet50", "resnet50"),
    ],
)
def test_stages_are_the_maps_of_torchvisions_own_forward_pass(
    name: str, model: str, random_backbone: Callable[..., Backbone], images: Tensor
) -> None:
    backbone = random_backbone(name, "native")
    with torch.device("meta"):
        whole = torchvision.models.get_model(model).eval()
    whole.load_state_dict(backbone._network.state_dict(), strict=False, assign=True)
    normalised = torchvision.transforms.functional.normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        if name == "squeezenet":
            expected = _squeezenet(whole, normalised)
        elif name == "resnet50":
            expected = _resnet(whole, normalised)
        else:
            expected = _sequential(name, whole, normalised)
        stages = backbone(images)[1:]
    for mine, theirs in zip(stages, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_xceptions_stages_are_the_maps_of_timms_own_forward_pass(
    random_backbone: Callable[..., Backbone], images: Tensor
) -> None:
    backbone = random_backbone("xception")
    whole = timm.create_model("legacy_xception", num_classes=0).eval()
    layer = whole.get_submodule
    whole.load_state_dict({key.removeprefix("body."): value for key, value in backbone._network.state_dict().items()})
    with torch.no_grad():
        state = layer("act1")(layer("bn1")(layer("conv1")((images - 0.5) / 0.5)))
        expected = [state := layer("act2")(layer("bn2")(layer("conv2")(state)))]
        for number in range(1, 13):
            state = layer(f"block{number}")(state)
            if number in (1, 2, 11):
                expected.append(state.clamp(min=0))
        state = layer("act3")(layer("bn3")(layer("conv3")(state)))
        expected.append(layer("act4")(layer("bn4")(layer("conv4")(state))))
        stages = backbone(images)[1:]
    for mine, theirs in zip(stages, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_tap_before_an_in_place_activation_keeps_its_negative_values(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tuple(f"features.{index}" for index in (0, 3, 6, 8, 10))  # alexnet's convolutions, each fed to a ReLU
    info = replace(zoo.ALEXNET, name="convolutions", taps=before)
    monkeypatch.setattr("iqatune.backbones.network.find", lambda name: info)
    with torch.no_grad():
        stages = build_backbone("convolutions", "random")(torch.rand(1, 3, 64, 64))
    assert all((stage < 0).any() for stage in stages[1:])


def test_a_backbone_is_frozen_and_in_eval_mode_but_passes_gradients_to_the_image() -> None:
    backbone = build_backbone("squeezenet", "random")
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    backbone(image)[-1].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["resnet50", "xception"])
def test_a_copy_of_a_backbone_works_as_the_backbone_does(
    name: str, random_backbone: Callable[..., Backbone], images: Tensor
) -> None:
    backbone = random_backbone(name)
    copied = copy.deepcopy(backbone)
    with torch.no_grad():
        for mine, theirs in zip(backbone(images), copied(images), strict=True):
            assert torch.equal(mine, theirs)


def test_only_the_part_up_to_the_last_tap_is_kept(random_backbone: Callable[..., Backbone]) -> None:
    keys = " ".join(random_backbone("vgg16").state_dict())
    assert "features.28" in keys
    assert "classifier" not in keys
    assert "fc" not in " ".join(random_backbone("resnet50").state_dict())


@pytest.mark.parametrize(("name", "pooling"), [("squeezenet", "native"), ("vgg16", "native"), ("alexnet", "native")])
def test_the_minimum_size_passes_and_one_less_is_refused(
    name: str, pooling: str, random_backbone: Callable[..., Backbone]
) -> None:
    backbone = random_backbone(name, pooling)
    smallest = backbone.minimum_size
    assert backbone(torch.rand(1, 3, smallest, smallest))[-1].numel() > 0
    with pytest.raises(InputError, match=rf"{name}.*{smallest - 1} x 99.*too small.*{smallest} x {smallest}"):
        backbone(torch.rand(1, 3, smallest - 1, 99))


def test_minimum_sizes_follow_from_the_layers(random_backbone: Callable[..., Backbone]) -> None:
    assert random_backbone("vgg16", "native").minimum_size == 16  # four halvings before the last block
    assert random_backbone("vgg16", "l2").minimum_size == 1  # padded: never empty
    assert random_backbone("squeezenet", "native").minimum_size == 17


def test_a_timm_model_of_one_size_takes_smaller_images_padded_and_names_it() -> None:
    backbone = build_backbone("timm:mixer_s32_224", "random")
    assert str(backbone.padding) == "squares of multiples of 224"
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        assert [tuple(stage.shape[2:]) for stage in backbone(image)[1:]] == [(7, 7)] * 4
        assert [tuple(stage.shape[2:]) for stage in backbone(image[..., :100, :65])[1:]] == [(4, 3)] * 4
    with pytest.raises(InputError, match=r"mixer_s32_224: cannot take images of 256 x 341 .*made for 224 x 224"):
        backbone(torch.rand(1, 3, 256, 341))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg91", r"backbone=vgg91: unknown backbone; did you mean 'vgg19'"),
        ("transformer", r"unknown backbone; known: vgg16, .*timm:NAME"),
        ("timm:", r"unknown backbone"),
        ("timm:resnt50", r"timm has no such model; did you mean .*resnet50"),
        ("timm:someone/something", r"timm has no such model"),
        ("timm:resnet18.foo", r"timm has no 'foo' of resnet18; those that there are: .*a1_in1k"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_backbone(name, "random")


def test_a_timm_model_without_feature_maps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:  # timm's own words, up to the release where every model has maps
        raise RuntimeError("features_only not implemented for Vision Transformer models.")

    monkeypatch.setattr("timm.create_model", refuse)
    with pytest.raises(InputError, match=r"timm:vit_tiny_patch16_224.*no feature maps"):
        build_backbone("timm:vit_tiny_patch16_224", "random")


def test_the_zoo_and_its_suggestions_do_without_torch() -> None:
    code = "import sys, iqatune.backbones.zoo as z; z.find('vgg16'); z.available(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_stages_of_vgg16_are_those_of_the_published_dists(
    monkeypatch: pytest.MonkeyPatch, random_backbone: Callable[..., Backbone], images: Tensor
) -> None:
    package = pytest.importorskip("DISTS_pytorch.DISTS_pt")
    backbone = random_backbone("vgg16")
    with torch.device("meta"):
        whole = torchvision.models.vgg16().eval()
    whole.load_state_dict(backbone._network.state_dict(), strict=False, assign=True)
    monkeypatch.setattr(package.models, "vgg16", lambda pretrained: whole)
    published = package.DISTS(load_weights=False)
    with torch.no_grad():
        ours, theirs = backbone(images), published.forward_once(images)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_a_backbone_is_copied_only_to_where_it_is_not(random_backbone: Callable[..., Backbone]) -> None:
    backbone = random_backbone("squeezenet")
    device = torch.device("cpu")
    placed = backbone.placed(device, torch.float32)
    assert placed is not backbone
    assert placed.placed(device, torch.float32) is placed
    assert placed.placed(device, torch.bfloat16) is not placed
    assert next(placed.parameters()).dtype == torch.float32
