"""What is asked for: the options of a search, in the parts that other work takes as well."""

from collections.abc import Mapping
from typing import Any, Self

from iqatune.records.base import Model, PathText
from iqatune.records.vocabulary import Better, Engine, Pooling, Precision, Structure


class Options(Model):
    """Options that a wider set may hold among others."""

    @classmethod
    def of(cls, options: "Options | Mapping[str, Any]") -> Self:
        """These options, taken from a wider set of them."""
        values = options if isinstance(options, Mapping) else dict(options)
        return cls(**{name: values[name] for name in cls.model_fields})


class DataOptions(Options):
    """Which pairs: the data set's options as given."""

    dataset: str
    data_root: PathText | None = None
    pairs: PathText | None = None
    better: Better | None = None
    label: str | None = None
    exclude: tuple[str, ...] = ()
    allow_missing: bool = False


class BackboneOptions(Options):
    """Which features: the backbone's options as given."""

    backbone: str
    backbone_weights: PathText = "pretrained"
    pooling: Pooling = "auto"
    resize: int | None = 256
    precision: Precision = "fp32"
    device: str = "auto"


class Run(DataOptions, BackboneOptions):
    """One search: every option as given."""

    searcher: str
    samples: int = 50
    space: str = "stage"
    seed: int = 0
    folds: int = 5
    structure: Structure = "covariance"
    engine: Engine = "local"
    address: str | None = None
    concurrency: int = 1
