"""Metrics over small backbones, each built once, and images that metrics find hard."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def pairs_of_images() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Pairs (1, 3, H, W) by what they are: natural, flat, noisy, odd-sized and identical ones."""
    from skimage import data

    natural = torch.from_numpy(data.astronaut()[100:180, 150:246].copy()).permute(2, 0, 1)[None].float() / 255
    random = torch.Generator().manual_seed(3)
    noise = torch.rand(natural.shape, generator=random)
    noisy = (natural + 0.1 * (noise - 0.5)).clamp(0, 1)
    flat = torch.full_like(natural, 0.5)
    return {
        "natural": (natural, torch.nn.functional.avg_pool2d(natural, 3, 1, 1)),
        "noisy": (natural, noisy),
        "noise": (noise, torch.rand(natural.shape, generator=random)),
        "odd-sized": (natural[..., :67, :83], noisy[..., :67, :83]),
        "identical": (natural, natural.clone()),
        "flat": (flat, flat + 0.1),
        "flat, identical": (flat, flat.clone()),
        "black, identical": (torch.zeros_like(flat), torch.zeros_like(flat)),
        "black and natural": (torch.zeros_like(flat), natural),
    }
