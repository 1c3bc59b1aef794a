"""Where a run is put below the folder of results: what differs from the defaults is in its path.

    <dataset>/<backbone>[/<how pairs are seen>]/<searcher>-<space>[-<how it searches>]-s<seed>

Two runs of different options have different paths; where files lie and what computes decides none of it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, Final, get_args

from iqatune.errors import InputError
from iqatune.records.options import MOST_SAMPLES, SAMPLES, OneSet, Run
from iqatune.records.prior import CUBE, SIMPLEX
from iqatune.records.view import without_folder
from iqatune.records.vocabulary import ObjectiveName

LONGEST: Final = 60
"""Characters of names of columns in a folder's name."""

LONGEST_BACKBONE: Final = 120
"""Characters of a backbone in a folder's name; a name in a file system has 255 bytes."""

LONGEST_NAME: Final = 200
"""Characters of a whole folder's name."""

OF_PAIRS: Final = tuple(name for name in OneSet.model_fields if name not in ("dataset", "data_root"))
OF_FEATURES: Final = ("backbone_weights", "pooling", "resize", "precision", "structure")
"""Options that the folder between backbone and search tells: which pairs, and how they are seen."""

FILES: Final = ("pairs", "label", "backbone_weights")
"""Those that are told by the file's name alone: the file may be moved, and its content is in the protocol."""

OF_SEARCH: Final = {"prior": "", "objective": "", "c1": "c1=", "c2": "c2=", "stop": "stop=", "penalty": "penalty="} | {
    "last_stage": "last-stage=",
    "folds": "folds=",
    "engine": "engine=",
    "concurrency": "concurrency=",
}
"""Options that the last folder tells, and what stands before their values."""


SAMPLES_WORD: Final = "samples="


def run_path(run: Run, name: str | None = None) -> Path:
    """A run's folder, within that of results.

    Args:
        name: of the last folder, which then stands for all that differs from the defaults.

    Raises:
        InputError: for a name that is no name of a folder.
    """
    backbone = backbone_folder(run.backbone) if run.features is None else _word(Path(run.features).stem)
    return Path(run.dataset, backbone) / options_path(run, name)


def options_path(run: Run, name: str | None = None) -> Path:
    """What `run_path` has after the backbone.

    Raises:
        InputError: as of `run_path`.
    """
    if name is not None:
        return Path(checked_name(name))
    seen = ",".join(_seen(run))
    return Path(_bounded(seen) if seen else "", _bounded("-".join(_searched(run))))


def other_samples(run: Run) -> re.Pattern[str]:
    """What the folders are called of runs that differ from one in their number of samples alone."""
    folder, seed = options_path(run).name, f"-s{run.seed}"
    before = re.sub(rf"-{SAMPLES_WORD}\d+$", "", folder.removesuffix(seed))
    return re.compile(rf"{re.escape(before)}(?:-{SAMPLES_WORD}\d+)?{re.escape(seed)}", re.DOTALL)


def checked_name(name: str) -> str:
    """The name of a folder.

    Raises:
        InputError: when it is a path, a hidden folder, empty, too long, or has characters that a disk may refuse.
    """
    if not re.fullmatch(r"\w[\w .,=+@()~-]*", name) or name != name.strip(" .") or len(name.encode()) > LONGEST_NAME:
        raise InputError(
            f"`name` {name}: is no plain name of a folder; give letters, digits and . _ - , = +, as smaller-images"
        )
    return name


def backbone_folder(name: str) -> str:
    """A backbone's name, with its taps, as the name of a folder; of a long one the beginning, and a digest."""
    safe = re.sub(r"[:/\\]", "_", name)
    if len(safe) <= LONGEST_BACKBONE and safe.isprintable():
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{file_name(safe)[:LONGEST_BACKBONE]}-{digest}"


def file_name(text: str) -> str:
    """A text without what a file's name may not have; different texts may become the same."""
    return re.sub(r"[^\w.+-]", "_", text)


def _seen(run: Run) -> Iterator[str]:
    """Which pairs, and how they are seen, where that is not the usual."""
    for each in run.datasets or (run,):
        of_set = f"{each.dataset}." if run.datasets else ""
        for name in OF_PAIRS:
            yield from _unusual(name, getattr(each, name), OneSet.model_fields[name].default, of_set)
    for name in OF_FEATURES:
        yield from _unusual(name, getattr(run, name), Run.model_fields[name].default)


def _unusual(name: str, value: Any, default: Any, before: str = "") -> Iterator[str]:
    if value == default:
        return
    if value is True:
        yield f"{before}{name}"
    elif isinstance(value, tuple):
        yield f"{before}{name}={_of_names(value)}"
    else:
        text = PurePath(value).name if name in FILES else str(value)
        yield f"{before}{name}={_word(text) if value is not None else 'none'}"


def _searched(run: Run) -> Iterator[str]:
    """How it is searched, where that is not the usual, between the searcher and the seed."""
    yield run.searcher.replace(":", "_")
    yield run.space
    if run.feature_columns:
        yield _columns(run.feature_columns)
    for name, before in OF_SEARCH.items():
        value = getattr(run, name)
        if value != Run.model_fields[name].default:
            yield f"{before}{value}".replace(":", "")
    yield from (f"{each.dataset}={_number(each.weight)}" for each in run.datasets if each.weight != 1)
    if run.stage_costs:
        yield f"costs={_digest(map(repr, run.stage_costs))}"
    yield from _textures(run)
    yield from _split(run)
    if run.view:
        yield "view=" + _of_names([without_folder(view).replace(":", "_") for view in run.view])
    if run.unlabelled is not None:
        yield f"unlabelled={_word(Path(run.unlabelled).name)}"
    usual = SAMPLES if run.stop is None else MOST_SAMPLES
    if run.samples != usual:
        yield f"{SAMPLES_WORD}{run.samples}"
    yield f"s{run.seed}"


def _textures(run: Run) -> Iterator[str]:
    """The textures' folder by its own name: they may be moved."""
    if run.textures is not None:
        yield f"textures={_word(Path(run.textures).absolute().name)}"
    if run.texture_weight:
        yield f"texture-weight={_number(run.texture_weight)}"


def _split(run: Run) -> Iterator[str]:
    """Folds that hold out something else than references."""
    if run.split == "column":
        yield f"split={_word(run.split_column or '')}"
    elif run.split != "references":
        yield {"sets": "leave-one-set-out", "distortions": "leave-one-distortion-out"}[run.split]


def _columns(names: Sequence[str]) -> str:
    """Columns of a features file; what could be read as another option gets a digest."""
    joined = _of_names(names)
    is_read_otherwise = "-" in joined or joined in (CUBE, SIMPLEX, *get_args(ObjectiveName)) or "dirichlet" in joined
    return f"{joined}-{_digest(names)}" if is_read_otherwise else joined


def _of_names(names: Sequence[str]) -> str:
    """Several names as a part of a file's name, the same for the same names."""
    joined = "+".join(map(file_name, names))
    if len(joined) <= LONGEST and all(re.fullmatch(r"[\w.-]+", name) for name in names):
        return joined
    return f"{joined[:LONGEST]}-{_digest(names)}"


def _word(text: str) -> str:
    """A text as a part of a file's name; where that is not the text itself, or it is long, with a digest."""
    safe = file_name(text)
    return safe if safe == text and len(text) <= LONGEST else f"{safe[:LONGEST]}-{_digest([text])}"


def _bounded(name: str) -> str:
    """A folder's name that a file system can have."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    return f"{name.encode()[: LONGEST_NAME - 9].decode(errors='ignore')}-{_digest([name])}"


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _digest(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:8]
