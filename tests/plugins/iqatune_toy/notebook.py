"""A searcher for one session, as a notebook would have it."""

from dataclasses import replace

import iqatune
from iqatune.search.searchers.base import Proposal
from iqatune.search.searchers.random_search import RandomSearch
from iqatune.search.searchers.registry import SEARCHERS


class Sparse(RandomSearch):
    name = "sparse"
    description = "random draws, most of them near 0"

    def propose(self) -> Proposal:
        proposal = super().propose()
        return replace(proposal, parameters=proposal.parameters**4)


SEARCHERS.register("sparse", Sparse)
result = iqatune.tune(dataset="gradients", backbone="edges", backbone_weights="random", searcher="sparse")

if __name__ == "__main__":
    print(result.status)
    grid = {"datasets": "gradients", "backbones": "edges", "backbone_weights": "random", "searchers": "sparse"}
    print(iqatune.sweep(grid, "swept", jobs=1).cells[0].error)
