"""mutual: the direct fit of two views of each image that learn from each other."""

from typing import Final

from iqatune.metric.spaces import BackboneSpace
from iqatune.records.vocabulary import MUTUAL
from iqatune.search.fitting import Couples
from iqatune.search.mutual_fitting import MutualFit
from iqatune.search.searchers.base import Pairs
from iqatune.search.searchers.fit import DirectFit

MUS: Final = (0.0, 0.03, 0.3, 3.0)
"""How much the disagreement of the views counts: from not at all, which is the plain mean of two separate fits, to so
much that both give hardly anything but what they agree on."""


class Mutual(DirectFit):
    """The fit of two views (`iqatune.search.mutual_fitting`), on the path of shrinkages for each strength mu.

    The inner folds of `fit` choose shrinkage, mu and constant together, and keep the uniform weights likewise. The
    metric is the sum of both views.
    """

    name = MUTUAL
    description = "the fit of two views that learn from each other, as far as inner folds say"
    wants_views = True
    mus = MUS

    @staticmethod
    def fit_of(task: Pairs, table: int, couples: Couples, mu: float | None) -> MutualFit:
        if not isinstance(task.space, BackboneSpace) or not task.views or mu is None:
            raise ValueError("a mutual fit needs two views, and a strength")
        unlabelled = task.unlabelled[table] if task.unlabelled else None
        return MutualFit(task.space, task.views, task.tables[table], couples, mu=mu, unlabelled=unlabelled)
