"""Where parameters come from: the same seed, real files, files that do not fit, downloads that fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from iqatune.backbones.network import Backbone, build_backbone
from iqatune.errors import InputError

SQUEEZENET = "weights/squeezenet1_1_imagenet_fp16.pth"


@pytest.fixture(scope="module")
def whole() -> dict[str, Tensor]:
    """A whole SqueezeNet's parameters, classifier and all, as torchvision would save them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        network: nn.Module = torchvision.models.squeezenet1_1()
        return network.state_dict()


def _saved(state: Any, path: Path) -> str:
    torch.save(state, path)
    return str(path)


@pytest.mark.parametrize("name", ["squeezenet", "timm:mobilenetv3_small_050"])
def test_the_same_seed_gives_the_same_parameters(name: str) -> None:
    first, again, other = (build_backbone(name, "random", seed=seed) for seed in (3, 3, 4))
    assert first.parameters_sha256 == again.parameters_sha256 != other.parameters_sha256
    for mine, theirs in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", ["squeezenet", "timm:mobilenetv3_small_050"])
def test_the_global_random_state_neither_changes_nor_matters(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_backbone(name, "random")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert build_backbone(name, "random").parameters_sha256 == first.parameters_sha256


def test_random_convolutions_have_hes_variance(random_backbone: Callable[..., Backbone]) -> None:
    for key, tensor in random_backbone("vgg16").state_dict().items():
        if key.endswith("weight"):
            assert tensor.var().item() == pytest.approx(2 / tensor[0].numel(), rel=0.1), key
        else:
            assert not tensor.any(), key


def test_the_real_half_precision_squeezenet_loads_as_float32(test_data: Path) -> None:
    backbone = build_backbone("squeezenet", str(test_data / SQUEEZENET))
    published = torch.load(test_data / SQUEEZENET, weights_only=True)
    assert backbone.weights == "squeezenet1_1_imagenet_fp16.pth"
    for key, tensor in backbone._network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, published[key].float())
    assert len(backbone.parameters_sha256) == 64


