"""BlendSearch: local search from several starts, blended with Optuna's TPE as the global search, by flaml."""

from typing import Any

from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from ray import tune

from iqatune.records.vocabulary import ChosenBy
from iqatune.search.searchers.base import METRIC, MODE, TuneSearcher
from iqatune.search.searchers.compat import quick_normal_logarithms
from iqatune.search.searchers.quiet import quiet

with quiet():
    from flaml.tune.searcher.blendsearch import BlendSearch as FlamlBlendSearch
    from ray.tune.search.optuna import OptunaSearch


MANY = 100
"""Parameters from which on TPE's logarithms of the normal distribution, one by one in Python, take most of its time."""


class BlendSearch(TuneSearcher):
    """flaml's BlendSearch with its own defaults, started from the centre of the cube: the uniform weights."""

    name = "blendsearch"

    def _build(self) -> FlamlBlendSearch:
        seed = self.problem.seed % 2**32
        space = {name: tune.uniform(0.0, 1.0) for name in self.problem.names}
        # what flaml makes for itself, but with the distributions given instead of found out by a function that is
        # called for every suggestion: the same samples, in a fraction of the time for thousands of parameters
        everywhere: Any = OptunaSearch(
            dict.fromkeys(self.problem.names, FloatDistribution(0.0, 1.0)),
            metric=METRIC,
            mode=MODE,
            seed=seed - 10 if seed >= 10 else seed - 11 + 2**32,  # as flaml derives it
        )
        everywhere.space = space
        return FlamlBlendSearch(
            metric=METRIC,
            mode=MODE,
            space=space,
            points_to_evaluate=[dict.fromkeys(self.problem.names, 0.5)],
            num_samples=self.problem.samples,
            global_search_alg=everywhere,
            seed=seed,
        )

    def _suggest(self, trial_id: str) -> dict[str, float]:
        if len(self.problem.names) < MANY:
            return super()._suggest(trial_id)
        with quick_normal_logarithms():
            return super()._suggest(trial_id)

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        if self._samples == 0:
            return "initial"
        if self._tune._trial_proposed_by[trial_id]:
            return "local"
        # flaml falls back to a random point where Optuna's repeats an old one or lies outside the region searched
        study, asked = self._tune._gs._ot_study, self._tune._gs._ot_trials.get(trial_id)
        if asked is None or asked.params != config:
            return "random"
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return "random" if len(finished) < study.sampler._n_startup_trials else "model"
