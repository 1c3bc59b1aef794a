"""What iqatune_toy adds keeps the contracts of iqatune."""

from iqatune.testing import BackboneContract, BaselineContract, DatasetContract, SearcherContract


class TestHillClimb(SearcherContract):
    name = "hillclimb"


class TestGradients(DatasetContract):
    name = "gradients"
    makes_its_images = True


class TestEdges(BackboneContract):
    name = "edges"


class TestMae(BaselineContract):
    name = "mae"
