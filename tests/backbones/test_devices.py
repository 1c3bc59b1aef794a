import pytest
import torch

from iqatune.backbones.devices import resolve_device
from iqatune.errors import InputError


def _gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("name", "gpus", "device"),
    [("auto", 0, "cpu"), ("auto", 2, "cuda"), ("cpu", 2, "cpu"), ("cuda", 1, "cuda"), ("cuda:1", 2, "cuda:1")],
)
def test_names_of_devices(name: str, gpus: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _gpus(monkeypatch, gpus)
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize(
    ("name", "gpus", "message"),
    [
        ("cuda", 0, "no CUDA GPU"),
        ("cuda:0", 0, "no CUDA GPU"),
        ("cuda:2", 2, "the last one here is cuda:1"),
        ("cuda:", 2, "unknown device"),
        ("cuda:x", 2, "unknown device"),
        ("gpu", 2, "give auto, cpu, cuda or cuda:N"),
    ],
)
def test_devices_that_are_not_there_are_refused(
    name: str, gpus: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _gpus(monkeypatch, gpus)
    with pytest.raises(InputError, match=f"device={name}: .*{message}"):
        resolve_device(name)


def test_a_gpu_may_have_a_leading_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:01") == torch.device("cuda", 1)
