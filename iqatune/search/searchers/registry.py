"""The searchers by name. A searcher's module, and the library behind it, is imported when it is first used."""

from dataclasses import dataclass
from importlib import import_module

from iqatune.errors import InputError, did_you_mean
from iqatune.search.searchers.base import Problem, Searcher


@dataclass(frozen=True)
class SearcherInfo:
    """A searcher as `available` lists it: its name, what it does, and the library class it drives."""

    name: str
    description: str
    drives: str
    target: str


_TABLE = {
    info.name: info
    for info in (
        SearcherInfo(
            "random",
            "independent uniform draws",
            "ray.tune BasicVariantGenerator",
            "random_search:RandomSearch",
        ),
        SearcherInfo(
            "blendsearch",
            "local search from several starts, blended with Optuna's TPE",
            "flaml.BlendSearch",
            "blendsearch:BlendSearch",
        ),
        SearcherInfo(
            "ax",
            "a Sobol design, then a Gaussian process with expected improvement",
            "ray.tune AxSearch",
            "ax_search:Ax",
        ),
        SearcherInfo(
            "bayesopt",
            "10 random points, then a Gaussian process with an upper confidence bound",
            "ray.tune BayesOptSearch",
            "bayesopt:BayesOpt",
        ),
        SearcherInfo(
            "bohb",
            "Hyperband over subsets of the references, with density models of good and bad configurations",
            "ray.tune TuneBOHB",
            "bohb:Bohb",
        ),
        SearcherInfo(
            "nevergrad",
            "NGOpt, which picks an algorithm by dimension and number of samples",
            "ray.tune NevergradSearch",
            "nevergrad:Nevergrad",
        ),
    )
}


def available() -> tuple[SearcherInfo, ...]:
    """Every searcher. Imports none of their libraries."""
    return tuple(_TABLE.values())


def find(name: str) -> type[Searcher]:
    """The class of a searcher, its library imported.

    Raises:
        InputError: no searcher has that name.
    """
    if name not in _TABLE:
        raise InputError(f"--searcher: no searcher is called '{name}'; {did_you_mean(name, _TABLE)}")
    module, cls = _TABLE[name].target.split(":")
    found: type[Searcher] = getattr(import_module(f"iqatune.search.searchers.{module}"), cls)
    return found


def make_searcher(name: str, problem: Problem) -> Searcher:
    """A searcher ready to propose.

    Raises:
        InputError: no searcher has that name, or the problem asks for fewer than one sample.
    """
    if problem.samples < 1:
        raise InputError(f"--samples {problem.samples}: a search needs at least one sample")
    return find(name)(problem)
