"""The GPU's kernels without a GPU: Triton's interpreter runs them on the CPU, and its compiler needs no device."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from iqatune.cli.progress import WarningsOnly
from iqatune.metric import moments
from iqatune.progress import Progress
from iqatune.statistics import fused_cpu, kernels

pytest.importorskip("triton", reason="torch brings Triton for Linux only")

# channels below, at and above the width of a tile, and no multiple of it; one piece of a map and several
SHAPES = ((3, 37, 53), (3, 131, 128), (64, 33, 35), (70, 5, 9), (200, 1, 1))
KINDS = ("float32", "bfloat16", "float16")

INTERPRETED = """
import sys
import torch
from iqatune.statistics import fused_gpu, kernels
assert kernels._on_gpu(torch.device("cpu")) is fused_gpu
stages = torch.load(sys.argv[1])
references = fused_gpu.reference_of([stage[:1] for stage in stages])
torch.save(fused_gpu.compared(references, stages), sys.argv[2])
"""

COMPILED = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from iqatune.statistics import fused_gpu
for kernel, values in ((fused_gpu._sum_kernel, ["values"]), (fused_gpu._product_kernel, ["reference", "values"])):
    types = {name: "*fp32" for name in kernel.arg_names} | {"count": "i32", "channels": "i32"}
    types |= {name: "*" + sys.argv[1] for name in values}
    types |= {name: "constexpr" for name in ("STEPS", "DOWN", "ACROSS")}
    sixteens = [(place,) for place, name in enumerate(types) if types[name].startswith("*") or name == "channels"]
    source = ASTSource(
        fn=kernel,
        signature=types,
        constexprs={"STEPS": fused_gpu.STEPS, "DOWN": 32, "ACROSS": 64},
        attrs={place: [["tt.divisibility", 16]] for place in sixteens},
    )
    made = triton.compile(source, target=GPUTarget("cuda", int(sys.argv[2]), 32), options=fused_gpu.ARITHMETIC)
    assert made.asm["cubin"]
    print(made.asm["ptx"])
"""


def _run(script: str, *arguments: object, **environment: str) -> str:
    command = [sys.executable, "-W", "error::UserWarning", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _stages() -> list[torch.Tensor]:
    """Of each shape and type four maps: a reference, itself again, something bright beside it, and a flat one."""
    generator = torch.Generator().manual_seed(0)
    stages = []
    for kind in KINDS:
        for number, shape in enumerate(SHAPES):
            first = torch.randn(shape, generator=generator)
            maps = torch.stack([first, first, 20 + first + torch.randn(shape, generator=generator), 0 * first + 0.7])
            layout = torch.channels_last if number % 2 else torch.contiguous_format
            stages.append(maps.to(getattr(torch, kind)).contiguous(memory_format=layout))
    return stages


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """(4, 5, C) moments of every stage against its first map, by the kernels in Triton's interpreter."""
    folder = tmp_path_factory.mktemp("triton")
    torch.save(_stages(), folder / "stages.pt")
    _run(INTERPRETED, folder / "stages.pt", folder / "moments.pt", TRITON_INTERPRET="1")
    found = torch.load(folder / "moments.pt")
    assert found.dtype == torch.float32
    return np.split(found.numpy(), np.cumsum([stage.shape[1] for stage in _stages()])[:-1], axis=2)


@pytest.mark.parametrize("place", range(len(SHAPES) * len(KINDS)))
def test_moments_agree_with_float64(place: int, interpreted: list[np.ndarray]) -> None:
    maps = _stages()[place].double().numpy()
    mean = maps.mean((2, 3))
    centred = maps - mean[..., None, None]
    variance, covariance = (centred**2).mean((2, 3)), (centred * centred[:1]).mean((2, 3))
    mean_x, mean_y, var_x, var_y, cov = interpreted[place].transpose(1, 0, 2)
    np.testing.assert_allclose(mean_x, np.broadcast_to(mean[:1], mean_x.shape), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mean_y, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(var_x, np.broadcast_to(variance[:1], var_x.shape), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(var_y, variance, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cov, covariance, rtol=1e-5, atol=1e-5)
    for other in (var_y[0], cov[0], var_y[1], cov[1]):  # the reference, and its equal: s is 1, not nearly so
        np.testing.assert_array_equal(other, var_x[0])


@pytest.mark.parametrize("kind", ["bf16", "fp32"])
def test_the_kernels_compile_and_read_sixteen_bytes_at_once(kind: str, tmp_path: Path) -> None:
    code = _run(COMPILED, kind, 90, TRITON_CACHE_DIR=str(tmp_path))
    loads = [line for line in code.splitlines() if "ld.global" in line]
    assert len(loads) >= 3  # maps, twice; the reference
    assert all("ld.global.v4.b32" in line for line in loads)


def test_without_triton_moments_are_measured_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kernels.kernels_of(torch.device("cpu"), Progress()) is fused_cpu

    def falls_back(with_error: Exception) -> str:
        monkeypatch.setattr(kernels, "_on_gpu", _raising(with_error))
        assert kernels.kernels_of(torch.device("cuda"), WarningsOnly()) is moments
        return capsys.readouterr().err

    assert "plain torch operations, which takes longer: no C compiler\n" in falls_back(RuntimeError("no C compiler\nx"))
    assert "No module named 'triton'" in falls_back(ImportError("No module named 'triton'"))
    monkeypatch.setattr(kernels, "_on_gpu", _raising(torch.OutOfMemoryError("full")))
    with pytest.raises(torch.OutOfMemoryError):
        kernels.kernels_of(torch.device("cuda"), Progress())


def test_kernels_that_come_to_other_figures_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = importlib.import_module("iqatune.statistics.fused_gpu")
    monkeypatch.setattr(gpu, "reference_of", moments.reference_of)
    monkeypatch.setattr(gpu, "compared", lambda references, maps: 1.01 * moments.compared(references, maps))
    with pytest.raises(RuntimeError, match="other figures"):
        kernels._on_gpu(torch.device("cpu"))
    monkeypatch.setattr(gpu, "compared", moments.compared)
    assert kernels._on_gpu(torch.device("cpu")) is gpu


def _raising(error: Exception) -> Callable[[torch.device], None]:
    def raising(device: torch.device) -> None:
        raise error

    return raising
