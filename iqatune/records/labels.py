"""What tables and pages call the data set and the backbone of a run."""

from pathlib import Path
from typing import Final, Protocol

from iqatune.records.options import JOINED, DataOptions
from iqatune.records.prior import DEFAULT_PRIOR
from iqatune.records.result import Result
from iqatune.records.view import without_file
from iqatune.records.vocabulary import ObjectiveName, Split, Stop

HELD_OUT: Final[dict[Split, str]] = {
    "references": "references",
    "sets": "one data set",
    "distortions": "one distortion",
    "column": "a column's pairs",
}
"""What a fold holds out, in words."""


def dataset_label(data: DataOptions) -> str:
    """The data set's name; of pairs in a CSV file also its folder's, of a features file its own, to tell them apart.

    Of several sets the names of all, with the weights where they are not the same.
    """
    if data.datasets:
        names, weights = map(dataset_label, data.sets), data.weights.values()
        if len(set(weights)) == 1:
            return JOINED.join(names)
        return JOINED.join(f"{name} ({weight:.3g})" for name, weight in zip(names, weights, strict=True))
    if data.features is not None:
        return f"{data.dataset}:{Path(data.features).stem}"
    if data.pairs is None:
        return data.dataset
    pairs = Path(data.pairs)
    return f"{data.dataset}:{pairs.parent.name or pairs.stem}"


FEATURES = "features"
"""What stands in the place of a backbone where a features file does."""


class Tuned(Protocol):
    """What says what was tuned: the options of a run, a cell of a sweep."""

    @property
    def backbone(self) -> str: ...
    @property
    def view(self) -> tuple[str, ...]: ...
    @property
    def features(self) -> str | None: ...


def source_label(tuned: Tuned) -> str:
    """The backbone, and the views of it; where a features file is in its place that file's name."""
    return _seen_through(tuned, "") if tuned.features is None else Path(tuned.features).name


def backbone_label(result: Result) -> str:
    """The backbone, and where its parameters come from when they are not the downloaded ones."""
    if result.run.features is not None:
        return FEATURES
    weights = result.protocol.backbone_weights
    return _seen_through(result.run, "" if weights == "pretrained" else f" ({Path(weights).stem})")


def _seen_through(tuned: Tuned, weights: str) -> str:
    """As squeezenet, or squeezenet [resize:192 x flip]."""
    views = f" [{' x '.join(map(without_file, tuned.view))}]" if tuned.view else ""
    return f"{tuned.backbone}{weights}{views}"


class Searched(Protocol):
    """What says how weights were searched: the options of a run, a setting of a report, a cell of a sweep."""

    @property
    def prior(self) -> str: ...
    @property
    def objective(self) -> ObjectiveName: ...
    @property
    def stop(self) -> Stop | None: ...
    @property
    def split(self) -> Split: ...
    @property
    def penalty(self) -> float: ...
    @property
    def last_stage(self) -> int | None: ...
    @property
    def texture_weight(self) -> float: ...


def search_note(search: Searched) -> str:
    """What follows the name of a space: nothing where all is usual, else as ", simplex prior, maximising krcc"."""
    prior = "" if search.prior == DEFAULT_PRIOR else f", {search.prior} prior"
    objective = "" if search.objective == "srcc" else f", maximising {search.objective}"
    textures = f", texture weight {search.texture_weight:g}" if search.texture_weight else ""
    stop = "" if search.stop is None else f", stop {search.stop}"
    split = "" if search.split == "references" else f", {HELD_OUT[search.split]} held out"
    penalty = "" if search.penalty == 0 else f", penalty {search.penalty:g}"
    last = "" if search.last_stage is None else f", stages up to {search.last_stage}"
    return f"{prior}{objective}{textures}{stop}{split}{penalty}{last}"
