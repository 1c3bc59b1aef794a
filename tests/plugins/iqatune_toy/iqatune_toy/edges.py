"""A backbone as it is listed. What builds it is in another file, so that listing it does not import torch."""

from iqatune.backbones.zoo import BackboneInfo

EDGES = BackboneInfo(
    name="edges",
    description="three small convolutions",
    builder="iqatune_toy.network:build",
    model="edges",
    channels=(8, 12, 16),
)
