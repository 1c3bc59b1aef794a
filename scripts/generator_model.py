"""The networks of scripts/generate.py: a small VAE-GAN for crops of 64 pixels a side.

Encoder and generator are a variational autoencoder (Kingma and Welling, ICLR 2014) whose latent is a map of 8 x 8; the
discriminator judges what the generator makes (VAE-GAN: Larsen et al., ICML 2016). Generator and discriminator attend to
the whole image (SAGAN: Zhang et al., ICML 2019), and the discriminator also tells how an image is turned (SS-GAN: Chen
et al., CVPR 2019).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

SIDE = 64
"""Of the crops, in pixels."""
LATENT = (16, 8, 8)
"""Channels, height and width of the latent: 1024 numbers for 12288."""
TURNS = 4
"""0, 90, 180 and 270 degrees."""


class Latent(NamedTuple):
    """The normal distribution that the encoder gives an image: mean and log variance, (B, *LATENT) float32 each."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from the standard normal distribution, in nats an image: (B,)."""
        terms = self.mean.square() + self.log_variance.exp() - 1 - self.log_variance
        return 0.5 * terms.flatten(1).sum(dim=1)


class Verdict(NamedTuple):
    """What the discriminator says: (B,), above 0 for real images, and (B, TURNS) logits of how they are turned."""

    real: Tensor
    turn: Tensor


class SelfAttention(nn.Module):
    """Adds to every position what it finds at all others; from nothing on, as `share` begins at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = (spectral_norm(nn.Conv2d(channels, channels // 8, 1)) for _ in range(2))
        self.value = spectral_norm(nn.Conv2d(channels, channels, 1))
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        query, key, value = (
            part(maps).flatten(2).transpose(1, 2).contiguous() for part in (self.query, self.key, self.value)
        )
        found = F.scaled_dot_product_attention(query, key, value)
        return maps + self.share * found.transpose(1, 2).reshape(maps.shape)


class Encoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _halving(3, width),
            _halving(width, 2 * width),
            _halving(2 * width, 4 * width),
            nn.Conv2d(4 * width, 2 * LATENT[0], 1),
        )

    def forward(self, images: Tensor) -> Latent:
        mean, log_variance = self.layers(images * 2 - 1).float().chunk(2, dim=1)
        return Latent(mean, log_variance.clamp(-10, 10))


class Generator(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(LATENT[0], 4 * width, 3, padding=1),
            _Residual(4 * width),
            _doubling(4 * width, 2 * width),
            _Residual(2 * width),
            SelfAttention(2 * width),
            _doubling(2 * width, width),
            _Residual(width),
            # four pixels of every position: a convolution of maps as large as the image would take most of the time
            _alike(nn.Conv2d(width, 3 * 4, 3, padding=1)),
            nn.PixelShuffle(2),
        )

    def forward(self, latent: Tensor) -> Tensor:
        # in float32 under autocast too: bfloat16 has fewer levels near white than a byte
        images: Tensor = self.layers(latent)
        return images.float().sigmoid()


class Discriminator(nn.Module):
    """Its spectral norms keep it from changing faster than its input: the hinge loss then needs no other bound."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _judging(3, width),
            _judging(width, 2 * width),
            SelfAttention(2 * width),
            _judging(2 * width, 4 * width),
            _judging(4 * width, 4 * width),
        )
        self.real = spectral_norm(nn.Linear(4 * width, 1))
        # without that bound, which would keep it from ever being sure
        self.turn = nn.Linear(4 * width * (SIDE // 16) ** 2, TURNS)

    def forward(self, images: Tensor) -> Verdict:
        maps = self.layers(images * 2 - 1)
        # where something lies tells how the image is turned, and nothing of whether it is real
        return Verdict(self.real(maps.sum(dim=(2, 3)))[:, 0].float(), self.turn(maps.flatten(1)).float())


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_convolution(channels, channels), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, maps: Tensor) -> Tensor:
        residual: Tensor = self.layers(maps)
        return maps + residual


def _convolution(channels: int, into: int, *, size: int = 3, stride: int = 1) -> nn.Module:
    # no normalisation: it takes the brightness away that is to be rebuilt, 3 dB of PSNR on photographs not seen
    return nn.Sequential(nn.Conv2d(channels, into, size, stride, padding=1), nn.LeakyReLU(0.2))


def _halving(channels: int, into: int) -> nn.Module:
    return _convolution(channels, into, size=4, stride=2)


def _doubling(channels: int, into: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), _convolution(channels, into))


def _judging(channels: int, into: int) -> nn.Module:
    return nn.Sequential(spectral_norm(nn.Conv2d(channels, into, 4, 2, padding=1)), nn.LeakyReLU(0.2))


def _alike(convolution: nn.Conv2d) -> nn.Conv2d:
    """Its four pixels begin alike, or a chessboard would have to be unlearned (Aitken et al. 2017)."""
    with torch.no_grad():
        convolution.weight.copy_(convolution.weight[::4].repeat_interleave(4, dim=0))
        if convolution.bias is not None:
            convolution.bias.copy_(convolution.bias[::4].repeat_interleave(4, dim=0))
    return convolution
