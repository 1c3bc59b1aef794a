"""BlendSearch: local search from several starts, blended with Optuna's TPE as the global search, by flaml."""

from optuna.trial import TrialState
from ray import tune

from iqatune.search.searchers.base import METRIC, MODE, ChosenBy, TuneSearcher
from iqatune.search.searchers.quiet import quiet

with quiet():
    from flaml.tune.searcher.blendsearch import BlendSearch as FlamlBlendSearch


class BlendSearch(TuneSearcher):
    """flaml's BlendSearch with its own defaults, started from the centre of the cube: the uniform weights."""

    name = "blendsearch"

    def _build(self) -> FlamlBlendSearch:
        return FlamlBlendSearch(
            metric=METRIC,
            mode=MODE,
            space={name: tune.uniform(0.0, 1.0) for name in self.problem.names},
            points_to_evaluate=[dict.fromkeys(self.problem.names, 0.5)],
            num_samples=self.problem.samples,
            seed=self.problem.seed % 2**32,
        )

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
