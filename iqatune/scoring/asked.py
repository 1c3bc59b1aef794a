"""Which baselines are asked for: names, files of scores, and where the parameters of their CNNs are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from iqatune.backbones.identity import PRETRAINED
from iqatune.errors import InputError, did_you_mean
from iqatune.records.vocabulary import Better
from iqatune.scoring.baselines import UNIFORM, find

_NAMED = re.compile(r"([^=/\\]+)=(.+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A baseline that was asked for.

    Attributes:
        name: of `iqatune list baselines`, "uniform", or any name where there is a file of scores.
        weights: where the parameters of its CNN are, if it has one: "pretrained" or a file.
        scores: a file that holds its scores, in place of measuring them.
        better: which of these is better; None where the pairs have to tell.
    """

    name: str
    weights: str = PRETRAINED
    scores: Path | None = None
    better: Better | None = None

    @property
    def label(self) -> str:
        """What a table calls it: of a file of scores its name too, as the same metric may be measured beside it."""
        return self.name if self.scores is None else f"{self.name} ({self.scores.name})"


def asked(baselines: Sequence[str], *, weights: Sequence[str] = (), better: Sequence[str] = ()) -> tuple[Asked, ...]:
    """The baselines of the options `--baseline`, `--baseline-weights` and `--baseline-better`, each once.

    Args:
        baselines: NAME or NAME=FILE.csv each.
        weights: NAME=FILE each, or one FILE for the only baseline that has a CNN.
        better: NAME=higher or NAME=lower each.

    Raises:
        InputError: for a baseline that is unknown or cannot be measured, and what is said of one that is not asked for.
    """
    found = tuple(dict.fromkeys(_asked(text) for text in baselines))
    weights_of, better_of = dict(_weights(weights, found)), dict(_better(better, found))
    return tuple(
        Asked(
            name=each.name,
            weights=PRETRAINED if each.scores else weights_of.get(each.name, PRETRAINED),
            scores=each.scores,
            better=better_of.get(each.name) if each.scores else None,
        )
        for each in found
    )


def _asked(text: str) -> Asked:
    named = _NAMED.fullmatch(text)
    if named is None:
        if text != UNIFORM:
            find(text)
        return Asked(name=text)
    name, path = named[1].strip(), Path(named[2].strip()).expanduser()
    if not name or name == UNIFORM:
        raise InputError(f"`baseline` {text}: give the scores another name, as published=FILE.csv")
    if not path.is_file():
        raise InputError(f"`baseline` {text}: no such file; name a CSV file of scores")
    return Asked(name=name, scores=path)


def _weights(given: Sequence[str], baselines: Sequence[Asked]) -> Iterator[tuple[str, str]]:
    measured = [each.name for each in baselines if each.scores is None and each.name != UNIFORM]
    takers = [name for name in measured if find(name).backbone]
    for text in given:
        named = _NAMED.fullmatch(text)
        if named is not None and not Path(text).is_file():
            name, path = named[1].strip(), named[2].strip()
            if name not in takers:
                raise InputError(f"`baseline_weights` {text}: {_no_taker(name, takers)}")
        elif len(takers) == 1:
            (name,), path = takers, text
        else:
            advice = f"say of which: NAME=FILE, NAME one of {', '.join(takers)}" if takers else _no_taker("", takers)
            raise InputError(f"`baseline_weights` {text}: {advice}")
        if not Path(path).expanduser().is_file():
            raise InputError(f"`baseline_weights` {text}: no such file; give a state dict (.pt, .pth, .safetensors)")
        yield name, str(Path(path).expanduser())


def _no_taker(name: str, takers: Sequence[str]) -> str:
    if not takers:
        return "no baseline is asked for that has a CNN, as lpips and dists have; leave it out"
    return f"no baseline of a CNN that is asked for; {did_you_mean(name, takers)}"


def _better(given: Sequence[str], baselines: Sequence[Asked]) -> Iterator[tuple[str, Better]]:
    names = [each.name for each in baselines if each.scores is not None]
    for text in given:
        named = _NAMED.fullmatch(text)
        if named is None or named[2].strip() not in get_args(Better):
            raise InputError(f"`baseline_better` {text}: give NAME=higher or NAME=lower")
        name = named[1].strip()
        if name not in names:
            advice = did_you_mean(name, names) if names else "name it with `baseline` NAME=FILE.csv"
            raise InputError(f"`baseline_better` {text}: needs a file of scores, and none is called {name}; {advice}")
        yield name, cast(Better, named[2].strip())


def as_options(values: Mapping[str, object]) -> tuple[str, ...]:
    """What Python says of baselines by their names, as the options have it: NAME=VALUE each."""
    return tuple(f"{name}={value}" for name, value in values.items())
