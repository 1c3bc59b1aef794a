"""Hyperband's brackets (Li et al. 2018, JMLR 18-185): many configurations on few references, few on all of them."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bracket:
    """A successive halving: `size` new configurations at budget `lowest`, the best third going on to the next."""

    lowest: int
    size: int


def brackets(budgets: int, samples: int, widest: int, eta: int = 3) -> list[Bracket]:
    """The brackets that spend `samples` configurations on `budgets` budgets, the most aggressive first.

    One round of Hyperband has a bracket for each lowest budget b, with ceil(k (s + 1)^-1 S eta^s) configurations where
    s = S - 1 - b halvings follow and S is the number of budgets: 9, 5 and 3 for three budgets and k = 1. The scale k
    is Hyperband's resource: a round is made wide enough that its first bracket holds `widest` configurations, so that
    a model of that many results exists before it ends, but no wider than `samples` fills. The last round is cut off
    where the samples end.

    Args:
        budgets: number of budgets, at least 1.
        samples: configurations in all, at least 1.
        widest: configurations wanted in the first bracket.
        eta: the share that is promoted is 1 / eta.

    Returns:
        brackets whose sizes are positive and sum to `samples`.
    """
    shares = [budgets / (halvings + 1) * eta**halvings for halvings in reversed(range(budgets))]
    unit = sum(math.ceil(share) for share in shares)
    scale = max(1, min(math.ceil(widest / shares[0]), math.ceil(samples / unit)))
    spent: list[Bracket] = []
    while samples:
        for lowest, share in enumerate(shares):
            size = min(math.ceil(scale * share), samples)
            if size:
                spent.append(Bracket(lowest, size))
            samples -= size
    return spent


def promoted(size: int, eta: int = 3) -> int:
    """How many of `size` configurations go on to the next budget: a third, but never none."""
    return max(1, size // eta)
