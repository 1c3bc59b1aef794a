"""The shortest names that tell apart what is shown together: data sets, backbones and files, with a key to them.

`iqatune.records.labels` names a thing by itself; here it is named among others.
"""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePath
from string import ascii_uppercase
from typing import Final, TypeVar

from iqatune.records.evaluation import Evaluation
from iqatune.records.labels import FILE, backbone_label, dataset_label, evaluated_set, parameters_word, seen_through
from iqatune.records.result import Result
from iqatune.records.vocabulary import PRETRAINED, RANDOM

Key = TypeVar("Key", bound=Hashable)

SHORT: Final = 8
"""Digits of a hash that tell apart what has the same name."""

OWN_NAMES: Final = ("result.json", "fusion.json", "frontier.json", "robust.json")
"""Files that are named by their folder: what iqatune writes under one name everywhere."""


@dataclass(frozen=True)
class Names:
    """What data sets and backbones are called beside each other: by other names where they are something else.

    Attributes:
        pairs: names of sets of pairs in CSV files, by the hash of their content.
        backbones: by what images are seen through (`labels.seen_through`) and the hash of its parameters.
        key: lines that say which file a name stands for, with the hash of its content.
    """

    pairs: Mapping[str, str]
    backbones: Mapping[tuple[str, str], str]
    key: tuple[str, ...] = ()

    def dataset(self, result: Result) -> str:
        """The data set that a run was tuned on."""
        return self.pairs.get(result.protocol.dataset_sha256, dataset_label(result.run))

    def backbone(self, result: Result) -> str:
        """The backbone of a run, and which parameters it has where that is not plain."""
        return self.backbones.get(_seen(result), backbone_label(result))


def names_of(results: Sequence[Result]) -> Names:
    """A name for every set of pairs and every backbone of the records, no two of them the same.

    A backbone is called by its name alone where all records have its downloaded parameters; else the parameters are
    told: ImageNet, random, file, and of several files file A, file B, ... in the order of the files' names.
    """
    pairs: dict[str, tuple[str, ...]] = {}
    for result in results:
        run, digest = result.run, result.protocol.dataset_sha256
        file = run.pairs if run.features is None else run.features
        if file is not None and not run.datasets:
            finer = f"{run.dataset}:{Path(file).parent.name}/{Path(file).stem}"
            pairs.setdefault(digest, (dataset_label(run), finer, f"{finer} {digest[:SHORT]}"))
    backbones, key = _backbones(results)
    return Names(apart(pairs), backbones, key)


def apart(candidates: Mapping[Key, tuple[str, ...]]) -> dict[Key, str]:
    """For every key the shortest of its names that none of the others with the same first name has."""
    alike: dict[str, list[Key]] = {}
    for key, names in candidates.items():
        alike.setdefault(names[0], []).append(key)
    found: dict[Key, str] = {}
    for keys in alike.values():
        columns = zip(*(candidates[key] for key in keys), strict=True)
        column = next((column for column in columns if len(set(column)) == len(keys)), None)
        found |= dict(zip(keys, column or [candidates[key][-1] for key in keys], strict=True))
    return found


