"""Backbones, each with one thing wrong."""

from iqatune.backbones.zoo import ALEXNET, BackboneInfo

WRONG_CHANNELS = BackboneInfo(
    name="wrong-channels",
    description="maps of other channels than it says",
    builder="iqatune_toy_broken.networks:wrong_channels",
    model="",
    channels=(8, 12),
)
WRONG_TAPS = BackboneInfo(
    name="wrong-taps",
    description="a tap of a built-in CNN that is none",
    builder=ALEXNET.builder,
    model="alexnet",
    taps=("features.99",),
    channels=(64,),
)
NO_BUILDER = BackboneInfo(
    name="no-builder",
    description="a builder that is not there",
    builder="iqatune_toy_broken.networks:nothing",
    model="",
)
FLAT_MAPS = BackboneInfo(
    name="flat-maps",
    description="maps without height and width",
    builder="iqatune_toy_broken.networks:flat_maps",
    model="",
)
