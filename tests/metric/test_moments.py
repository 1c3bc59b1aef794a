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
from iqatune.metric.weights import Weights, uniform_weights
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
    # pixels of few channels share a row, of which the last may be short
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=(1, channels, height, width)).astype(np.float32) for _ in range(2))
    np.testing.assert_allclose(_compiled(x, y), _reference_moments(x, y), rtol=2e-5, atol=2e-6)


FLAT_AND_BRIGHT = st.tuples(
    st.sampled_from([0.0, 1e-3, 1.0, 300.0, 3e4]),  # how far from 0
    st.sampled_from([1e-6, 1e-3, 1.0, 100.0]),  # how much it varies
)


@settings(deadline=None, max_examples=60)
@given(FLAT_AND_BRIGHT, FLAT_AND_BRIGHT, st.sampled_from([5, 64, 4095, 40_000]), st.integers(0, 2**32 - 1))
def test_the_compiled_kernel_is_exact_wherever_maps_lie(
    of_x: tuple[float, float], of_y: tuple[float, float], pixels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # each channel is otherwise hard: even, drifting, zero but in a corner, a pixel or some that are far from the others
    both = rng.normal(size=(2, 1, 5, pixels, 1))
    both[:, :, 1] += np.linspace(-5, 5, pixels)[:, None]
    both[:, :, 2, : pixels - pixels // 50 - 1] = 0
    both[:, :, 3, 0] += 1e3
    both[:, :, 4, : pixels // 100] += 1e3
    x, y = ((mean + spread * maps).astype(np.float32) for maps, (mean, spread) in zip(both, (of_x, of_y), strict=True))
    found, expected = _compiled(x, y), _reference_moments(x, y)
    scale = np.abs(expected)
    scale[:, :2] += np.sqrt(expected[:, 2:4])
    scale[:, 4] = np.sqrt(expected[:, 2] * expected[:, 3])
    assert np.all(np.abs(found - expected) <= 2e-6 * scale)  # maps that are centred first err by up to 2e-2 here


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_what_a_compiled_kernel_has_to_say_of_constants_and_copies_is_exact(kind: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    flat = torch.tensor([0.7, 0.1, 0.0, 1e6, -3.3]).view(1, 5, 1, 1).expand(1, 5, 61, 67).to(kind)
    noise = torch.from_numpy(rng.normal(7, 3, (1, 5, 61, 67))).to(kind)
    found = compared(reference_of([flat]), [torch.cat([flat, noise])]).numpy()
    np.testing.assert_array_equal(found[:, 0], flat[:, :, 0, 0].float().expand(2, -1))
    np.testing.assert_array_equal(found[0, 1], found[0, 0])
    assert not found[0, 2:].any()
    assert not found[1, [2, 4]].any()
    (copy,) = compared(reference_of([noise]), [noise]).numpy()
    np.testing.assert_array_equal(copy[[1, 3, 4]], copy[[0, 2, 2]])
    np.testing.assert_array_equal(similarities(copy[None], Similarity()), 1)
    assert distances(copy[None], uniform_weights((5,))) == 0


def test_the_compiled_kernel_gives_the_same_bits_in_any_batch_and_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    shapes = ((3, 131, 257), (64, 67, 71), (300, 30, 31))  # pieces of every map, and rows that are not full
    maps = [torch.from_numpy(rng.normal(3, 1, (4, *shape)).astype(np.float32)) for shape in shapes]
    references = reference_of([stage[:1] for stage in maps])
    together = compared(references, maps, threads=1)
    apart = torch.cat([compared(references, [stage[row : row + 1] for stage in maps], threads=3) for row in range(4)])
    torch.testing.assert_close(together, apart, rtol=0, atol=0)


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
