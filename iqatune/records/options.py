"""What is asked for: the options of a search, in the parts that other work takes as well."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, ValidationError

from iqatune.errors import InputError, did_you_mean
from iqatune.records.base import Model, PathText
from iqatune.records.vocabulary import Better, Engine, Pooling, Precision, Structure


class Options(Model):
    """Options that a wider set may hold among others."""

    @classmethod
    def of(cls, options: "Options | Mapping[str, Any]") -> Self:
        """These options, taken from a wider set of them."""
        values = options if isinstance(options, Mapping) else dict(options)
        return cls(**{name: values[name] for name in cls.model_fields})

    @classmethod
    def parsed(cls, values: Mapping[str, Any]) -> Self:
        """These options from what a user gave.

        Raises:
            InputError: in one line, for an option that there is none of, one that is missing, or a value of another
                kind than it takes.
        """
        for name in values:
            if name not in cls.model_fields:
                raise InputError(f"`{name}`: no such option; {did_you_mean(name, cls.model_fields)}")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            if first["type"] == "missing":
                raise InputError(f"`{name}`: needed; give one") from error
            raise InputError(f"`{name}` {first['input']}: {first['msg']}") from error


class DataOptions(Options):
    """Which pairs: the data set's options as given."""

    dataset: str
    data_root: PathText | None = None
    pairs: PathText | None = None
    better: Better | None = None
    label: str | None = None
    exclude: tuple[str, ...] = ()
    allow_missing: bool = False
    raters: bool = False


class BackboneOptions(Options):
    """Which features: the backbone's options as given."""

    backbone: str
    backbone_weights: PathText = "pretrained"
    pooling: Pooling = "auto"
    resize: int | None = 256
    precision: Precision = "fp32"
    device: str = "auto"


class Run(DataOptions, BackboneOptions):
    """One search: every option as given.

    Example:
        >>> Run(dataset="demo", backbone="squeezenet", searcher="random").samples
        50
    """

    # without the example, which is for Python
    model_config = ConfigDict(json_schema_extra={"description": "One search: every option as given."})

    searcher: str
    samples: int = 50
    space: str = "stage"
    seed: int = 0
    folds: int = 5
    structure: Structure = "covariance"
    engine: Engine = "local"
    address: str | None = None
    concurrency: int = 1
