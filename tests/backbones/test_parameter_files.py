"""Files of parameters as people have them: saved through wrappers, beside other things, or no parameters at all."""

import argparse
import gzip
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from iqatune.backbones.network import build_backbone
from iqatune.errors import InputError

State = dict[str, Any]


class _Holder(nn.Module):
    """A model that is an attribute of another, beside a part of its own."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.head = nn.Linear(3, 1)


@pytest.fixture(scope="module")
def squeezenet() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network: nn.Module = torchvision.models.squeezenet1_1()
        return network


@pytest.fixture(scope="module")
def sha256(squeezenet: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the parameters as a plain state dict holds them."""
    path = tmp_path_factory.mktemp("plain") / "plain.pth"
    torch.save(squeezenet.state_dict(), path)
    backbone = build_backbone("squeezenet", str(path))
    assert backbone.found_in == ""
    return backbone.parameters_sha256


def _under(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


class _Compiled(nn.Module):
    """A model under the name that torch.compile gives it; the test of the real one is slow."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._orig_mod = network


def _stepped(network: nn.Module) -> State:
    """The state of an optimizer that has made a step."""
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return optimizer.state_dict()


WRAPPERS: dict[str, tuple[Callable[[nn.Module], State], str]] = {
    "compiled": (lambda net: _Compiled(net).state_dict(), "the names under '_orig_mod.'"),
    "parallel": (lambda net: nn.DataParallel(net).state_dict(), "the names under 'module.'"),
    "compiled, then parallel": (
        lambda net: nn.DataParallel(_Compiled(net)).state_dict(),
        "the names under 'module._orig_mod.'",
    ),
    "parallel, then compiled": (
        lambda net: _Compiled(nn.DataParallel(net)).state_dict(),
        "the names under '_orig_mod.module.'",
    ),
    "twice": (
        lambda net: nn.DataParallel(nn.DataParallel(net)).state_dict(),
        "the names under 'module.module.'",
    ),
    "averaged": (lambda net: AveragedModel(net).state_dict(), "the names under 'module.'"),
    "an attribute": (lambda net: _Holder(net).state_dict(), "the names under 'net.'"),
    "Lightning": (
        lambda net: {"epoch": 3, "state_dict": _under("model.", net.state_dict()), "optimizer_states": [{}]},
        "the names under 'model.' of 'state_dict'",
    ),
    "beside an optimizer": (
        lambda net: {"model_state_dict": net.state_dict(), "optimizer": _stepped(net), "loss": torch.tensor(0.1)},
        "'model_state_dict'",
    ),
    "the average alone": (lambda net: {"state_dict_ema": net.state_dict(), "epoch": 1}, "'state_dict_ema'"),
    "deeper": (lambda net: {"nets": {"g": {"params": net.state_dict()}}}, "'params' in 'g' in 'nets'"),
    "the same twice": (lambda net: {"model": net.state_dict(), "ema": net.state_dict()}, "'model'"),
    "beside another architecture": (
        lambda net: {
            "teacher": torchvision.models.alexnet().state_dict(),
            "student": net.state_dict(),
            "discriminator": nn.Conv2d(3, 64, 3).state_dict(),
        },
        "'student'",
    ),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_parameters_are_found_in_their_wrapper(name: str, squeezenet: nn.Module, sha256: str, tmp_path: Path) -> None:
    wrapped, where = WRAPPERS[name]
    path = tmp_path / "wrapped.pth"
    torch.save(wrapped(squeezenet), path)
    backbone = build_backbone("squeezenet", str(path))
    assert (backbone.parameters_sha256, backbone.found_in) == (sha256, where)


@pytest.mark.slow
def test_what_torch_compiles_is_found(squeezenet: nn.Module, sha256: str, tmp_path: Path) -> None:
    compiled: Any = torch.compile(squeezenet)
    torch.save(compiled.state_dict(), tmp_path / "compiled.pth")
    backbone = build_backbone("squeezenet", str(tmp_path / "compiled.pth"))
    assert (backbone.parameters_sha256, backbone.found_in) == (sha256, "the names under '_orig_mod.'")


@pytest.mark.parametrize("name", ["resnet50", "timm:convnext_atto", "timm:mobilenetv3_small_050"])
def test_networks_with_batch_norm_and_timms_are_found_as_well(name: str, tmp_path: Path) -> None:
    library = timm.create_model if name.startswith("timm:") else torchvision.models.get_model
    network = library(name.removeprefix("timm:"))
    plain, averaged = tmp_path / "plain.pth", tmp_path / "averaged.pth"
    torch.save(network.state_dict(), plain)
    # buffers, of batch normalisation, are averaged only where that is asked for
    torch.save({"ema": _Compiled(AveragedModel(network, use_buffers=True)).state_dict()}, averaged)
    expected, found = (build_backbone(name, str(path)) for path in (plain, averaged))
    assert found.parameters_sha256 == expected.parameters_sha256
    assert found.found_in == "the names under '_orig_mod.module.' of 'ema'"


def test_the_suffix_does_not_matter(squeezenet: nn.Module, sha256: str, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("pytorch_model.bin", "last.ckpt", "torch.safetensors", "legacy.pth")]
    save_file(squeezenet.state_dict(), paths[0])
    torch.save({"state_dict": squeezenet.state_dict(), "epoch": 1}, paths[1])
    torch.save(squeezenet.state_dict(), paths[2])
    torch.save(squeezenet.state_dict(), paths[3], _use_new_zipfile_serialization=False)
    assert {build_backbone("squeezenet", str(path)).parameters_sha256 for path in paths} == {sha256}


def _refusal(content: State | None, path: Path, backbone: str = "squeezenet") -> str:
    if content is not None:
        torch.save(content, path)
    with pytest.raises(InputError) as refused:
        build_backbone(backbone, str(path))
    line = str(refused.value)
    assert str(path) in line
    assert "\n" not in line
    return line


def _other(state: State) -> State:
    return {key: value + 1 for key, value in state.items()}


def test_two_sets_that_fit_are_named_and_none_is_taken(squeezenet: nn.Module, tmp_path: Path) -> None:
    state = squeezenet.state_dict()
    line = _refusal({"model": state, "model_ema": _other(state), "epoch": 2}, tmp_path / "two.pth")
    assert "contains 2 sets of parameters that fit this backbone ('model', 'model_ema'); save the one" in line
    line = _refusal({**state, **_under("teacher.", _other(state))}, tmp_path / "flat.pth")
    assert "(the names themselves, the names under 'teacher.')" in line
    half = {key: value.half() for key, value in _other(state).items()}
    assert "'a', 'b'" in _refusal({"a": state, "b": half}, tmp_path / "half.pth")


def test_a_file_that_holds_itself_is_looked_into_once(squeezenet: nn.Module, sha256: str, tmp_path: Path) -> None:
    content: State = {f"part{number}": None for number in range(200)}
    content.update(dict.fromkeys(content, content), model=squeezenet.state_dict())
    torch.save(content, tmp_path / "itself.pth")
    assert build_backbone("squeezenet", str(tmp_path / "itself.pth")).parameters_sha256 == sha256


def test_a_deeper_relative_beside_does_not_fit(tmp_path: Path) -> None:
    states = {}
    for name in ("resnet18", "resnet34"):
        with torch.device("meta"):
            shapes = timm.create_model(name).state_dict()
        states[name] = {key: torch.zeros(value.shape, dtype=torch.float16) for key, value in shapes.items()}
    path = tmp_path / "both.pth"
    torch.save({"large": states["resnet34"], "small": states["resnet18"]}, path)
    assert build_backbone("timm:resnet18", str(path)).found_in == "'small'"
    assert build_backbone("timm:resnet34", str(path)).found_in == "'large'"


def test_what_does_not_fit_says_what_is_there(squeezenet: nn.Module, tmp_path: Path) -> None:
    state = squeezenet.state_dict()
    lacking = {key: value for key, value in state.items() if key != "features.3.squeeze.bias"}
    line = _refusal({"state_dict": _under("net.", lacking)}, tmp_path / "lacking.pth")
    assert "has no 'features.3.squeeze.bias' in the names under 'net.' of 'state_dict'" in line
    assert "the first of 51 names is 'net.features.0.weight'" in line
    line = _refusal({"net": {"conv.weight": torch.zeros(1)}, "epoch": 1}, tmp_path / "foreign.pth")
    assert "has no 'features.0.weight' in 'net', where the first of 1 names is 'conv.weight'" in line
    line = _refusal({"epoch": 3, "args": {"lr": 0.1}}, tmp_path / "none.pth")
    assert "contains no state dict (a mapping of names to tensors) but the keys 'epoch', 'args'" in line
    odd = {**state, "features.0.weight": state["features.0.weight"].to_sparse()}
    assert "has no 'features.0.weight'" in _refusal(odd, tmp_path / "sparse.pth")


class _Harmful:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


FORMS: dict[str, Callable[[State, Path], Any]] = {
    "zip": lambda content, path: torch.save(content, path),
    "legacy": lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    "protocol 4": lambda content, path: torch.save(content, path, pickle_protocol=4),
    "legacy, protocol 4": lambda content, path: torch.save(
        content, path, pickle_protocol=4, _use_new_zipfile_serialization=False
    ),
    "pickle": lambda content, path: path.write_bytes(pickle.dumps({"args": content["args"]})),
}


@pytest.mark.parametrize("form", FORMS)
def test_pickled_objects_are_named_and_never_made(
    form: str, squeezenet: nn.Module, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trace, path = tmp_path / "was-run", tmp_path / "args.pth"
    FORMS[form]({"state_dict": squeezenet.state_dict(), "args": [argparse.Namespace(lr=1), _Harmful(trace)]}, path)
    line = _refusal(None, path)
    assert "it contains pickled objects (argparse.Namespace, " in line
    assert "posix.mkdir" in line
    assert "save its state dict alone, as torch.save(model.state_dict(), FILE)" in line
    assert not trace.exists()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_pickled_model_is_named(legacy: bool, squeezenet: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(squeezenet, path, _use_new_zipfile_serialization=not legacy)
    line = _refusal(None, path)
    assert "it contains pickled objects (torch.nn.modules.activation.ReLU, " in line


def _cut(path: Path, state: dict[str, Tensor], save: Callable[[Any, Path], None]) -> None:
    save(state, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _exported(path: Path) -> None:
    torch.export.save(torch.export.export(nn.Conv2d(3, 4, 3), (torch.rand(1, 3, 8, 8),)), path)


OTHER_FILES: dict[str, tuple[Callable[[Path, State], Any], str]] = {
    "empty": (lambda path, _: path.touch(), "it is empty; get the file again"),
    "lfs": (
        lambda path, _: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        "it is a pointer of git LFS, which stands for the file; fetch the file itself with git lfs pull",
    ),
    "html": (lambda path, _: path.write_text("\n<!DOCTYPE html><title>404</title>"), "it is a web page"),
    "xml": (lambda path, _: path.write_text("<?xml version='1.0'?><Error>AccessDenied</Error>"), "it is a web page"),
    "script": (
        lambda path, _: torch.jit.trace(  # type: ignore[no-untyped-call]
            nn.Conv2d(3, 4, 3), torch.rand(1, 3, 8, 8)
        ).save(str(path)),
        "it is a TorchScript archive, which contains code; save its state dict alone",
    ),
    "program": (lambda path, _: _exported(path), "it is a program exported by torch (.pt2), which contains code"),
    "npz": (
        lambda path, _: np.savez(path.open("wb"), a=np.zeros(2), b=np.zeros(2)),
        "it contains numpy arrays (a, b); save them as tensors",
    ),
    "npy": (lambda path, _: np.save(path.open("wb"), np.zeros(2)), "it is one numpy array"),
    "sharded": (
        lambda path, _: path.write_text(json.dumps({"weight_map": {"a": "m-1.bin", "b": "m-2.bin", "c": "m-1.bin"}})),
        "it is the index of parameters in 2 files (m-1.bin, m-2.bin)",
    ),
    "json": (lambda path, _: path.write_text('{"a": [1]}'), "it is JSON text"),
    "hdf5": (lambda path, _: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), "it is an HDF5 file"),
    "gzip": (lambda path, _: path.write_bytes(gzip.compress(b"x")), "it is compressed; unpack it"),
    "cut zip": (lambda path, state: _cut(path, state, torch.save), "is cut off; get the file again"),
    "cut tensors": (lambda path, state: _cut(path, state, save_file), "damaged, or of another kind"),
    "text": (lambda path, _: path.write_text("lr = 0.1\n"), "damaged, or of another kind"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", OTHER_FILES)
def test_a_file_that_holds_no_tensors_says_what_it_is(kind: str, squeezenet: nn.Module, tmp_path: Path) -> None:
    write, says = OTHER_FILES[kind]
    path = tmp_path / "download.pth"
    write(path, squeezenet.state_dict())
    line = _refusal(None, path)
    assert f"not a readable file of tensors: {says}" in line or (says in line and kind == "cut zip")


def test_the_command_line_says_what_was_taken_cold_and_warm_and_shares_the_cache(
    squeezenet: nn.Module, sha256: str, small_set: Any, iqatune: Callable[..., Any]
) -> None:
    torch.save(squeezenet.state_dict(), "plain.pth")
    torch.save({"epoch": 2, "model_ema": nn.DataParallel(squeezenet).state_dict()}, "ema.pth")
    extract = ("extract", *small_set.options, "--backbone", "squeezenet", "--cache-dir", "c", "--json")
    plain = iqatune(*extract, "--backbone-weights", "plain.pth")
    first, again = (iqatune(*extract, "--backbone-weights", "ema.pth") for _ in range(2))
    says = "--backbone-weights ema.pth: took the names under 'module.' of 'model_ema'\n"
    assert "took" not in plain.err
    assert (first.err.count(says), again.err.count(says)) == (1, 1)
    assert [json.loads(ran.out)["computed"] for ran in (plain, first, again)] == [48, 0, 0]
    assert {json.loads(ran.out)["protocol"]["backbone_sha256"] for ran in (plain, first, again)} == {sha256}
    examined = iqatune("doctor", "--backbone", "squeezenet", "--backbone-weights", "ema.pth", "--only", "backbone")
    assert "the names under 'module.' of 'model_ema'" in " ".join(examined.out.split())
