"""What was each number of a space worth: how much of the samples' order follows from it alone?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from iqatune.metric.weights import Floats
from iqatune.records.trial import Trial
from iqatune.search.searchers.quiet import quiet

ENOUGH: Final = 100
"""Fewest samples."""
ENOUGH_EACH: Final = 8
"""Fewest samples for each number of the space. Of 100 of a planted space of 12 numbers the most important was always
found, and nothing called above chance that was not; of 50 half as many were found."""

MOST: Final = 300
"""Samples that are looked at; of more, so many that lie evenly among them: a forest of all takes long."""

RESAMPLES: Final = 8
TREES: Final = 8
"""Of the forest of each resample."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of the space.

    Attributes:
        share: of the variance of the samples' ranks, in [0, 1], that follows from this number alone; mean over
            resamples.
        low, high: the lowest and the highest of the resamples.
    """

    name: str
    share: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What the samples of searches of one space say of its numbers.

    Attributes:
        numbers: the most important first.
        noise: the highest share, over resamples, of a number at random that the objective does not know: a share that
            is not above it shows nothing.
        samples: how many were looked at.
    """

    numbers: tuple[Number, ...]
    noise: float
    samples: int

    @property
    def together(self) -> float:
        """The share that follows from no number alone: from several at once."""
        return max(0.0, 1.0 - sum(number.share for number in self.numbers))


def importance(trials: Sequence[Trial], names: Sequence[str]) -> Importance | None:
    """Functional ANOVA (Hutter, Hoos, Leyton-Brown 2014) of the samples, by Optuna, over the whole of the space.

    What is explained is the rank of a sample among all: of the objective itself the few worst samples would be most of
    the variance. Each of 8 resamples with replacement gets a random forest and a further number at random, whose share
    is that of chance. The shares are of the whole space, most of which is bad; near the best another number may matter
    more.

    Args:
        trials: of one or several searches with the same objective on the same pairs and space. What was evaluated on a
            part of the references, is undefined or was fitted, is left out.
        names: of the P parameters.

    Returns:
        None where there are fewer than `fewest` samples, or the objective is constant.
    """
    # only where it is asked for: a search needs none of it
    from scipy.stats import rankdata

    usable = [trial for trial in trials if is_sample(trial)]
    if len(usable) < fewest(len(names)):
        return None
    if len(usable) > MOST:
        usable = [usable[place] for place in np.linspace(0, len(usable) - 1, MOST).round().astype(int)]
    parameters = np.array([trial.parameters for trial in usable])
    ranks = rankdata([trial.merit for trial in usable])
    if np.ptp(ranks) == 0:
        return None
    shares = np.array([_resampled(parameters, ranks, seed) for seed in range(RESAMPLES)])
    own, probe = shares[:, :-1], shares[:, -1]
    numbers = [
        Number(name=name, share=float(of.mean()), low=float(of.min()), high=float(of.max()))
        for name, of in zip(names, own.T, strict=True)
    ]
    return Importance(
        numbers=tuple(sorted(numbers, key=lambda number: -number.share)),
        noise=float(probe.max()),
        samples=len(usable),
    )


def fewest(numbers: int) -> int:
    """How many samples it takes to say what so many numbers were worth."""
    return max(ENOUGH, ENOUGH_EACH * numbers)


def is_sample(trial: Trial) -> bool:
    """Whether a trial says what its parameters are worth: it was sampled, not fitted, and on all references."""
    return trial.budget == 1 and bool(np.isfinite(trial.merit)) and trial.inner is None and trial.chosen_by != "fit"


def _resampled(parameters: Floats, ranks: Floats, seed: int) -> Floats:
    """(P + 1,) shares of one resample, the last of a number at random."""
    with quiet():
        from optuna import create_study
        from optuna.distributions import FloatDistribution
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances
        from optuna.samplers import RandomSampler
        from optuna.trial import create_trial

        rng = np.random.default_rng(seed)
        rows = rng.integers(len(ranks), size=len(ranks))
        drawn = np.column_stack((parameters, rng.random(len(ranks))))[rows]
        names = [str(place) for place in range(drawn.shape[1])]
        distributions = dict.fromkeys(names, FloatDistribution(0.0, 1.0))
        study = create_study(direction="maximize", sampler=RandomSampler(seed))
        study.add_trials(
            [
                create_trial(
                    params=dict(zip(names, numbers, strict=True)), distributions=dict(distributions), value=value
                )
                for numbers, value in zip(drawn.clip(0.0, 1.0).tolist(), ranks[rows].tolist(), strict=True)
            ]
        )
        evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=seed)
        found = get_param_importances(study, evaluator=evaluator, normalize=False)
    return np.array([float(found[name]) for name in names])
