"""How fast this machine has been so far, kept in the cache: what tells beforehand how long work will take."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Final

from pydantic import TypeAdapter

from iqatune.errors import InputError
from iqatune.progress import Progress
from iqatune.records.options import BackboneOptions, Run
from iqatune.runtime.kept import keep_memo, read_json
from iqatune.runtime.threads import processors
from iqatune.statistics.cache import RATES, Cache

FEWEST_IMAGES: Final = 30
"""Fewer images say little: the first ones wait for compilers and for memory."""


@dataclass(frozen=True)
class SearchTime:
    """How long a search took, with its folds, for estimates of searches like it."""

    seconds: float
    samples: int
    folds: int
    pairs: int

    def of(self, *, samples: int, folds: int, pairs: int) -> float:
        """About how many seconds another one takes: in proportion to samples, searches and pairs."""
        return self.seconds * (samples / self.samples) * ((1 + folds) / (1 + self.folds)) * (pairs / self.pairs)


@dataclass(frozen=True)
class Rates:
    """What is known of this machine.

    Attributes:
        images: images a second, from files to statistics, by what decides it (`rate_of`).
        searches: the last search of each kind (`kind_of`).
    """

    images: dict[str, float] = field(default_factory=dict)
    searches: dict[str, SearchTime] = field(default_factory=dict)


_MEMO = TypeAdapter(Rates)
_OF = "rates of this machine"


def known_rates(cache: Cache, progress: Progress) -> Rates:
    """What the cache knows; a damaged file is told, and knows nothing."""
    return read_json(cache.folder / RATES, _OF, _MEMO, progress) or Rates()


def keep_images_rate(cache: Cache, options: BackboneOptions, device: str, *, images: int, seconds: float) -> None:
    """Keep how fast images passed a backbone, where they were enough to say."""
    if images < FEWEST_IMAGES or seconds <= 0:
        return
    known = known_rates(cache, Progress())
    _keep(cache, Rates({**known.images, rate_of(options, device): images / seconds}, known.searches))


def keep_search_time(cache: Cache, run: Run, found: SearchTime) -> None:
    """Keep how long a search took that was done from its first sample to its last fold."""
    known = known_rates(cache, Progress())
    _keep(cache, Rates(known.images, {**known.searches, kind_of(run): found}))


def rate_of(options: BackboneOptions, device: str) -> str:
    """What decides how fast images pass a backbone."""
    return json.dumps([options.backbone, options.pooling, options.resize, options.precision, device, processors()])


def kind_of(run: Run) -> str:
    """What decides how long a sample of a search takes, but for the number of pairs."""
    return json.dumps([run.searcher, run.space, run.backbone or "", run.objective, run.engine, processors()])


def _keep(cache: Cache, rates: Rates) -> None:
    # a cache that cannot be written knows no rates: nobody needs to hear of it, and no finished work is lost for it
    with suppress(InputError):
        keep_memo(cache.folder / RATES, _OF, asdict(rates), Progress())
