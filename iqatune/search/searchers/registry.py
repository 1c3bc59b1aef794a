"""The searchers by name. A searcher's module, and the library behind it, is imported when it is first used."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from iqatune.errors import InputError, did_you_mean
from iqatune.registry import Plugin, Registry
from iqatune.search.searchers.base import Problem, Searcher
from iqatune.search.searchers.checked import checked
from iqatune.search.searchers.family import Family


@dataclass(frozen=True, kw_only=True)
class SearcherInfo:
    """A searcher as it is listed: what it does, the library class that it drives, and the package that adds it."""

    name: str
    description: str
    drives: str
    plugin: Plugin | None = None


_ROOM = "iqatune.search.searchers"

# name: target, description, what it drives
_BUILTINS = {
    "random": (
        f"{_ROOM}.random_search:RandomSearch",
        "independent uniform draws",
        "ray.tune BasicVariantGenerator",
    ),
    "blendsearch": (
        f"{_ROOM}.blendsearch:BlendSearch",
        "local search from several starts, blended with Optuna's TPE",
        "flaml.BlendSearch",
    ),
    "ax": (
        f"{_ROOM}.ax_search:Ax",
        "a Sobol design, then a Gaussian process with expected improvement",
        "ray.tune AxSearch",
    ),
    "bayesopt": (
        f"{_ROOM}.bayesopt:BayesOpt",
        "10 random points, then a Gaussian process with an upper confidence bound",
        "ray.tune BayesOptSearch",
    ),
    "bohb": (
        f"{_ROOM}.bohb:Bohb",
        "Hyperband over subsets of the references, with density models of good and bad configurations",
        "ray.tune TuneBOHB",
    ),
    "nevergrad": (
        f"{_ROOM}.nevergrad:Nevergrad",
        "NGOpt, which picks an algorithm by dimension and number of samples",
        "ray.tune NevergradSearch",
    ),
    "fit": (
        f"{_ROOM}.fit:DirectFit",
        "a convex fit to couples of pairs, shrunk to the uniform weights as far as inner folds say",
        "scipy L-BFGS-B",
    ),
    "mutual": (
        f"{_ROOM}.mutual:Mutual",
        "the fit of two views that learn from each other, as far as inner folds say",
        "scipy L-BFGS-B",
    ),
}


# prefix: target, description, what it drives
_FAMILIES = {
    "nevergrad": (
        f"{_ROOM}.nevergrad_names:FAMILY",
        "one of some 500 algorithms of nevergrad, such as PSO, DE, CMA, NelderMead; 'iqatune list searchers nevergrad'",
        "ray.tune NevergradSearch",
    ),
    "optuna": (
        f"{_ROOM}.optuna_names:FAMILY",
        "a sampler of Optuna: tpe (Parzen estimators), gp (Gaussian process), cmaes, nsga2 (a genetic algorithm)",
        "ray.tune OptunaSearch",
    ),
}

ANY = "NAME"
"""What stands in lists for the names of a family."""


def _fault(item: Any, name: str) -> str | None:
    if not (isinstance(item, type) and issubclass(item, Searcher)):
        return "not a class derived from iqatune.search.searchers.base.Searcher"
    if inspect.isabstract(item):
        return f"it lacks {', '.join(sorted(item.__abstractmethods__))}"
    own = getattr(item, "name", None)
    if own != name:
        return f"it calls itself '{own}'"
    return None if isinstance(item.description, str) and isinstance(item.drives, str) else "its description is no text"


SEARCHERS: Registry[type[Searcher]] = Registry(
    "searcher", {name: target for name, (target, _, _) in _BUILTINS.items()}, _fault
)


def available() -> tuple[SearcherInfo, ...]:
    """Every searcher but those of families. Imports none of the libraries of those built in."""
    return tuple(_info(name) for name in SEARCHERS.names())


def families() -> tuple[SearcherInfo, ...]:
    """What stands for the searchers `PREFIX:NAME` of each library that has many. Imports none of the libraries."""
    return tuple(
        SearcherInfo(name=f"{prefix}:{ANY}", description=description, drives=drives)
        for prefix, (_, description, drives) in _FAMILIES.items()
    )


def members(prefix: str) -> tuple[str, ...]:
    """The names of all searchers of a family, prefix included.

    Raises:
        InputError: there is no such family.
    """
    if prefix not in _FAMILIES:
        raise InputError(f"{prefix}: no family of searchers; {did_you_mean(prefix, _FAMILIES)}")
    return tuple(f"{prefix}:{name}" for name in _family(prefix).names())


def find(name: str) -> type[Searcher]:
    """The class of a searcher, its library imported. What a plug-in says and proposes is checked.

    A name of a family may be written in letters of any case where only one is meant; the class has the one of the
    library.

    Raises:
        InputError: no searcher has that name, or the package that adds it is broken.
    """
    searcher = class_of(name)
    is_ours = SEARCHERS.is_builtin(name) or _is_of_family(name)
    return searcher if is_ours else checked(searcher, SEARCHERS.plugin(name))


def class_of(name: str) -> type[Searcher]:
    """The class itself, without the checks around that of a plug-in.

    Raises:
        InputError: as of `find`.
    """
    if not _is_of_family(name):
        return SEARCHERS.find(name)
    prefix, _, own = name.partition(":")
    return _family(prefix.lower()).find(own)


def _is_of_family(name: str) -> bool:
    prefix, colon, _ = name.partition(":")
    return bool(colon) and prefix.lower() in _FAMILIES


def _family(prefix: str) -> Family:
    module, attribute = _FAMILIES[prefix][0].split(":")
    family: Family = getattr(import_module(module), attribute)
    return family


def make_searcher(name: str, problem: Problem) -> Searcher:
    """A searcher ready to propose.

    Raises:
        InputError: no searcher has that name, or the problem asks for fewer than one sample.
    """
    if problem.samples < 1:
        raise InputError(f"`samples` {problem.samples}: a search needs at least one sample")
    return find(name)(problem)


def _info(name: str) -> SearcherInfo:
    if name in _BUILTINS:
        _, description, drives = _BUILTINS[name]
        return SearcherInfo(name=name, description=description, drives=drives)
    plugin = SEARCHERS.plugin(name)
    try:
        searcher = find(name)
    except InputError as error:
        return SearcherInfo(name=name, description=error.line, drives="", plugin=plugin)
    return SearcherInfo(name=name, description=searcher.description, drives=searcher.drives, plugin=plugin)
