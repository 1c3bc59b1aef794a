"""What tables and pages call the data set and the backbone of a run."""

import re
from pathlib import Path
from typing import Final, Protocol

from iqatune.records.evaluation import Evaluation
from iqatune.records.options import JOINED, PAIRS_SET, DataOptions
from iqatune.records.prior import DEFAULT_PRIOR
from iqatune.records.result import Result
from iqatune.records.view import without_file
from iqatune.records.vocabulary import PRETRAINED, RANDOM, ObjectiveName, Split, Stop

HELD_OUT: Final[dict[Split, str]] = {
    "references": "references",
    "sets": "one data set",
    "distortions": "one distortion",
    "column": "a column's pairs",
}
"""What a fold holds out, in words."""


def dataset_label(data: DataOptions) -> str:
    """The data set's name; of pairs or features in a CSV file also the file's, as csv:my_pairs.

    Of several sets the names of all, with the weights where they are not the same.
    """
    if data.datasets:
        names, weights = map(dataset_label, data.sets), data.weights.values()
        if len(set(weights)) == 1:
            return JOINED.join(names)
        return JOINED.join(f"{name} ({weight:.3g})" for name, weight in zip(names, weights, strict=True))
    file = data.pairs if data.features is None else data.features
    return data.dataset if file is None else f"{data.dataset}:{Path(file).stem}"


def evaluated_set(evaluation: Evaluation) -> str:
    """The data set that metrics were scored on; of pairs in a CSV file also the file's name."""
    name = evaluation.dataset
    return f"{name}:{Path(evaluation.results[0].protocol.label).stem}" if name == PAIRS_SET else name


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
    return seen_through(tuned) if tuned.features is None else Path(tuned.features).name


def backbone_label(result: Result) -> str:
    """The backbone, and which parameters it has when they are not the downloaded ones.

    Among others it may need more: see `iqatune.records.names`.
    """
    if result.run.features is not None:
        return FEATURES
    weights, backbone = result.protocol.backbone_weights, seen_through(result.run)
    return backbone if weights == PRETRAINED else f"{backbone} ({parameters_word(backbone, weights)})"


FILE: Final = "file"
"""What parameters are called that came from a file."""

OF_IMAGENET: Final = ("vgg16", "vgg19", "alexnet", "squeezenet", "resnet50", "resnet101", "xception")
"""Backbones whose downloaded parameters are those for ImageNet; timm's are for many tasks."""


def parameters_word(backbone: str, weights: str) -> str:
    """What parameters are called that a protocol says come from `weights`: ImageNet, pretrained, random or file."""
    if weights == PRETRAINED:
        return "ImageNet" if re.split("[@~ ]", backbone)[0] in OF_IMAGENET else PRETRAINED
    return RANDOM if weights == RANDOM else FILE


def seen_through(tuned: Tuned) -> str:
    """What images are seen through, as squeezenet, or squeezenet [resize:192 x flip]."""
    views = f" [{' x '.join(map(without_file, tuned.view))}]" if tuned.view else ""
    return f"{tuned.backbone}{views}"


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