def shortened(files: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """For every path the part that tells it from the others; what iqatune writes is named by its folder.

    Folders that all of them begin with are left out. `file_key` says where the files are.

    >>> shortened(["runs/live/fit-stage-s0/result.json", "runs/live/bohb-stage-s0/result.json"])
    {'runs/live/fit-stage-s0/result.json': 'fit-stage-s0', 'runs/live/bohb-stage-s0/result.json': 'bohb-stage-s0'}

    Args:
        taken: names that others have already; a path that would be called so is kept whole.
    """
    parts = {file: PurePath(file).parts for file in files}
    short = {
        file: of_file[:-1] if of_file[1:] and of_file[-1] in OWN_NAMES else of_file for file, of_file in parts.items()
    }
    if len(set(short.values())) < len(short):  # two records in one folder
        short = parts
    first = _common(list(short.values()))
    names = {file: str(PurePath(*of_file[first:])) for file, of_file in short.items()}
    return {file: file if name in taken else name for file, name in names.items()}


def file_key(names: Mapping[str, str]) -> tuple[str, ...]:
    """Where the files are that `shortened` gave names: one line where they all are in one folder, else one each."""
    renamed = {file: name for file, name in names.items() if file != name}
    places = {file.replace(name, "NAME", 1) if file.count(name) == 1 else file for file, name in renamed.items()}
    if len(renamed) > 1 and len(places) == 1:
        return (f"NAME is {places.pop()}",)
    return tuple(f"{name}: {file}" for file, name in renamed.items())


def with_short_files(evaluation: Evaluation) -> tuple[Evaluation, tuple[str, ...]]:
    """An evaluation for a table: files and the data set by their short names, and the key to these."""
    files = [metric.file for metric in evaluation.results if metric.kind == "tuned"]
    names = shortened(files, {metric.file for metric in evaluation.results if metric.kind != "tuned"})
    results = (
        metric.model_copy(update={"file": names[metric.file]}) if metric.kind == "tuned" else metric
        for metric in evaluation.results
    )
    shown = evaluation.model_copy(update={"dataset": evaluated_set(evaluation), "results": tuple(results)})
    return shown, file_key(names)


def _common(paths: Sequence[tuple[str, ...]]) -> int:
    """How many parts all paths begin with, but for each one's last."""
    least = min((len(path) for path in paths), default=1) - 1
    return next((place for place in range(least) if len({path[place] for path in paths}) > 1), max(least, 0))


def _backbones(results: Sequence[Result]) -> tuple[dict[tuple[str, str], str], tuple[str, ...]]:
    """A name for every backbone with its parameters, and the key to those that are files."""
    said: dict[str, dict[str, set[str]]] = {}
    for result in results:
        if result.run.features is None:
            backbone, digest = _seen(result)
            said.setdefault(backbone, {}).setdefault(digest, set()).add(Path(result.protocol.backbone_weights).name)
    names: dict[tuple[str, str], str] = {}
    key: list[str] = []
    for backbone, parameters in sorted(said.items()):
        for digest, word in _parameters(backbone, parameters).items():
            name = f"{backbone} ({word})" if word else backbone
            names[backbone, digest] = name
            if word.startswith(FILE):
                files = " or ".join(sorted(parameters[digest]))
                key.append(f"{name}: {files}, parameters {digest[:SHORT]}")
    return names, tuple(key)


def _parameters(backbone: str, said: Mapping[str, Collection[str]]) -> dict[str, str]:
    """What one backbone's parameters are called, by their hash; the downloaded ones nothing, where there are no others.

    Args:
        said: where records found them, by their hash.
    """
    by_word: dict[str, list[str]] = {}
    for digest, sources in sorted(said.items(), key=lambda each: (sorted(each[1]), each[0])):
        # what is downloaded may have been given as a file, too
        word = parameters_word(backbone, min(sources, key=lambda source: (source not in (PRETRAINED, RANDOM), source)))
        by_word.setdefault(word, []).append(digest)
    if len(said) == 1 and parameters_word(backbone, PRETRAINED) in by_word:
        return dict.fromkeys(said, "")
    found: dict[str, str] = {}
    for word, digests in by_word.items():
        marks = _letters() if word == FILE else (digest[:SHORT] for digest in digests)
        found |= {
            digest: f"{word} {mark}" if len(digests) > 1 else word for digest, mark in zip(digests, marks, strict=False)
        }
    return found


def _seen(result: Result) -> tuple[str, str]:
    return seen_through(result.run), result.protocol.backbone_sha256


def _letters() -> Iterator[str]:
    """A, B, ..., Z, A2, B2, ..."""
    for again in count(1):
        for letter in ascii_uppercase:
            yield letter if again == 1 else f"{letter}{again}"
