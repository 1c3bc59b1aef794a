"""Nevergrad's algorithms by their own names: `nevergrad:PSO`, `nevergrad:DE` and all others that can search a cube."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, ClassVar

from iqatune.errors import InputError
from iqatune.records.vocabulary import ChosenBy
from iqatune.search.searchers.base import AwaitingResults, Problem, Proposal, Searcher, SearchExhausted
from iqatune.search.searchers.family import Family
from iqatune.search.searchers.nevergrad import OfNevergrad, array_of
from iqatune.search.searchers.quiet import quiet
from iqatune.search.searchers.twin import Twinned

with quiet():
    import nevergrad as ng
    from nevergrad.optimization import differentialevolution, es, oneshot, optimizerlib, recastlib
    from nevergrad.optimization.base import Optimizer

NEEDED: Mapping[str, str] = {
    r"NLOPT_.*|NGOptF[235]?": "nlopt",
    r"BOBYQA": "pybobyqa",
    r"BayesOptimBO|PCABO.*": "bayes_optim",
    r"FCMA.*": "fcmaes",
    r"Pymoo.*": "pymoo.factory",
    r"SMAC3": "smac",
    r"pysot": "pySOT",
}
"""Names (regular expressions) of algorithms that are other packages', and what they import of them."""

UNPLANNED = (optimizerlib._PSO, optimizerlib._CMA, differentialevolution._DE, es._EvolutionStrategy)
"""Algorithms that make nothing of the number of samples that they are told."""

FEW = 10
"""Samples of an optimiser that is made to see what it is."""

UNFIT: Mapping[str, str] = {
    r"AX": "needs an ax-platform before 1; the searcher ax is of today's",
    r"AXP|BO": "takes minutes for 50 samples of 12 numbers; the searchers ax and bayesopt are like it, and quicker",
    r".*Noisy.*|.*Optimistic.*|OLNDiscreteOnePlusOne": "tries the same points over and over, as objectives with noise "
    "need; an SRCC has none",
    r"NGOptSingle9|AnisotropicAdaptiveDiscreteOnePlusOne": "is for choices of few values: most samples are equal",
    r"Zero": "has one point to propose",
}
"""Names (regular expressions) that are refused, and why. From 50 samples of 12 numbers of each of the 542 in nevergrad
1.0.12: all others ended within 7 seconds and proposed at least 26 points in [0, 1]."""

MODELS = (
    optimizerlib._CMA,
    optimizerlib._EMNA,
    optimizerlib._TBPSA,
    optimizerlib.EDA,
    optimizerlib.cGA,
)
"""Algorithms that fit a distribution to the results."""


class NevergradNamed(Twinned, OfNevergrad):
    """One of nevergrad's algorithms, as its registry has it, told the number of samples and one worker.

    A sample that follows from results is "model" where each algorithm that this one consists of fits a distribution to
    them, else "local"; and "random" once an algorithm has converged and nevergrad goes on blindly. What a portfolio
    consists of is in `details["algorithm"]`.
    """

    algorithm: ClassVar[str]
    """Its key in nevergrad's registry."""

    def _make(self) -> Any:
        with _in_a_line(self.name):
            optimizer = ng.optimizers.registry[self.algorithm](array_of(self.problem), budget=self.problem.samples)
            parts = list(_leaves(optimizer))
        consists = ", ".join(dict.fromkeys(part.name.strip() for part in parts))
        if consists != self.algorithm:
            self.details["algorithm"] = consists
        self.repeatable = not any(map(_follows_the_clock, _parts(optimizer)))
        self.is_design = all(isinstance(part, oneshot._SamplingSearch) for part in parts)
        self._later: ChosenBy = "model" if all(isinstance(part, MODELS) for part in parts) else "local"
        return optimizer

    def _suggest(self, trial_id: str) -> dict[str, float]:
        with _in_a_line(self.name):
            config = super()._suggest(trial_id)
            if not all(0 <= number <= 1 for number in config.values()):
                raise ValueError("it proposes numbers that are not in [0, 1]")
        return config

    def _complete(self, proposal: Proposal, result: dict[str, Any]) -> None:
        with _in_a_line(self.name):
            super()._complete(proposal, result)

    def _one_at_a_time(self) -> bool:
        # nevergrad lets algorithms be asked ahead that are told of more than one worker
        return not self._optimizer.one_shot

    def _chosen_by(self, trial_id: str, config: dict[str, float]) -> ChosenBy:
        return "random" if self._converged else self._later

    @classmethod
    def degenerate(cls, problem: Problem) -> str | None:
        # random draws and designs never ask for results
        return None if cls(problem, alone=True)._optimizer.one_shot else super().degenerate(problem)

    @classmethod
    def caution(cls, problem: Problem) -> str | None:
        if cls(problem, alone=True).repeatable:
            return None
        return (
            f"{cls.name} consists of algorithms whose samples depend on the clock: interrupted, this search cannot be "
            "continued"
        )


