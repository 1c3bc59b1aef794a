"""Moments and similarities against float64 NumPy."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import iqatune
from iqatune.metric.moments import MOMENTS, centre, moments
from iqatune.metric.similarity import Similarity
from iqatune.metric.weights import Weights
from iqatune.records.vocabulary import C1, C2, Structure
from iqatune.statistics.distances import distances, similarities
from iqatune.statistics.fused_cpu import compared, reference_of

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]

SHAPE = (1, 4, 36, 53)


def _compiled(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return compared(reference_of([torch.from_numpy(x)]), [torch.from_numpy(y)]).numpy()


def _by_torch(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return moments(centre(torch.from_numpy(x)), centre(torch.from_numpy(y))).numpy()


WAYS = pytest.mark.parametrize("measure", [_compiled, _by_torch], ids=["compiled", "torch"])


def _images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = np.linspace(0, 3, SHAPE[2])[:, None]
    columns = np.linspace(0, 5, SHAPE[3])[None, :]
    natural = np.stack([[np.sin(rows * k) * np.cos(columns) + 0.1 * k for k in range(1, SHAPE[1] + 1)]])
    return {
        "natural": natural.astype(np.float32),
        "noise": rng.normal(size=SHAPE).astype(np.float32),
        "bright": (100 + rng.normal(size=SHAPE)).astype(np.float32),
        "flat": np.full(SHAPE, 0.7, dtype=np.float32),
        "black": np.zeros(SHAPE, dtype=np.float32),
    }


def _reference_moments(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.astype(np.float64), y.astype(np.float64)
    mean_x, mean_y = x.mean((2, 3)), y.mean((2, 3))
    centred_x, centred_y = x - mean_x[..., None, None], y - mean_y[..., None, None]
    products = [(a * b).mean((2, 3)) for a, b in ((centred_x,) * 2, (centred_y,) * 2, (centred_x, centred_y))]
    return np.stack((mean_x, mean_y, *products), axis=1)


@WAYS
@pytest.mark.parametrize("first", _images())
@pytest.mark.parametrize("second", _images())
def test_moments_agree_with_float64(measure: Measure, first: str, second: str) -> None:
    x, y = _images()[first], _images()[second]
    found = measure(x, y)
    expected = _reference_moments(x, y)
    assert found.shape == (1, len(MOMENTS), SHAPE[1])
    # a covariance can be small beside what it is summed from: its error is relative to the standard deviations
    scale = np.abs(expected)
    scale[:, 4] = np.maximum(scale[:, 4], np.sqrt(expected[:, 2] * expected[:, 3]))
    assert np.all(np.abs(found - expected) <= 1e-5 * scale + 1e-11)


@WAYS
@pytest.mark.parametrize("name", _images())
@pytest.mark.parametrize("structure", ["covariance", "stddev"])
def test_an_image_is_like_itself(measure: Measure, name: str, structure: Structure) -> None:
    x = _images()[name]
    l_values, s_values = similarities(measure(x, x), Similarity(structure))
    np.testing.assert_allclose(l_values, 1, atol=1e-6)
    np.testing.assert_allclose(s_values, 1, atol=1e-6)


def test_one_reference_serves_a_batch() -> None:
    images = _images()
    batch = torch.from_numpy(np.concatenate((images["noise"], images["natural"])))
    reference = centre(torch.from_numpy(images["bright"]))
    together = moments(reference, centre(batch))
    apart = torch.cat([moments(reference, centre(batch[row : row + 1])) for row in range(2)])
    torch.testing.assert_close(together, apart, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_the_compiled_kernel_takes_any_layout_and_type(kind: torch.dtype) -> None:
    x, y = (torch.from_numpy(_images()[name]).to(kind) for name in ("natural", "noise"))
    expected = _reference_moments(x.double().numpy(), y.double().numpy())
    for layout in (torch.channels_last, torch.contiguous_format):
        stages = [torch.cat([y, y, y]).contiguous(memory_format=layout), y.expand(3, -1, -1, -1)]
        found = compared(reference_of([x.contiguous(memory_format=layout), x]), stages, threads=2).numpy()
        assert found.dtype == np.float32
        for image in range(3):
            for half in np.split(found[image], 2, axis=1):
                np.testing.assert_allclose(half, expected[0], rtol=2e-5, atol=2e-6)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 70), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_the_compiled_kernel_takes_any_shape(channels: int, height: int, width: int, seed: int) -> None:
    # pixels of few channels share a row, where their number can be divided
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=(1, channels, height, width)).astype(np.float32) for _ in range(2))
    np.testing.assert_allclose(_compiled(x, y), _reference_moments(x, y), rtol=2e-5, atol=2e-6)


def test_similarities_are_the_published_formulas() -> None:
    rng = np.random.default_rng(5)
    mx, my, cov = rng.normal(size=(3, 6))
    vx, vy = rng.uniform(0.1, 2, size=(2, 6))
    np.testing.assert_allclose(Similarity().of_means(mx, my), (2 * mx * my + C1) / (mx**2 + my**2 + C1))
    np.testing.assert_allclose(Similarity().of_covariance(vx, vy, cov), (2 * cov + C2) / (vx + vy + C2))
    stddev = (2 * np.sqrt(vx) * np.sqrt(vy) + C2) / (vx + vy + C2)
    np.testing.assert_allclose(Similarity("stddev").of_covariance(vx, vy, cov), stddev)


def test_identical_pairs_tie_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    channels = (3, 64, 200)
    moments = np.abs(rng.normal(size=(1100, 5, sum(channels)))).astype(np.float32)
    copies = rng.permutation(1100)[:60]
    moments[copies] = moments[copies[0]]
    raw = rng.random(2 * sum(channels))
    weights = Weights(channels, *np.split(raw / raw.sum(), 2))
    assert len(set(distances(moments, weights)[copies])) == 1


NO_ROOM = """
import resource, torch
from iqatune.statistics.fused_cpu import compared, reference_of
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
images = torch.rand(2, 3, 16, 16)
print(float((compared(reference_of([images[:1]]), [images[1:]])[0, 1] - images[1].mean((1, 2))).abs().max()) < 1e-6)
"""


def test_the_kernel_is_compiled_though_there_is_no_room_to_keep_it(tmp_path: Path) -> None:
    variables = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(iqatune.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", NO_ROOM], capture_output=True, text=True, env=variables)
    assert (ran.returncode, ran.stdout) == (0, "True\n"), ran.stderr
    assert not list(tmp_path.rglob("*.nb?"))
