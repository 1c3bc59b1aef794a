"""Checks of the installed searchers: three samples each on a problem with a known answer."""

import time

import numpy as np
from numpy.typing import NDArray

from iqatune.doctor.findings import Outcome
from iqatune.errors import InputError
from iqatune.metric.spaces import StageSpace
from iqatune.metric.weights import Floats
from iqatune.search.choice import best_trial
from iqatune.search.loop import search
from iqatune.search.searchers.base import Problem
from iqatune.search.searchers.registry import find, make_searcher
from iqatune.search.task import Task

SAMPLES = 3
PARAMETERS = 12
BUDGETS = (1 / 9, 1 / 3, 1.0)
PAIRS = 60
REFERENCES = 6
NEARLY_ALL = 0.9

# what a library ends in that is absent, or of a version whose interface has changed
_BROKEN = (ImportError, AttributeError, TypeError, ValueError, LookupError, RuntimeError, AssertionError, OSError)


def searcher_outcome(name: str) -> Outcome:
    """Whether a searcher proposes configurations, all in [0, 1], and takes their results."""
    started = time.perf_counter()
    try:
        kind = find(name)
        if kind.fits:
            return _fit_outcome(name, started, of_views=kind.wants_views)
        budgets = BUDGETS if kind.wants_budgets else (1.0,)
        names = tuple(f"p{place}" for place in range(PARAMETERS))
        searcher = make_searcher(name, Problem(names, SAMPLES, seed=0, budgets=budgets))
        trials = search(searcher, _planted)
    except (InputError, *_BROKEN) as error:
        reason = error.command_line if isinstance(error, InputError) else next(iter(str(error).splitlines()), "")
        return "samples", "problem", f"does not run ({type(error).__name__}: {reason})"
    samples = {trial.sample for trial in trials}
    inside = all(np.all((trial.parameters >= 0) & (trial.parameters <= 1)) for trial in trials)
    if len(samples) != SAMPLES or not inside:
        return "samples", "problem", f"{len(samples)} of {SAMPLES} samples, {'all' if inside else 'not all'} in [0, 1]"
    return "samples", "ok", f"{SAMPLES} samples in {time.perf_counter() - started:.1f} s, loading included"


def _fit_outcome(name: str, started: float, *, of_views: bool) -> Outcome:
    """The same of a searcher that fits: whether it orders pairs that one of their features orders, in every view."""
    rng = np.random.default_rng(0)
    features = rng.uniform(size=(PAIRS, PARAMETERS))
    stages = PARAMETERS // 2
    views = (range(stages // 2), range(stages // 2, stages)) if of_views else ()
    for view in views:
        features[:, view.start] = features[:, 0]
    references = tuple(f"reference {pair % REFERENCES}" for pair in range(PAIRS))
    task = Task(
        searcher=name,
        samples=SAMPLES,
        seed=0,
        space=StageSpace((3,) * stages),
        tables=(features,),
        quality=-features[:, 0],
        reference_ids=references,
        views=views,
    )
    best = best_trial(task.run()[1])
    if best is None or best.srcc < NEARLY_ALL:
        found = "no weights" if best is None else f"weights of SRCC {best.srcc:.2f}"
        return "samples", "problem", f"{found} on pairs that one feature orders"
    return "samples", "ok", f"a fit of {PAIRS} pairs in {time.perf_counter() - started:.1f} s, loading included"


def _planted(parameters: Floats, budget: int) -> float:
    """1 where every parameter is 1/3, less elsewhere; the same on every budget."""
    distance: NDArray[np.float64] = parameters - 1 / 3
    return 1.0 - float(distance @ distance) / PARAMETERS