@contextmanager
def _in_a_line(name: str) -> Iterator[None]:
    """Tell how one of hundreds of algorithms fails on a problem, which no list can know of each.

    Nothing is swallowed: what they end in is raised again, as what a user can act on. Only the library's own code runs
    in here, and its algorithms wrap several packages, whose errors share no class.
    """
    try:
        yield
    except (AwaitingResults, SearchExhausted, InputError):
        raise
    except Exception as error:  # no narrower class would do: it is raised again, as a line that names the algorithm
        cause = error.__cause__ or error  # nevergrad wraps what a thread of its own ended in
        if isinstance(cause, ImportError) and cause.name is not None:
            raise InputError(
                f"`searcher` {name}: on this problem it needs the package {cause.name}, which is not installed; take "
                "another"
            ) from error
        reason = f"{type(cause).__name__}: {next(iter(str(cause).splitlines()), '')}"
        raise InputError(f"`searcher` {name}: nevergrad fails on this problem ({reason}); take another") from error


def _parts(optimizer: Any) -> Iterator[Any]:
    """An optimiser and all others that it consists of."""
    yield optimizer
    if isinstance(optimizer, optimizerlib.ChoiceBase):
        yield from _parts(optimizer.optim)
        return
    for value in vars(optimizer).values():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Optimizer):
                yield from _parts(item)


def _leaves(optimizer: Any) -> Iterator[Any]:
    return (part for part in _parts(optimizer) if len(list(_parts(part))) == 1)


def _follows_the_clock(optimizer: Any) -> bool:
    # CMA by cma.fmin seeds itself from the clock, and the metamodel's own search is limited by it
    fmin = isinstance(optimizer, recastlib._NonObjectMinimizeBase) and optimizer.method == "CmaFmin2"
    return fmin or isinstance(optimizer, optimizerlib._MetaModel)


def _fault(name: str) -> str | None:
    """Why an algorithm of the registry is refused."""
    for pattern, package in NEEDED.items():
        if re.fullmatch(pattern, name) and not _is_installed(package):
            return f"needs the package {package}, which is not installed"
    return next((reason for pattern, reason in UNFIT.items() if re.fullmatch(pattern, name)), None)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False


def _faults() -> dict[str, str | None]:
    # one of the names ends with a blank
    return {name.strip(): _fault(name.strip()) for name in sorted(ng.optimizers.registry)}


@cache
def _make(name: str) -> type[Searcher]:
    (key,) = (key for key in ng.optimizers.registry if key.strip() == name)
    with quiet():
        plans = not isinstance(ng.optimizers.registry[key](2, budget=FEW), UNPLANNED)
    attributes = {"name": f"nevergrad:{name}", "algorithm": key, "plans_by_total": plans}
    return type(f"Nevergrad{name}", (NevergradNamed,), attributes)


FAMILY = Family(prefix="nevergrad", faults=cache(_faults), make=_make)