@pytest.mark.parametrize(
    "form", ["bare", "wrapped", "parallel", "without classifier", "other classifier", "safetensors"]
)
def test_every_form_of_a_state_dict_gives_the_same_backbone(
    form: str, whole: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "saved.pth"
    features = {key: value for key, value in whole.items() if key.startswith("features")}
    if form == "safetensors":
        path = tmp_path / "saved.safetensors"
        save_file(whole, path)
    else:
        state = {
            "bare": whole,
            "wrapped": {"state_dict": whole, "epoch": 3},
            "parallel": {f"module.{key}": value for key, value in whole.items()},
            "without classifier": features,
            "other classifier": {**features, "classifier.1.weight": torch.zeros(10, 512, 1, 1)},
        }[form]
        torch.save(state, path)
    backbone = build_backbone("squeezenet", str(path))
    loaded = backbone._network.state_dict()
    assert loaded.keys() == features.keys()
    assert all(torch.equal(loaded[key], features[key]) for key in features)
    assert (
        backbone.parameters_sha256
        == build_backbone("squeezenet", _saved(features, tmp_path / "f.pt")).parameters_sha256
    )


@pytest.mark.parametrize("model", ["legacy_xception", "convnext_atto", "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_a_timm_model_loads_the_file_of_its_whole_model(model: str, tmp_path: Path) -> None:
    state = timm.create_model(model).state_dict()
    backbone = build_backbone(f"timm:{model}", _saved(state, tmp_path / "timm.pth"))
    by_values = {(tuple(value.shape), value.double().sum().item()) for value in state.values()}
    for key, tensor in backbone._network.state_dict().items():
        assert (tuple(tensor.shape), tensor.double().sum().item()) in by_values, key


def test_batch_counts_change_nothing(random_backbone: Callable[..., Backbone], tmp_path: Path) -> None:
    backbone = random_backbone("resnet50")
    state = {
        key: value for key, value in backbone._network.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    loaded = build_backbone("resnet50", _saved(state, tmp_path / "resnet.pth"))
    assert loaded.parameters_sha256 == backbone.parameters_sha256
    with torch.no_grad():
        assert loaded(torch.rand(1, 3, 32, 32))[-1].isfinite().all()


def test_one_changed_value_changes_the_hash(whole: dict[str, Tensor], tmp_path: Path) -> None:
    changed = {key: value.clone() for key, value in whole.items()}
    changed["features.12.expand3x3.bias"][7] += 1e-6
    whole_sha256, changed_sha256 = (
        build_backbone("squeezenet", _saved(state, tmp_path / f"{number}.pth")).parameters_sha256
        for number, state in enumerate((whole, changed))
    )
    assert whole_sha256 != changed_sha256


def _refused(name: str, weights: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build_backbone(name, weights)
    assert "\n" not in str(caught.value)
    assert weights in str(caught.value)


def test_a_file_of_another_architecture_is_refused(test_data: Path) -> None:
    path = str(test_data / SQUEEZENET)
    _refused("vgg16", path, r"does not fit this backbone \(has no 'features\.2\.weight'.* is 'features\.0\.weight'")
    _refused(
        "timm:mobilenetv3_small_050",
        path,
        r"does not fit this backbone \(has no 'conv_stem\.weight'.* is 'features\.0\.weight'",
    )


def test_a_wrong_shape_names_the_key_and_both_shapes(whole: dict[str, Tensor], tmp_path: Path) -> None:
    path = _saved({**whole, "features.3.squeeze.weight": torch.zeros(8, 64, 1, 1)}, tmp_path / "a.pth")
    _refused("squeezenet", path, r"'features\.3\.squeeze\.weight' has shape \(8, 64, 1, 1\), not \(16, 64, 1, 1\)")


def test_a_missing_key_is_named(whole: dict[str, Tensor], tmp_path: Path) -> None:
    state = {key: value for key, value in whole.items() if key != "features.7.squeeze.bias"}
    _refused("squeezenet", _saved(state, tmp_path / "a.pth"), r"has no 'features\.7\.squeeze\.bias'")


@pytest.mark.parametrize(("smaller", "larger"), [("resnet50", "resnet101"), ("timm:resnet50", "timm:resnet101")])
def test_a_deeper_relative_is_refused_although_all_keys_are_there(smaller: str, larger: str, tmp_path: Path) -> None:
    library = timm.create_model if larger.startswith("timm:") else torchvision.models.get_model
    with torch.device("meta"):
        keys = library(larger.removeprefix("timm:")).state_dict()
    state = {key: torch.zeros(value.shape, dtype=torch.float16) for key, value in keys.items()}
    _refused(smaller, _saved(state, tmp_path / "deep.pth"), r"'layer3\.6\.conv1\.weight' is no parameter of this CNN")


def test_parameters_that_are_not_finite_are_refused(whole: dict[str, Tensor], tmp_path: Path) -> None:
    state = {**whole, "features.0.bias": torch.full((64,), torch.nan)}
    _refused("squeezenet", _saved(state, tmp_path / "a.pth"), r"'features\.0\.bias' contains NaN")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not parameters at all", b"PK\x03\x04 and then nothing"])
def test_a_file_that_is_no_state_dict_is_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    _refused("squeezenet", str(path), "not a readable file of tensors")


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, torch.zeros(3)])
def test_a_saved_object_that_is_no_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    _refused("squeezenet", _saved(content, tmp_path / "other.pth"), "contains no state dict")


def test_code_in_a_parameter_file_is_not_run(tmp_path: Path) -> None:
    _refused("squeezenet", _saved({"model": torchvision.ops.MLP(1, [1])}, tmp_path / "code.pth"), "not a readable")


@pytest.mark.parametrize(
    ("weights", "message"),
    [("pretraned", "did you mean 'pretrained'"), ("nowhere/vgg.pth", "no such file; give pretrained, random or")],
)
def test_neither_a_word_nor_a_file(weights: str, message: str) -> None:
    _refused("squeezenet", weights, message)


def _unreachable(*_: object, **__: object) -> None:
    raise URLError("Name or service not known")


@pytest.mark.parametrize("name", ["squeezenet", "xception", "timm:resnet18"])
def test_a_failed_download_says_what_to_give_instead(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("urllib.request.urlopen", _unreachable)
    monkeypatch.setattr("torch.hub.urlopen", _unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"could not be downloaded.*not known.*backbone_weights=FILE.*random"):
        build_backbone(name, "pretrained")


def test_a_damaged_download_says_what_to_give_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise RuntimeError('invalid hash value (expected "b8a52dc0", got "00")')

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", damaged)
    with pytest.raises(InputError, match="invalid hash value"):
        build_backbone("squeezenet", "pretrained")


def test_pretrained_loads_what_torchvision_downloads(
    monkeypatch: pytest.MonkeyPatch, whole: dict[str, Tensor], tmp_path: Path
) -> None:
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: whole)
    backbone = build_backbone("squeezenet", "pretrained")
    assert backbone.weights == "pretrained"
    from_file = build_backbone("squeezenet", _saved(whole, tmp_path / "same.pth"))
    assert backbone.parameters_sha256 == from_file.parameters_sha256


def test_a_timm_model_that_nobody_trained_is_refused() -> None:
    with pytest.raises(InputError, match=r"timm:darknet17: timm has no pretrained parameters.*random"):
        build_backbone("timm:darknet17", "pretrained")
